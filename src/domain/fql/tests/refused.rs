//! What is refused, where, and in which words.

use crate::domain::fql::{Fql, FqlError};
use crate::domain::limits::{MAX_FQL_BYTES, MAX_FQL_NESTING, MAX_FQL_TERMS};

fn refusal(text: &str) -> FqlError {
    Fql::parse(text).expect_err(text)
}

#[test]
fn refusals_say_what_and_where() {
    for (text, column, message) in [
        ("", 1, "a value is missing before the end of the filter"),
        ("   ", 4, "a value is missing before the end of the filter"),
        ("()", 2, "a value is missing before `)`"),
        ("event", 1, "the field `event` alone is no condition; compare it with something"),
        ("type = 'a' and event", 16, "the field `event` alone is no condition"),
        ("!userId", 2, "the field `userId` alone is no condition"),
        ("'text'", 1, "a string alone is no condition"),
        ("5 or a", 1, "a number alone is no condition"),
        ("[a]", 1, "a list alone is no condition"),
        ("length(a)", 1, "`length(…)` alone is no condition"),
        ("userId = oops\"", 14, "this text is never closed"),
        ("a = 'x", 5, "this text is never closed"),
        ("a =", 4, "a value is missing before the end of the filter"),
        ("a = and b", 5, "a value is missing before `and`"),
        ("= 5", 1, "a value is missing before `=`"),
        ("a = 1 and", 10, "a value is missing before the end of the filter"),
        ("a = 1 = 2", 7, "a comparison cannot be followed by another; join them"),
        ("a = !b", 5, "a condition with `!` stands in round brackets here"),
        ("a = 1)", 6, "this bracket was never opened"),
        ("a = 1]", 6, "this bracket was never opened"),
        ("(a = 1", 7, "the bracket opened at line 1, column 1 is never closed"),
        ("contains(a, 'x'", 16, "the bracket opened at line 1, column 9 is never closed"),
        ("a in [1, 2", 11, "the bracket opened at line 1, column 6 is never closed"),
        ("a in [1,]", 9, "a value is missing before `]`"),
        ("a in [1 2]", 9, "unexpected the number 2"),
        ("contains(a 'x')", 12, "unexpected a text"),
        ("contains(a)", 1, "`contains` takes 2 values, not 1"),
        ("length()", 1, "`length` takes 1 value, not 0"),
        ("typeof(a, b) = 'x'", 1, "`typeof` takes 1 value, not 2"),
        ("contains(5, 'x')", 10, "`contains` does not take a number"),
        ("match(a, [1])", 10, "`match` does not take a list"),
        ("length(a = 1) = 1", 8, "`length` does not take a bool"),
        ("match(a, 'x[y')", 10, "the pattern has a `[` that is never closed"),
        ("frobnicate(a)", 1, "unknown function `frobnicate`"),
        ("a contains 'x'", 3, "`contains` is a function; its values stand in brackets behind it"),
        ("a 'x'", 3, "unexpected a text"),
        ("a.", 3, "unexpected the end of the filter"),
        ("a..b", 3, "unexpected `.`"),
        (".a", 1, "a value is missing before `.`"),
        ("a.'b'", 3, "unexpected a text"),
        ("a > 5.", 7, "a number cannot end with a dot"),
        ("a > 5. ", 7, "a number cannot end with a dot"),
        ("a > 5.0.0", 8, "a number has only one dot"),
        ("a > 5.0.", 8, "a number has only one dot"),
        ("a > 5x", 6, "unexpected `x`"),
        ("a = $", 5, "unexpected character `$`"),
        ("@", 1, "unexpected character `@`"),
        ("#", 1, "unexpected character `#`"),
        ("*", 1, "unexpected character `*`"),
        ("/", 1, "unexpected character `/`"),
        ("a = -", 5, "unexpected character `-`"),
        ("a\\", 2, "this backslash stands before nothing"),
        ("!", 2, "a value is missing before the end of the filter"),
        ("a = 1 OR b = 2", 7, "unexpected `OR`"),
        ("a = NULL", 5, "keywords are written in lower case; a field of this name is `\\NULL`"),
        ("\\contains(a, 'x')", 10, "unexpected `(`"),
    ] {
        let error = refusal(text);
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!((error.line, error.column), (1, column), "{text}: {error}");
    }
}

#[test]
fn refusals_say_what_was_probably_meant() {
    for (text, suggestion) in [
        ("a == 1", "="),
        ("a <> 1", "!="),
        ("a => 1", ">="),
        ("a =~ 'x'", "match(…)"),
        ("a ≥ 1", ">="),
        ("a = 1 && b = 2", "and"),
        ("a = 1 || b = 2", "or"),
        ("a = 1 AND b = 2", "and"),
        ("a = 1 adn b = 2", "and"),
        ("a = 1 Or b = 2", "or"),
        ("a IN [1]", "in"),
        ("a = True", "true"),
        ("a = “x”", "\""),
        ("contian(a, 'x')", "contains"),
        ("toLowerCase(a) = 'x'", "lowercase"),
        ("properties.größe = 1", "\\ö"),
        ("a = !b", "(!…)"),
    ] {
        let error = refusal(text);
        assert_eq!(error.suggestion.as_deref(), Some(suggestion), "{text}: {error}");
    }
}

#[test]
fn a_refusal_reads_well() {
    let text = "type = \"track\"\n  and event == \"x\"";
    let error = refusal(text);
    assert_eq!(error.to_string(), "`==` is no relation at line 2, column 13; did you mean =?");
    assert_eq!(error.caret(text), "  and event == \"x\"\n            ^");
    let error = refusal("properties.total 5");
    let expected = "unexpected the number 5 at line 1, column 18; \
        expected =, !=, >, >=, <, <=, in, and, or or the end";
    assert_eq!(error.to_string(), expected);
    let error = refusal("a = 1 b");
    assert_eq!(error.to_string(), "unexpected `b` at line 1, column 7; expected and, or or the end");
}

#[test]
fn texts_beyond_a_limit_are_refused() {
    let brackets = |depth: usize| format!("{}a = 1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Fql::parse(&brackets(2 * MAX_FQL_NESTING)).is_ok());
    assert_eq!(
        refusal(&brackets(2 * MAX_FQL_NESTING + 1)).message,
        "nested too deeply (more than 32 levels)"
    );

    let lists = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Fql::parse(&lists(MAX_FQL_NESTING - 1)).is_ok());
    assert_eq!(refusal(&lists(MAX_FQL_NESTING)).message, "nested too deeply (more than 32 levels)");
    // What is joined by one word is not nested, however it is written.
    let joined = format!("{}a = 1{}", "a = 1 and (".repeat(40), ")".repeat(40));
    assert_eq!(Fql::parse(&joined).unwrap().to_string(), vec!["a = 1"; 41].join(" and "));
    // The brackets that the canonical text adds count for nothing.
    let nots = format!("{}a = 1", "!".repeat(MAX_FQL_NESTING - 2));
    assert_eq!(Fql::parse(&Fql::parse(&nots).unwrap().to_string()), Fql::parse(&nots));
    refusal(&format!("!{nots}"));

    let terms = |count: usize| format!("a in [{}]", vec!["1"; count - 2].join(","));
    assert!(Fql::parse(&terms(MAX_FQL_TERMS)).is_ok());
    assert_eq!(refusal(&terms(MAX_FQL_TERMS + 1)).message, "too many values (more than 500)");

    assert!(refusal(&" ".repeat(MAX_FQL_BYTES + 1)).message.contains("filter is too long"));
    let escapes = format!("{}=1", "\\ ".repeat(MAX_FQL_BYTES / 2 - 1));
    assert!(refusal(&escapes).message.contains("too long when written out in full"));
    assert_eq!(refusal(&format!("a = {}", "9".repeat(400))).message, "this number is too large");
}

#[test]
fn deep_nesting_overflows_no_stack() {
    for piece in ["(", "[", "!", "contains(", "a = (", "a in [(", "!(", "[["] {
        let text = piece.repeat(MAX_FQL_BYTES / piece.len());
        assert!(refusal(&text).message.contains("nested too deeply"), "{piece}");
    }
}
