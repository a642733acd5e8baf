//! Every reducer over every window against the plain computation, with entries in any order at times that the edges
//! meet, pages stored and loaded in between, and states merged.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::plain;
use super::stored::Stored;
use super::{at, entry, ordered};
use crate::domain::leaf::pages::{Capacity, Room};
use crate::domain::leaf::{As, Entry, Reduce, Shape, Window};
use crate::domain::time::Span;

/// So small that a dozen of entries makes a tree of several levels.
pub(super) const SMALL: Capacity = Capacity {
    entries: 10_000,
    root: Room { entries: 3, children: 3, bytes: 900 },
    node: Room { entries: 4, children: 3, bytes: 90 },
    total: 12,
    total_page: 60,
};

#[derive(Clone, Debug)]
enum Step {
    /// An entry this long after the present, with a seed for its value.
    Add { after: i64, seed: u32 },
    /// Several entries one after the other, in one go.
    Burst { after: i64, count: u8, apart: i64 },
    /// The present moves, seldom back.
    Go { by: i64 },
    /// What is in memory is forgotten.
    Forget,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let span = |ms: i64| Span::from_millis(ms);
    let window = prop_oneof![
        1 => Just(Window::All),
        3 => prop_oneof![Just(100), Just(7), Just(1000)].prop_map(move |ms| Window::Within(span(ms))),
        3 => prop_oneof![Just((40, 100)), Just((10, 10)), Just((1, 500))]
            .prop_map(move |(near, far)| Window::Between { near: span(near), far: span(far) }),
        3 => prop_oneof![Just(5), Just(20), Just(60)].prop_map(move |ms| Window::Session(span(ms))),
    ];
    let reduce = prop::sample::select(vec![
        Reduce::Count,
        Reduce::Sum,
        Reduce::Average,
        Reduce::Minimum(As::Number),
        Reduce::Maximum(As::Number),
        Reduce::Minimum(As::Text),
        Reduce::Maximum(As::Text),
        Reduce::First,
        Reduce::Last,
        Reduce::Mode { least: 2 },
        Reduce::Unique,
        Reduce::UniqueCount,
        Reduce::List,
    ]);
    let keep = prop_oneof![2 => Just(None), 1 => (0_u32..6).prop_map(Some)];
    (window, reduce, keep).prop_map(|(window, reduce, keep)| Shape { window, reduce, keep })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Multiples of ten meet the edges of most windows exactly; the odd ones miss them by little.
    let offset = prop_oneof![
        4 => (-12_i64..4).prop_map(|tens| tens * 10),
        2 => -130_i64..60,
        1 => -1100_i64..1100,
        1 => prop::sample::select(vec![-101_i64, -99, -41, -39, -11, -9, -1, 0, 1]),
    ];
    let go = prop_oneof![
        3 => (0_i64..5).prop_map(|tens| tens * 10),
        2 => 0_i64..12,
        1 => -60_i64..2000,
    ];
    let step = prop_oneof![
        12 => (offset.clone(), any::<u32>()).prop_map(|(after, seed)| Step::Add { after, seed }),
        1 => (offset, 1_u8..40, 0_i64..6).prop_map(|(after, count, apart)| Step::Burst { after, count, apart }),
        4 => go.prop_map(|by| Step::Go { by }),
        4 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..60)
}

/// An entry of the kind that the reducer reads. Ids fall and rise: arrival is no order of time.
fn make(reduce: Reduce, ms: i64, seed: u32, number: usize) -> Entry {
    let text = ["a", "b", "c", "é", "", "long enough to fill a page", "d", "e"][(seed % 8) as usize];
    let hundredths = f64::from(seed % 41) / 100.0 - 0.2;
    let hundredths = (hundredths * 100.0).round() / 100.0;
    match reduce {
        Reduce::Count => entry(ms, Value::Null),
        Reduce::Sum | Reduce::Average | Reduce::Minimum(As::Number) | Reduce::Maximum(As::Number) => {
            if seed.is_multiple_of(3) { entry(ms, seed % 7) } else { entry(ms, hundredths) }
        }
        Reduce::Minimum(As::Text) | Reduce::Maximum(As::Text) | Reduce::Unique | Reduce::UniqueCount => {
            entry(ms, text)
        }
        Reduce::Mode { .. } => entry(ms, json!([text, "b"])),
        Reduce::First | Reduce::Last | Reduce::List => {
            ordered(ms, i64::from(seed % 3), &format!("{}-{number}", seed % 10), json!({"n": number}))
        }
    }
}

/// Runs the steps on a state, calling `check` after each.
fn run(
    shape: &Shape,
    steps: &[Step],
    check: &mut dyn FnMut(&mut Stored, &[Entry], i64),
) -> (Stored, Vec<Entry>, i64) {
    let mut stored = Stored::new(shape.clone(), SMALL);
    let (mut entries, mut clock, mut now) = (Vec::new(), 0_i64, 0_i64);
    for step in steps {
        let mut add = |stored: &mut Stored, ms: i64, seed: u32| {
            let new = make(shape.reduce, ms, seed, entries.len());
            assert!(stored.add(new.clone(), at(clock)));
            entries.push(new);
        };
        match step {
            Step::Add { after, seed } => add(&mut stored, clock + after, *seed),
            Step::Burst { after, count, apart } => {
                (0..i64::from(*count))
                    .for_each(|n| add(&mut stored, clock + after + n * apart, 7 + *count as u32));
            }
            Step::Go { by } => {
                clock += by;
                stored.advance(at(clock));
            }
            Step::Forget => stored.forget(),
        }
        now = now.max(clock);
        check(&mut stored, &entries, now);
    }
    (stored, entries, now)
}

/// The value, cut where a count is exact no longer.
fn exact(shape: &Shape, value: Value) -> Value {
    match (shape.reduce, shape.keep, value.as_u64()) {
        (Reduce::Count, Some(keep), Some(count)) => json!(count.min(u64::from(keep))),
        _ => value,
    }
}

/// All instants at which an edge may meet an entry.
fn edges(shape: &Shape, entries: &[Entry], now: i64) -> Vec<i64> {
    let spans = match shape.window {
        Window::All => vec![],
        Window::Within(far) => vec![0, far.millis()],
        Window::Between { near, far } => vec![near.millis(), far.millis()],
        Window::Session(gap) => vec![0, gap.millis()],
    };
    let mut instants: Vec<i64> = entries
        .iter()
        .flat_map(|entry| spans.iter().flat_map(|span| [0, 1].map(|more| entry.at.millis() + span + more)))
        .filter(|instant| *instant > now)
        .collect();
    instants.sort_unstable();
    instants.dedup();
    instants
}

/// The value is the plain one, and it holds as long as it says.
fn check_reading(stored: &mut Stored, entries: &[Entry], now: i64) {
    let shape = stored.shape.clone();
    if shape.reduce == Reduce::List {
        stored.advance(at(now));
        assert_eq!(stored.entries(), plain::list(&shape, entries, now));
        return;
    }
    let expected = |instant: i64| exact(&shape, plain::value(&shape, entries, instant));
    let reading = stored.read(at(now));
    assert_eq!(exact(&shape, reading.value.clone()), expected(now), "at {now}");
    let until = reading.holds_until.map_or(i64::MAX, |instant| instant.millis());
    assert!(until > now);
    for instant in edges(&shape, entries, now).into_iter().take_while(|instant| *instant < until) {
        assert_eq!(expected(instant), expected(now), "changed at {instant}, before {until}");
    }
}

/// The same at every later instant at which it may change.
fn check_future(stored: &mut Stored, entries: &[Entry], now: i64) {
    for instant in edges(&stored.shape, entries, now) {
        check_reading_at(stored, entries, instant);
    }
    let mut clock = now;
    for _ in 0..10_000 {
        let reading = stored.read(at(clock));
        let Some(until) = reading.holds_until else { return };
        assert!(until.millis() > clock);
        clock = until.millis();
        stored.advance(at(clock));
        check_reading_at(stored, entries, clock);
    }
    panic!("it never comes to an end");
}

fn check_reading_at(stored: &mut Stored, entries: &[Entry], instant: i64) {
    let shape = stored.shape.clone();
    let value = stored.read(at(instant)).value;
    assert_eq!(exact(&shape, value), exact(&shape, plain::value(&shape, entries, instant)), "at {instant}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_value_is_that_of_all_entries(shape in shapes(), steps in steps()) {
        let (mut stored, entries, now) = run(&shape, &steps, &mut check_reading);
        stored.check_no_page_is_left_behind();
        check_future(&mut stored, &entries, now);
        stored.check_no_page_is_left_behind();
    }

    #[test]
    fn merged_states_are_as_if_all_had_been_added_to_one(
        shape in shapes(),
        parts in prop::collection::vec(steps(), 1..5),
        joins in prop::collection::vec(any::<prop::sample::Index>(), 5),
    ) {
        let mut states = Vec::new();
        let mut number = 0;
        for steps in &parts {
            // Ids of different parts are not to be the same.
            let (stored, entries, now) = run(&shape, steps, &mut |_, _, _| {});
            number += entries.len();
            states.push((stored, entries, now));
        }
        prop_assume!(number < 300);
        for (part, (stored, entries, now)) in states.iter_mut().enumerate() {
            if entries.iter().any(|entry| entry.order.is_some()) {
                let mut renamed = Stored::new(shape.clone(), SMALL);
                for entry in entries.iter_mut() {
                    if let Some(order) = &mut entry.order {
                        order.message_id.push_str(&format!("-{part}"));
                    }
                    renamed.add(entry.clone(), at(*now));
                }
                *stored = renamed;
            }
        }
        for join in joins {
            if states.len() > 1 {
                let (mut other, more, late) = states.swap_remove(join.index(states.len()));
                let place = join.index(states.len());
                let (stored, entries, now) = &mut states[place];
                *now = (*now).max(late);
                stored.merge(&mut other, at(*now));
                entries.extend(more);
                check_reading(stored, entries, *now);
            }
        }
        for (mut stored, entries, now) in states {
            stored.check_no_page_is_left_behind();
            check_future(&mut stored, &entries, now);
        }
    }

    #[test]
    fn a_store_that_loses_pages_loses_only_what_was_on_them(
        shape in shapes(),
        steps in steps(),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let (mut stored, _, now) = run(&shape, &steps, &mut |stored, entries, _| {
            let place = lost[entries.len() % lost.len()];
            let number = stored.store.keys().copied().nth(place.index(stored.store.len().max(1)));
            if entries.len() % 7 == 6 && let Some(number) = number {
                stored.lose(number);
            }
        });
        stored.add(make(shape.reduce, now, 1, 100_000), at(now));
        stored.entries();
        stored.advance(at(now + 5000));
        stored.read(at(now + 5000));
    }
}
