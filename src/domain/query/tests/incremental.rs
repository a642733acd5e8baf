//! The incremental engine held to the plain one: recomputation from the whole history.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::domain::query::{Evaluation, LeafState, Query};
use crate::domain::time::Timestamp;

const HOUR: i64 = 3_600_000;
const START: i64 = 1_769_817_600_000;

/// An event of the whole history.
#[derive(Clone, Copy, Debug)]
struct Event {
    name: &'static str,
    at: i64,
    price: i64,
}

impl Event {
    fn properties(&self) -> Map<String, Value> {
        json!({ "price": self.price }).as_object().cloned().unwrap()
    }
}

/// The number of events of a name, of at least a price, in a window of hours (0: no window).
fn count(events: &[Event], name: &str, price: i64, hours: i64, now: i64) -> usize {
    let counts = |event: &&Event| {
        let inside = hours == 0 || (now - hours * HOUR..=now).contains(&event.at);
        event.name == name && event.price >= price && event.at >= 0 && inside
    };
    events.iter().filter(counts).count()
}

/// What a query says, computed without any of its code.
type Oracle = fn(&[Event], i64) -> bool;

/// Queries and what they mean.
const QUERIES: [(&str, Oracle); 9] = [
    ("event('A').within(1 hour).count() >= 1", |e, now| count(e, "A", 0, 1, now) >= 1),
    ("event('A').within(3 hours).count() >= 2", |e, now| count(e, "A", 0, 3, now) >= 2),
    ("event('A').within(3 hours).count() = 2", |e, now| count(e, "A", 0, 3, now) == 2),
    ("event('A').within(3 hours).count().none_of(1, 3)", |e, now| ![1, 3].contains(&count(e, "A", 0, 3, now))),
    ("event('A').count() != 2 AND NOT event('B').within(1 day).count() > 0", |e, now| {
        count(e, "A", 0, 0, now) != 2 && count(e, "B", 0, 24, now) == 0
    }),
    ("event('A').where(property('price') >= 2).within(2 hours).count() < 2", |e, now| {
        count(e, "A", 2, 2, now) < 2
    }),
    ("event('A').within(2 hours).count() > 0 OR event('B').within(5 hours).count() = 1", |e, now| {
        count(e, "A", 0, 2, now) > 0 || count(e, "B", 0, 5, now) == 1
    }),
    ("event('A').within(2 hours).count() > 0 AND event('B').within(5 hours).count() <= 1", |e, now| {
        count(e, "A", 0, 2, now) > 0 && count(e, "B", 0, 5, now) <= 1
    }),
    (
        "trait('vip') = true AND (event('A').within(2 hours).count() >= 1 AND event('A').within(2 hours).count() < 3
          OR NOT (event('A').within(4 hours).count() = 3 OR trait('no').exists()))",
        |e, now| (1..3).contains(&count(e, "A", 0, 2, now)) || count(e, "A", 0, 4, now) != 3,
    ),
];

/// The incremental engine.
struct Incremental {
    query: Query,
    states: Vec<LeafState>,
}

impl Incremental {
    fn new(text: &str) -> Self {
        let query = Query::parse(text).unwrap();
        Self { states: vec![LeafState::default(); query.leaves().len()], query }
    }

    fn add(&mut self, event: &Event, now: i64) {
        for (leaf, state) in self.query.leaves().iter().zip(&mut self.states) {
            if leaf.event == event.name && leaf.matches(&event.properties()) {
                state.add(leaf, Timestamp::from_millis(event.at), Timestamp::from_millis(now));
            }
        }
    }

    fn evaluate(&self, now: i64) -> Evaluation {
        let traits = |name: &str| (name == "vip").then_some(Cow::Owned(Value::Bool(true)));
        self.query.evaluate(&|index| self.states.get(index), &traits, Timestamp::from_millis(now))
    }
}

/// Steps of a simulation: how far now moves, and an event relative to it. Whole hours and a millisecond around them,
/// so that windows' ends are met exactly.
fn steps() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let near = |hours: std::ops::Range<i64>| (hours, -1..=1_i64).prop_map(|(hours, ms)| hours * HOUR + ms);
    let event = (prop::sample::select(vec!["A", "A", "B"]), near(-6..4), 0..4_i64);
    let step = (prop_oneof![Just(0), near(0..3).prop_map(|ms| ms.max(0))], event);
    let event = step.prop_map(|(advance, (name, at, price))| (advance, Event { name, at, price }));
    prop::collection::vec(event, 1..25)
}

/// Checks `engine` against `oracle` at `now`, at the instant it names and in between, but not beyond `end`.
fn check(
    engine: &Incremental,
    oracle: Oracle,
    events: &[Event],
    now: i64,
    end: i64,
) -> Result<(), TestCaseError> {
    let (mut now, mut rounds) = (now, 0);
    loop {
        let Evaluation { value, holds_until } = engine.evaluate(now);
        prop_assert_eq!(value, oracle(events, now), "at {}", now - START);
        let until = holds_until.map_or(end, |instant| instant.millis().min(end));
        prop_assert!(until > now || until == end, "holds_until is later than now");
        let between = (1..8).map(|part| now + (until - now) * part / 8);
        let edges =
            events.iter().flat_map(|event| (0..7).flat_map(|h| [0, 1].map(|ms| event.at + h * HOUR + ms)));
        for instant in between.chain(edges).chain([until - 1]).filter(|at| (now..until).contains(at)) {
            prop_assert_eq!(value, oracle(events, instant), "said to hold until {}", until - START);
            prop_assert_eq!(value, engine.evaluate(instant).value);
        }
        rounds += 1;
        prop_assert!(rounds <= 400, "woken too often");
        if until >= end {
            return Ok(());
        }
        now = until;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn incremental_is_recomputation(steps in steps(), which in 0..QUERIES.len()) {
        let (text, oracle) = QUERIES[which];
        let (mut engine, mut events, mut now) = (Incremental::new(text), Vec::new(), START);
        for (advance, step) in steps {
            check(&engine, oracle, &events, now, now + advance)?;
            now += advance;
            let event = Event { at: now + step.at, ..step };
            engine.add(&event, now);
            events.push(event);
        }
        check(&engine, oracle, &events, now, now + 200 * HOUR)?;
    }

    #[test]
    fn the_order_of_adds_is_irrelevant(
        steps in steps(),
        order in Just((0..25_usize).collect::<Vec<_>>()).prop_shuffle(),
        which in 0..QUERIES.len(),
    ) {
        let (text, oracle) = QUERIES[which];
        let mut engine = Incremental::new(text);
        let (mut now, mut events) = (START, Vec::new());
        // Times of events are settled first; then they arrive shuffled, at instants that only rise.
        for index in order.into_iter().filter(|index| *index < steps.len()) {
            let (advance, step) = steps[index];
            now += advance;
            let event = Event { at: START + step.at, ..step };
            engine.add(&event, now);
            events.push(event);
        }
        check(&engine, oracle, &events, now, now + 200 * HOUR)?;
    }
}

#[test]
fn nobody_is_woken_where_nothing_flips() {
    let now = Timestamp::from_millis(START);
    for (text, ages, holds_for) in [
        ("event('A').within(10 hours).count() >= 1", vec![1, 2, 3], Some(9 * HOUR + 1)),
        ("event('A').within(10 hours).count() >= 2", vec![1, 2, 3], Some(8 * HOUR + 1)),
        ("event('A').within(10 hours).count() >= 4", vec![1, 2, 3], None),
        ("event('A').within(10 hours).count() = 0", vec![], None),
        ("event('A').count() >= 1", vec![1], None),
        // False for the trait's sake, whatever the events do.
        ("event('A').within(10 hours).count() >= 1 AND trait('x').exists()", vec![1], None),
        ("event('A').within(10 hours).count() >= 1 OR trait('vip').exists()", vec![1], None),
        ("event('A').within(10 hours).count() >= 1 AND trait('vip').exists()", vec![1], Some(9 * HOUR + 1)),
    ] {
        let mut engine = Incremental::new(text);
        for hours in ages {
            engine.add(&Event { name: "A", at: START - hours * HOUR, price: 0 }, START);
        }
        let holds_until = engine.evaluate(START).holds_until;
        assert_eq!(holds_until.map(|instant| instant.millis_since(now)), holds_for, "{text}");
    }
}
