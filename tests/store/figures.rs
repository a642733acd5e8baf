//! Figures over time: counted with a change set towards its minute, hour and day, read by subject, and forgotten.

use stagepost::domain::change::ChangeSet;
use stagepost::domain::figures::{
    Counted, Family, Figure, FigurePoint, FigureWrite, Grain, OldestFigures, count,
};
use stagepost::domain::limits;
use stagepost::domain::time::Timestamp;
use stagepost::store::copy::copy;
use stagepost::store::memory::MemoryStore;
use stagepost::store::sled::SledStore;
use stagepost::store::{Store, Unlisted};

use crate::backends::{open_postgres, sealer};
use crate::build::*;
use crate::support::postgres::schema;

on_every_backend!(
    figures_are_counted_towards_each_grain_of_their_family,
    points_come_in_the_order_of_time_and_details,
    what_comes_to_nothing_is_no_point,
    a_point_has_room_for_so_many_posted_details,
    a_point_has_no_more_room_for_details_that_come_together,
    points_over_the_bound_are_copied_as_they_are,
    parts_of_a_copy_are_bounded_by_points,
    old_points_are_forgotten_bit_by_bit,
    figures_are_copied,
    a_change_set_that_is_refused_counts_nothing,
);

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A change set at that time that counts these.
fn counts(ms: i64, figures: &[(Family, &str, &str, i64)]) -> ChangeSet {
    let mut counted = Counted::new();
    for (family, subject, detail, change) in figures {
        count(&mut counted, *family, subject, detail, *change);
    }
    ChangeSet { at: at(ms), figures: counted, ..changes() }
}

async fn all(store: &dyn Store, family: Family, subject: &str, grain: Grain) -> Vec<FigurePoint> {
    store.figures(family, subject, grain, at(i64::MIN), at(i64::MAX)).await.unwrap()
}

/// Beginnings, details and counts of all points.
async fn rows(store: &dyn Store, family: Family, subject: &str, grain: Grain) -> Vec<(i64, String, u64)> {
    let points = all(store, family, subject, grain).await.into_iter();
    points.map(|point| (point.start.millis(), point.detail, point.count)).collect()
}

fn row(ms: i64, detail: &str, count: u64) -> (i64, String, u64) {
    (ms, detail.to_owned(), count)
}

async fn figures_are_counted_towards_each_grain_of_their_family(store: &dyn Store) {
    for (ms, change) in [(HOUR + 1, 2), (HOUR + MINUTE - 1, 3), (HOUR + MINUTE, 4), (3 * DAY, 5)] {
        store.commit(&counts(ms, &[(Family::Accepted, "web", "", change)])).await.unwrap();
    }
    let minutes = rows(store, Family::Accepted, "web", Grain::Minute).await;
    assert_eq!(minutes, [row(HOUR, "", 5), row(HOUR + MINUTE, "", 4), row(3 * DAY, "", 5)]);
    let hours = rows(store, Family::Accepted, "web", Grain::Hour).await;
    assert_eq!(hours, [row(HOUR, "", 9), row(3 * DAY, "", 5)]);
    assert_eq!(all(store, Family::Accepted, "web", Grain::Day).await, [], "it is kept per minute and hour");
    assert_eq!(all(store, Family::Accepted, "we", Grain::Hour).await, [], "of another source");

    store.commit(&counts(0, &[(Family::Accepted, "web", "", 7)])).await.unwrap();
    assert_eq!(rows(store, Family::Accepted, "web", Grain::Hour).await, hours, "at no time, towards none");
    store.commit(&counts(5 * DAY, &[(Family::Standing, "f", "active", 2)])).await.unwrap();
    store.commit(&counts(9 * DAY, &[(Family::Standing, "f", "active", 1)])).await.unwrap();
    assert_eq!(rows(store, Family::Standing, "f", Grain::Ever).await, [row(0, "active", 3)]);
}

async fn points_come_in_the_order_of_time_and_details(store: &dyn Store) {
    let details = ["b", "", "a:1", "a", "a\0", "ü"];
    for ms in [2 * DAY, DAY, -DAY] {
        let figures = details.map(|detail| (Family::Reached, "f", detail, 1));
        store.commit(&counts(ms, &figures)).await.unwrap();
    }
    store.commit(&counts(DAY, &[(Family::Reached, "f\0", "x", 9)])).await.unwrap();
    let sorted = ["", "a", "a\0", "a:1", "b", "ü"];
    let expected: Vec<_> =
        [-DAY, DAY, 2 * DAY].iter().flat_map(|ms| sorted.map(|detail| row(*ms, detail, 1))).collect();
    assert_eq!(rows(store, Family::Reached, "f", Grain::Day).await, expected);
    let some = store.figures(Family::Reached, "f", Grain::Day, at(DAY), at(2 * DAY)).await.unwrap();
    let days: Vec<Timestamp> = some.iter().map(|point| point.start).collect();
    assert_eq!(days, [at(DAY); 6], "from the one on, without the other");
    let none = store.figures(Family::Reached, "f", Grain::Day, at(2 * DAY), at(DAY)).await.unwrap();
    assert_eq!(none, []);
}

async fn what_comes_to_nothing_is_no_point(store: &dyn Store) {
    let stands = |status, change| (Family::Standing, "f", status, change);
    store.commit(&counts(DAY, &[stands("active", 2), stands("stalled", 0)])).await.unwrap();
    store.commit(&counts(DAY, &[stands("active", -2), stands("stalled", -1)])).await.unwrap();
    assert_eq!(rows(store, Family::Standing, "f", Grain::Ever).await, [], "nothing, and never below it");
    store.commit(&counts(DAY, &[stands("stalled", 2), stands("completed", 4)])).await.unwrap();
    let expected = [row(0, "completed", 4), row(0, "stalled", 1)];
    assert_eq!(
        rows(store, Family::Standing, "f", Grain::Ever).await,
        expected,
        "it was counted all the same"
    );
}

async fn a_point_has_room_for_so_many_posted_details(store: &dyn Store) {
    let names: Vec<String> = (0..limits::MAX_FIGURE_STAGES + 7).map(|n| format!("stage {n:04}")).collect();
    for name in &names[..limits::MAX_FIGURE_STAGES] {
        let figures = [(Family::Reached, "f", name.as_str(), 1), (Family::Ended, "f", name.as_str(), 1)];
        store.commit(&counts(DAY, &figures)).await.unwrap();
    }
    for name in &names {
        let figures = [(Family::Reached, "f", name.as_str(), 1), (Family::Ended, "f", name.as_str(), 1)];
        store.commit(&counts(DAY + 1, &figures)).await.unwrap();
    }
    let reached = rows(store, Family::Reached, "f", Grain::Day).await;
    let expected: Vec<_> = names[..limits::MAX_FIGURE_STAGES].iter().map(|name| row(DAY, name, 2)).collect();
    assert_eq!(reached, expected, "those that were there are counted on");
    assert_eq!(rows(store, Family::Ended, "f", Grain::Day).await.len(), names.len(), "our own words fit");
    store.commit(&counts(2 * DAY, &[(Family::Reached, "f", "late", 1)])).await.unwrap();
    assert_eq!(rows(store, Family::Reached, "f", Grain::Day).await.last(), Some(&row(2 * DAY, "late", 1)));
}

async fn a_point_has_no_more_room_for_details_that_come_together(store: &dyn Store) {
    let names: Vec<String> = (0..limits::MAX_FIGURE_STAGES + 50).map(|n| format!("stage {n:04}")).collect();
    let figures = |names: &[String]| {
        counts(DAY, &names.iter().map(|it| (Family::Reached, "f", it.as_str(), 1)).collect::<Vec<_>>())
    };
    store.commit(&figures(&names[40..50])).await.unwrap();
    store.commit(&figures(&names)).await.unwrap();
    let reached = rows(store, Family::Reached, "f", Grain::Day).await;
    let known = |place: usize| 1 + u64::from((40..50).contains(&place));
    let expected: Vec<_> = (0..limits::MAX_FIGURE_STAGES).map(|at| row(DAY, &names[at], known(at))).collect();
    assert_eq!(reached, expected, "the first ones, and those that were there");
}

/// A day with more stages than it has room for: nodes that count at the same time may come to that.
fn overfull(days: i64) -> ChangeSet {
    let point = |day: i64, n: usize| FigureWrite {
        figure: Figure { family: Family::Reached, subject: "f".to_owned(), detail: format!("stage {n:04}") },
        grain: Grain::Day,
        start: at(day * DAY),
        count: 3,
    };
    let most = limits::MAX_FIGURE_STAGES + 20;
    let figure_points = (1..=days).flat_map(|day| (0..most).map(move |n| point(day, n))).collect();
    ChangeSet { figure_points, ..changes() }
}

async fn points_over_the_bound_are_copied_as_they_are(store: &dyn Store) {
    store.commit(&overfull(2)).await.unwrap();
    let there = rows(store, Family::Reached, "f", Grain::Day).await;
    assert_eq!(there.len(), 2 * (limits::MAX_FIGURE_STAGES + 20));
    let (dir, schema) = (tempfile::tempdir().unwrap(), schema());
    let targets: [Box<dyn Store>; 3] = [
        Box::new(MemoryStore::new()),
        Box::new(SledStore::open(dir.path(), 8 << 20, sealer()).unwrap()),
        Box::new(open_postgres(&schema).await),
    ];
    for target in targets {
        let compared = copy(store, &*target, "the copy", &mut |_| {}).await.unwrap();
        assert!(compared.iter().all(|compared| compared.difference.is_none()), "{compared:?}");
        assert_eq!(rows(&*target, Family::Reached, "f", Grain::Day).await, there);
    }
}

/// Months of many stages are not handed out, and written, at once.
async fn parts_of_a_copy_are_bounded_by_points(store: &dyn Store) {
    store.commit(&overfull(9)).await.unwrap();
    let (mut after, mut found) = (None, 0);
    loop {
        let part = store.unlisted(Unlisted::Figures, after.as_deref(), 300).await.unwrap();
        let points = part.changes.figure_points.len();
        assert!(points < 300 + limits::MAX_FIGURE_STAGES + 20, "{points}");
        found += points;
        after = part.last;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, 9 * (limits::MAX_FIGURE_STAGES + 20));
}

async fn old_points_are_forgotten_bit_by_bit(store: &dyn Store) {
    let oldest =
        |minutes, hours, days| OldestFigures { minutes: at(minutes), hours: at(hours), days: at(days) };
    for ms in [HOUR, 2 * HOUR, DAY, 2 * DAY] {
        let figures = [
            (Family::Accepted, "web", "", 1),
            (Family::Opened, "f", "", 1),
            (Family::Reached, "f", "a", 1),
            (Family::Standing, "f", "active", 1),
        ];
        store.commit(&counts(ms, &figures)).await.unwrap();
    }
    let forget = async |oldest| {
        assert!(store.has_figures_before(&oldest).await.unwrap());
        let set = ChangeSet { forget_figures: Some(oldest), ..changes() };
        store.commit(&set).await.unwrap();
        assert!(!store.has_figures_before(&oldest).await.unwrap());
    };
    let starts = async |family, subject, grain| {
        let rows = rows(store, family, subject, grain).await;
        rows.into_iter().map(|(start, ..)| start).collect::<Vec<_>>()
    };
    assert!(!store.has_figures_before(&oldest(HOUR, HOUR, 0)).await.unwrap(), "not the bounds themselves");
    forget(oldest(2 * HOUR, HOUR, 0)).await;
    assert_eq!(starts(Family::Accepted, "web", Grain::Minute).await, [2 * HOUR, DAY, 2 * DAY]);
    assert_eq!(starts(Family::Accepted, "web", Grain::Hour).await, [HOUR, 2 * HOUR, DAY, 2 * DAY]);
    forget(oldest(0, DAY, DAY)).await;
    assert_eq!(starts(Family::Accepted, "web", Grain::Hour).await, [DAY, 2 * DAY]);
    assert_eq!(starts(Family::Opened, "f", Grain::Hour).await, [DAY, 2 * DAY]);
    assert_eq!(starts(Family::Opened, "f", Grain::Day).await, [DAY, 2 * DAY]);
    assert_eq!(rows(store, Family::Standing, "f", Grain::Ever).await, [row(0, "active", 4)], "that stays");
    // What is counted again afterwards begins anew.
    store.commit(&counts(HOUR, &[(Family::Opened, "f", "", 3)])).await.unwrap();
    assert_eq!(rows(store, Family::Opened, "f", Grain::Day).await[0], row(0, "", 3));
    forget(oldest(0, 0, 3 * DAY)).await;
    assert_eq!(all(store, Family::Reached, "f", Grain::Day).await, []);
}

async fn figures_are_copied(store: &dyn Store) {
    for ms in [HOUR, DAY] {
        let figures: Vec<_> = ["confirmed:12", "confirmed:13", "no_reply:40"]
            .map(|detail| (Family::Waited, "f", detail, ms))
            .into_iter()
            .chain([(Family::Accepted, "web", "", 1), (Family::Standing, "f\0", "active", 1)])
            .collect();
        store.commit(&counts(ms, &figures)).await.unwrap();
    }
    let target = MemoryStore::new();
    let compared = copy(store, &target, "the copy", &mut |_| {}).await.unwrap();
    assert!(compared.iter().all(|compared| compared.difference.is_none()), "{compared:?}");
    let questions = [
        (Family::Waited, "f", Grain::Day),
        (Family::Accepted, "web", Grain::Minute),
        (Family::Accepted, "web", Grain::Hour),
        (Family::Standing, "f\0", Grain::Ever),
    ];
    for (family, subject, grain) in questions {
        let there = rows(store, family, subject, grain).await;
        assert!(!there.is_empty());
        assert_eq!(rows(&target, family, subject, grain).await, there);
    }
}

async fn a_change_set_that_is_refused_counts_nothing(store: &dyn Store) {
    let figure = [(Family::Opened, "f", "", 1)];
    store.commit(&counts(DAY, &figure)).await.unwrap();
    let mut refused = counts(DAY, &figure);
    let mut large = profile(&user("a"));
    large.anonymous_ids = vec!["n".repeat(2 << 20)];
    refused.profiles.push(new_profile(large.clone()));
    if store.describe() == "memory" {
        // It keeps what is too large; what it refuses is a record on a shelf.
        refused.profiles.clear();
        let (shelf, key) = (stagepost::domain::shelf::Shelf::Audit, "k".repeat(1000));
        let entry = stagepost::domain::shelf::EntryWrite { shelf, key, was: None, value: Some(vec![]) };
        refused.entries.push(entry);
    }
    store.commit(&refused).await.unwrap_err();
    assert_eq!(rows(store, Family::Opened, "f", Grain::Day).await, [row(DAY, "", 1)]);
    store.commit(&counts(DAY, &figure)).await.unwrap();
    assert_eq!(rows(store, Family::Opened, "f", Grain::Day).await, [row(DAY, "", 2)]);
}

/// They are held in memory while they are counted on.
#[tokio::test]
async fn sled_counts_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    for n in 1..4 {
        let store = SledStore::open(dir.path(), 8 << 20, sealer()).unwrap();
        store.commit(&counts(DAY, &[(Family::Reached, "f", "a", 1)])).await.unwrap();
        assert_eq!(rows(&store, Family::Reached, "f", Grain::Day).await, [row(DAY, "a", n)]);
    }
}

/// Each adds to rows of its own.
#[tokio::test]
async fn nodes_over_postgres_count_together() {
    let schema = schema();
    let (one, other) = (open_postgres(&schema).await, open_postgres(&schema).await);
    for _ in 0..3 {
        let set = counts(DAY, &[(Family::Standing, "f", "active", 1), (Family::Standing, "f", "done", 1)]);
        let (a, b) = tokio::join!(one.commit(&set), other.commit(&set));
        a.unwrap();
        b.unwrap();
    }
    one.commit(&counts(DAY, &[(Family::Standing, "f", "done", -6)])).await.unwrap();
    assert_eq!(rows(&other, Family::Standing, "f", Grain::Ever).await, [row(0, "active", 6)]);
}
