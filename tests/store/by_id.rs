//! Reads of many records at once: in the order asked, whatever is not there, and whatever is asked twice.

use stagepost::domain::change::{ChangeSet, SizeWrite};
use stagepost::domain::ids::{DeliveryId, EventId, JourneyId, UserKey};
use stagepost::domain::journey::JourneyStatus;
use stagepost::domain::sizes::{Per, SizePoint};
use stagepost::store::Store;

use crate::build::*;
use crate::writer::{commit, unrevised};

on_every_backend!(
    deliveries_are_read_by_id,
    journeys_are_read_by_id_wherever_they_are,
    profiles_pages_and_events_are_read_in_the_order_asked,
    the_newest_pending_ones_of_many_lanes_are_read_at_once,
    nothing_is_asked_and_nothing_is_read,
    a_copied_point_of_a_size_is_as_it_was,
);

async fn deliveries_are_read_by_id(store: &dyn Store) {
    let made: Vec<_> = (0..4).map(|n| delivery(delivery_id(1, n), "d", &user(&n.to_string()), 5)).collect();
    let deliveries = made.iter().cloned().map(new_delivery).collect();
    commit(store, &ChangeSet { deliveries, ..changes() }).await;
    let ids: Vec<DeliveryId> = [3, 9, 0, 3].map(|n| delivery_id(1, n)).to_vec();
    let found = store.deliveries_by_id(&ids).await.unwrap();
    assert_eq!(found, [Some(made[3].clone()), None, Some(made[0].clone()), Some(made[3].clone())]);
}

async fn journeys_are_read_by_id_wherever_they_are(store: &dyn Store) {
    let (a, b) = (user("a"), user("b"));
    let mut owner = profile(&a);
    owner.journeys = (1..3).map(|n| journey(journey_id(n, 1), &a, JourneyStatus::Active)).collect();
    let archived = journey(journey_id(3, 1), &b, JourneyStatus::Completed);
    let mut set = changes();
    set.journeys = owner.journeys.iter().chain([&archived]).map(opened).collect();
    set.archived = vec![archived.clone()];
    set.profiles = vec![new_profile(owner.clone())];
    commit(store, &set).await;
    let ids: Vec<JourneyId> = [3, 2, 8, 1, 2].map(|ms| journey_id(ms, 1)).to_vec();
    let [one, two] = [0, 1].map(|n: usize| Some(owner.journeys[n].clone()));
    let found = store.journeys_by_id(&ids).await.unwrap();
    assert_eq!(found, [Some(archived), two.clone(), None, one, two.clone()]);

    // A journey whose user's profile does not have it is nobody's.
    let mut set = changes();
    set.profiles = vec![new_profile(profile(&b))];
    let id = journey_id(4, 1);
    set.journeys = vec![opened(&journey(id, &b, JourneyStatus::Active))];
    commit(store, &set).await;
    assert_eq!(store.journeys_by_id(&[id, ids[1]]).await.unwrap(), [None, two]);
    assert_eq!(store.journey(id).await.unwrap(), None);
}

async fn profiles_pages_and_events_are_read_in_the_order_asked(store: &dyn Store) {
    let keys: Vec<UserKey> = ["a", "b", "c"].map(user).to_vec();
    let mut set = changes();
    set.profiles = keys.iter().map(|key| new_profile(profile(key))).collect();
    set.leaf_pages = (0..3).map(|n| leaf_page(&keys[0], n, 0, Some(usize::try_from(n).unwrap()))).collect();
    set.events = (0..3).map(|n| track(event_id(5, n), &keys[0], 10)).collect();
    commit(store, &set).await;
    let asked = [&keys[2], &user("x"), &keys[0], &keys[2]].map(Clone::clone);
    let found = store.profiles(&asked).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|found| found.map(|profile| unrevised(profile).key)).collect();
    assert_eq!(found, [Some(keys[2].clone()), None, Some(keys[0].clone()), Some(keys[2].clone())]);

    let asked: Vec<_> = [2, 7, 0, 2].map(|leaf| (keys[0].clone(), leaf_id(leaf), 0)).to_vec();
    let found = store.leaf_pages(&asked).await.unwrap();
    let lengths: Vec<_> = found.into_iter().map(|page| page.map(|page| page.len())).collect();
    assert_eq!(lengths, [Some(2), None, Some(0), Some(2)]);

    let asked: Vec<EventId> = [2, 7, 0, 2].map(|n| event_id(5, n)).to_vec();
    let found: Vec<_> = store.events(&asked).await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(found, [2, 0, 2].map(|n| event_id(5, n)));
}

async fn the_newest_pending_ones_of_many_lanes_are_read_at_once(store: &dyn Store) {
    let mut set = changes();
    for n in 0..12 {
        let who = user(if n % 2 == 0 { "a" } else { "b" });
        let destination = if n % 3 == 0 { "e" } else { "d" };
        set.deliveries.push(new_delivery(delivery(delivery_id(1, n), destination, &who, 5)));
    }
    commit(store, &set).await;
    let lanes = [("d", "a"), ("e", "b"), ("none", "a"), ("d", "b"), ("d", "a")];
    let lanes = lanes.map(|(destination, id)| (destination.to_owned(), user(id)));
    let newest = store.newest_pending(&lanes, 2).await.unwrap();
    let ids: Vec<Vec<DeliveryId>> =
        newest.iter().map(|lane| lane.iter().map(|delivery| delivery.id).collect()).collect();
    let of = |numbers: &[u64]| numbers.iter().map(|n| delivery_id(1, *n)).collect::<Vec<_>>();
    assert_eq!(ids, [of(&[10, 8]), of(&[9, 3]), of(&[]), of(&[11, 7]), of(&[10, 8])]);
}

async fn nothing_is_asked_and_nothing_is_read(store: &dyn Store) {
    assert_eq!(store.profiles(&[]).await.unwrap(), []);
    assert_eq!(store.leaf_pages(&[]).await.unwrap(), [] as [Option<Vec<u8>>; 0]);
    assert_eq!(store.seen(&[]).await.unwrap(), []);
    assert_eq!(store.events(&[]).await.unwrap(), []);
    assert_eq!(store.deliveries_by_id(&[]).await.unwrap(), []);
    assert_eq!(store.journeys_by_id(&[]).await.unwrap(), []);
    assert_eq!(store.newest_pending(&[], 5).await.unwrap(), [] as [Vec<_>; 0]);
    store.on_disk().await.unwrap();
}

async fn a_copied_point_of_a_size_is_as_it_was(store: &dyn Store) {
    let point =
        |hour: i64, entered, exited, size| SizePoint { start: at(hour * 3_600_000), entered, exited, size };
    let write = |per, point| SizeWrite { audience_id: "x".into(), per, point };
    let mut set = changes();
    set.sizes = vec![
        write(Per::Hour, point(2, 5, 1, 44)),
        write(Per::Hour, point(1, 2, 0, 40)),
        write(Per::Day, point(0, 7, 1, 44)),
    ];
    set.memberships = (0..44).map(|n| member("x", &user(&n.to_string()), Some(n))).collect();
    commit(store, &set).await;
    let all = async |per| store.audience_sizes("x", per, at(i64::MIN), at(i64::MAX)).await.unwrap();
    assert_eq!(all(Per::Hour).await, [point(1, 2, 0, 40), point(2, 5, 1, 44)]);
    assert_eq!(all(Per::Day).await, [point(0, 7, 1, 44)]);
    let mut again = changes();
    again.sizes = vec![write(Per::Hour, point(1, 3, 1, 41))];
    commit(store, &again).await;
    assert_eq!(all(Per::Hour).await, [point(1, 3, 1, 41), point(2, 5, 1, 44)]);

    // Whoever comes later counts from there.
    let one_more = ChangeSet {
        at: at(3 * 3_600_000),
        memberships: vec![member("x", &user("new"), Some(5))],
        ..changes()
    };
    commit(store, &one_more).await;
    assert_eq!(all(Per::Hour).await[2..], [point(3, 1, 0, 45)]);
    assert_eq!(all(Per::Day).await, [point(0, 8, 1, 45)]);
    assert_eq!(all(Per::Hour).await[..2], [point(1, 3, 1, 41), point(2, 5, 1, 44)]);
    assert_eq!(store.audiences_with_members().await.unwrap(), ["x"]);
}
