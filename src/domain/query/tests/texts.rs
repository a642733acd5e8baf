//! Canonical texts, and texts that nobody would write.

use proptest::prelude::*;

use crate::domain::query::{LeafSpec, Query, QueryError};

#[test]
fn one_meaning_has_one_text() {
    for (text, canonical) in [
        ("trait('x')==1", "trait('x') = 1"),
        ("trait(\"x\").at_least( 1.50 )", "trait('x') >= 1.5"),
        (
            "(trait('x')=1 and trait('y')=2) AND not((trait('z')=3))",
            "trait('x') = 1 AND trait('y') = 2 AND NOT trait('z') = 3",
        ),
        (
            "(trait('x')=1 Or trait('y')=2) and trait('z')=3",
            "(trait('x') = 1 OR trait('y') = 2) AND trait('z') = 3",
        ),
        (
            "event('A').within(168hours).where({property('p').exists()}).count()>'3'",
            "event('A').where(property('p').exists()).within(7 days).count() > 3",
        ),
        (
            "event('A').where(property('p')=1).where(property('q')=2 OR property('r')=3).count()=1",
            "event('A').where(property('p') = 1 AND (property('q') = 2 OR property('r') = 3)).count() = 1",
        ),
        (r"trait('a\.b') = 'it\'s'", r"trait('a\\.b') = 'it\'s'"),
        (r"trait('a\\.b') = 'c:\dir'", r"trait('a\\.b') = 'c:\\dir'"),
        ("trait('d').before_date(2026-01-31)", "trait('d').before_date('2026-01-31T00:00:00.000Z')"),
        ("trait('d') = 2026-01-31", "trait('d') = '2026-01-31'"),
        ("trait('d')=literal( 5.0 )", "trait('d') = 5"),
        ("literal( 'x' ).one_of(trait('d'),literal(true))", "literal('x').one_of(trait('d'), true)"),
        (
            "any not(trait('x')=1) or All((trait('y')=1)AND trait('z')=2)",
            "ANY NOT trait('x') = 1 OR ALL (trait('y') = 1 AND trait('z') = 2)",
        ),
        ("NOT ANY (((trait('x')=1)))", "NOT ANY trait('x') = 1"),
        ("ALL NOT (trait('x')=1 OR trait('y')=1)", "ALL NOT (trait('x') = 1 OR trait('y') = 1)"),
        (
            "event('A').between(10 days,168 hours).sources({exclude:['b',\"a\",'b']}).sum(property('x'))>1",
            "event('A').sources({exclude: 'a', 'b'}).between(7 days, 10 days).sum(property('x')) > 1",
        ),
        (
            "event('A').mode(property('x') as number , 2).exists()",
            "event('A').mode(property('x'), 2).exists()",
        ),
        (
            "event('A').min(context('x') as number)<event('A').max(context('x') as string)",
            "event('A').min(context('x')) < event('A').max(context('x') as string)",
        ),
        (
            "event('A').where(event('B').where(property('x')=property( parent :'y')).within(parent:1 days).count()=0).unique(property('z')).count()=1",
            "event('A').where(event('B').where(property('x') = property(parent: 'y')).within(parent: 1 day).count() = 0).unique(property('z')).count() = 1",
        ),
        ("trait('d').within_last(48 hours)", "trait('d').within_last(2 days)"),
    ] {
        let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(query.to_string(), canonical, "{text}");
    }
}

#[test]
fn one_value_has_one_text() {
    for (text, canonical) in [
        ("event('A').expires_after(3600 seconds).count()", "event('A').expires_after(1 hour).count()"),
        ("event('A').expires_after(3601 seconds).count( )", "event('A').expires_after(3601 seconds).count()"),
        ("event('A').mode(property('x') as array,1)", "event('A').mode(property('x') as array, 1)"),
        ("event('A').unique( context('x') )", "event('A').unique(context('x'))"),
    ] {
        let query = Query::parse_value(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(query.to_string(), canonical, "{text}");
    }
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,20}(\\.[0-9]{1,5})?",
        "[a-z0-9 é.$%]{0,8}".prop_map(|text| format!("'{text}'")),
        r#"(\\'|\\"|\\\\|[a-z"]|\\[a-z.$]){0,8}"#.prop_map(|text| format!("'{text}'")),
        r#"(\\'|\\"|\\\\|[a-z'])\n?"#.prop_map(|text| format!("\"{text}\"")),
        Just("true".to_owned()),
        Just("2026-01-31".to_owned()),
    ]
}

/// A comparator whose values are `operand`s.
fn comparator(operand: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let list = prop::collection::vec(operand.clone(), 1..4).prop_map(|list| list.join(","));
    prop_oneof![
        (prop::sample::select(vec!["=", "==", " != "]), operand.clone()).prop_map(|(r, o)| format!("{r}{o}")),
        (prop::sample::select(vec!["equals", "differs", "starts_with", "ends_with"]), operand)
            .prop_map(|(name, operand)| format!(".{name}({operand})")),
        (prop::sample::select(vec![">", ">=", "<", "<="]), -5..5000).prop_map(|(r, n)| format!("{r}{n}")),
        (prop::sample::select(vec!["contains", "omits", "one_of", "none_of"]), list)
            .prop_map(|(name, list)| format!(".{name}({list})")),
        prop::sample::select(vec![
            ".exists()",
            ".absent()",
            ".before_date('2026-01-31T10:00+01:00')",
            ".after_date(2026-01-31)",
            ".greater_than('a')",
            ".at_most(trait('x'))",
        ])
        .prop_map(str::to_owned),
        (prop::sample::select(vec!["within_last", "within_next", "before_last", "after_next"]), duration())
            .prop_map(|(name, duration)| format!(".{name}({duration})")),
    ]
}

fn duration() -> impl Strategy<Value = String> {
    (1..500, prop::sample::select(vec!["hour", "hours", " day", " days"]))
        .prop_map(|(number, unit)| format!("{number}{unit}"))
}

fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a.b", r"a\\.b", r"a\.b", "a.$.b", "a.0", r"\\$", r"a\\\\", "naïve key"])
        .prop_map(str::to_owned)
}

fn junctions(test: BoxedStrategy<String>, size: u32, quantified: bool) -> BoxedStrategy<String> {
    test.prop_recursive(4, size, 3, move |inner| {
        let quantifier = if quantified { vec!["ANY ", "all ", "NOT ANY ", "ALL NOT "] } else { vec!["NOT "] };
        let not_inside = (prop::sample::select(quantifier), inner.clone()).prop_map(|(quantifier, item)| {
            // One inside another is refused.
            if item.contains("ANY") || item.to_uppercase().contains("ALL ") {
                item
            } else {
                format!("{quantifier}({item})")
            }
        });
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|items| items.join(" AND ")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|items| items.join("\nor ")),
            inner.clone().prop_map(|item| format!("NOT {item}")),
            not_inside,
            inner.prop_map(|item| format!("({item})")),
        ]
    })
    .boxed()
}

/// What ends a stream in a condition.
fn reducer() -> impl Strategy<Value = String> {
    let field = (prop::sample::select(vec!["property", "context"]), path())
        .prop_map(|(place, path)| format!("{place}('{}')", path.replace(".$", ".s")));
    let name = prop::sample::select(vec![
        "sum({})",
        "avg({})",
        "min({})",
        "max( {} as string)",
        "min({} as number)",
        "first({})",
        "last({})",
        "mode({}, 2)",
        "mode({} as array,1)",
        "mode({} as string, 3)",
        "unique({}).count()",
    ]);
    prop_oneof![
        Just("count()".to_owned()),
        (name, field).prop_map(|(name, field)| name.replace("{}", &field)),
    ]
}

/// A stream whose filters are `filter`s and whose windows are one of `windows`.
fn stream(filter: BoxedStrategy<String>, windows: Vec<&'static str>) -> impl Strategy<Value = String> {
    let filter = prop_oneof![
        3 => filter.prop_map(|filter| format!(".where({filter})")),
        1 => Just(".where({property('p') = 1})".to_owned()),
        1 => Just(".sources({exclude: 'a', 'b'})".to_owned()),
    ];
    let window = (prop::sample::select(windows), duration()).prop_map(|(w, d)| w.replace("{}", &d));
    (prop::collection::vec(filter, 0..3), window, reducer())
        .prop_map(|(filters, window, reducer)| format!("event('A'){}{window}.{reducer}", filters.concat()))
}

/// A comparison inside so many `where`.
fn comparison(wheres: u32) -> BoxedStrategy<String> {
    let mut values = vec![
        path().prop_map(|path| format!("trait('{path}')")).boxed(),
        literal().prop_map(|literal| format!("literal({literal})")).boxed(),
    ];
    if wheres >= 1 {
        values.push(path().prop_map(|path| format!("property('{path}')")).boxed());
        values.push(path().prop_map(|path| format!("context('{path}')")).boxed());
    }
    if wheres >= 2 {
        values.push(path().prop_map(|path| format!("property(parent: '{path}')")).boxed());
    }
    if wheres <= 2 {
        let mut windows = vec!["", ".within({})", ".between(1 hour, 501 days)"];
        if wheres >= 1 {
            windows.push(".within(parent: {})");
        }
        let filter = junctions(comparison(wheres + 1), 2, false);
        values.push(stream(filter, windows).boxed());
    }
    let value = prop::strategy::Union::new(values).boxed();
    // Counts are compared with numbers, all else with anything.
    let operand = prop_oneof![3 => literal(), 1 => value.clone()].boxed();
    let number = prop_oneof!["-?[0-9]{1,4}", Just("trait('x')".to_owned())].boxed();
    (value, comparator(operand), comparator(number))
        .prop_map(|(value, any, number)| {
            let is_count = value.ends_with("count()");
            if is_count { format!("{value}{}", number.replace("'a'", "1")) } else { format!("{value}{any}") }
        })
        .boxed()
}

fn query() -> BoxedStrategy<String> {
    junctions(comparison(0), 6, true)
}

fn value() -> impl Strategy<Value = String> {
    let filter = junctions(comparison(1), 2, false);
    let windows = vec![
        "",
        ".within({})",
        ".between({}, 3650 days)",
        ".expires_after(90 days)",
        ".expires_after(1801 seconds)",
    ];
    (stream(filter, windows), any::<bool>()).prop_map(|(text, listed)| {
        // The list itself instead of its length.
        let of_list = |rest: &str| rest.ends_with("')).count()") && rest.matches('(').count() == 3;
        let is_length = text.rsplit_once(".unique").is_some_and(|(_, rest)| of_list(rest));
        if listed && is_length { text.trim_end_matches(".count()").to_owned() } else { text }
    })
}

/// Refusals of texts that are well formed.
fn is_limit(error: &QueryError) -> bool {
    let limits = ["too many", "nested too deeply", "event streams are nested", "query text is too long"];
    limits.iter().any(|limit| error.message.starts_with(limit))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_canonical_text_parses_to_the_same_query(text in query()) {
        match Query::parse(&text) {
            Ok(parsed) => {
                let canonical = parsed.to_string();
                let again = Query::parse(&canonical);
                prop_assert_eq!(again.as_ref(), Ok(&parsed), "{}", canonical);
                prop_assert_eq!(again.unwrap().to_string(), canonical);
                for leaf in parsed.leaves() {
                    let stored = serde_json::to_string(leaf).unwrap();
                    prop_assert_eq!(&serde_json::from_str::<LeafSpec>(&stored).unwrap(), leaf);
                }
            }
            Err(error) => prop_assert!(is_limit(&error), "{}: {}", text, error),
        }
    }

    #[test]
    fn the_canonical_text_parses_to_the_same_value(text in value()) {
        match Query::parse_value(&text) {
            Ok(parsed) => {
                let canonical = parsed.to_string();
                let again = Query::parse_value(&canonical);
                prop_assert_eq!(again.as_ref(), Ok(&parsed), "{}", canonical);
                prop_assert_eq!(again.unwrap().to_string(), canonical);
                prop_assert!(Query::parse(&text).is_err());
            }
            Err(error) => prop_assert!(is_limit(&error), "{}: {}", text, error),
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        if let Err(error) = Query::parse(&text) {
            let _ = (error.to_string(), error.caret(&text), error.caret(""));
        }
    }

    #[test]
    fn no_sequence_of_tokens_makes_the_parser_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "event", "trait", "property", "(", ")", "{", "}", "'A'", "\"", "'", "\\", ".", "where", "within", "count", "=",
        ">=", "1", "-", "7 days", "AND", "OR", "NOT", ",", "exists", "contains", "2026-01-31", "\n", "é", "('x')",
        "event('A').where(", "trait('x') = 1", "context", "literal", "entity", "ANY", "ALL", "within_last", "between",
        "sources", "exclude", ":", "[", "]", "parent", "expires_after", "seconds", "mode", "max", "unique", "as",
        "string", "property('p')", ".count()", "event('A')", ".unique(property('p'))", "event('A').sum(property('p'))",
    ]), 0..60)) {
        for text in [tokens.concat(), tokens.join(" ")] {
            if let Ok(query) = Query::parse(&text) {
                prop_assert_eq!(Query::parse(&query.to_string()), Ok(query));
            }
            if let Ok(query) = Query::parse_value(&text) {
                prop_assert_eq!(Query::parse_value(&query.to_string()), Ok(query));
            }
        }
    }
}

#[test]
fn deep_nesting_overflows_no_stack() {
    for piece in
        ["(", "NOT ", "ANY ", "all (", "NOT(", "event('A').where(", "event('A').where({NOT (", "((((not "]
    {
        let text = piece.repeat(20_000 / piece.len());
        assert!(Query::parse(&text).is_err());
        assert!(Query::parse(&text[..16_000]).is_err());
    }
    // The deepest condition that is allowed, in two filters whose joining would need a level more.
    let filter = |depth: usize| {
        format!(
            ".where({}property('x') = 1 OR property('y') = 1{})",
            "NOT (".repeat(depth),
            ")".repeat(depth)
        )
    };
    for depth in 0..40 {
        let text = format!("event('A'){}{}.count() = 1", filter(depth), filter(0));
        if let Ok(query) = Query::parse(&text) {
            assert_eq!(Query::parse(&query.to_string()), Ok(query), "{depth}");
        }
    }
}

#[test]
fn megabytes_are_refused_at_once() {
    let begun = std::time::Instant::now();
    for piece in
        ["(", "event('A')", "trait('x') = 1 AND ", "'", "x", " ", "1", "é", "event('A').where(", ".", "\\"]
    {
        let text = piece.repeat(2_000_000 / piece.len());
        assert!(Query::parse(&text).is_err() && Query::parse_value(&text).is_err());
    }
    // The longest texts that are read at all, in which the same is looked for again and again.
    for piece in ["event('A').count() = 1 AND ", "ANY trait('x') = 1 OR ", "trait('x').one_of(1) AND "] {
        let text = piece.repeat(16_000 / piece.len());
        assert!(Query::parse(&text).is_err());
    }
    let list = format!("trait('x').one_of({}1)", "1,".repeat(8000));
    assert!(Query::parse(&list).is_err() || Query::parse(&list).is_ok());
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}
