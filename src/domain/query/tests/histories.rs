//! Random histories: what listed leaves say, and until when, is held to meanings written without any of their code.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::query::Query;
use crate::domain::time::Timestamp;

use super::plain::{Person, now, track_at};

const HOUR: i64 = 3_600_000;

/// An event of a history: at so many milliseconds from the start.
#[derive(Clone, Debug)]
struct Happened {
    name: &'static str,
    at: i64,
    key: i64,
}

fn named<'e>(events: &'e [Happened], name: &'e str) -> impl Iterator<Item = &'e Happened> {
    events.iter().filter(move |event| event.name == name)
}

/// Events of a name that follow `parent`.
fn after<'e>(events: &'e [Happened], name: &'e str, parent: i64) -> impl Iterator<Item = &'e Happened> {
    named(events, name).filter(move |event| event.at > parent)
}

/// What a value is, computed without any of the language's code.
type Oracle = fn(&[Happened], i64) -> Value;

const VALUES: [(&str, Oracle); 12] = [
    ("event('A').where(event('B').within(parent: 2 hours).count() = 0).within(5 hours).count()", |e, now| {
        let lonely = |a: &&Happened| !after(e, "B", a.at).any(|b| b.at <= a.at + 2 * HOUR);
        named(e, "A").filter(|a| a.at <= now && a.at >= now - 5 * HOUR).filter(lonely).count().into()
    }),
    ("event('A').where(event('B').count() >= 2).count()", |e, _| {
        named(e, "A").filter(|a| after(e, "B", a.at).count() >= 2).count().into()
    }),
    ("event('A').where(event('B').within(3 hours).count() = 1).count()", |e, now| {
        let one = |a: &&Happened| {
            after(e, "B", a.at).filter(|b| b.at <= now && b.at >= now - 3 * HOUR).count() == 1
        };
        named(e, "A").filter(one).count().into()
    }),
    (
        "event('A').where(event('B').between(1 hour, 3 hours).count() >= 1).between(4 hours, 2 hours).count()",
        |e, now| {
            let some =
                |a: &&Happened| after(e, "B", a.at).any(|b| b.at <= now - HOUR && b.at >= now - 3 * HOUR);
            named(e, "A")
                .filter(|a| a.at <= now - 2 * HOUR && a.at >= now - 4 * HOUR)
                .filter(some)
                .count()
                .into()
        },
    ),
    (
        "event('A').where(event('B').where(property('k') = property(parent: 'k')).within(parent: 4 hours).count() >= 1).count()",
        |e, _| {
            let bought =
                |a: &&Happened| after(e, "B", a.at).any(|b| b.at <= a.at + 4 * HOUR && b.key == a.key);
            named(e, "A").filter(bought).count().into()
        },
    ),
    (
        "event('A').where(event('B').where(property('k') > property(parent: 'k')).within(2 hours).count() = 0).count()",
        |e, now| {
            let greater = |a: &&Happened| {
                after(e, "B", a.at).any(|b| b.at <= now && b.at >= now - 2 * HOUR && b.key > a.key)
            };
            named(e, "A").filter(|a| !greater(a)).count().into()
        },
    ),
    (
        "event('A').where(event('B').where(event('A').within(parent: 1 hour).count() = 0).count() >= 1).count()",
        |e, _| {
            let quiet = |b: &Happened| !after(e, "A", b.at).any(|a| a.at <= b.at + HOUR);
            named(e, "A").filter(|a| after(e, "B", a.at).any(quiet)).count().into()
        },
    ),
    (
        "event('A').where(event('B').where(event('A').where(property('k') = property(parent: 'k')).count() >= 1 OR property('k') = property(parent: 'k')).count() = 1).count()",
        |e, _| {
            let counts =
                |b: &&Happened, a: &Happened| after(e, "A", b.at).any(|c| c.key == b.key) || b.key == a.key;
            named(e, "A").filter(|a| after(e, "B", a.at).filter(|b| counts(b, a)).count() == 1).count().into()
        },
    ),
    (
        "event('A').where(event('B').sum(property('k')) > property('k')).within(6 hours).sum(property('k'))",
        |e, now| {
            let exceeded = |a: &&Happened| after(e, "B", a.at).map(|b| b.key).sum::<i64>() > a.key;
            let inside = named(e, "A").filter(|a| a.at <= now && a.at >= now - 6 * HOUR);
            inside.filter(exceeded).map(|a| a.key).sum::<i64>().into()
        },
    ),
    ("event('A').where(trait('limit') <= property('k')).within(3 hours).max(property('k'))", |e, now| {
        let inside = named(e, "A").filter(|a| a.at <= now && a.at >= now - 3 * HOUR && a.key >= 2);
        inside.map(|a| a.key).max().map_or(Value::Null, Value::from)
    }),
    (
        "event('A').where(property('date').within_last(2 hours) OR property('date').after_next(1 hour)).within(6 hours).count()",
        |e, now| {
            let dated = |a: &&Happened| (now - 2 * HOUR..=now).contains(&a.at) || a.at >= now + HOUR;
            named(e, "A").filter(|a| a.at <= now && a.at >= now - 6 * HOUR).filter(dated).count().into()
        },
    ),
    (
        "event('A').where(NOT event('B').within(parent: 1 hour).count() = 0).expires_after(2 hours).count()",
        |e, now| {
            let followed = |a: &&Happened| after(e, "B", a.at).any(|b| b.at <= a.at + HOUR);
            let mut times: Vec<i64> =
                named(e, "A").filter(|a| a.at <= now).filter(followed).map(|a| a.at).collect();
            times.sort_unstable();
            let (mut next, mut count) = (now, 0);
            for at in times.into_iter().rev().take_while(|at| {
                let near = next - at <= 2 * HOUR;
                next = *at;
                near
            }) {
                let _ = at;
                count += 1;
            }
            count.into()
        },
    ),
];

/// Whole hours and a millisecond around them, so that windows' ends are met exactly.
fn history() -> impl Strategy<Value = Vec<Happened>> {
    let at = (-6..3_i64, -1..=1_i64).prop_map(|(hours, ms)| hours * HOUR + ms);
    let event = (prop::sample::select(vec!["A", "B"]), at, 0..4_i64);
    prop::collection::vec(event.prop_map(|(name, at, key)| Happened { name, at, key }), 0..12)
}

fn person(history: &[Happened]) -> Person {
    let at = |ms: i64| Timestamp::from_millis(now().millis() + ms);
    let event = |event: &Happened| {
        let date = at(event.at).to_rfc3339();
        track_at(event.name, at(event.at), json!({"k": event.key, "date": date}))
    };
    Person::new(history.iter().map(event).collect(), json!({"limit": 2, "yes": true}))
}

/// Checks a query against its meaning from now on to `end`: at each instant that it names, and in between.
fn check(
    query: &Query,
    history: &[Happened],
    meaning: &dyn Fn(i64) -> Value,
    end: i64,
) -> Result<(), TestCaseError> {
    let person = person(history);
    let (mut at, mut rounds) = (0, 0);
    while at < end {
        let evaluation = person.evaluate(query, Timestamp::from_millis(now().millis() + at));
        prop_assert_eq!(&evaluation.value, &meaning(at), "{} at {}", query, at);
        let until = evaluation.holds_until.map_or(end, |until| until.millis_since(now()).min(end));
        prop_assert!(until > at, "it holds until later");
        let edges = history.iter().flat_map(|event| {
            (-6..10_i64).flat_map(move |hours| [0, 1].map(|ms| event.at + hours * HOUR + ms))
        });
        for instant in edges.chain([until - 1]).filter(|instant| (at..until).contains(instant)) {
            prop_assert_eq!(
                &evaluation.value,
                &meaning(instant),
                "{} holds to {}, not {}",
                query,
                until,
                instant
            );
        }
        rounds += 1;
        prop_assert!(rounds <= 500, "woken too often");
        at = until;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_listed_leaf_is_what_it_means(history in history(), which in 0..VALUES.len()) {
        let (text, oracle) = VALUES[which];
        let query = Query::parse_value(text).unwrap();
        prop_assert!(query.leaves()[0].is_listed());
        check(&query, &history, &|at| oracle(&history, at), 12 * HOUR)?;
    }

    /// A filter that is true for all makes a counted leaf a listed one.
    #[test]
    fn a_listed_leaf_is_the_counted_one(
        history in history(),
        filter in prop::sample::select(vec!["", ".where(property('k') > 0)", ".where(NOT property('k') = 2)"]),
        window in prop::sample::select(vec![
            "", ".within(2 hours)", ".between(1 hour, 3 hours)", ".expires_after(2 hours)",
        ]),
        reducer in prop::sample::select(vec![
            "count()", "sum(property('k'))", "avg(property('k'))", "min(property('k'))", "max(property('k') as string)",
            "first(property('k'))", "last(property('date'))", "mode(property('k'), 2)", "unique(property('k'))",
            "unique(property('k')).count()", "first(property('none'))",
        ]),
        always in prop::sample::select(vec![
            "trait('yes') = true", "event('none').count() = 0", "NOT property('date').within_last(3650 days) OR trait('yes').exists()",
        ]),
    ) {
        let counted = Query::parse_value(&format!("event('A'){filter}{window}.{reducer}")).unwrap();
        let listed = Query::parse_value(&format!("event('A').where({always}){filter}{window}.{reducer}")).unwrap();
        prop_assert!(!counted.leaves()[0].is_listed() && listed.leaves()[0].is_listed());
        let person = person(&history);
        let meaning = |at: i64| person.evaluate(&counted, Timestamp::from_millis(now().millis() + at)).value;
        check(&listed, &history, &meaning, 8 * HOUR)?;
        check(&counted, &history, &meaning, 8 * HOUR)?;
    }
}
