//! Until when a value surely holds.

use serde_json::{Value, json};

use crate::domain::event::Event;
use crate::domain::query::Query;
use crate::domain::time::{Span, Timestamp};

use super::plain::{Person, condition, now, track};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// In milliseconds from now.
fn holds_for(query: &Query, events: &[Event], traits: &Value) -> Option<i64> {
    let evaluation = Person::new(events.to_vec(), traits.clone()).evaluate(query, now());
    evaluation.holds_until.map(|until| until.millis_since(now()))
}

#[test]
fn dates_flip_to_the_millisecond() {
    for (comparison, date, expected) in [
        ("within_last(7 days)", "2026-01-30", Some(6 * DAY + 1)),
        ("within_last(7 days)", "2026-01-24", Some(1)),
        ("within_last(7 days)", "2026-01-23", None),
        ("within_last(7 days)", "2026-02-02", Some(2 * DAY)),
        ("within_next(7 days)", "2026-02-02", Some(2 * DAY + 1)),
        ("within_next(7 days)", "2026-02-10", Some(3 * DAY)),
        ("within_next(7 days)", "2026-01-30", None),
        ("before_last(7 days)", "2026-01-30", Some(6 * DAY)),
        ("before_last(7 days)", "2026-01-24", None),
        ("after_next(7 days)", "2026-02-10", Some(3 * DAY + 1)),
        ("after_next(7 days)", "2026-02-07", Some(1)),
        ("after_next(7 days)", "2026-02-06", None),
        ("after_next(7 days)", "9999-12-31T23:59:59.999Z", Some(251_632_483_199_999 - 7 * DAY + 1)),
        ("before_last(7 days)", "9999-12-31T23:59:59.999Z", None),
        ("within_last(7 days)", "soon", None),
        ("before_date('2030-01-01')", "2026-01-30", None),
    ] {
        let traits = json!({ "d": date });
        let of_trait = condition(&format!("trait('d').{comparison}"));
        let literal = condition(&format!("literal('{date}').{comparison}"));
        let of_event = condition(&format!("event('E').last(property('d')).{comparison}"));
        let inside = condition(&format!("event('E').where(property('d').{comparison}).count() > 0"));
        let of_trait_inside = condition(&format!("event('E').where(trait('d').{comparison}).count() > 0"));
        let event = [track("E", "1d", traits.clone())];
        for query in [&of_trait, &literal, &of_event, &inside, &of_trait_inside] {
            assert_eq!(holds_for(query, &event, &traits), expected, "{query} of {date}");
        }
    }
}

#[test]
fn junctions_hold_as_long_as_what_decides_them() {
    let soon = "trait('d').within_last(7 days)";
    let later = "trait('d').within_last(9 days)";
    let never = "trait('n').exists()";
    for (text, expected) in [
        (format!("{soon} AND {later}"), Some(6 * DAY + 1)),
        (format!("{soon} OR {later}"), Some(8 * DAY + 1)),
        (format!("{soon} AND {never}"), None),
        (format!("{soon} OR {never}"), Some(6 * DAY + 1)),
        (format!("NOT {soon} AND NOT {later}"), Some(8 * DAY + 1)),
        (format!("NOT ({soon} AND {later})"), Some(6 * DAY + 1)),
        (format!("NOT {never} OR {soon}"), None),
    ] {
        assert_eq!(holds_for(&condition(&text), &[], &json!({"d": "2026-01-30"})), expected, "{text}");
    }
}

#[test]
fn listed_windows_end_to_the_millisecond() {
    for (filters, ages, expected) in [
        ("", vec!["3d"], None),
        (".within(7 days)", vec!["3d"], Some(4 * DAY + 1)),
        (".within(7 days)", vec!["9d", "7d", "3d"], Some(1)),
        (".within(7 days)", vec!["9d"], None),
        (".between(5 days, 7 days)", vec!["3d"], Some(2 * DAY)),
        (".between(5 days, 7 days)", vec!["6d", "1d"], Some(DAY + 1)),
        (".where(event('F').within(7 days).count() > 0)", vec!["3d"], Some(6 * DAY + 1)),
        (".where(event('F').within(parent: 7 days).count() > 0)", vec!["3d"], None),
        (".where(event('F').between(3 days, 4 days).count() > 0)", vec!["3d"], Some(2 * DAY)),
        (".where(event('F').between(3 days, 4 days).count() > 0)", vec!["1h"], None),
    ] {
        let query = condition(&format!("event('E').where(trait('x').absent()){filters}.count() > 0"));
        let mut events: Vec<Event> = ages.iter().map(|age| track("E", age, json!({}))).collect();
        events.push(track("F", "1d", json!({})));
        assert_eq!(holds_for(&query, &events, &json!({})), expected, "{query} over {ages:?}");
    }
}

#[test]
fn events_that_do_not_count_wake_nobody() {
    let query = condition("event('E').where(trait('x') = 1).within(7 days).count() > 0");
    let events = [track("E", "1d", json!({}))];
    assert_eq!(holds_for(&query, &events, &json!({})), None);
    assert_eq!(holds_for(&query, &events, &json!({"x": 1})), Some(6 * DAY + 1));
    let query =
        condition("event('E').where(property('p') = 1 AND trait('x') = 1).within(7 days).count() > 0");
    assert_eq!(query.leaves()[0].observe(&events[0]), None, "a list is spared what cannot count");
    assert!(query.leaves()[0].observe(&track("E", "1d", json!({"p": 1}))).is_some());
}

#[test]
fn sessions_end() {
    let query =
        Query::parse_value("event('E').where(trait('x').absent()).expires_after(1 hour).count()").unwrap();
    let future = {
        let mut event = track("E", "0d", json!({}));
        event.timestamp = now().plus(Span::from_millis(10 * 60_000));
        event
    };
    let events = [track("E", "3h", json!({})), track("E", "90m", json!({})), track("E", "40m", json!({}))];
    assert_eq!(holds_for(&query, &events, &json!({})), Some(20 * 60_000 + 1));
    let with_future: Vec<Event> = events.iter().cloned().chain([future]).collect();
    assert_eq!(holds_for(&query, &with_future, &json!({})), Some(10 * 60_000));
    let person = Person::new(with_future, json!({}));
    let values: Vec<(Value, Option<i64>)> = [0, 10 * 60_000, 70 * 60_000, 70 * 60_000 + 1]
        .map(|ms| {
            let evaluation = person.evaluate(&query, Timestamp::from_millis(now().millis() + ms));
            (evaluation.value, evaluation.holds_until.map(|until| until.millis_since(now())))
        })
        .into();
    assert_eq!(
        values,
        [
            (json!(2), Some(10 * 60_000)),
            (json!(3), Some(70 * 60_000 + 1)),
            (json!(3), Some(70 * 60_000 + 1)),
            (json!(0), None)
        ]
    );
}
