//! Canonical texts, and texts that nobody would write.

use proptest::prelude::*;

use crate::domain::query::Query;

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
    ] {
        let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
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

fn comparator() -> impl Strategy<Value = String> {
    let list = || prop::collection::vec(literal(), 1..4).prop_map(|list| list.join(","));
    prop_oneof![
        (prop::sample::select(vec!["=", "==", " != ", ".equals", ".differs"]), literal())
            .prop_map(|(relation, literal)| format!("{relation}({literal})"))
            .prop_map(|text| if text.starts_with('.') { text } else { text.replace(['(', ')'], " ") }),
        (prop::sample::select(vec![">", ">=", "<", "<="]), -5..5000).prop_map(|(r, n)| format!("{r}{n}")),
        (prop::sample::select(vec!["contains", "omits", "one_of", "none_of"]), list())
            .prop_map(|(name, list)| format!(".{name}({list})")),
        (prop::sample::select(vec!["starts_with", "ends_with"]), literal())
            .prop_map(|(name, literal)| format!(".{name}({literal})")),
        prop::sample::select(vec![
            ".exists()",
            ".absent()",
            ".before_date('2026-01-31T10:00+01:00')",
            ".after_date(2026-01-31)"
        ])
        .prop_map(str::to_owned),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a.b", r"a\\.b", r"a\.b", "a.$.b", "a.0", r"\\$", r"a\\\\", "naïve key"])
        .prop_map(str::to_owned)
}

fn junctions(test: BoxedStrategy<String>, size: u32) -> BoxedStrategy<String> {
    test.prop_recursive(4, size, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|items| items.join(" AND ")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|items| items.join("\nor ")),
            inner.clone().prop_map(|item| format!("NOT {item}")),
            inner.prop_map(|item| format!("({item})")),
        ]
    })
    .boxed()
}

fn query() -> BoxedStrategy<String> {
    let property =
        (path(), comparator()).prop_map(|(path, comparator)| format!("property('{path}'){comparator}"));
    let filter = prop_oneof![
        junctions(property.boxed(), 3).prop_map(|filter| format!(".where({filter})")),
        Just(".where({property('p') = 1})".to_owned()),
    ];
    let window = prop_oneof![Just(String::new()), (1..500).prop_map(|n| format!(".within({n} hours)"))];
    let stream =
        (prop::collection::vec(filter, 0..3), window, 0..=1000).prop_map(|(filters, window, number)| {
            format!("event('A'){}{window}.count() >= {number}", filters.concat())
        });
    let value = (path(), comparator()).prop_map(|(path, comparator)| format!("trait('{path}'){comparator}"));
    junctions(prop_oneof![stream, value].boxed(), 6)
}

proptest! {
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
                    prop_assert_eq!(&serde_json::from_str::<crate::domain::query::LeafSpec>(&stored).unwrap(), leaf);
                }
            }
            Err(error) => prop_assert!(error.message.starts_with("too many expressions"), "{}: {}", text, error),
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
        "event('A').where(", "trait('x') = 1",
    ]), 0..60)) {
        for text in [tokens.concat(), tokens.join(" ")] {
            if let Ok(query) = Query::parse(&text) {
                prop_assert_eq!(Query::parse(&query.to_string()), Ok(query));
            }
        }
    }
}

#[test]
fn deep_nesting_overflows_no_stack() {
    for piece in ["(", "NOT ", "NOT(", "event('A').where(", "event('A').where({NOT (", "((((not "] {
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
