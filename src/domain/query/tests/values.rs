//! The comparators' table, for traits, for properties of counted leaves and of listed ones.

use serde_json::json;

use super::plain::{holds, track, value_later};

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
        (".within_last(1 day)", json!("2026-01-30"), true),
        (".within_last(1 day)", json!("2026-01-31"), true),
        (".within_last(1 day)", json!("2026-01-29T23:59:59.999Z"), false),
        (".within_last(1 day)", json!("2026-01-31T00:00:00.001Z"), false),
        (".within_next(1 day)", json!("2026-01-31"), true),
        (".within_next(1 day)", json!("2026-02-01"), true),
        (".within_next(1 day)", json!("2026-02-01T00:00:00.001Z"), false),
        (".within_next(1 day)", json!("2026-01-30T23:59:59.999Z"), false),
        (".before_last(24 hours)", json!("2026-01-30"), true),
        (".before_last(24 hours)", json!("2026-01-30T00:00:00.001Z"), false),
        (".after_next(24 hours)", json!("2026-02-01"), true),
        (".after_next(24 hours)", json!("2026-01-31T23:59:59.999Z"), false),
        (".within_last(1 day)", json!(1769731200), false),
        (".within_last(1 day)", json!(null), false),
        ("= literal('x')", json!("x"), true),
        (" = 2026-01-31", json!("2026-01-31"), true),
    ] {
        let in_trait = format!("trait('v'){comparator}");
        assert_eq!(
            holds(&in_trait, vec![], json!({ "v": value_of_v })),
            expected,
            "{in_trait} of {value_of_v}"
        );
        let in_event = format!("event('E').where(property('v'){comparator}).count() = 1");
        let event = || vec![track("E", "1d", json!({ "v": value_of_v }))];
        assert_eq!(holds(&in_event, event(), json!({})), expected, "{in_event} of {value_of_v}");
        let listed = format!("event('E').where(property('v'){comparator} AND trait('t') = 1).count() = 1");
        assert_eq!(holds(&listed, event(), json!({"t": 1})), expected, "{listed} of {value_of_v}");
    }
}

#[test]
fn values_are_compared_with_values() {
    for (comparison, w, expected) in [
        ("= trait('w')", json!("5.0"), true),
        ("!= trait('w')", json!(6), true),
        ("> trait('w')", json!(4), true),
        (".contains('x', trait('w'))", json!("5"), true),
        (".starts_with(trait('w'))", json!(5), true),
        (".one_of('x', trait('w'))", json!(5), true),
        (".none_of('x', trait('w'))", json!(6), true),
        (".none_of('x', trait('w'))", json!(5), false),
        (".omits('x', trait('w'))", json!("6"), true),
        (".one_of(5, trait('w'))", json!(null), true),
        // An absent right side fails every comparison.
        ("= trait('w')", json!(null), false),
        ("!= trait('w')", json!(null), false),
        ("<= trait('w')", json!(null), false),
        (".contains(trait('w'))", json!(null), false),
        (".omits(trait('w'))", json!(null), false),
        (".none_of('x', trait('w'))", json!(null), false),
        // Any entry of an array.
        ("= trait('l.$')", json!(null), true),
        ("> trait('l.$')", json!(null), true),
        (".one_of(trait('l.$'))", json!(null), true),
        (".none_of(trait('l.$'))", json!(null), false),
    ] {
        let traits = json!({"v": 5, "w": w, "l": [1, 5, 9]});
        let text = format!("trait('v'){comparison}");
        assert_eq!(holds(&text, vec![], traits.clone()), expected, "{text} of {traits}");
        let event = || vec![track("E", "1d", json!({"v": 5}))];
        let text = format!("event('E').where(property('v'){comparison}).count() = 1");
        assert_eq!(holds(&text, event(), traits.clone()), expected, "{text} of {traits}");
        let text = format!("event('E').max(property('v')){comparison}");
        assert_eq!(holds(&text, event(), traits.clone()), expected, "{text} of {traits}");
    }
    for (text, expected) in [
        ("literal(5) = 5", true),
        ("literal('a').contains('b')", false),
        ("event('E').count() > event('F').count()", true),
        ("event('E').count() = event('E').sum(property('one'))", true),
        ("event('E').where(property('v') = context('v')).count() = 0", true),
        ("event('E').where(property('v') = property('one')).count() = 0", true),
        ("event('E').where(property('l.$') = property('one')).count() = 1", true),
        ("trait('none').omits('x')", true),
        ("trait('none').omits(trait('none'))", false),
        ("event('F').max(property('v')).absent() AND event('F').sum(property('v')) = 0", true),
        ("event('E').last(property('o')) = '{\"a\":1}'", true),
    ] {
        let event = track("E", "1d", json!({"v": 5, "one": 1, "l": [3, 1], "o": {"a": 1}}));
        assert_eq!(holds(text, vec![event], json!({})), expected, "{text}");
    }
}

#[test]
fn reducers_read_what_they_can() {
    let properties = [
        json!({"n": "12.5", "t": true, "tags": ["x", "y", null], "o": {"k": 1}}),
        json!({"n": 7, "t": 5.0, "tags": "x", "o": [1]}),
        json!({"n": "7 euro", "t": null, "tags": []}),
        json!({"n": [7], "t": "b", "tags": ["y", "y"]}),
        json!({}),
    ];
    let ages = ["5d", "4d", "3d", "2d", "1d"];
    let events: Vec<_> = ages.iter().zip(&properties).map(|(age, p)| track("E", age, p.clone())).collect();
    for (reducer, expected) in [
        ("count()", json!(5)),
        ("sum(property('n'))", json!(19.5)),
        ("avg(property('n'))", json!(9.75)),
        ("min(property('n'))", json!(7)),
        ("max(property('n') as number)", json!(12.5)),
        ("max(property('n') as string)", json!("[7]")),
        ("min(property('t') as string)", json!("5")),
        ("first(property('t'))", json!(true)),
        ("last(property('t'))", json!("b")),
        ("last(property('o'))", json!([1])),
        ("first(property('o.k'))", json!(1)),
        ("last(property('nothing'))", json!(null)),
        ("mode(property('tags'), 3)", json!("y")),
        ("mode(property('tags') as number, 4)", json!(null)),
        ("mode(property('tags') as array, 1)", json!("[\"x\",\"y\",null]")),
        ("unique(property('t'))", json!(["5", "b", "true"])),
        ("unique(property('o')).count()", json!(2)),
        ("sum(property('tags.2'))", json!(0)),
    ] {
        let text = format!("event('E').{reducer}");
        assert_eq!(value_later(&text, events.clone(), "0d"), expected, "{text}");
        let listed = format!("event('E').where(trait('t').absent()).{reducer}");
        assert_eq!(value_later(&listed, events.clone(), "0d"), expected, "{listed}");
    }
}

#[test]
fn what_is_too_long_is_not_kept() {
    let event = |length: usize| vec![track("E", "1d", json!({"v": "x".repeat(length)}))];
    for (length, last, counted) in [(998, true, true), (999, false, true)] {
        assert_eq!(holds("event('E').last(property('v')).exists()", event(length), json!({})), last);
        // A test of the event itself keeps nothing of it, whether the leaf is counted or listed.
        for text in ["property('v').ends_with('x')", "property('v').ends_with('x') AND trait('t').absent()"] {
            let text = format!("event('E').where({text}).count() = 1");
            assert_eq!(holds(&text, event(length), json!({})), counted, "{text}");
        }
    }
}
