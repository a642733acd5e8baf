//! The published examples of the language with their worked histories.

use serde_json::{Value, json};

use crate::domain::event::{Call, Event};
use crate::domain::query::Target;

use super::plain::{Person, call, condition, holds, now, track, value_later};

/// Events of one name: age, properties.
fn all(name: &str, events: &[(&str, Value)]) -> Vec<Event> {
    events.iter().map(|(age, properties)| track(name, age, properties.clone())).collect()
}

fn bought(events: &[(&str, Value)]) -> Vec<Event> {
    all("Bought", events)
}

#[test]
fn events_are_counted() {
    let twice = "event('Bought').within(7 days).count() >= 2";
    let between = "event('Bought').between(7 days, 10 days).count() >= 1";
    for (row, text, ages, expected) in [
        (1, "event('Bought').count() >= 1", vec!["400d"], true),
        (1, "event('Bought').count() >= 1", vec![], false),
        (1, "event('bought').count() >= 1", vec!["1d"], false),
        (2, "event('Bought').count() = 0", vec![], true),
        (3, "NOT event('Bought').count() >= 1", vec!["1d"], false),
        (4, twice, vec!["1d", "8d"], false),
        (4, twice, vec!["1d", "7d"], true),
        (6, between, vec!["6d"], false),
        (6, between, vec!["7d"], true),
        (6, between, vec!["10d"], true),
        (6, between, vec!["11d"], false),
        (6, "event('Bought').between(10 days, 7 days).count() >= 1", vec!["10d"], true),
    ] {
        let events = ages.iter().map(|age| track("Bought", age, json!({}))).collect();
        assert_eq!(holds(text, events, json!({})), expected, "row {row}: {text} over {ages:?}");
    }
}

#[test]
fn properties_are_asked() {
    let dear = "event('Bought').where(property('price') >= 100).within(7 days).count() >= 1";
    let entry = "event('Bought').where(property('items.$.sku') = 'A').count() >= 1";
    let variety = "event('Bought').unique(property('sku')).count() >= 3";
    for (row, text, history, expected) in [
        (5, dear, json!([["2d", {"price": 100}]]), true),
        (5, dear, json!([["2d", {"price": "100"}]]), true),
        (5, dear, json!([["2d", {"price": 99.99}]]), false),
        (5, dear, json!([["2d", {}]]), false),
        (
            26,
            "event('Bought').within(30 days).sum(property('price')) >= 300",
            json!([["2d", {"price": 100}], ["1d", {"price": 200}]]),
            true,
        ),
        (
            26,
            "event('Bought').within(30 days).sum(property('price')) >= 300",
            json!([["3d", {"price": 100}], ["2d", {"price": "x"}], ["1d", {"price": 200}]]),
            true,
        ),
        (27, "event('Bought').within(30 days).avg(property('price')) < 50", json!([]), false),
        (
            27,
            "event('Bought').within(30 days).avg(property('price')) < 50",
            json!([["2d", {"price": 20}], ["1d", {"price": 60}]]),
            true,
        ),
        (28, variety, json!([["3d", {"sku": "A"}], ["2d", {"sku": "A"}], ["1d", {"sku": "B"}]]), false),
        (28, variety, json!([["3d", {"sku": "A"}], ["2d", {"sku": "B"}], ["1d", {"sku": "C"}]]), true),
        (32, entry, json!([["1d", {"items": [{"sku": "B"}, {"sku": "A"}]}]]), true),
        (32, entry, json!([["1d", {"items": [{"sku": "B"}]}]]), false),
    ] {
        assert_eq!(
            holds(text, bought(&read(&history)), json!({})),
            expected,
            "row {row}: {text} over {history}"
        );
    }
}

/// `[[age, properties], …]`
fn read(history: &Value) -> Vec<(&str, Value)> {
    let events = history.as_array().unwrap().iter();
    events.map(|event| (event[0].as_str().unwrap(), event[1].clone())).collect()
}

#[test]
fn traits_are_compared() {
    let two = "trait('age') > 30 AND trait('city') = 'Gent' OR trait('staff') = true";
    let grouped = "trait('age') > 30 AND (trait('city') = 'Gent' OR trait('staff') = true)";
    for (row, text, traits, expected) in [
        (7, "trait('plan') != 'free'", json!({"plan": "pro"}), true),
        (7, "trait('plan') != 'free'", json!({"plan": "free"}), false),
        (7, "trait('plan') != 'free'", json!({}), false),
        (8, "trait('plan') != 'free' OR trait('plan').absent()", json!({}), true),
        (9, "NOT (trait('plan') = 'free')", json!({}), true),
        (10, "trait('VIP') = 'true'", json!({"VIP": true}), true),
        (10, "trait('VIP') = 'true'", json!({"VIP": "true"}), true),
        (10, "trait('VIP') = 'true'", json!({"VIP": "TRUE"}), false),
        (10, "trait('VIP') = true", json!({"VIP": "true"}), true),
        (11, two, json!({"age": 20, "staff": true}), true),
        (12, grouped, json!({"age": 20, "staff": true}), false),
        (13, "trait('email').contains('@acme.io','@acme.com')", json!({"email": "a@acme.com"}), true),
        (14, "trait('email').omits('@acme.io')", json!({}), true),
        (14, "trait('email').omits('@acme.io')", json!({"email": "a@acme.io"}), false),
        (15, "trait('country').one_of('BE','NL')", json!({"country": "be"}), false),
        (16, "trait('country').none_of('BE','NL')", json!({"country": "FR"}), true),
        (16, "trait('country').none_of('BE','NL')", json!({}), false),
        (17, "trait('signup').within_last(7 days)", json!({"signup": "2026-01-24T00:00:00Z"}), true),
        (17, "trait('signup').within_last(7 days)", json!({"signup": "2026-01-23T23:59:59Z"}), false),
        (17, "trait('signup').within_last(7 days)", json!({"signup": "2026-01-30T10:00:00"}), false),
        (18, "trait('renewal').within_next(30 days)", json!({"renewal": "2026-03-02T00:00:00Z"}), true),
        (18, "trait('renewal').within_next(30 days)", json!({"renewal": "2026-01-30T00:00:00Z"}), false),
        (19, "trait('last_login').before_last(90 days)", json!({"last_login": "2025-11-02T00:00:00Z"}), true),
        (19, "trait('last_login').before_last(90 days)", json!({}), false),
        (20, "trait('renewal').after_next(30 days)", json!({"renewal": "2026-03-03T00:00Z"}), true),
        (21, "trait('born').before_date('2000-01-01')", json!({"born": "1999-12-31"}), true),
        (21, "trait('born').before_date('2000-01-01')", json!({"born": "2000-01-01"}), false),
        (
            29,
            "trait('big_spenders') = 'true' AND NOT trait('churned') = 'true'",
            json!({"big_spenders": true}),
            true,
        ),
    ] {
        assert_eq!(holds(text, vec![], traits.clone()), expected, "row {row}: {text} with {traits}");
    }
}

#[test]
fn pages_sources_and_contexts_are_asked() {
    let page = "event('Page Viewed').where(property('page_name').starts_with('Pric')).count() >= 1";
    let screen = "event('Screen Viewed').where(property('screen_name') = 'Home').count() >= 1";
    let name = |name: &str| Some(name.to_owned());
    let properties = serde_json::Map::new;
    let seen = call(Call::Page { name: name("Pricing"), category: None, properties: properties() }, now());
    assert!(holds(page, vec![seen.clone()], json!({})), "row 22");
    assert!(!holds(screen, vec![seen], json!({})));
    let seen = call(Call::Screen { name: name("Home"), category: None, properties: properties() }, now());
    assert!(holds(screen, vec![seen], json!({})));

    let other = "event('Login').sources({exclude: 'src_app'}).count() >= 1";
    let mut login = track("Login", "1d", json!({}));
    assert!(holds(other, vec![login.clone()], json!({})), "row 30");
    login.source = "src_app".to_owned();
    assert!(!holds(other, vec![login.clone()], json!({})), "row 30");

    let sale = "event('Bought').where(context('page.url').contains('/sale')).count() >= 1";
    let mut buy = track("Bought", "1d", json!({"page": {"url": "/sale"}}));
    assert!(!holds(sale, vec![buy.clone()], json!({})));
    buy.context = json!({"page": {"url": "https://x/sale/1"}}).as_object().cloned().unwrap();
    assert!(holds(sale, vec![buy], json!({})), "row 31");
}

#[test]
fn later_events_are_asked() {
    let abandoned = "event('Added').where(event('Completed').within(parent: 1 days).count() = 0)\
        .within(7 days).count() >= 1";
    for (history, expected) in [
        (vec![("Added", "3d"), ("Completed", "60h"), ("Added", "2d")], true),
        (vec![("Added", "3d"), ("Completed", "60h")], false),
        (vec![("Completed", "4d"), ("Added", "3d")], true),
        // Both ends: a day later still counts, the same instant does not.
        (vec![("Added", "3d"), ("Completed", "2d")], false),
        (vec![("Added", "3d"), ("Completed", "3d")], true),
    ] {
        let events = history.iter().map(|(name, age)| track(name, age, json!({}))).collect();
        assert_eq!(holds(abandoned, events, json!({})), expected, "row 23: {history:?}");
    }
    let seen = "event('Viewed').where(event('Bought').where(property('sku') = property(parent: 'sku'))\
        .within(parent: 2 days).count() >= 1).count() >= 1";
    for (sku, expected) in [("B", false), ("A", true)] {
        let history =
            vec![track("Viewed", "3d", json!({"sku": "A"})), track("Bought", "2d", json!({ "sku": sku }))];
        assert_eq!(holds(seen, history, json!({})), expected, "row 24: {sku}");
    }
    let above = "event('Bought').where(property('price') > trait('avg_price')).count() >= 1";
    let history = || vec![track("Bought", "1d", json!({"price": 60}))];
    assert!(!holds(above, history(), json!({})), "row 25");
    assert!(holds(above, history(), json!({"avg_price": 50})), "row 25");
}

#[test]
fn the_users_of_an_account_are_asked() {
    let user = |age: Option<&str>, role: &str| {
        let login = age.into_iter().map(|age| track("Login", age, json!({}))).collect();
        Person::new(login, json!({ "role": role }))
    };
    let active = "ANY event('Login').within(7 days).count() >= 1";
    let silent = "ALL NOT event('Login').within(7 days).count() >= 1";
    let admins = "ALL (event('Login').count() >= 1 AND trait('role') = 'admin')";
    let one_active = vec![user(None, ""), user(Some("2d"), "")];
    for (row, text, users, expected) in [
        (33, active, one_active.clone(), true),
        (33, active, vec![], false),
        (34, silent, vec![user(None, ""), user(None, "")], true),
        (34, silent, one_active.clone(), false),
        (34, silent, vec![], false),
        (35, admins, vec![user(Some("1d"), "admin"), user(Some("1d"), "member")], false),
        (35, admins, vec![user(Some("1d"), "admin"), user(Some("1d"), "admin")], true),
        (35, admins, vec![], false),
        (0, "NOT ANY event('Login').count() >= 1", vec![], true),
        // The account's own events are those of all its users, and its traits its own.
        (0, "ANY event('Login').count() >= 1 AND event('Login').count() = 1", one_active.clone(), true),
        (0, "any trait('role') = '' and trait('role') = 'account'", one_active, true),
    ] {
        let query = condition(text);
        assert_eq!(query.target(), Target::Accounts);
        let account = Person::account(users.clone(), json!({"role": "account"}));
        assert_eq!(
            account.evaluate(&query, now()).is_true(),
            expected,
            "row {row}: {text} of {}",
            users.len()
        );
    }
}

#[test]
fn values_are_computed() {
    let by_cat = |cats: &[&str]| -> Value { cats.iter().map(|cat| json!(["1d", { "cat": cat }])).collect() };
    for (row, text, history, expected) in [
        (
            37,
            "event('Bought').within(30 days).avg(property('spend'))",
            json!([["1d", {"spend": 10}], ["2d", {"spend": 20}], ["3d", {"spend": "30"}]]),
            json!(20),
        ),
        (37, "event('Bought').within(30 days).avg(property('spend'))", json!([]), json!(null)),
        (38, "event('Bought').mode(property('cat'), 2)", by_cat(&["b", "b", "a", "a", "c"]), json!("a")),
        (38, "event('Bought').mode(property('cat'), 2)", by_cat(&["a", "b"]), json!(null)),
        (
            39,
            "event('Bought').first(property('utm'))",
            json!([["9d", {}], ["8d", {"utm": "x"}], ["7d", {"utm": "y"}]]),
            json!("x"),
        ),
        (40, "event('Bought').unique(property('cat'))", by_cat(&["b", "a", "b"]), json!(["a", "b"])),
        (
            41,
            "event('Bought').max(property('size') as string)",
            json!([["1d", {"size": "10"}], ["2d", {"size": "9"}]]),
            json!("9"),
        ),
        (
            41,
            "event('Bought').max(property('size'))",
            json!([["1d", {"size": "10"}], ["2d", {"size": "9"}]]),
            json!(10),
        ),
    ] {
        assert_eq!(
            value_later(text, bought(&read(&history)), "0d"),
            expected,
            "row {row}: {text} over {history}"
        );
    }
    let ages = |ages: &[&str], name| ages.iter().map(|age| track(name, age, json!({}))).collect();
    let logins = ages(&["1d", "89d", "91d"], "Login");
    assert_eq!(value_later("event('Login').within(90 days).count()", logins, "0d"), json!(2), "row 36");
    let session = "event('Page Viewed').expires_after(1 hour).count()";
    let pages = |now: &str| value_later(session, ages(&["5h", "40m", "10m"], "Page Viewed"), now);
    assert_eq!((pages("0d"), pages("50m"), pages("55m")), (json!(2), json!(2), json!(0)), "row 42");
}
