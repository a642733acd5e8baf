//! The published examples of the language and the comparators' table, as far as this version goes.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::domain::query::{LeafState, Query};
use crate::domain::time::{Span, Timestamp};

fn now() -> Timestamp {
    Timestamp::parse_lenient("2026-01-31T00:00:00Z").unwrap()
}

/// An event: name, age, properties.
type Event = (&'static str, &'static str, Value);

fn value(text: &str, events: &[Event], traits: &Value) -> bool {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let states: Vec<LeafState> = query
        .leaves()
        .iter()
        .map(|leaf| {
            let mut state = LeafState::default();
            for (name, age, properties) in events {
                if *name == leaf.event && leaf.matches(properties.as_object().unwrap()) {
                    state.add(leaf, now().minus(age.parse::<Span>().unwrap()), now());
                }
            }
            state
        })
        .collect();
    let trait_of = |name: &str| traits.get(name).map(Cow::Borrowed);
    query.evaluate(&|index| states.get(index), &trait_of, now()).value
}

fn bought(age: &'static str) -> Event {
    ("Bought", age, json!({}))
}

fn bought_for(age: &'static str, price: Value) -> Event {
    ("Bought", age, json!({ "price": price }))
}

#[test]
fn events_are_counted() {
    let dear = "event('Bought').where(property('price') >= 100).within(7 days).count() >= 1";
    let page = "event('Page Viewed').where(property('page_name').starts_with('Pric')).count() >= 1";
    let entry = "event('Bought').where(property('items.$.sku') = 'A').count() >= 1";
    for (text, events, expected) in [
        ("event('Bought').count() >= 1", vec![bought("400d")], true),
        ("event('Bought').count() >= 1", vec![], false),
        ("event('bought').count() >= 1", vec![bought("1d")], false),
        ("event('Bought').count() = 0", vec![], true),
        ("NOT event('Bought').count() >= 1", vec![bought("1d")], false),
        ("event('Bought').within(7 days).count() >= 2", vec![bought("1d"), bought("8d")], false),
        ("event('Bought').within(7 days).count() >= 2", vec![bought("1d"), bought("7d")], true),
        ("event('Bought').count().at_least(2)", vec![bought("1d"), bought("1d")], true),
        ("event('Bought').count().one_of(1, 3)", vec![bought("1d"), bought("1d")], false),
        ("event('Bought').count() = '2'", vec![bought("1d"), bought("1d")], true),
        (dear, vec![bought_for("2d", json!(100))], true),
        (dear, vec![bought_for("2d", json!("100"))], true),
        (dear, vec![bought_for("2d", json!(99.99))], false),
        (dear, vec![bought("2d")], false),
        (dear, vec![bought_for("8d", json!(100))], false),
        (page, vec![("Page Viewed", "1d", json!({"page_name": "Pricing"}))], true),
        (entry, vec![("Bought", "1d", json!({"items": [{"sku": "B"}, {"sku": "A"}]}))], true),
        (entry, vec![("Bought", "1d", json!({"items": [{"sku": "B"}]}))], false),
    ] {
        assert_eq!(value(text, &events, &json!({})), expected, "{text} over {events:?}");
    }
}

#[test]
fn traits_are_compared() {
    for (text, traits, expected) in [
        ("trait('plan') != 'free'", json!({"plan": "pro"}), true),
        ("trait('plan') != 'free'", json!({"plan": "free"}), false),
        ("trait('plan') != 'free'", json!({}), false),
        ("trait('plan') != 'free' OR trait('plan').absent()", json!({}), true),
        ("NOT (trait('plan') = 'free')", json!({}), true),
        ("trait('VIP') = 'true'", json!({"VIP": true}), true),
        ("trait('VIP') = 'true'", json!({"VIP": "true"}), true),
        ("trait('VIP') = 'true'", json!({"VIP": "TRUE"}), false),
        ("trait('VIP') = true", json!({"VIP": "true"}), true),
        (
            "trait('age') > 30 AND trait('city') = 'Gent' OR trait('staff') = true",
            json!({"age": 20, "staff": true}),
            true,
        ),
        (
            "trait('age') > 30 AND (trait('city') = 'Gent' OR trait('staff') = true)",
            json!({"age": 20, "staff": true}),
            false,
        ),
        ("trait('email').contains('@acme.io','@acme.com')", json!({"email": "a@acme.com"}), true),
        ("trait('email').omits('@acme.io')", json!({}), true),
        ("trait('email').omits('@acme.io')", json!({"email": "a@acme.io"}), false),
        ("trait('country').one_of('BE','NL')", json!({"country": "be"}), false),
        ("trait('country').none_of('BE','NL')", json!({"country": "FR"}), true),
        ("trait('country').none_of('BE','NL')", json!({}), false),
        ("trait('born').before_date('2000-01-01')", json!({"born": "1999-12-31"}), true),
        ("trait('born').before_date(2000-01-01)", json!({"born": "2000-01-01"}), false),
        (
            "trait('big_spenders') = 'true' AND NOT trait('churned') = 'true'",
            json!({"big_spenders": true}),
            true,
        ),
        ("trait('address.city') = 'Gent'", json!({"address": {"city": "Gent"}}), true),
    ] {
        assert_eq!(value(text, &[], &traits), expected, "{text} with {traits}");
    }
}

#[test]
fn every_comparator_does_as_its_table_says() {
    for (comparator, value_of_v, expected) in [
        ("= 5", json!(5), true),
        ("= '5'", json!(5.0), true),
        ("= 5.0", json!("5"), true),
        ("= '5.0'", json!("5"), true),
        ("= '12345678901234567890'", json!("12345678901234567891"), false),
        ("= 12345678901234567890", json!(12345678901234567890_u64), true),
        ("= 'a'", json!("A"), false),
        ("= 'a'", json!(" a"), false),
        ("= true", json!(1), false),
        ("== ''", json!(""), true),
        ("= ''", json!(null), false),
        ("!= 5", json!("5.0"), false),
        ("!= 5", json!("five"), true),
        ("!= 5", json!(null), false),
        ("> 5", json!(5.5), true),
        ("> 5", json!("10"), true),
        ("> '9'", json!("10"), true),
        ("> 5", json!("abc"), false),
        ("< 5", json!("abc"), false),
        ("> 'a'", json!("b"), true),
        ("> 'z'", json!("é"), true),
        ("> 'a'", json!(5), false),
        (">= 5", json!(5), true),
        ("< -0.5", json!(-1), true),
        ("<= 5", json!(null), false),
        ("<= 5", json!(true), false),
        (".equals('x')", json!("x"), true),
        (".differs('x')", json!("y"), true),
        (".greater_than(1)", json!(2), true),
        (".at_least(2)", json!(2), true),
        (".less_than(2)", json!(2), false),
        (".at_most(2)", json!(2), true),
        (".contains('b')", json!(["a", "b"]), true),
        (".contains(2)", json!(123), true),
        (".contains('b', 'c')", json!("xcx"), true),
        (".contains('')", json!(null), false),
        (".omits('b', 'c')", json!("xcx"), false),
        (".omits('b')", json!(null), true),
        (".one_of(1, 'x')", json!("1.0"), true),
        (".one_of(1, 'x')", json!(null), false),
        (".none_of(1, 'x')", json!(2), true),
        (".none_of(1, 'x')", json!(null), false),
        (".starts_with('1')", json!(12), true),
        (".ends_with('}')", json!({"a": 1}), true),
        (".ends_with('x')", json!(null), false),
        (".exists()", json!(""), true),
        (".exists()", json!(false), true),
        (".exists()", json!(null), false),
        (".absent()", json!(null), true),
        (".absent()", json!(0), false),
        (".before_date('2026-01-31')", json!("2026-01-30T23:59:59.999Z"), true),
        (".before_date('2026-01-31')", json!("2026-01-30T23:59:59.999"), false),
        (".before_date('2026-01-31T02:00:00+02:00')", json!("2026-01-31"), false),
        (".after_date('2026-01-31')", json!("2026-01-31T00:00:00.001Z"), true),
        (".after_date('2026-01-31')", json!(5), false),
    ] {
        let in_trait = format!("trait('v'){comparator}");
        assert_eq!(
            value(&in_trait, &[], &json!({ "v": value_of_v })),
            expected,
            "{in_trait} of {value_of_v}"
        );
        let in_event = format!("event('E').where(property('v'){comparator}).count() = 1");
        let events = [("E", "1d", json!({ "v": value_of_v }))];
        assert_eq!(value(&in_event, &events, &json!({})), expected, "{in_event} of {value_of_v}");
    }
}

#[test]
fn names_that_matter_are_known() {
    let query = Query::parse(
        "trait('a.b') = 1 OR trait('a.c') = 2 AND event('E').count() > 0 AND event('D').count() > 0",
    );
    let query = query.unwrap();
    assert_eq!(query.trait_names().into_iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(query.event_names().into_iter().collect::<Vec<_>>(), ["D", "E"]);
}
