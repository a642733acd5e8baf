//! What functions come to, and why an event cannot be judged.

use serde_json::{Value, json};

use crate::domain::fql::{Dialect, Fql, FqlFault};

use super::cases::event;

fn judge(text: &str) -> Result<bool, FqlFault> {
    judge_event(text, &event())
}

fn judge_event(text: &str, event: &Value) -> Result<bool, FqlFault> {
    Fql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).evaluate(event, Dialect::Filter)
}

#[test]
fn functions_give_values() {
    for text in [
        "length(properties.features) = 2",
        "length(properties.missing) = 0",
        "length([1, 2, properties.n]) = 3",
        "lowercase('ÀB c') = 'àb c'",
        "uppercase('straße') = 'STRASSE'",
        "snakecase('a b\tc-d') = 'a_b\tc-d'",
        "kebabcase('a b_c') = 'a-b_c'",
        "titlecase('the qUICK  fox é') = 'The QUICK  Fox É'",
        "uppercase(properties.missing) = null and snakecase(properties.missing) = null",
        "kebabcase(properties.missing) = null and titlecase(properties.missing) = null",
        "typeof(properties.features) = 'list'",
        "typeof(properties.price) = 'number'",
        "typeof(properties.qty) = 'string'",
        "typeof(properties.ok) = 'bool'",
        "typeof(properties.n) = 'null'",
        "typeof(properties.map) = 'map'",
        "typeof([]) = 'list'",
        "bool('x') and bool(1) and bool([0]) and bool(true)",
        "!bool('') and !bool(0) and !bool([]) and !bool(false) and !bool(null)",
        "!bool('false') and !bool('0')",
        "string(properties.price) = '100'",
        "string(1.50) = '1.5'",
        "string(true) = 'true'",
        "string('x') = 'x'",
        "string(properties.missing) = ''",
        "string(properties.mixed) = '[1,\"a\",[true,null],{\"k\":1.5}]'",
        "string([properties.qty, 2.5, null, [true]]) = '[\"7\",2.5,null,[true]]'",
        "number(properties.qty) > 5",
        "number('-1.50') = -1.5",
        "number(properties.price) = 100",
        "number(properties.missing) = null",
        "contains(lowercase(event), 'button')",
        "contains(event, '')",
        "!contains(event, properties.missing)",
    ] {
        assert_eq!(judge(text), Ok(true), "{text}");
    }
}

#[test]
fn what_cannot_be_judged_says_why() {
    let wrong_type = |function, found| FqlFault::WrongType { function, found };
    for (text, fault) in [
        ("properties.qty", FqlFault::NoCondition { found: "string" }),
        ("!properties.price", FqlFault::NoCondition { found: "number" }),
        ("properties.features or true", FqlFault::NoCondition { found: "list" }),
        ("true and properties.map", FqlFault::NoCondition { found: "map" }),
        ("contains(properties.features, 'x')", wrong_type("contains", "list")),
        ("contains('x', properties.price)", wrong_type("contains", "number")),
        ("match(properties.ok, '*')", wrong_type("match", "bool")),
        ("lowercase(properties.price) = 'x'", wrong_type("lowercase", "number")),
        ("length(properties.map) = 1", wrong_type("length", "map")),
        ("length(properties.price) = 1", wrong_type("length", "number")),
        ("string(properties.map) = 'x'", wrong_type("string", "map")),
        ("bool(properties.map)", wrong_type("bool", "map")),
        ("number(properties.ok) = 1", wrong_type("number", "bool")),
        ("number(event) = 1", FqlFault::NoNumber),
    ] {
        assert_eq!(judge(text), Err(fault), "{text}");
        assert!(!Fql::parse(text).unwrap().matches(&event(), Dialect::Filter), "{text}");
    }
    let broken = judge_event("match('x', properties.p)", &json!({"properties": {"p": "[a"}}));
    let message = broken.unwrap_err().to_string();
    assert_eq!(message, "a pattern taken from the event is none: the pattern has a `[` that is never closed");
}

#[test]
fn any_json_is_an_event() {
    for event in [json!(null), json!(5), json!("track"), json!([{"type": "track"}]), json!({})] {
        assert_eq!(judge_event("type = null", &event), Ok(true), "{event}");
    }
}

#[test]
fn work_is_bounded() {
    let long = json!({"p": "a".repeat(32 * 1024)});
    let nasty = format!("match(p, '*{}b')", "a".repeat(200));
    assert_eq!(judge_event(&nasty, &long), Err(FqlFault::TooMuchWork));
    let many = vec!["contains(p, 'b')"; 160].join(" or ");
    assert_eq!(judge_event(&many, &long), Err(FqlFault::TooMuchWork));
    let written = vec!["lowercase(p) = 'b'"; 160].join(" or ");
    assert_eq!(judge_event(&written, &long), Err(FqlFault::TooMuchWork));
    let few = vec!["contains(p, 'b')"; 100].join(" or ");
    assert_eq!(judge_event(&few, &long), Ok(false));
    // Each level doubles the backslashes.
    let levels = 14;
    let nested = format!("{}p{} = ''", "string([".repeat(levels), "])".repeat(levels));
    assert_eq!(judge_event(&nested, &json!({"p": "\"\"\"\"\"\"\"\""})), Err(FqlFault::TooLong));
}
