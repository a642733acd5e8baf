//! What holds of events: Segment's own examples, and the rules of triggers.

use serde_json::{Value, json};

use crate::domain::fql::{Dialect, Fql};

pub(super) fn event() -> Value {
    json!({
        "type": "track",
        "event": "Button Clicked",
        "context": {"library": {"name": "analytics.js", "version": "1.0"}},
        "properties": {
            "features": ["discounts", "dark-mode"],
            "price": 100,
            "qty": "7",
            "ok": true,
            "product 1": {"price": "19.99"},
            "a.b": "dotted",
            "2fa": "on",
            "in": "keyword",
            "big": 9_007_199_254_740_993_i64,
            "n": null,
            "empty": [],
            "mixed": [1, "a", [true, null], {"k": 1.5}],
            "map": {"k": 1},
        },
    })
}

/// Checks `(text, as filter, as trigger)`.
fn check(cases: &[(&str, bool, bool)]) {
    for (text, filter, trigger) in cases {
        let fql = Fql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        for (dialect, expected) in [(Dialect::Filter, filter), (Dialect::Trigger, trigger)] {
            assert_eq!(fql.matches(&event(), dialect), *expected, "{text} {dialect:?}");
            let canonical = fql.to_string();
            let again = Fql::parse(&canonical).unwrap_or_else(|error| panic!("{canonical}: {error}"));
            assert_eq!(again, fql, "{text} {canonical}");
            assert_eq!(again.to_string(), canonical);
        }
    }
}

/// Checks texts that come to the same in either dialect.
fn check_both(cases: &[(&str, bool)]) {
    let cases: Vec<_> = cases.iter().map(|(text, expected)| (*text, *expected, *expected)).collect();
    check(&cases);
}

#[test]
fn segments_examples_hold() {
    check_both(&[
        ("event = 'Button Clicked'", true),
        ("event = \"Button Clicked\"", true),
        ("event = 'Screen Tapped'", false),
        ("context.path.path = '/login'", false),
        ("type = 'identify' or type = 'track'", true),
        ("event = 'Button Clicked' and type = 'track'", true),
        ("match( context.library.version, '1.*' )", true),
        ("match( context.library.version, '2.*' )", false),
        ("type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )", true),
        ("!contains( context.library.name, 'js' )", false),
        ("'dark-mode' in properties.features", true),
        ("'blink' in properties.features", false),
        ("properties.product\\ 1.price = \"19.99\"", true),
        ("!( type in ['track', 'identify'] )", false),
        ("type in ['track', 'identify']", true),
        ("length( 'ア' ) = 3", true),
        ("length( 'a' ) = 1", true),
        ("snakecase('test string') = 'test_string'", true),
        ("kebabcase('test string') = 'test-string'", true),
        ("titlecase('test string') = 'Test String'", true),
        ("length( userId ) > 0", false),
        ("typeof( userId ) = 'string' and length( userId ) > 0", false),
        ("contains( null, 'x' )", false),
        ("length( null ) = 0", true),
        ("lowercase( null ) = null", true),
        ("typeof( null ) = 'null'", true),
        ("match( null, '*' )", false),
    ]);
}

#[test]
fn filters_and_triggers_differ_in_what_is_absent() {
    check(&[
        ("properties.price >= 100", true, true),
        ("properties.price > 100", false, false),
        ("properties.qty > 5", false, false),
        ("properties.price = \"100\"", false, false),
        ("properties.price != \"100\"", true, true),
        ("properties.missing != \"x\"", true, true),
        ("properties.missing != 5", true, false),
        ("properties.qty != 5", true, false),
        ("5 != properties.qty", true, false),
        ("properties.price != 5", true, true),
        ("properties.missing = 5", false, false),
        ("!(properties.missing = 5)", true, false),
        ("!(properties.missing > 5)", true, false),
        ("!contains(properties.missing, \"x\")", true, false),
        ("!match(properties.missing, \"x*\")", true, false),
        ("!contains(properties.price, \"x\")", false, false),
        ("!contains(properties.qty, \"x\")", true, true),
        ("!(contains(properties.missing, \"x\") or type = \"page\")", true, false),
        ("contains(properties.missing, \"x\") or type = \"track\"", true, true),
        ("!(contains(properties.missing, \"x\") and type = \"page\")", true, true),
        // A filter cannot judge this one, whatever comes after.
        ("contains(properties.price, \"x\") or type = \"track\"", false, true),
        ("properties.n = null", true, true),
        ("properties.n != null", false, false),
        ("properties.missing = null", true, true),
        ("properties.price != null", true, true),
        ("properties.ok = true", true, true),
        ("properties.ok = \"true\"", false, false),
        ("properties.ok != true", false, false),
        ("properties.missing != true", true, true),
    ]);
}

#[test]
fn conditions_are_joined() {
    check_both(&[
        ("type = \"track\" or type = \"page\" and event = \"X\"", true),
        ("(type = \"track\" or type = \"page\") and event = \"X\"", false),
        ("!type = \"page\"", true),
        ("!!(type = \"track\")", true),
        ("properties.ok", true),
        ("!properties.ok", false),
        ("properties.n", false),
        ("!properties.n", true),
        ("!null", true),
        ("null or true", true),
        ("true and null", false),
        ("properties.n or properties.ok", true),
        ("true", true),
        ("null", false),
        // What is neither true nor false cannot be judged …
        ("properties.qty", false),
        ("!properties.qty", false),
        ("!properties.map", false),
        ("!properties.features", false),
        ("!properties.price", false),
        ("properties.qty or true", false),
        // … unless what comes before it decides.
        ("true or properties.qty", true),
        ("!(false and properties.qty)", true),
        ("typeof(properties.price) = \"string\" and lowercase(properties.price) = \"x\"", false),
        ("!(typeof(properties.price) = \"string\" and lowercase(properties.price) = \"x\")", true),
    ]);
}

#[test]
fn paths_reach_every_field() {
    check_both(&[
        ("properties.a\\.b = \"dotted\"", true),
        ("properties.a.b = null", true),
        ("properties.2fa = \"on\"", true),
        ("properties.in = \"keyword\"", true),
        ("properties . price = 100", true),
        ("properties.\n  price\n= 100", true),
        ("properties.price.deep = null", true),
        ("properties.features.0 = null", true),
        ("\\type = \"track\"", true),
        ("\\null = null", true),
        ("nullify = null", true),
        ("andeverything = null", true),
        ("orange = null and a-b_C9 = null and _x = null", true),
        ("length = null and length.contains = null", true),
        ("\\1st = null", true),
    ]);
}

#[test]
fn values_are_equal_only_if_their_types_are() {
    check_both(&[
        ("properties.features = [\"discounts\", 'dark-mode']", true),
        ("properties.features != [\"dark-mode\", \"discounts\"]", true),
        ("properties.features = [\"discounts\"]", false),
        ("[\"discounts\"] = properties.features", false),
        ("[] = properties.features or [] = [null] or [null] = []", false),
        ("properties.empty = []", true),
        ("properties.empty = null", false),
        ("[] = properties.missing", false),
        ("[properties.ok, [properties.n]] = [true, [null]]", true),
        ("properties.mixed = [1.0, \"a\", [true, null], properties.map]", false),
        ("properties.mixed = properties.mixed", true),
        ("properties.map = properties.map", true),
        ("properties.map in [properties.map]", true),
        ("1 in properties.mixed", true),
        ("[true, null] in properties.mixed", true),
        ("null in [properties.missing]", true),
        ("null in []", false),
        ("\"x\" in properties.missing", false),
        ("\"x\" in \"xyz\"", false),
        ("properties.price in [100.0, 5]", true),
        ("properties.price = 100.00", true),
        ("properties.price = +100", true),
        ("properties.price > -1.5", true),
        ("properties.big = 9007199254740993", true),
        ("properties.big = 9007199254740992", false),
        ("properties.big > 9007199254740992.5", true),
        ("\"b\" > \"a\"", false),
        ("true > false", false),
        ("(type = \"track\") = true", true),
        ("typeof(type = \"track\") = \"bool\"", true),
        ("\"line\nbreak\" = 'line\nbreak'", true),
        ("'say \"x\"' != \"it's\"", true),
        ("null = null", true),
        ("event = \"button clicked\"", false),
    ]);
}

#[test]
fn patterns_match() {
    check_both(&[
        ("match('abcd', 'a*d')", true),
        ("match('abcd', 'a??d')", true),
        ("match('abcd', '*d')", true),
        ("match('abc', 'ab')", false),
        ("match('', '*')", true),
        ("match('ab*d', 'ab\\*d')", true),
        ("match('abCd', 'ab[cC]d')", true),
        ("match('abcd', 'ab[a-z]d')", true),
        ("match('abcd', 'ab[A-Z]d')", false),
        ("match(event, properties.missing)", false),
        ("match(event, context.library.version)", false),
        ("match(properties.qty, properties.qty)", true),
    ]);
}

#[test]
fn stored_text_is_the_canonical_one() {
    let fql: Fql = serde_json::from_value(json!("type='track'and(event='x'and!a=1)")).unwrap();
    assert_eq!(serde_json::to_value(&fql).unwrap(), json!("type = \"track\" and event = \"x\" and !(a = 1)"));
    let refused = serde_json::from_value::<Fql>(json!("userId = oops\"")).unwrap_err().to_string();
    assert!(refused.contains("this text is never closed at line 1, column 14"), "{refused}");
}

#[test]
fn the_canonical_text_is_easy_to_read() {
    for (text, canonical) in [
        ("a=1 or b=2 and c=3", "a = 1 or (b = 2 and c = 3)"),
        ("((a=1) and (b=2 and c=3))", "a = 1 and b = 2 and c = 3"),
        ("!a = b", "!(a = b)"),
        ("!(contains(a,'b'))", "!contains(a, \"b\")"),
        ("a = 'say \"x\"'", "a = 'say \"x\"'"),
        ("a in[1,+2.50,-0,'x',null]", "a in [1, 2.5, 0, \"x\", null]"),
        ("\\a\\b.c\\ d = \\null", "ab.c\\ d = \\null"),
        ("(!a) = (b or c)", "(!a) = (b or c)"),
        ("bool(a or b)", "bool(a or b)"),
    ] {
        let fql = Fql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(fql.to_string(), canonical);
    }
}
