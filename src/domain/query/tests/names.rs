//! What a query depends on.

use crate::domain::query::{LeafSpec, Query, Target};

use super::plain::condition;

#[test]
fn names_that_matter_are_known() {
    let query = condition(
        "trait('a.b') = literal('x') OR trait('c') = trait('d.e') AND event('E').count() > 0
         AND event('D').where(event('F').where(trait('g') = property('h')).count() = property('i')).count() > 0",
    );
    assert_eq!(query.trait_names().into_iter().collect::<Vec<_>>(), ["a", "c", "d", "g"]);
    assert_eq!(query.event_names().into_iter().collect::<Vec<_>>(), ["D", "E", "F"]);
    let [counted, listed] = query.leaves() else { panic!("two leaves") };
    assert!(!counted.is_listed() && listed.is_listed());
    assert_eq!(listed.event_names().into_iter().collect::<Vec<_>>(), ["D", "F"]);
    assert_eq!(listed.trait_names().into_iter().collect::<Vec<_>>(), ["g"]);
    assert!(counted.trait_names().is_empty());
    assert_eq!(query.target(), Target::Users);
}

#[test]
fn parts_are_queries_of_their_own() {
    let query = condition(
        "ANY event('A').where(trait('t') = 1).count() > 0 OR event('B').count() > 0 AND trait('u') = 1
         OR ALL trait('v') = 1 OR any (event('A').where(trait('t') = 1).count() > 0)",
    );
    assert_eq!(query.target(), Target::Accounts);
    assert_eq!(query.parts().len(), 2);
    assert_eq!(query.leaves().len(), 1);
    assert_eq!(query.trait_names().into_iter().collect::<Vec<_>>(), ["u"]);
    assert_eq!(query.event_names().into_iter().collect::<Vec<_>>(), ["A", "B"]);
    let users = &query.parts()[0].condition;
    assert_eq!(users.target(), Target::Users);
    assert_eq!(users.leaves().len(), 1);
    assert_eq!(users.trait_names().into_iter().collect::<Vec<_>>(), ["t"]);
}

#[test]
fn what_the_clock_changes_is_known() {
    for (text, timed) in [
        ("trait('x').within_last(7 days)", true),
        ("trait('x') = 1 OR NOT trait('y').after_next(7 days)", true),
        ("literal(2026-01-31).before_last(1 hour)", true),
        ("trait('x') = 1 AND trait('y').before_date(2026-01-31)", false),
        // Those who have such an event have a state, which knows.
        ("event('A').last(property('x')).within_last(7 days)", false),
        ("event('A').where(property('x').within_last(7 days)).count() > 0", false),
    ] {
        assert_eq!(condition(text).timed_traits(), timed, "{text}");
    }
}

#[test]
fn counts_keep_no_more_than_it_takes() {
    for (comparison, keep) in [
        (".within(7 days).count() >= 1", Some(2)),
        (".within(7 days).count() < '7.0'", Some(8)),
        (".between(7 days, 8 days).count().one_of(1, 100)", Some(101)),
        (".within(7 days).count() = 101", None),
        (".within(7 days).count() > 1.5", None),
        (".within(7 days).count() > -1", None),
        (".within(7 days).count() > trait('x')", None),
        (".within(7 days).count().exists()", None),
        (".count() >= 1", None),
        (".within(7 days).sum(property('x')) > 1", None),
        (".within(7 days).unique(property('x')).count() > 1", None),
        (".where(trait('x') = 1).within(7 days).count() > 1", None),
        (".within(7 days).count() > 1 AND event('A').within(168 hours).count() < 9", Some(10)),
        (".within(7 days).count() > 1 AND event('A').within(168 hours).count() < trait('x')", None),
        (".within(7 days).count() > 1 AND trait('x') < event('A').within(7 days).count()", None),
    ] {
        let query = condition(&format!("event('A'){comparison}"));
        assert_eq!(query.leaves().len(), 1, "{comparison}");
        assert_eq!(query.leaves()[0].shape().keep, keep, "{comparison}");
    }
}

#[test]
fn leaves_round_trip_through_their_stored_form() {
    for text in [
        r#"event("it's").where(property('a\.b.$.c').contains('x', "\"")).where({property('n') > 1.50
           OR NOT property('n').exists()}).within(48 hours).count()"#,
        "event('A').sources({exclude: ['b', 'a', 'b']}).between(2 days, 1 day).min(context('x') as string)",
        "event('A').expires_after(5400 seconds).unique(property('x'))",
        "event('A').where(trait('x') = 1).expires_after(30 days).mode(property('x') as array, 3)",
        "event('A').where(event('B').within(parent: 3 hours).last(property('y')) = property('x')).unique(property('x')).count()",
    ] {
        let query = Query::parse_value(text).unwrap();
        let leaf = &query.leaves()[0];
        assert_eq!(&LeafSpec::parse(&leaf.canonical(), leaf.shape().keep).unwrap(), leaf);
        let json = serde_json::to_string(leaf).unwrap();
        assert_eq!(&serde_json::from_str::<LeafSpec>(&json).unwrap(), leaf);
        let packed = rmp_serde::to_vec_named(leaf).unwrap();
        assert_eq!(&rmp_serde::from_slice::<LeafSpec>(&packed).unwrap(), leaf);
        let stored = serde_json::to_string(&query).unwrap();
        assert_eq!(serde_json::from_str::<Query>(&stored).unwrap(), query);
    }
    assert!(serde_json::from_str::<LeafSpec>(r#"{"leaf":"event('A')","keep":2}"#).is_err());
    // What earlier versions stored, and what makes no sense.
    let old = serde_json::from_str::<LeafSpec>(r#"{"leaf":"event('A').within(1 day).count()","keep":1001}"#);
    assert_eq!(old.unwrap().shape().keep, None);
    assert_eq!(LeafSpec::parse("event('A').count()", Some(5)).unwrap().shape().keep, None);
}
