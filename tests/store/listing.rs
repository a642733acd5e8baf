//! What lists have an index for, and the inbox.

use stagepost::domain::change::{ChangeSet, JourneyMove, ProfileWrite};
use stagepost::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus};
use stagepost::domain::ids::JourneyId;
use stagepost::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use stagepost::domain::limits;
use stagepost::domain::page::Order;
use stagepost::store::Store;

use crate::build::*;
use crate::picture::walk;
use crate::writer::commit;

on_every_backend!(
    journeys_are_found_by_flow_and_status,
    what_is_rare_is_found_without_a_search,
    journeys_of_more_flows_than_can_be_merged_are_found,
    the_inbox_has_those_first_that_wait_for_longest,
    whoever_is_acknowledged_is_in_another_list,
    what_is_pending_is_found_behind_what_is_newer,
);

/// Archived journeys: each one's flow and status, made one after the other.
async fn archive(store: &dyn Store, of: impl Iterator<Item = (String, JourneyStatus)>) {
    let made = (100..)
        .zip(of)
        .map(|(ms, (flow, status))| Journey { flow, ..journey(journey_id(ms, 1), &user("a"), status) });
    let archived: Vec<Journey> = made.collect();
    let journeys = archived.iter().map(opened).collect();
    commit(store, &ChangeSet { archived, journeys, ..changes() }).await;
}

/// When those were made that the filter wants, in its order.
async fn found(store: &dyn Store, filter: &JourneyFilter, limit: usize) -> Vec<i64> {
    let found = walk(limit, async |p| store.journeys(filter, &p).await).await;
    found.into_iter().map(|journey| journey.id.made_at().millis()).collect()
}

async fn journeys_are_found_by_flow_and_status(store: &dyn Store) {
    // The last two are the same as far as indexes know them.
    let flows = ["a", "a\0", &"ü".repeat(60), &format!("{}a", "ü".repeat(60))].map(str::to_owned);
    let all: Vec<(String, JourneyStatus)> =
        (0..48).map(|n| (flows[n % 4].clone(), JourneyStatus::ALL[n / 4 % 6])).collect();
    archive(store, all.clone().into_iter()).await;
    for flow in flows.iter().map(Some).chain([None]) {
        for status in JourneyStatus::ALL.into_iter().map(Some).chain([None]) {
            for order in [Order::NewestFirst, Order::OldestFirst] {
                let filter = JourneyFilter { flow: flow.cloned(), status, order, ..Default::default() };
                let is_wanted = |(one, other): &(String, JourneyStatus)| {
                    flow.is_none_or(|flow| flow == one) && status.is_none_or(|status| status == *other)
                };
                let rising = (100..).zip(&all).filter(|(_, it)| is_wanted(it)).map(|(ms, _)| ms);
                let expected: Vec<i64> = order.of(rising.collect::<Vec<_>>().into_iter()).collect();
                for limit in [1, 3, 99] {
                    assert_eq!(found(store, &filter, limit).await, expected, "{filter:?}, {limit} at a time");
                }
                let part = JourneyFilter { from: Some(at(110)), to: Some(at(130)), ..filter };
                let expected: Vec<i64> = expected.into_iter().filter(|ms| (110..130).contains(ms)).collect();
                assert_eq!(found(store, &part, 2).await, expected, "{part:?}");
            }
        }
    }
}

async fn what_is_rare_is_found_without_a_search(store: &dyn Store) {
    let rare = ("b".to_owned(), JourneyStatus::Expired);
    let often = (0..20).map(|n| (["a", "b"][n % 2].to_owned(), JourneyStatus::ALL[n / 2 % 2]));
    archive(store, [rare].into_iter().chain(often)).await;
    let (b, expired) = (Some("b".to_owned()), Some(JourneyStatus::Expired));
    for (flow, status) in [(b, expired), (None, expired)] {
        let filter = JourneyFilter { flow, status, looks: Some(1), ..Default::default() };
        let page = store.journeys(&filter, &first(5)).await.unwrap();
        assert_eq!((page.rows.len(), page.cursor), (1, None), "{filter:?}");
    }
    let filter = JourneyFilter { stage: Some("another".into()), looks: Some(4), ..Default::default() };
    let page = store.journeys(&filter, &first(5)).await.unwrap();
    assert_eq!((page.rows.len(), page.cursor.is_some()), (0, true), "stages are looked for");
}

async fn journeys_of_more_flows_than_can_be_merged_are_found(store: &dyn Store) {
    let count = limits::MAX_FLOWS_MERGED + 1;
    archive(store, (0..count).map(|n| (format!("flow {n}"), JourneyStatus::Completed))).await;
    let filter = JourneyFilter { status: Some(JourneyStatus::Completed), ..Default::default() };
    assert_eq!(found(store, &filter, 400).await.len(), count);
}

/// A user's journeys as they are to be; what lists have of each changes from what they had.
async fn change(store: &dyn Store, journeys: &mut [Journey], change: impl Fn(&mut Journey)) {
    let mut owner = profile(&user("a"));
    let mut set = changes();
    for (n, journey) in (0..).zip(journeys) {
        let was = journey.listed();
        change(journey);
        journey.updated_at = at(journey.updated_at.millis() + 1 + n);
        if journey.listed() != was {
            set.journeys.push(JourneyMove::of(journey, Some(was)));
        }
        owner.journeys.push(journey.clone());
    }
    set.profiles.push(ProfileWrite { is_new: false, ..new_profile(owner) });
    commit(store, &set).await;
}

/// The inbox: those that wait, and those that are acknowledged.
async fn inbox(store: &dyn Store) -> [Vec<JourneyId>; 2] {
    let mut lists = [Vec::new(), Vec::new()];
    for (list, acknowledged) in lists.iter_mut().zip([false, true]) {
        let by_one = walk(1, async |p| store.inbox(acknowledged, &p).await).await;
        let at_once = walk(9, async |p| store.inbox(acknowledged, &p).await).await;
        assert_eq!(by_one, at_once);
        assert!(at_once.iter().all(|journey| journey.listed().is_acknowledged() == acknowledged));
        *list = at_once.into_iter().map(|journey| journey.id).collect();
    }
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.acknowledged, lists[1].len() as u64);
    let stalled = counts.journeys.get(&JourneyStatus::Stalled).copied().unwrap_or_default();
    assert_eq!(stalled, (lists[0].len() + lists[1].len()) as u64);
    lists
}

/// Four stalled journeys, each begun after the one before and longer in its stage than that.
async fn stalled(store: &dyn Store) -> Vec<Journey> {
    let mut owner = profile(&user("a"));
    for n in 0..4 {
        let made = journey(journey_id(100 + n, 1), &user("a"), JourneyStatus::Stalled);
        owner.journeys.push(Journey { stage_at: at(50 - n / 2), ..made });
    }
    let mut set = changes();
    set.journeys.extend(owner.journeys.iter().map(opened));
    set.profiles.push(new_profile(owner.clone()));
    commit(store, &set).await;
    owner.journeys
}

fn ids(journeys: &[Journey], places: &[usize]) -> Vec<JourneyId> {
    places.iter().map(|place| journeys[*place].id).collect()
}

async fn the_inbox_has_those_first_that_wait_for_longest(store: &dyn Store) {
    let mut all = stalled(store).await;
    assert_eq!(inbox(store).await, [ids(&all, &[2, 3, 0, 1]), vec![]]);
    // One was reached earlier than was known, one goes on.
    change(store, &mut all[..], |journey| {
        if journey.id == journey_id(101, 1) {
            journey.stage_at = at(-7);
        } else if journey.id == journey_id(103, 1) {
            journey.status = JourneyStatus::Active;
            journey.stage_at = at(60);
        }
    })
    .await;
    assert_eq!(inbox(store).await, [ids(&all, &[1, 2, 0]), vec![]]);
    change(store, &mut all[..], |journey| journey.status = JourneyStatus::Resolved).await;
    assert_eq!(inbox(store).await, [vec![], vec![]]);
}

async fn whoever_is_acknowledged_is_in_another_list(store: &dyn Store) {
    let mut all = stalled(store).await;
    change(store, &mut all[..], |journey| {
        if [journey_id(101, 1), journey_id(102, 1)].contains(&journey.id) {
            journey.acknowledged.push(acknowledged(journey));
        }
    })
    .await;
    assert_eq!(inbox(store).await, [ids(&all, &[3, 0]), ids(&all, &[2, 1])]);
    // They stall once more, elsewhere: nobody took notice of that yet.
    change(store, &mut all[..], |journey| journey.stage = "another".into()).await;
    assert_eq!(inbox(store).await, [ids(&all, &[2, 3, 0, 1]), vec![]]);
    change(store, &mut all[..], |journey| journey.acknowledged.push(acknowledged(journey))).await;
    change(store, &mut all[..], |journey| journey.status = JourneyStatus::Expired).await;
    assert_eq!(inbox(store).await, [vec![], vec![]]);
}

async fn what_is_pending_is_found_behind_what_is_newer(store: &dyn Store) {
    let made = |n: u64, key: &str, status| {
        new_delivery(Delivery { status, ..delivery(delivery_id(5, n), key, &user("a"), 5) })
    };
    let old = [made(1, "d", DeliveryStatus::Pending), made(2, "e", DeliveryStatus::Pending)];
    let newer = (3..20).map(|n| made(n, if n % 2 == 0 { "d" } else { "e" }, DeliveryStatus::Delivered));
    let deliveries = old.into_iter().chain(newer).collect();
    commit(store, &ChangeSet { deliveries, ..changes() }).await;
    for (destination, count) in [(Some("d"), 1), (Some("f"), 0), (None, 2)] {
        let (destination, status) = (destination.map(str::to_owned), Some(DeliveryStatus::Pending));
        let filter = DeliveryFilter { destination, status, looks: Some(2), ..Default::default() };
        let page = store.deliveries(&filter, &first(5)).await.unwrap();
        assert_eq!((page.rows.len(), page.cursor), (count, None), "{filter:?}");
        let by_one = walk(1, async |p| store.deliveries(&filter, &p).await).await;
        assert_eq!(by_one, page.rows);
    }
}
