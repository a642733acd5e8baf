//! What is refused, where, and in which words.

use crate::domain::query::{MAX_EXPRESSIONS, MAX_QUERY_BYTES, Query, QueryError};

fn refusal(text: &str) -> QueryError {
    Query::parse(text).expect_err(text)
}

#[test]
fn refusals_say_what_and_where() {
    for (text, column, message) in [
        ("trait('x')", 11, "a trait alone is no condition"),
        ("property('x') = 1", 1, "`property` is only allowed inside `where(…)` and in reducers"),
        ("trait('x') = property('x')", 14, "`property` is only allowed inside `where(…)` and in reducers"),
        ("context('x') = 1", 1, "`context` is only allowed inside `where(…)` and in reducers"),
        ("literal(1)", 11, "a constant alone is no condition"),
        ("event('A').count().count()", 20, "`count` cannot follow a count"),
        ("event('A').unique(property('p')) = 1", 34, "a list is no value to compare; count it first"),
        ("event('A').unique(property('p')).exists()", 34, "`exists` cannot follow a list"),
        ("event('A').unique(property('p')).sum()", 34, "`sum` cannot follow a list"),
        ("event('A') >= 1", 12, "a stream of events is no value; reduce it to one first"),
        ("event('A')", 11, "a stream of events is no value; reduce it to one first"),
        ("trait('x') = 1 AND", 19, "a condition is missing before the end of the query"),
        ("event('A').within(7 weeks).count() > 1", 21, "unexpected `weeks`"),
        ("event('A').within(7 seconds).count() > 1", 21, "unexpected `seconds`"),
        ("event('A').mode(property('x')) = 1", 30, "`mode` needs to know how often a value has to occur"),
        ("event('A').mode(property('x'), 0) = 1", 32, "a value has to occur a whole number of times"),
        ("event('A').mode(property('x'), 1.5) = 1", 32, "a value has to occur a whole number of times"),
        ("event('A').mode(property('x') as text, 1) = 1", 34, "unexpected `text`"),
        ("event('A').max(property('x') as array) = 1", 33, "unexpected `array`"),
        ("event('A').sum(property('x') as number) = 1", 30, "unexpected `as`"),
        ("event('A').sum('x') = 1", 16, "unexpected a text"),
        ("event('A').sum(trait('x')) = 1", 16, "`trait` cannot be reduced"),
        ("event('A').sum(property('x.$')) = 1", 25, "a reducer takes one value of an event"),
        ("event('A').sum() = 1", 16, "unexpected `)`"),
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
        ("trait('x') = entity('x').count()", 14, "linked audiences are not supported"),
        ("event('A').between(1 days, 2 weeks).count() = 1", 30, "unexpected `weeks`"),
        ("event('A').between(1 days).count() = 1", 26, "unexpected `)`"),
        (
            "event('A').between(1 days, 24 hours).count() = 1",
            20,
            "the edges of a window are two different spans",
        ),
        ("event('A').between(0 days, 1 day).count() = 1", 20, "a window is 1 hour to 3650 days long"),
        ("event('A').expires_after(1 hour).count() = 1", 12, "`expires_after` is for computed traits only"),
        ("event('A').sources('s').count() = 1", 20, "unexpected a text"),
        ("event('A').sources({include: 's'}).count() = 1", 21, "unexpected `include`"),
        ("event('A').sources({exclude: []}).count() = 1", 31, "unexpected `]`"),
        ("event('A').sources({exclude: ['s'}).count() = 1", 34, "unexpected `}`"),
        (
            "event('A').where(property(parent: 'x') = 1).count() = 1",
            27,
            "`parent` is only there in an event stream",
        ),
        ("event('A').within(parent: 1 day).count() = 1", 19, "`parent` is only there in an event stream"),
        ("event('A').where(context(parent: 'x') = 1).count() = 1", 26, "unexpected `parent`"),
        ("event('A').where(ANY event('B').count() = 1).count() = 1", 18, "`ANY` cannot stand inside `where`"),
        ("ANY (trait('x') = 1 OR all trait('y') = 1)", 24, "`all` cannot stand inside another"),
        ("ANY NOT ANY trait('x') = 1", 9, "`ANY` cannot stand inside another"),
        ("ANY", 4, "a condition is missing before the end of the query"),
        ("trait('x').within_last(7 weeks)", 26, "unexpected `weeks`"),
        ("trait('x').within_last(7 seconds)", 26, "unexpected `seconds`"),
        ("trait('x').within_last(0 days)", 24, "a span of time is 1 hour to 3650 days long"),
        ("trait('x').before_last('2026-01-31')", 24, "unexpected a text"),
        ("trait('x') = trait", 19, "unexpected the end of the query"),
        ("trait('x') = literal()", 22, "unexpected `)`"),
        ("trait('x') = event('A')", 24, "a stream of events is no value"),
        ("trait('x').equals(1, 2)", 20, "unexpected `,`"),
        ("event('A').within(1 day).within(2 days).count() = 1", 26, "a stream has at most one window"),
        ("event('A').within(0 days).count() = 1", 19, "a window is 1 hour to 3650 days long"),
        ("event('A').within(3651 days).count() = 1", 19, "a window is 1 hour to 3650 days long"),
        (
            "event('A').within(99999999999999999999 days).count() = 1",
            19,
            "a window is 1 hour to 3650 days long",
        ),
        ("event('A').within(1.5 days).count() = 1", 19, "a window is a whole number"),
        ("event('A').count() = 'x'", 22, "a count is compared with a number"),
        ("event('A').unique(property('x')).count() > true", 44, "true and false have no order"),
        ("event('A').count().one_of(1, true)", 30, "a count is compared with a number"),
        (
            "event('A').last(property('x')).last(property('x')) = 1",
            32,
            "`last` cannot follow a value of events",
        ),
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
fn computed_traits_are_values() {
    for (text, column, message) in [
        ("trait('x')", 1, "`trait` makes no computed trait; it is made of events"),
        ("literal(5)", 1, "`literal` makes no computed trait; it is made of events"),
        ("property('x')", 1, "`property` makes no computed trait"),
        ("NOT event('A').count()", 1, "a computed trait is a value, not a condition"),
        ("ANY event('A').count()", 1, "a computed trait is a value, not a condition"),
        ("(event('A').count())", 1, "a computed trait cannot begin with `(`"),
        ("", 1, "a computed trait cannot begin with the end of the query"),
        ("evnt('A').count()", 1, "unknown function `evnt`"),
        ("entity('A').count()", 1, "linked audiences are not supported"),
        ("event('A')", 11, "a stream of events is no value; reduce it to one first"),
        ("event('A').count() >= 1", 20, "a computed trait is a value, not a condition"),
        ("event('A').count().exists()", 19, "a computed trait is a value, not a condition"),
        ("event('A').count() AND event('B').count()", 20, "a computed trait is a value, not a condition"),
        ("event('A').count().count()", 20, "`count` cannot follow a count"),
        ("event('A').unique(property('x')) = 1", 34, "a computed trait is a value, not a condition"),
        ("event('A').unique(property('x')).count().count()", 42, "`count` cannot follow a count"),
        ("event('A').mode(property('x'))", 30, "`mode` needs to know how often a value has to occur"),
        ("event('A').count())", 19, "this bracket was never opened"),
        ("event('A').expires_after(29 seconds).count()", 26, "a session's pause is 1800 seconds to 90 days"),
        ("event('A').expires_after(91 days).count()", 26, "a session's pause is 1800 seconds to 90 days"),
        (
            "event('A').where(event('B').expires_after(1 hour).count() = 1).count()",
            29,
            "`expires_after` is not allowed inside `where(…)`",
        ),
        (
            "event('A').where(event('B').unique(property('x')) = 1).count()",
            51,
            "a list is no value to compare; count it first",
        ),
    ] {
        let error = Query::parse_value(text).expect_err(text);
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
        ("trait('x') = tru", "true"),
        ("event('A').mode(property('x') as strng, 2) = 1", "string"),
        ("event('A').sum(propety('x')) = 1", "property"),
        ("event('A').unique(property('x')) > 1", ".count()"),
        ("event('A').expires_after(1 hour).count() = 1", "within"),
        ("trait('x').withinLast(7 days)", "within_last"),
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
    assert!(error.to_string().ends_with(" or after_next; did you mean exists?"), "{error}");
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

    let streams = |depth: usize| {
        let open: String = (1..depth).map(|level| format!("event('{level}').where(")).collect();
        format!("{open}event('0').count() = 1{}", ").count() = 1".repeat(depth - 1))
    };
    assert!(Query::parse(&streams(4)).is_ok());
    let error = refusal(&streams(5));
    assert_eq!(error.message, "event streams are nested too deeply (more than 4 levels)");
    assert_eq!(error.offset, streams(5).find("event('0')").unwrap());

    let pairs = vec!["event('A').count() = event('B').count()"; MAX_EXPRESSIONS].join(" AND ");
    assert!(Query::parse(&pairs).is_ok());
    let list = format!("trait('x').one_of({})", vec!["event('A').count()"; 101].join(","));
    assert_eq!(refusal(&list).message, "too many event streams (101 > 100)");

    let any = format!("ANY {} OR ALL ({})", chain(1), chain(MAX_EXPRESSIONS - 1));
    assert!(Query::parse(&any).is_ok());
    assert!(refusal(&format!("{any} OR {}", chain(1))).message.contains("too many expressions"));
}
