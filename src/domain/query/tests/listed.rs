//! Event streams inside event streams.

use serde_json::{Value, json};

use crate::domain::event::Event;

use super::plain::{condition, holds, now, track, track_at, value_later};
use crate::domain::query::Query;
use crate::domain::time::Timestamp;

/// `[[name, age, properties], …]`
fn events(history: &Value) -> Vec<Event> {
    let events = history.as_array().unwrap().iter();
    events.map(|e| track(e[0].as_str().unwrap(), e[1].as_str().unwrap(), e[2].clone())).collect()
}

#[test]
fn streams_are_nested() {
    let history = json!([
        ["A", "9d", {"k": "x", "n": 5}],
        ["B", "8d", {"k": "x", "n": 1}],
        ["C", "7d", {"k": "y", "n": 2}],
        ["A", "6d", {"k": "y", "n": "3"}],
        ["B", "5d", {"k": "y", "n": 3.0}],
        ["C", "4d", {"k": "y"}],
        ["B", "3d", {"k": "x", "tags": ["y", "z"]}],
        ["A", "2d", {"k": "z"}],
    ]);
    for (filter, expected) in [
        ("event('B').count() = 0", 1),
        ("event('B').count() >= 2", 2),
        ("event('B').count() > event('C').count()", 2),
        ("event('B').sum(property('n')) = 4", 1),
        ("event('B').sum(property('n')) = property('n')", 1),
        ("event('B').first(property('k')) = property('k')", 2),
        ("event('B').last(property('k')) = property('k')", 1),
        ("event('B').unique(property('k')).count() = 2", 2),
        ("event('B').max(property('n')) < property('n')", 1),
        ("event('B').where(property('n') = property(parent: 'n')).count() = 1", 1),
        ("event('B').where(property('k') = property(parent: 'k')).count() = 2", 1),
        ("event('B').where(property(parent: 'k') = property('k')).count() = 1", 1),
        ("event('B').where(property('k') != property(parent: 'k')).count() = 1", 2),
        ("event('B').where(property('n') < property(parent: 'n')).count() = 2", 1),
        ("event('B').where(property('tags.$') = property(parent: 'k')).count() = 1", 1),
        ("event('B').where(property(parent: 'missing') = property('k')).count() = 0", 3),
        ("event('B').where(trait('t') = property('k')).count() = 2", 1),
        ("event('B').where(event('C').count() = 1).count() = 1", 2),
        (
            "event('B').where(event('C').where(property('k') = property(parent: 'k')).count() = 1).count() = 1",
            2,
        ),
        ("event('B').where(event('C').where(event('B').count() = 1).count() = 1).count() = 1", 1),
        ("event('B').within(parent: 2 days).count() = 1", 2),
        ("event('B').within(4 days).count() = 1", 2),
        ("event('B').between(4 days, 6 days).count() = 1", 2),
        ("event('A').count() = 0", 1),
        ("event('A').where(property('k') = 'z').count() = 1", 2),
        ("NOT (event('B').count() = 0 OR property('k') = 'x')", 1),
    ] {
        let text = format!("event('A').where({filter}).count()");
        let query = condition(&format!("{text} = {expected}"));
        assert_eq!(Query::parse(&query.to_string()).as_ref(), Ok(&query));
        let person = super::plain::Person::new(events(&history), json!({"t": "x"}));
        let count = person.evaluate(&Query::parse_value(&text).unwrap(), now()).value;
        assert_eq!(count, json!(expected), "{text}");
    }
}

#[test]
fn listed_values_are_reduced() {
    let history = json!([["A", "3d", {"n": 1.5, "k": "b"}], ["A", "2d", {"n": 2.5, "k": "a"}], ["A", "1d", {"n": "x"}]]);
    for (reducer, expected) in [
        ("sum(property('n'))", json!(4)),
        ("avg(property('n'))", json!(2)),
        ("first(property('k'))", json!("b")),
        ("last(property('k'))", json!("a")),
        ("unique(property('k'))", json!(["a", "b"])),
        ("mode(property('k'), 1)", json!("a")),
        ("within(36 hours).sum(property('n'))", json!(0)),
        ("within(36 hours).max(property('n'))", json!(null)),
    ] {
        let text = format!("event('A').where(event('B').count() = 0).{reducer}");
        assert_eq!(value_later(&text, events(&history), "0d"), expected, "{text}");
    }
}

#[test]
fn equal_instants_are_ordered_by_arrival() {
    let at = |name: &str, arrived: i64, id: &str| {
        let mut event = track_at("A", now(), json!({ "n": name }));
        event.received_at = Timestamp::from_millis(now().millis() + arrived);
        event.message_id = id.to_owned();
        event
    };
    let history = vec![at("late", 2, "a"), at("second", 1, "b"), at("first", 1, "a")];
    for filter in ["", ".where(trait('x').absent())"] {
        for (reducer, expected) in [("first", "first"), ("last", "late")] {
            let text = format!("event('A'){filter}.{reducer}(property('n'))");
            assert_eq!(value_later(&text, history.clone(), "0d"), json!(expected), "{text}");
        }
    }
    // None of them follows another.
    assert!(holds("event('A').where(event('A').count() = 0).count() = 3", history, json!({})));
}

#[test]
fn long_lists_are_read_in_time() {
    let history: Vec<Event> = (0..2000)
        .map(|step| {
            let name = if step % 2 == 0 { "A" } else { "B" };
            let properties = json!({"k": format!("key {step}"), "n": step});
            track_at(name, Timestamp::from_millis(now().millis() - 1000 * (2000 - step)), properties)
        })
        .collect();
    let begun = std::time::Instant::now();
    for (filter, expected) in [
        ("event('B').count() = 0", 0),
        ("event('B').where(property('k') = property(parent: 'k')).count() = 0", 1000),
        ("event('B').where(property('n') < property(parent: 'n')).count() = 0", 1000),
        (
            "event('B').where(property('n') < property(parent: 'n') OR event('A').where(property('n') < property(parent: 'n')).count() > 0).count() = 0",
            1000,
        ),
        ("event('B').sum(property('n')) > 0", 1000),
    ] {
        let text = format!("event('A').where({filter}).count() = {expected}");
        let begun = std::time::Instant::now();
        assert!(holds(&text, history.clone(), json!({})), "{text}");
        println!("{:?} {filter}", begun.elapsed());
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
