//! What is read: round trips, the log of several nodes, damage, instants far away.

use std::collections::HashSet;

use stagepost::domain::change::ChangeSet;
use stagepost::domain::delivery::{DeliveryFilter, DeliveryStatus};
use stagepost::domain::event::{Call, Event};
use stagepost::domain::figures::{Family, Grain};
use stagepost::domain::ids::{DeliveryId, EventId, JourneyId, UserKey};
use stagepost::domain::journey::{JourneyFilter, JourneyStatus};
use stagepost::domain::page::PageRequest;
use stagepost::domain::sizes::Per;
use stagepost::store::postgres::PostgresStore;
use stagepost::store::{EventFilter, Store, StoreError};

use crate::backends::open_postgres;
use crate::build::*;
use crate::picture::{walk, whole_log};
use crate::support::postgres::schema;
use crate::writer::commit;

const EVERY_ID: [u8; 16] = [255; 16];

/// A profile, a journey, an event, a page and some deliveries of each of so many users.
async fn populate(store: &PostgresStore, users: u64) {
    let mut set = ChangeSet { at: at(9), ..changes() };
    for n in 0..users {
        let who = user(&n.to_string());
        let mut owner = profile(&who);
        owner.wake_at = Some(at(5));
        owner.journeys.push(journey(journey_id(5, n), &who, JourneyStatus::Active));
        set.journeys.push(opened(&owner.journeys[0]));
        set.profiles.push(new_profile(owner));
        set.events.push(track(event_id(5, n), &who, 10));
        set.leaf_pages.push(leaf_page(&who, 1, 0, Some(10)));
        set.memberships.push(member("x", &who, Some(5)));
        set.deliveries.push(new_delivery(delivery(delivery_id(5, 2 * n), "d", &who, 5)));
        set.deliveries.push(new_delivery(delivery(delivery_id(5, 2 * n + 1), "d", &who, 5)));
    }
    commit(store, &set).await;
}

/// Round trips of each call that asks for several things, for so many of them.
async fn round_trips(store: &PostgresStore, asked: u64) -> Vec<(&'static str, u64)> {
    let users: Vec<UserKey> = (0..asked).map(|n| user(&n.to_string())).collect();
    let deliveries: Vec<DeliveryId> = (0..asked).map(|n| delivery_id(5, n)).collect();
    let journeys: Vec<JourneyId> = (0..asked).map(|n| journey_id(5, n)).collect();
    let events: Vec<EventId> = (0..asked).map(|n| event_id(5, n)).collect();
    let pages: Vec<_> = users.iter().map(|user| (user.clone(), leaf_id(1), 0)).collect();
    let seen: Vec<_> = users.iter().map(|user| (user.clone(), [1; 16])).collect();
    let lanes: Vec<_> = users.iter().map(|user| ("d".to_owned(), user.clone())).collect();
    let busy: HashSet<UserKey> = users.iter().cloned().collect();
    let most = usize::try_from(asked).unwrap();
    let whole_page = PageRequest { limit: most, cursor: None };
    let (until, newest) = (DeliveryId::from_bytes(EVERY_ID), EventId::from_bytes(EVERY_ID));
    let tried = ["Tried".to_owned()].into();
    let names: Vec<&str> = users.iter().map(UserKey::as_str).collect();
    let counted: Vec<_> = names.iter().map(|name| (Family::Opened, *name)).collect();
    let mut trips = Vec::new();
    macro_rules! ask {
        ($name:literal, $call:expr) => {{
            let before = store.costs().reads;
            $call.await.unwrap();
            trips.push(($name, store.costs().reads - before));
        }};
    }
    ask!("profiles", Store::profiles(store, &users));
    ask!("profiles_after", Store::profiles_after(store, None, most));
    ask!("leaf_pages", Store::leaf_pages(store, &pages));
    ask!("seen", Store::seen(store, &seen));
    ask!("due_timers", Store::due_timers(store, at(9), most));
    ask!("due_deliveries", Store::due_deliveries(store, "d", at(9), &HashSet::new(), most));
    ask!("next_delivery", Store::next_delivery(store, "d", &busy));
    ask!("first_due", Store::first_due(store, &names));
    ask!("count_due", Store::count_due(store, "d", at(9), &HashSet::new(), most, true));
    ask!("newest_pending", Store::newest_pending(store, &lanes, 5));
    ask!("deliveries_by_id", Store::deliveries_by_id(store, &deliveries));
    ask!("deliveries_after", Store::deliveries_after(store, &DeliveryFilter::default(), None, until, most));
    ask!("journeys_by_id", Store::journeys_by_id(store, &journeys));
    ask!("events", Store::events(store, &events));
    ask!("event_log", Store::event_log(store, None, newest, most));
    ask!("wanted_log", Store::wanted_log(store, &named(&tried), None, newest, most));
    ask!("journeys", Store::journeys(store, &JourneyFilter::default(), &whole_page));
    for flow in [None, Some("order".to_owned())] {
        for status in [None, Some(JourneyStatus::Stalled)] {
            let filter = JourneyFilter { flow: flow.clone(), status, ..Default::default() };
            ask!("journeys of a flow or status", Store::journeys(store, &filter, &whole_page));
        }
    }
    ask!("inbox", Store::inbox(store, false, &whole_page));
    ask!("newest_events", Store::newest_events(store, &EventFilter::default(), &whole_page));
    ask!("deliveries", Store::deliveries(store, &DeliveryFilter::default(), &whole_page));
    ask!("members", Store::members(store, "x", &whole_page));
    ask!("sizes", Store::sizes_of(store, &names, Per::Hour, at(0), at(99)));
    ask!("figures", Store::figures_of(store, &counted, Grain::Hour, at(0), at(99)));
    ask!("rulebook", Store::rulebook(store));
    ask!("counts", Store::counts(store));
    trips
}

#[tokio::test]
async fn what_is_read_costs_the_same_round_trips_however_much_it_is() {
    let schema = schema();
    let store = open_postgres(&schema).await;
    populate(&store, 400).await;
    let (one, many) = (round_trips(&store, 1).await, round_trips(&store, 400).await);
    assert_eq!(one, many);
    assert!(one.iter().all(|(_, trips)| (1..=2).contains(trips)), "{one:?}");
}

/// Commits with events of these numbers, as nodes whose clocks differ make them.
async fn log_of(store: &PostgresStore, groups: &[&[u64]]) {
    for numbers in groups {
        let events = numbers.iter().map(|n| track(event_id(10, *n), &user("a"), 10)).collect();
        commit(store, &ChangeSet { events, ..changes() }).await;
    }
}

fn numbers(events: &[Event]) -> Vec<u64> {
    let number = |id: EventId| u64::from_be_bytes(*id.to_bytes().last_chunk().unwrap());
    events.iter().map(|event| number(event.id)).collect()
}

#[tokio::test]
async fn commits_whose_ids_lie_between_each_other_are_handed_out_whole_and_once() {
    let schema = schema();
    let store = open_postgres(&schema).await;
    log_of(&store, &[&[20, 40], &[30], &[10, 50], &[45, 47]]).await;
    let order = [30, 20, 40, 45, 47, 10, 50];
    let parts = async |limit| {
        let parts = whole_log(&store, limit).await;
        parts.iter().map(|part| numbers(part)).collect::<Vec<_>>()
    };
    assert_eq!(parts(1).await, [&order[..1], &order[1..3], &order[3..5], &order[5..]]);
    assert_eq!(parts(2).await, [&order[..3], &order[3..5], &order[5..]]);
    assert_eq!(parts(99).await, [&order[..]]);
    let newest = EventId::from_bytes(EVERY_ID);
    for (place, number) in order.into_iter().enumerate() {
        let rest = store.event_log(Some(event_id(10, number)), newest, 99).await.unwrap();
        assert_eq!(numbers(&rest), order[place + 1..], "behind {number}, wherever in its commit that is");
    }
    let names = ["Tried".to_owned()].into();
    let part = store.wanted_log(&named(&names), Some(event_id(10, 20)), event_id(10, 47), 99).await.unwrap();
    assert_eq!((numbers(&part.events), part.looked_at), (vec![40, 45, 47], 3));
    assert_eq!(part.last, Some(event_id(10, 47)), "no event of a commit that is not wholly before the end");
    assert_eq!(store.last_event().await.unwrap(), Some(event_id(10, 50)));
    let listed = walk(2, async |page| store.newest_events(&EventFilter::default(), &page).await).await;
    assert_eq!(numbers(&listed), [50, 47, 45, 40, 30, 20, 10], "people see them by their time");
}

/// What reading it says, which is of damage, names the record by its kind, and says nothing of what is in it.
fn damage<T: std::fmt::Debug>(kind: &str, result: Result<T, StoreError>) {
    let error = result.unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt { place, .. } if place.contains(&format!("{kind} #"))),
        "{error}"
    );
    let text = error.to_string();
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_damaged_row_is_named_and_not_shown() {
    let schema = schema();
    let store = open_postgres(&schema).await;
    let who = user("secret");
    let mut owner = profile(&who);
    owner.journeys = vec![journey(journey_id(5, 1), &who, JourneyStatus::Active)];
    let archived = journey(journey_id(6, 1), &who, JourneyStatus::Completed);
    let mut set = changes();
    set.journeys = owner.journeys.iter().chain([&archived]).map(opened).collect();
    set.profiles = vec![new_profile(owner)];
    set.archived = vec![archived];
    set.events = vec![event(event_id(5, 1), &who, Call::Alias { previous_id: "secret".into() })];
    set.deliveries = vec![new_delivery(delivery(delivery_id(5, 1), "d", &who, 5))];
    commit(&store, &set).await;
    for table in ["profiles", "events", "deliveries", "journeys"] {
        schema.sql(&format!("UPDATE {table} SET body = '\\x01a6736563726574' WHERE body IS NOT NULL"));
    }
    damage("profile", store.profile(&who).await);
    damage("profile", store.profiles(std::slice::from_ref(&who)).await);
    damage("profile", store.profiles_after(None, 9).await);
    damage("profile", store.journey(journey_id(5, 1)).await);
    damage("journey", store.journey(journey_id(6, 1)).await);
    damage("events", store.events(&[event_id(5, 1)]).await);
    damage("events", store.event_log(None, EventId::from_bytes(EVERY_ID), 9).await);
    damage("events", store.newest_events(&EventFilter::default(), &first(9)).await);
    damage("delivery", store.delivery(delivery_id(5, 1)).await);
    damage("delivery", store.deliveries(&DeliveryFilter::default(), &first(9)).await);
    damage("delivery", store.due_deliveries("d", at(9), &HashSet::new(), 9).await);
    schema.sql("DELETE FROM deliveries");
    damage("delivery", store.due_deliveries("d", at(9), &HashSet::new(), 9).await);
    schema.sql("UPDATE lanes SET user_key = 'secret'");
    assert_eq!(store.next_delivery("d", &HashSet::new()).await.unwrap(), Some(at(5)), "reads no key");
    schema.sql("UPDATE profiles SET wake_at = now(), user_key = 'secret'");
    let ever = at(i64::MAX);
    damage("user", store.due_timers(ever, 9).await);
    schema.sql("UPDATE counters SET name = 'secret' WHERE name = 'events'");
    damage("running totals", store.counts().await);
}

#[tokio::test]
async fn instants_may_be_as_far_away_as_there_are_any() {
    let schema = schema();
    let store = open_postgres(&schema).await;
    let (first, last) = (at(i64::MIN), at(i64::MAX));
    let mut set = changes();
    for (n, wake) in (1..).zip([first, at(-1), last]) {
        let who = user(&format!("{n}"));
        let mut owner = profile(&who);
        owner.wake_at = Some(wake);
        set.profiles.push(new_profile(owner));
        set.deliveries.push(new_delivery(delivery(delivery_id(1, n), "d", &who, wake.millis())));
        set.memberships.push(member("x", &who, Some(wake.millis())));
    }
    commit(&store, &set).await;
    let timers = store.due_timers(last, 9).await.unwrap();
    assert_eq!(timers.into_iter().map(|(at, _)| at).collect::<Vec<_>>(), [first, at(-1), last]);
    assert_eq!(store.due_timers(first, 9).await.unwrap().len(), 1);
    assert_eq!(store.due_deliveries("d", last, &HashSet::new(), 9).await.unwrap().len(), 3);
    assert_eq!(store.is_member("x", &user("3")).await.unwrap(), Some(last));
    let anytime = DeliveryFilter { since: Some(first), until: Some(last), ..DeliveryFilter::default() };
    assert_eq!(
        store.deliveries(&anytime, &PageRequest { limit: 9, cursor: None }).await.unwrap().rows.len(),
        3
    );
    let pending = DeliveryFilter { status: Some(DeliveryStatus::Pending), ..anytime };
    let part = store.deliveries_after(&pending, None, DeliveryId::from_bytes(EVERY_ID), 9).await.unwrap();
    assert_eq!(part.deliveries.len(), 3);
}

#[tokio::test]
async fn what_two_nodes_count_into_an_hour_is_one_point() {
    const HOUR: i64 = 3_600_000;
    let schema = schema();
    let nodes = [open_postgres(&schema).await, open_postgres(&schema).await];
    let moves = |hour: i64, users: &[i64]| {
        let write = |n: &i64| member("x", &user(&n.abs().to_string()), (*n > 0).then_some(hour));
        ChangeSet { at: at(hour * HOUR), memberships: users.iter().map(write).collect(), ..changes() }
    };
    for n in 1..=6 {
        commit(&nodes[usize::from(n % 2 == 0)], &moves(1 + n / 4, &[n, -n + 1])).await;
    }
    let points = async |per| {
        let points = nodes[0].audience_sizes("x", per, at(0), at(99 * HOUR)).await.unwrap();
        let plain = |point: &stagepost::domain::sizes::SizePoint| (point.entered, point.exited, point.size);
        points.iter().map(plain).collect::<Vec<_>>()
    };
    assert_eq!(points(Per::Hour).await, [(3, 2, 1), (3, 3, 1)]);
    assert_eq!(points(Per::Day).await, [(6, 5, 1)]);
    let later = nodes[1].audience_sizes("x", Per::Hour, at(2 * HOUR), at(3 * HOUR)).await.unwrap();
    assert_eq!((later.len(), later[0].size), (1, 1));
    let earlier = nodes[1].audience_sizes("x", Per::Hour, at(0), at(2 * HOUR)).await.unwrap();
    assert_eq!(
        (earlier.len(), earlier[0].size),
        (1, 1),
        "what came after the end of what is asked counts, too"
    );

    let forget = ChangeSet { forget_sizes_before: Some((at(2 * HOUR), at(0))), ..changes() };
    commit(&nodes[0], &forget).await;
    assert_eq!(points(Per::Hour).await, [(3, 3, 1)], "all shares of a point go together");
    let gone = ChangeSet { drop_members: vec!["x".into()], drop_members_limit: 1, ..changes() };
    commit(&nodes[1], &gone).await;
    assert_eq!((points(Per::Hour).await.len(), points(Per::Day).await.len()), (0, 1), "hours first");
    commit(&nodes[0], &gone).await;
    assert_eq!(nodes[1].audiences_with_members().await.unwrap(), [""; 0]);
}

/// Those that were written before the column was there.
#[tokio::test]
async fn events_without_their_source_in_the_table_are_found_by_it() {
    let schema = schema();
    let store = open_postgres(&schema).await;
    let of = |id, source: &str| Event { source: source.into(), ..track(event_id(5, id), &user("a"), 10) };
    commit(&store, &ChangeSet { events: vec![of(1, "web"), of(2, "studio")], ..changes() }).await;
    let sources = "SELECT string_agg(source, ',' ORDER BY id) FROM events";
    assert_eq!(schema.sql(sources), "web,studio");
    schema.sql("UPDATE events SET source = NULL");
    let filter = EventFilter { source: Some("web".into()), ..EventFilter::default() };
    let found = walk(2, async |p| store.newest_events(&filter, &p).await).await;
    assert_eq!(found, [of(1, "web")]);
}
