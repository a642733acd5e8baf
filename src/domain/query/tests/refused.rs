//! What is refused, where, and in which words.

use crate::domain::query::{MAX_EXPRESSIONS, MAX_QUERY_BYTES, Query, QueryError};

fn refusal(text: &str) -> QueryError {
    Query::parse(text).expect_err(text)
}

#[test]
fn refusals_say_what_and_where() {
    for (text, column, message) in [
        ("trait('x')", 11, "a trait alone is no condition"),
        ("property('x') = 1", 1, "`property` is only allowed inside `where(…)`"),
        ("event('A').count().count()", 20, "`count` cannot follow a count"),
        ("event('A').unique(property('p')) = 1", 12, "`unique` is not available in this version"),
        ("event('A') >= 1", 12, "a stream of events is no value to compare"),
        ("event('A')", 11, "a stream of events is no value to compare"),
        ("trait('x') = 1 AND", 19, "a condition is missing before the end of the query"),
        ("event('A').within(7 weeks).count() > 1", 21, "unexpected `weeks`"),
        ("event('A').within(7 seconds).count() > 1", 21, "unexpected `seconds`"),
        ("event('A').mode(property('x')) = 1", 12, "`mode` is not available in this version"),
        ("trait('x').equals(1).exists()", 21, "a comparison cannot be followed by another"),
        ("trait('x') = 1 = 2", 16, "a comparison cannot be followed by another"),
        ("(trait('x') = 1", 16, "the bracket opened at line 1, column 1 is never closed"),
        ("trait('x') = 1)", 15, "this bracket was never opened"),
        ("trait('x') = 1 }", 16, "this bracket was never opened"),
        ("frobnicate('x') = 1", 1, "unknown function `frobnicate`"),
        ("trait('x').frobnicate()", 12, "unknown function `frobnicate`"),
        ("", 1, "a condition is missing before the end of the query"),
        ("()", 2, "a condition is missing before `)`"),
        ("entity('x').count() = 1", 1, "linked audiences are not supported"),
        ("event('A').where(entity('x').count() = 1).count() = 1", 18, "linked audiences are not supported"),
        ("event('A').sum(property('p')) > 1", 12, "`sum` is not available in this version"),
        ("event('A').between(1 days, 2 days).count() = 1", 12, "`between` is not available in this version"),
        (
            "event('A').expires_after(1 hour).count() = 1",
            12,
            "`expires_after` is not available in this version",
        ),
        ("event('A').sources({exclude: 's'}).count() = 1", 12, "`sources` is not available in this version"),
        ("event('A').where(context('ip') = 1).count() = 1", 18, "`context` is not available in this version"),
        (
            "event('A').where(event('B').count() = 1).count() = 1",
            18,
            "`event` inside `where` is not available",
        ),
        ("event('A').where(trait('b') = 1).count() = 1", 18, "`trait` inside `where` is not available"),
        ("event('A').within(parent: 1 day).count() = 1", 19, "`parent` is not available in this version"),
        ("trait('x').within_last(7 days)", 12, "`within_last` is not available in this version"),
        ("trait('x') > trait('y')", 14, "`trait` on the right of a comparison is not available"),
        ("ANY event('A').count() = 1", 1, "`ANY` is not available in this version"),
        ("all (event('A').count() = 1)", 1, "`all` is not available in this version"),
        ("event('A').within(1 day).within(2 days).count() = 1", 26, "a stream has at most one window"),
        ("event('A').within(0 days).count() = 1", 19, "a window is 1 hour to 3650 days long"),
        ("event('A').within(3651 days).count() = 1", 19, "a window is 1 hour to 3650 days long"),
        (
            "event('A').within(99999999999999999999 days).count() = 1",
            19,
            "a window is 1 hour to 3650 days long",
        ),
        ("event('A').within(1.5 days).count() = 1", 19, "a window is a whole number"),
        ("event('A').count() = 1001", 22, "a count is compared with a whole number from 0 to 1000"),
        ("event('A').count() = 1.5", 22, "a count is compared with a whole number"),
        ("event('A').count() > -1", 22, "a count is compared with a whole number"),
        ("event('A').count() = 'x'", 22, "a count is compared with a whole number"),
        ("event('A').count().one_of(1, 2000)", 30, "a count is compared with a whole number"),
        ("event('A').count().exists()", 20, "`exists` cannot follow a count"),
        ("event('A').count().contains(1)", 20, "`contains` cannot follow a count"),
        ("trait('x').count()", 12, "`count` cannot follow a trait"),
        ("trait('x') > true", 14, "true and false have no order"),
        ("trait('x') = yes", 14, "unexpected `yes`"),
        ("trait('x') =", 13, "unexpected the end of the query"),
        ("trait('x').one_of()", 19, "unexpected `)`"),
        ("trait('x').exists(1)", 19, "unexpected the number 1"),
        ("trait('x').before_date('soon')", 24, "`soon` is no date, or has no time zone"),
        ("trait('x').before_date(2026-02-30)", 24, "`2026-02-30` is no date, or has no time zone"),
        ("trait('x') = 'abc", 14, "this text is never closed"),
        ("trait('x') = 1 # why", 16, "unexpected character `#`"),
        ("trait('') = 1", 7, "this name is empty"),
        ("event('').count() = 1", 7, "this name is empty"),
        ("trait('a..b') = 1", 7, "path has an empty segment"),
        ("trait(x) = 1", 7, "unexpected `x`"),
        ("trait 'x' = 1", 7, "unexpected a text"),
        ("event('A').where().count() = 1", 18, "a condition is missing before `)`"),
        ("event('A').where({property('x') = 1).count() = 1", 36, "unexpected `)`"),
    ] {
        let error = refusal(text);
        assert!(error.message.starts_with(message), "{text}: {error}");
        assert_eq!((error.line, error.column), (1, column), "{text}: {error}");
    }
}

#[test]
fn near_misses_are_suggested() {
    for (text, suggestion) in [
        ("event('A').cuont() = 1", "count"),
        ("Event('A').count() = 1", "event"),
        ("events('A').count() = 1", "event"),
        ("event('A').were(property('x') = 1).count() = 1", "where"),
        ("trait('x').greaterThan(1)", "greater_than"),
        ("trait('x') = 1 ADN trait('y') = 1", "AND"),
        ("trait('x') = 1 && trait('y') = 1", "AND"),
        ("trait('x') = ‘a’", "'"),
        ("trait('x') = TRUE", "true"),
        ("trait('x') = pro", "'pro'"),
        ("event('A') >= 1", ".count()"),
        ("event('A').within(7 dyas).count() = 1", "days"),
    ] {
        assert_eq!(refusal(text).suggestion.as_deref(), Some(suggestion), "{text}: {}", refusal(text));
    }
}

#[test]
fn positions_are_characters_and_offsets_bytes() {
    let text = "trait('é') = 1 AND\n\ttrait('日本') = ?";
    let error = refusal(text);
    assert_eq!((error.line, error.column), (2, 16));
    assert_eq!(&text[error.offset..], "?");
    assert_eq!(error.caret(text), "\ttrait('日本') = ?\n\t              ^");
    assert_eq!(error.to_string(), "unexpected character `?` at line 2, column 16");
    let error = refusal("trait('x').exsts()");
    assert!(error.to_string().ends_with(" or absent; did you mean exists?"), "{error}");
}

#[test]
fn limits_are_held() {
    let chain = |count| vec!["trait('x') = 1"; count].join(" AND ");
    assert!(Query::parse(&chain(MAX_EXPRESSIONS)).is_ok());
    assert_eq!(refusal(&chain(MAX_EXPRESSIONS + 1)).message, "too many expressions (51 > 50)");
    let inside = "event('A').where(property('a') = 1 AND property('b') = 1).count() = 1 AND ";
    assert!(Query::parse(&format!("{inside}{}", chain(47))).is_ok());
    assert!(refusal(&format!("{inside}{}", chain(48))).message.contains("too many expressions"));

    let nested = |depth| format!("{}trait('x') = 1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Query::parse(&nested(32)).is_ok());
    assert_eq!(refusal(&nested(33)).message, "nested too deeply (more than 32 levels)");
    assert_eq!(refusal(&nested(33)).column, 33);
    assert!(refusal(&format!("{}trait('x') = 1", "NOT ".repeat(33))).message.contains("too deeply"));

    let text = |length| format!("trait('x') = '{}'", "é".repeat(length));
    assert!(Query::parse(&text(1000)).is_ok());
    assert!(refusal(&text(1001)).message.contains("text is too long"));
    assert!(refusal(&" ".repeat(MAX_QUERY_BYTES + 1)).message.contains("query text is too long"));
    // Escapes that become necessary only in the canonical text.
    let quotes = format!("trait('x').one_of({})", vec![format!("\"{}\"", "'".repeat(900)); 15].join(","));
    assert!(refusal(&quotes).message.contains("when written out in full"));
}
