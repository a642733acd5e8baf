//! Forms and queries: back and forth nothing is lost, and what is wrong is said of its field.

use proptest::prelude::*;

use crate::domain::query::Query;
use crate::domain::query::builder::{
    Condition, Events, Filter, Form, Group, Groups, Join, Measure, Operator, Period, PeriodKind, Subject,
    Takes, Test,
};

/// There are audiences `vip` and `lapsed`.
fn is_audience(key: &str) -> bool {
    matches!(key, "vip" | "lapsed")
}

fn shown(text: &str) -> Option<Form> {
    Form::from_query(&Query::parse(text).or_else(|_| Query::parse_value(text)).unwrap(), &is_audience)
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z][a-z]{1,6} [A-Z][a-z]{1,6}", Just("it's \\ \"x\"".to_owned()), Just("Größe".to_owned())]
}

fn path(many: bool) -> impl Strategy<Value = String> {
    let paths = ["total", "address.city", r"a\.b", "items.0.sku", "naïve key", "items.$.sku"];
    prop::sample::select(paths[..if many { 6 } else { 5 }].to_vec()).prop_map(str::to_owned)
}

/// A value as the form itself would write it.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "(0|-?[1-9][0-9]{0,5})",
        "[a-z][a-z %'é]{0,6}[a-z]",
        Just("true".to_owned()),
        Just("'12'".to_owned()),
        Just("'a, b'".to_owned()),
        Just("'true'".to_owned()),
        Just("''".to_owned()),
        Just("' x '".to_owned()),
        Just("'''quoted'''".to_owned()),
        Just("007".to_owned()),
        Just("2026-01-31".to_owned()),
    ]
}

fn test() -> impl Strategy<Value = Test> {
    let operator = prop::sample::select(Operator::all().collect::<Vec<_>>());
    let typed = (prop::collection::vec(value(), 1..4), 1..400_i64);
    (operator, typed).prop_map(|(operator, (values, number))| {
        let is_order = ["greater_than", "at_least", "less_than", "at_most"].contains(&operator.as_str());
        let value = match operator.takes() {
            Takes::Nothing => String::new(),
            Takes::Value if is_order && values[0] == "true" => "5".to_owned(),
            Takes::Value => values[0].clone(),
            Takes::Values => values.join(", "),
            Takes::Date if number % 2 == 0 => "2026-01-31".to_owned(),
            Takes::Date => "2026-01-31T10:00:00.000Z".to_owned(),
            Takes::Span if number == 1 => "1 day".to_owned(),
            Takes::Span if number % 24 == 0 => format!("{number} days"),
            Takes::Span => format!("{number} hours"),
        };
        Test { operator, value }
    })
}

fn period(session: bool) -> impl Strategy<Value = Period> {
    let kinds = &PeriodKind::ALL[..if session { 4 } else { 3 }];
    (prop::sample::select(kinds.to_vec()), 1..40_u32, 1..40_u32, any::<bool>()).prop_map(
        |(kind, near, more, hours)| {
            let far = near + more;
            // A whole number of days is shown as days.
            let hours = hours && far % 24 != 0;
            let (near, far, hours) = match kind {
                PeriodKind::Ever => (String::new(), String::new(), false),
                PeriodKind::Within | PeriodKind::Session => (String::new(), far.to_string(), hours),
                PeriodKind::Between => (near.to_string(), far.to_string(), hours),
            };
            Period { kind, near, far, hours }
        },
    )
}

fn events(is_value: bool) -> impl Strategy<Value = Events> {
    let filter =
        (any::<bool>(), path(true), test()).prop_map(|(context, path, test)| Filter { context, path, test });
    let measures = &Measure::ALL[..if is_value { 10 } else { 9 }];
    let what = (prop::sample::select(measures.to_vec()), path(false));
    (name(), any::<bool>(), prop::collection::vec(filter, 0..4), period(is_value), what).prop_map(
        |(name, any, filters, period, (measure, property))| Events {
            name,
            join: if any && filters.len() > 1 { Join::Any } else { Join::All },
            filters,
            period,
            measure,
            property: if measure.takes_property() { property } else { String::new() },
        },
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    let count = (prop::sample::select(Operator::COUNT.to_vec()), 0..200_i64)
        .prop_map(|(operator, number)| Test { operator, value: number.to_string() });
    let of_events = (events(false), test(), count).prop_map(|(events, test, count)| {
        let test = if events.measure.is_count() { count } else { test };
        Subject::Events(events, test)
    });
    let subject = prop_oneof![
        of_events,
        (path(true), test()).prop_map(|(path, test)| Subject::Trait(path, test)),
        prop::sample::select(vec!["vip", "lapsed"]).prop_map(|key| Subject::Audience(key.to_owned())),
    ];
    (any::<bool>(), subject).prop_map(|(negated, subject)| Condition { negated, subject })
}

/// Groups as they are shown: those in brackets are joined otherwise than all, and the others stand together.
fn groups() -> impl Strategy<Value = Groups> {
    let bracketed = (any::<bool>(), any::<bool>(), prop::collection::vec(condition(), 2..4));
    let groups =
        prop::collection::vec((prop::option::of(bracketed), prop::collection::vec(condition(), 1..3)), 1..3);
    (any::<bool>(), groups).prop_map(|(any, parts)| {
        let (join, other) = if any { (Join::Any, Join::All) } else { (Join::All, Join::Any) };
        let mut groups: Vec<Group> = Vec::new();
        let mut last_alone = false;
        for (bracketed, alone) in parts {
            if let Some((negated, same, conditions)) = bracketed {
                let join = if negated && same { join } else { other };
                groups.push(Group { join, negated, conditions });
                last_alone = false;
            }
            if !last_alone {
                let join = if alone.len() > 1 { join } else { Join::All };
                groups.push(Group { join, negated: false, conditions: alone });
                last_alone = true;
            }
        }
        Groups { join: if groups.len() > 1 { join } else { Join::All }, groups }
    })
}

proptest! {
    #[test]
    fn a_condition_comes_back_as_it_was_filled_in(groups in groups()) {
        let form = Form::Condition(groups);
        let query = form.to_query().unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let back = Form::from_query(&query, &is_audience);
        prop_assert_eq!(back.as_ref(), Some(&form), "{}", query);
        prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
    }

    #[test]
    fn a_value_comes_back_as_it_was_filled_in(events in events(true)) {
        let form = Form::Value(events);
        let query = form.to_query().unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let back = Form::from_query(&query, &is_audience);
        prop_assert_eq!(back.as_ref(), Some(&form), "{}", query);
    }

    /// Groups however people made them: what is shown of their query says the same.
    #[test]
    fn the_form_of_a_query_means_the_query(parts in prop::collection::vec(
        (any::<bool>(), any::<bool>(), prop::collection::vec(condition(), 1..4)), 1..4), any in any::<bool>()) {
        let group = |(negated, any, conditions)| Group { join: if any { Join::Any } else { Join::All }, negated, conditions };
        let join = if any { Join::Any } else { Join::All };
        let form = Form::Condition(Groups { join, groups: parts.into_iter().map(group).collect() });
        let query = form.to_query().unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let back = Form::from_query(&query, &is_audience).expect("every form's query can be shown");
        prop_assert_eq!(back.to_query(), Ok(query));
    }

    /// Whatever is typed, nothing panics, and a query that can be shown is what was meant.
    #[test]
    fn whatever_is_typed_is_answered(name in "\\PC{0,8}", path in "\\PC{0,8}", value in "\\PC{0,12}", operator in 0..20_usize) {
        let test = Test { operator: Operator::all().nth(operator).unwrap(), value };
        let filters = vec![Filter { context: false, path: path.clone(), test: test.clone() }];
        let events = Events { name, filters, measure: Measure::Sum, property: path, ..Events::default() };
        let condition = Condition { negated: false, subject: Subject::Events(events, test) };
        let group = Group { conditions: vec![condition], ..Group::default() };
        if let Ok(query) = Form::Condition(Groups { join: Join::All, groups: vec![group] }).to_query()
            && let Some(back) = Form::from_query(&query, &is_audience)
        {
            prop_assert_eq!(back.to_query(), Ok(query));
        }
    }
}

#[test]
fn queries_are_shown_where_a_form_can_show_them() {
    for text in [
        "event('Order').within(30 days).count() >= 1",
        "event('Order').where(property('total') >= 100 AND context('ip').exists()).sum(property('total')) > 5",
        "trait('plan') = 'pro' OR NOT trait('vip') = true",
        "(trait('a') = 1 OR trait('b') = 2) AND NOT (trait('c') = 3 AND trait('d') = 4)",
        "trait('last').within_last(36 hours)",
        "event('A').expires_after(2 hours).unique(property('x'))",
        "event('A').mode(property('x'), 1)",
    ] {
        let form = shown(text).unwrap_or_else(|| panic!("{text} is shown"));
        assert_eq!(form.to_query().unwrap().to_string(), text);
    }
    for text in [
        "ANY trait('x') = 1",
        "literal(1) = 1",
        "trait('x') = trait('y')",
        "event('A').count() > event('B').count()",
        "event('A').sources({exclude: 'x'}).count() = 1",
        "event('A').where(event('B').count() = 0).count() = 1",
        "event('A').where(NOT property('x') = 1).count() = 1",
        "event('A').where(trait('x') = 1).count() = 1",
        "event('A').count().one_of(1, 2)",
        "event('A').max(property('x') as string) = 'a'",
        "event('A').max(context('x')) = 1",
        "NOT NOT trait('x') = 1 AND (trait('y') = 1 OR (trait('z') = 1 AND trait('w') = 1))",
        "trait('x') = 'two\nlines'",
        "event('A').expires_after(3601 seconds).count()",
        "event('A').mode(property('x'), 3)",
    ] {
        assert_eq!(shown(text), None, "{text}");
    }
}

#[test]
fn an_audience_is_told_from_a_trait_of_that_name() {
    let subject = |text: &str| match shown(text) {
        Some(Form::Condition(groups)) => groups.groups[0].conditions[0].clone(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(subject("trait('vip') = true").subject, Subject::Audience("vip".to_owned()));
    assert!(subject("NOT trait('vip') = true").negated);
    for text in
        ["trait('other') = true", "trait('vip') = false", "trait('vip.x') = true", "trait('vip') = 'true'"]
    {
        assert!(matches!(subject(text).subject, Subject::Trait(..)), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_of_its_field() {
    let events = |change: &dyn Fn(&mut Events)| {
        let mut events = Events { name: "Order".to_owned(), ..Events::default() };
        change(&mut events);
        Subject::Events(events, Test { operator: Operator::COUNT[0], value: "1".to_owned() })
    };
    let with =
        |name: &str, value: &str| Test { operator: Operator::named(name).unwrap(), value: value.to_owned() };
    let of_trait = |name: &str, value: &str| Subject::Trait("x".to_owned(), with(name, value));
    for (subject, field, message) in [
        (events(&|it| it.name.clear()), "g0.c0.event", "is missing"),
        (events(&|it| it.name = "x".repeat(1001)), "g0.c0.event", "is longer than 1000 characters"),
        (events(&|it| it.measure = Measure::Sum), "g0.c0.property", "is missing"),
        (
            events(&|it| (it.measure, it.property) = (Measure::Sum, "a.$".to_owned())),
            "g0.c0.property",
            "is one value of an event, and `$` stands for several",
        ),
        (
            events(&|it| (it.measure, it.property) = (Measure::List, "a".to_owned())),
            "g0.c0.measure",
            "a list is no value to compare; count what is different in it",
        ),
        (events(&|it| it.period.kind = PeriodKind::Within), "g0.c0.far", "is a whole number"),
        (
            events(&|it| (it.period.kind, it.period.far) = (PeriodKind::Within, "4000".to_owned())),
            "g0.c0.far",
            "is 1 hour to 3650 days",
        ),
        (
            events(&|it| {
                it.period =
                    Period { kind: PeriodKind::Between, near: "7".into(), far: "7".into(), hours: false };
            }),
            "g0.c0.far",
            "is longer ago than the other end",
        ),
        (
            events(&|it| (it.period.kind, it.period.far) = (PeriodKind::Session, "1".to_owned())),
            "g0.c0.period",
            "sessions are for computed traits only",
        ),
        (
            events(&|it| {
                it.filters =
                    vec![Filter { path: "a..b".to_owned(), test: with("exists", ""), context: false }]
            }),
            "g0.c0.f0.path",
            "path has an empty segment",
        ),
        (of_trait("equals", ""), "g0.c0.value", "is missing; write '' for an empty text"),
        (of_trait("at_least", "true"), "g0.c0.value", "true and false have no order"),
        (
            of_trait("before_date", "yesterday"),
            "g0.c0.value",
            "is a date like 2026-01-31, or an instant like 2026-01-31T10:00:00Z",
        ),
        (
            of_trait("within_last", "30"),
            "g0.c0.value",
            "is a whole number of hours or days: 12 hours, 30 days",
        ),
        (Subject::Audience(String::new()), "g0.c0.audience", "is missing"),
        (Subject::Audience("a.b".to_owned()), "g0.c0.audience", "is no key of an audience"),
        (
            Subject::Events(Events { name: "A".to_owned(), ..Events::default() }, with("at_least", "many")),
            "g0.c0.value",
            "is compared with a number",
        ),
    ] {
        let group = Group { conditions: vec![Condition { negated: false, subject }], ..Group::default() };
        let form = Form::Condition(Groups { join: Join::All, groups: vec![group] });
        let wrong = form.to_query().expect_err(field);
        assert_eq!((wrong[0].field.as_str(), wrong[0].message.as_str()), (field, message));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }
    let wrong = Form::Condition(Groups::default()).to_query().unwrap_err();
    assert_eq!(wrong[0].field, "form");
    let many = Group {
        conditions: vec![Condition { negated: false, subject: Subject::Audience("vip".to_owned()) }; 51],
        ..Group::default()
    };
    let wrong = Form::Condition(Groups { join: Join::All, groups: vec![many] }).to_query().unwrap_err();
    assert_eq!(
        (wrong[0].field.as_str(), wrong[0].message.as_str()),
        ("form", "too many expressions (51 > 50)")
    );
}
