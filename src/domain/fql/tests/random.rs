//! Random texts and events.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::fql::{Dialect, Fql, FqlError};

use super::cases::event;

fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "type",
        "event",
        "properties.price",
        "properties.features",
        "properties.n",
        "properties.map",
        "properties.mixed",
        "properties.product\\ 1.price",
        "properties.2fa.in",
        "\\and",
        "\\5.\\\\.a\\\"",
        "a",
        "length",
    ])
    .prop_map(str::to_owned)
}

fn constant() -> impl Strategy<Value = String> {
    prop_oneof![
        "[+-]?[0-9]{1,25}",
        "[+-]?[0-9]{1,20}\\.[0-9]{1,20}",
        "\"[a-z\\*\\?\\[\\]' \n\\\\]{0,8}\"",
        "'[A-Zé\" \\*]{0,8}'",
        prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ]
}

/// Texts of the grammar; the types in them may not fit.
fn filter() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![2 => path(), 1 => constant(), 2 => comparison(path().boxed())];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let bracketed = inner.clone().prop_map(|inner| format!("({inner})"));
        let term = prop_oneof![path(), constant(), bracketed.clone()].boxed();
        let functions = vec![
            "length",
            "lowercase",
            "uppercase",
            "snakecase",
            "kebabcase",
            "titlecase",
            "typeof",
            "bool",
            "string",
            "number",
        ];
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}\nor {b}")),
            bracketed.clone(),
            bracketed.prop_map(|inner| format!("!{inner}")),
            comparison(term.clone()),
            comparison(term.clone()).prop_map(|compared| format!("!{compared}")),
            (prop::sample::select(functions), inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (prop::sample::select(vec!["contains", "match"]), term.clone(), term.clone())
                .prop_map(|(f, a, b)| format!("{f}( {a} ,{b})")),
            prop::collection::vec(term, 0..4).prop_map(|items| format!("a in [{}]", items.join(","))),
        ]
    })
}

fn comparison(term: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let relations = vec!["=", "!=", ">", ">=", "<", "<=", "in"];
    let right = prop_oneof![term.clone(), constant()];
    (term, prop::sample::select(relations), right).prop_map(|(a, r, b)| format!("{a} {r} {b}")).boxed()
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Zé 0-9\\.\\*\\[]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            (inner.clone(), inner).prop_map(|(a, b)| json!({"in": a, "price": b})),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Value> {
    let made =
        (json_value(), json_value(), json_value(), json_value()).prop_map(|(a, price, map, features)| {
            json!({
                "type": "track", "a": a, "length": price,
                "properties": {"price": price, "map": map, "features": features, "2fa": map, "n": features},
            })
        });
    prop_oneof![4 => made, 1 => json_value(), 1 => Just(event())]
}

/// Refusals of texts that are well formed: of a limit, a type or a pattern.
fn is_well_formed(error: &FqlError) -> bool {
    let reasons = ["too many", "nested too deeply", "does not take", "is no condition", "the pattern has"];
    let more = ["the pattern ends", "filter is too long"];
    reasons.iter().chain(&more).any(|reason| error.message.contains(reason))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_canonical_text_parses_to_the_same_filter(text in filter(), event in any_event()) {
        match Fql::parse(&text) {
            Ok(fql) => {
                let canonical = fql.to_string();
                let again = Fql::parse(&canonical);
                prop_assert_eq!(again.as_ref(), Ok(&fql), "{}", canonical);
                let again = again.unwrap();
                prop_assert_eq!(again.to_string(), canonical);
                for dialect in [Dialect::Filter, Dialect::Trigger] {
                    let judged = fql.evaluate(&event, dialect);
                    prop_assert_eq!(&again.evaluate(&event, dialect), &judged);
                    prop_assert_eq!(&fql.evaluate(&event, dialect), &judged);
                    prop_assert_eq!(fql.matches(&event, dialect), judged == Ok(true));
                }
            }
            Err(error) => prop_assert!(is_well_formed(&error), "{}: {}", text, error),
        }
    }

    #[test]
    fn a_filter_and_its_negation_never_both_hold(text in filter(), event in any_event()) {
        let (Ok(fql), Ok(negated)) = (Fql::parse(&text), Fql::parse(&format!("!({text})"))) else {
            return Ok(());
        };
        for dialect in [Dialect::Filter, Dialect::Trigger] {
            prop_assert!(!(fql.matches(&event, dialect) && negated.matches(&event, dialect)));
        }
        // Without unknowns, one of the two holds unless the event cannot be judged.
        if let Ok(holds) = fql.evaluate(&event, Dialect::Filter) {
            prop_assert_eq!(negated.evaluate(&event, Dialect::Filter), Ok(!holds));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        if let Err(error) = Fql::parse(&text) {
            let _ = (error.to_string(), error.caret(&text), error.caret(""));
        }
    }

    #[test]
    fn no_sequence_of_tokens_makes_the_parser_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "type", "a", "properties", ".", "(", ")", "[", "]", ",", "!", "=", "!=", ">", ">=", "<", "<=", "in", "and", "or",
        "null", "true", "false", "5", "-1.5", "'x'", "\"y\"", "'", "\"", "\\", "\\ ", "contains(", "match(a, '*')",
        "length(", "typeof(a)", "bool(", "é", "\n", "a = 1", "NULL", "'[a", "$", "string(", "&", "==",
    ]), 0..40), event in any_event()) {
        for text in [tokens.concat(), tokens.join(" ")] {
            match Fql::parse(&text) {
                Ok(fql) => {
                    let again = Fql::parse(&fql.to_string());
                    prop_assert_eq!(again.as_ref(), Ok(&fql));
                    let _ = fql.matches(&event, Dialect::Trigger);
                }
                Err(error) => {
                    prop_assert!(text.is_char_boundary(error.offset));
                    let _ = (error.to_string(), error.caret(&text));
                }
            }
        }
    }
}
