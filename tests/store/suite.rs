//! What every backend does, one behaviour per test.

use std::collections::HashSet;

use stagepost::domain::change::{
    ChangeSet, DefinitionWrite, HealthWrite, JourneyMove, ProfileWrite, ReplayWrite, SeenWrite,
};
use stagepost::domain::definition::Kind;
use stagepost::domain::delivery::{DeliveryFilter, DeliveryStatus};
use stagepost::domain::event::{Call, Event};
use stagepost::domain::ids::{EventId, UserKey};
use stagepost::domain::journey::{JourneyFilter, JourneyStatus};
use stagepost::domain::limits;
use stagepost::domain::page::{Order, PageRequest};
use stagepost::domain::replay::{Replay, ReplayStatus};
use stagepost::store::{EventFilter, Store, StoreError};

use crate::build::*;
use crate::picture::{walk, whole_log};
use crate::writer::{commit, unrevised};

on_every_backend!(
    an_empty_store_answers_everything_with_nothing,
    profiles_come_back_whole_and_in_order,
    long_profiles_grow_and_shrink,
    timers_follow_the_profile,
    the_log_hands_out_whole_commits,
    events_are_found_by_id_and_by_filter,
    a_journey_is_found_in_the_profile_and_in_the_archive,
    stalled_journeys_are_listed_while_they_are_stalled,
    a_journey_opened_and_archived_at_once_is_whole,
    journeys_are_listed_by_time,
    journeys_are_listed_the_oldest_first_too,
    memberships_keep_rows_and_count_in_step,
    members_of_a_gone_audience_go_bit_by_bit,
    a_lane_hands_out_its_lowest_id_only,
    a_replayed_delivery_goes_to_the_head_of_its_lane,
    one_change_set_may_settle_and_make_deliveries_of_one_lane,
    busy_users_are_passed_over,
    due_deliveries_come_earliest_first,
    deliveries_are_found_by_status,
    a_page_looks_at_no_more_than_it_may,
    what_is_pending_of_a_user_comes_in_its_order,
    deliveries_are_looked_through_from_the_oldest,
    what_is_due_is_counted,
    healths_and_replays_are_set_and_removed,
    message_ids_are_remembered_and_expire,
    definitions_are_set_and_removed,
    unknown_flows_are_listed_up_to_the_limit,
    a_wrong_cursor_is_refused,
    a_scan_that_finds_little_hands_out_what_it_has,
    ids_may_hold_any_bytes,
);

async fn an_empty_store_answers_everything_with_nothing(store: &dyn Store) {
    commit(store, &changes()).await;
    assert_eq!(store.counts().await.unwrap(), Default::default());
    assert_eq!(store.last_event().await.unwrap(), None);
    assert_eq!(store.next_timer().await.unwrap(), None);
    assert_eq!(store.admin_token_hash().await.unwrap(), None);
    assert_eq!(store.next_delivery("d", &HashSet::new()).await.unwrap(), None);
    assert_eq!(store.profiles(&[user("a")]).await.unwrap(), [None]);
    let page = store.newest_events(&EventFilter::default(), &first(10)).await.unwrap();
    assert!(page.rows.is_empty() && page.cursor.is_none());
    assert!(!store.describe().is_empty());
    store.stats().await.unwrap();
}

async fn profiles_come_back_whole_and_in_order(store: &dyn Store) {
    let mut set = changes();
    for id in ["b", "a", "c"] {
        let mut profile = profile(&user(id));
        profile.recent.push_back(event_id(7, 7));
        profile.seen.recent.push_back(([9; 16], at(4)));
        profile.journeys.push(journey(journey_id(5, 5), &user(id), JourneyStatus::Active));
        set.profiles.push(new_profile(profile));
    }
    commit(store, &set).await;
    let wanted = set.profiles[1].profile.clone();
    assert_eq!(store.profile(&user("a")).await.unwrap().map(unrevised), Some(wanted.clone()));
    let some = store.profiles(&[user("c"), user("x"), user("a")]).await.unwrap();
    let some: Vec<_> = some.into_iter().map(|profile| profile.map(unrevised)).collect();
    assert_eq!(some[0].as_ref().map(|profile| &profile.key), Some(&user("c")));
    assert_eq!((&some[1], &some[2]), (&None, &Some(wanted)));
    let keys = |profiles: Vec<stagepost::domain::profile::Profile>| -> Vec<UserKey> {
        profiles.into_iter().map(|profile| profile.key).collect()
    };
    assert_eq!(keys(store.profiles_after(None, 2).await.unwrap().0), [user("a"), user("b")]);
    assert_eq!(keys(store.profiles_after(Some(&user("a")), 9).await.unwrap().0), [user("b"), user("c")]);
    assert_eq!(store.counts().await.unwrap().profiles, 3);
}

async fn long_profiles_grow_and_shrink(store: &dyn Store) {
    let key = user("long");
    for (round, bytes) in [10, 90_000, 20_000, 6_000, 300_000, 5_000, 10].into_iter().enumerate() {
        let mut profile = profile(&key);
        profile.anonymous_ids = vec!["n".repeat(bytes)];
        let write =
            ProfileWrite { profile: profile.clone(), wake_was: None, is_new: round == 0, was_merged: false };
        commit(store, &ChangeSet { profiles: vec![write], ..changes() }).await;
        assert_eq!(store.profile(&key).await.unwrap().map(unrevised), Some(profile.clone()));
        let (all, _) = store.profiles_after(None, 5).await.unwrap();
        assert_eq!(all.into_iter().map(unrevised).collect::<Vec<_>>(), [profile]);
    }
    assert_eq!(store.counts().await.unwrap().profiles, 1);
}

async fn timers_follow_the_profile(store: &dyn Store) {
    let set_timer = async |id: &str, was: Option<i64>, wake: Option<i64>| {
        let mut profile = profile(&user(id));
        profile.wake_at = wake.map(at);
        let write = ProfileWrite { profile, wake_was: was.map(at), is_new: was.is_none(), was_merged: false };
        commit(store, &ChangeSet { profiles: vec![write], ..changes() }).await;
    };
    set_timer("a", None, Some(20)).await;
    set_timer("b", None, Some(10)).await;
    set_timer("c", None, Some(-5)).await;
    assert_eq!(store.next_timer().await.unwrap(), Some(at(-5)));
    let due = store.due_timers(at(10), 9).await.unwrap();
    assert_eq!(due, [(at(-5), user("c")), (at(10), user("b"))]);
    assert_eq!(store.due_timers(at(99), 1).await.unwrap(), [(at(-5), user("c"))]);
    set_timer("c", Some(-5), None).await;
    set_timer("b", Some(10), Some(30)).await;
    let due = store.due_timers(at(99), 9).await.unwrap();
    assert_eq!(due, [(at(20), user("a")), (at(30), user("b"))]);
}

async fn the_log_hands_out_whole_commits(store: &dyn Store) {
    let mut n = 0;
    for size in [1, 40, 2, 3] {
        let mut set = changes();
        for _ in 0..size {
            n += 1;
            // Some longer than a row of the sled backend.
            let bytes = if n % 7 == 0 { 20_000 } else { 300 };
            set.events.push(track(event_id(10, n), &user("a"), bytes));
        }
        commit(store, &set).await;
    }
    let sizes = async |limit| whole_log(store, limit).await.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(1).await, [1, 40, 2, 3]);
    assert_eq!(sizes(2).await, [41, 2, 3]);
    assert_eq!(sizes(42).await, [43, 3]);
    assert_eq!(sizes(1000).await, [46]);
    let ids: Vec<_> = whole_log(store, 1).await.concat().iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=46).map(|n| event_id(10, n)).collect::<Vec<_>>());
    let part = store.event_log(Some(event_id(10, 5)), event_id(10, 20), 100).await.unwrap();
    assert_eq!(part.len(), 15, "cut where it was asked to be");
    assert_eq!(store.event_log(Some(event_id(10, 46)), EventId::from_bytes([255; 16]), 5).await.unwrap(), []);
    assert_eq!(store.last_event().await.unwrap(), Some(event_id(10, 46)));
    let names = ["Order Completed".to_owned()].into();
    let part = store.wanted_log(&named(&names), Some(event_id(10, 5)), event_id(10, 20), 100).await.unwrap();
    assert_eq!((part.events, part.looked_at, part.last), (vec![], 15, Some(event_id(10, 20))), "looked at");
    let part = store.wanted_log(&named(&names), Some(event_id(10, 46)), event_id(10, 99), 5).await.unwrap();
    assert_eq!((part.looked_at, part.last), (0, None), "the end");
    assert_eq!(store.counts().await.unwrap().events, 46);
}

async fn events_are_found_by_id_and_by_filter(store: &dyn Store) {
    let mut set = changes();
    for n in 0..30 {
        let who = if n % 3 == 0 { UserKey::anonymous("a") } else { user("a") };
        let call = match n % 2 {
            0 => Call::Identify { traits: object(600) },
            _ => Call::Alias { previous_id: "old".into() },
        };
        set.events.push(event(event_id(10, n), &who, call));
    }
    commit(store, &set).await;
    let ids = [event_id(10, 29), event_id(10, 30), event_id(9, 1), event_id(10, 0)];
    assert_eq!(store.events(&ids).await.unwrap(), [set.events[29].clone(), set.events[0].clone()]);
    let all = walk(7, async |p| store.newest_events(&EventFilter::default(), &p).await).await;
    assert_eq!(all, set.events.iter().rev().cloned().collect::<Vec<_>>());
    let filter = EventFilter {
        type_name: Some("alias".into()),
        users: [UserKey::anonymous("a")].into(),
        ..EventFilter::default()
    };
    let some = walk(2, async |p| store.newest_events(&filter, &p).await).await;
    let expected = [27, 21, 15, 9, 3].map(|n| event_id(10, n));
    assert_eq!(some.iter().map(|event| event.id).collect::<Vec<_>>(), expected);
    let quiet = Event { source: "quiet".into(), ..set.events[1].clone() };
    let quiet = Event { id: event_id(10, 30), ..quiet };
    commit(store, &ChangeSet { events: vec![quiet.clone()], ..changes() }).await;
    let of = |source: &str| EventFilter { source: Some(source.into()), ..EventFilter::default() };
    assert_eq!(walk(7, async |p| store.newest_events(&of("quiet"), &p).await).await, [quiet]);
    let others = walk(7, async |p| store.newest_events(&of("studio"), &p).await).await;
    assert_eq!(others.len(), set.events.len());
}

async fn a_journey_is_found_in_the_profile_and_in_the_archive(store: &dyn Store) {
    let (a, b) = (journey_id(10, 1), journey_id(20, 2));
    let mut owner = profile(&user("a"));
    owner.journeys.push(journey(a, &user("a"), JourneyStatus::Completed));
    owner.journeys.push(journey(b, &user("a"), JourneyStatus::Active));
    let mut set = changes();
    set.journeys.extend(owner.journeys.iter().map(opened));
    set.profiles.push(new_profile(owner.clone()));
    commit(store, &set).await;
    assert_eq!(store.journey(a).await.unwrap().as_ref(), Some(&owner.journeys[0]));
    assert_eq!(store.journey(journey_id(1, 1)).await.unwrap(), None);

    let mut set = changes();
    let mut gone = owner.journeys.remove(0);
    gone.flow = "f".repeat(30_000);
    set.archived.push(gone.clone());
    set.profiles.push(ProfileWrite {
        profile: owner.clone(),
        wake_was: None,
        is_new: false,
        was_merged: false,
    });
    commit(store, &set).await;
    assert_eq!(store.journey(a).await.unwrap(), Some(gone.clone()));
    let filter = JourneyFilter { user: Some(user("a")), ..Default::default() };
    let his = walk(1, async |p| store.journeys(&filter, &p).await).await;
    assert_eq!(his, [owner.journeys[0].clone(), gone]);
    let counts = store.counts().await.unwrap().journeys;
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [(JourneyStatus::Active, 1), (JourneyStatus::Completed, 1)]
    );
}

async fn stalled_journeys_are_listed_while_they_are_stalled(store: &dyn Store) {
    let id = journey_id(10, 1);
    let steps = [
        (None, JourneyStatus::Active),
        (Some(JourneyStatus::Active), JourneyStatus::Stalled),
        (Some(JourneyStatus::Stalled), JourneyStatus::Completed),
    ];
    let filter = JourneyFilter { status: Some(JourneyStatus::Stalled), ..Default::default() };
    for (from, to) in steps {
        let mut owner = profile(&user("a"));
        owner.journeys.push(journey(id, &user("a"), to));
        let from = from.map(|from| journey(id, &user("a"), from).listed());
        let mut set = changes();
        set.journeys.push(JourneyMove::of(&owner.journeys[0], from));
        set.profiles.push(ProfileWrite {
            profile: owner,
            wake_was: None,
            is_new: from.is_none(),
            was_merged: false,
        });
        commit(store, &set).await;
        let stalled = store.journeys(&filter, &first(5)).await.unwrap().rows;
        assert_eq!(stalled.len(), usize::from(to == JourneyStatus::Stalled));
        assert_eq!(store.counts().await.unwrap().journeys.into_iter().collect::<Vec<_>>(), [(to, 1)]);
    }
}

async fn a_journey_opened_and_archived_at_once_is_whole(store: &dyn Store) {
    let gone = journey(journey_id(10, 1), &user("a"), JourneyStatus::Expired);
    let mut set = changes();
    set.journeys.push(opened(&gone));
    set.archived.push(gone.clone());
    commit(store, &set).await;
    assert_eq!(store.journey(gone.id).await.unwrap(), Some(gone));
}

async fn journeys_are_listed_by_time(store: &dyn Store) {
    let mut set = changes();
    for n in 0..9 {
        let who = user(&n.to_string());
        let mut owner = profile(&who);
        owner.journeys.push(journey(journey_id(100 + n, 5), &who, JourneyStatus::Active));
        set.journeys.push(opened(&owner.journeys[0]));
        set.profiles.push(new_profile(owner));
    }
    commit(store, &set).await;
    let times = async |from: Option<i64>, to: Option<i64>| {
        let filter = JourneyFilter { from: from.map(at), to: to.map(at), ..Default::default() };
        let found = walk(2, async |p| store.journeys(&filter, &p).await).await;
        found.into_iter().map(|journey| journey.id.made_at().millis()).collect::<Vec<_>>()
    };
    assert_eq!(times(None, None).await, (100..109).rev().collect::<Vec<_>>());
    assert_eq!(times(Some(103), Some(106)).await, [105, 104, 103]);
    assert_eq!(times(Some(106), Some(103)).await, [0; 0]);
    assert_eq!(times(Some(108), None).await, [108]);
}

async fn journeys_are_listed_the_oldest_first_too(store: &dyn Store) {
    let mut set = changes();
    for n in 0..7 {
        let who = user(&(n % 5).to_string());
        let status = if n == 3 { JourneyStatus::Active } else { JourneyStatus::Stalled };
        let stalled = journey(journey_id(100 + n, 5), &who, status);
        set.journeys.push(opened(&stalled));
        match set.profiles.iter_mut().find(|write| write.profile.key == who) {
            Some(write) => write.profile.journeys.push(stalled),
            None => {
                let mut owner = profile(&who);
                owner.journeys.push(stalled);
                set.profiles.push(new_profile(owner));
            }
        }
    }
    commit(store, &set).await;
    let oldest = JourneyFilter { order: Order::OldestFirst, ..Default::default() };
    let stalled = JourneyFilter { status: Some(JourneyStatus::Stalled), ..oldest.clone() };
    for (filter, expected) in [
        (oldest.clone(), vec![100, 101, 102, 103, 104, 105, 106]),
        (stalled.clone(), vec![100, 101, 102, 104, 105, 106]),
        (JourneyFilter { from: Some(at(102)), to: Some(at(106)), ..stalled.clone() }, vec![102, 104, 105]),
        (JourneyFilter { from: Some(at(107)), ..stalled }, vec![]),
        (JourneyFilter { user: Some(user("1")), ..oldest }, vec![101, 106]),
    ] {
        for limit in [1, 2, 9] {
            let found = walk(limit, async |p| store.journeys(&filter, &p).await).await;
            let found: Vec<i64> = found.into_iter().map(|journey| journey.id.made_at().millis()).collect();
            assert_eq!(found, expected, "{filter:?}, {limit} at a time");
        }
    }
}

async fn memberships_keep_rows_and_count_in_step(store: &dyn Store) {
    let (a, b) = (user("a"), user("b"));
    let mut set = changes();
    set.memberships = vec![
        member("x", &a, Some(1)),
        member("x", &b, Some(2)),
        member("x", &b, None),
        member("y", &a, Some(3)),
    ];
    commit(store, &set).await;
    set.memberships = vec![member("x", &a, Some(9)), member("x", &b, None), member("z", &b, None)];
    commit(store, &set).await;
    let members = store.members("x", &first(9)).await.unwrap().rows;
    assert_eq!(members.iter().map(|row| (&row.user, row.since)).collect::<Vec<_>>(), [(&a, at(9))]);
    assert_eq!(store.audiences_with_members().await.unwrap(), ["x", "y"]);
    let counts = store.counts().await.unwrap().members;
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("x".to_owned(), 1), ("y".to_owned(), 1)]);
    set.memberships = vec![member("x", &a, None)];
    commit(store, &set).await;
    assert_eq!(store.audiences_with_members().await.unwrap(), ["y"]);
}

async fn members_of_a_gone_audience_go_bit_by_bit(store: &dyn Store) {
    let mut set = changes();
    set.memberships = (0..5).map(|n| member("x", &user(&n.to_string()), Some(n))).collect();
    commit(store, &set).await;
    for left in [3, 1, 0, 0] {
        let mut set = changes();
        set.drop_members = vec!["x".into(), "none".into()];
        set.drop_members_limit = 2;
        commit(store, &set).await;
        assert_eq!(store.members("x", &first(9)).await.unwrap().rows.len(), left);
        let count = store.counts().await.unwrap().members.get("x").copied().unwrap_or(0);
        assert_eq!(usize::try_from(count).unwrap(), left);
    }
    assert!(store.audiences_with_members().await.unwrap().is_empty());
}

/// The ids that are due for `d`, by their number.
async fn due(store: &dyn Store, now: i64) -> Vec<stagepost::domain::ids::DeliveryId> {
    let due = store.due_deliveries("d", at(now), &HashSet::new(), 99).await.unwrap();
    due.into_iter().map(|delivery| delivery.id).collect()
}

async fn commit_deliveries(store: &dyn Store, writes: Vec<stagepost::domain::change::DeliveryWrite>) {
    commit(store, &ChangeSet { deliveries: writes, ..changes() }).await;
}

async fn a_lane_hands_out_its_lowest_id_only(store: &dyn Store) {
    let one = delivery(delivery_id(1, 1), "d", &user("a"), 50);
    let two = delivery(delivery_id(1, 2), "d", &user("a"), 10);
    commit_deliveries(store, vec![new_delivery(two.clone()), new_delivery(one.clone())]).await;
    assert_eq!(due(store, 49).await, [], "the second waits for the first");
    assert_eq!(store.next_delivery("d", &HashSet::new()).await.unwrap(), Some(at(50)));
    assert_eq!(due(store, 50).await, [one.id]);
    commit_deliveries(store, vec![changed(&one, DeliveryStatus::Delivered, 50)]).await;
    assert_eq!(due(store, 10).await, [two.id]);
    commit_deliveries(store, vec![changed(&two, DeliveryStatus::Pending, 70)]).await;
    assert_eq!(due(store, 69).await, []);
    assert_eq!(store.next_delivery("d", &HashSet::new()).await.unwrap(), Some(at(70)));
    assert_eq!(store.next_delivery("other", &HashSet::new()).await.unwrap(), None);
}

async fn a_replayed_delivery_goes_to_the_head_of_its_lane(store: &dyn Store) {
    let mut one = delivery(delivery_id(1, 1), "d", &user("a"), 5);
    let two = delivery(delivery_id(1, 2), "d", &user("a"), 5);
    one.status = DeliveryStatus::Dead;
    commit_deliveries(store, vec![new_delivery(one.clone()), new_delivery(two.clone())]).await;
    assert_eq!(due(store, 9).await, [two.id]);
    commit_deliveries(store, vec![changed(&one, DeliveryStatus::Pending, 5)]).await;
    assert_eq!(due(store, 9).await, [one.id], "same instant, other head");
    let replayed = changed(&one, DeliveryStatus::Pending, 5).delivery;
    commit_deliveries(store, vec![changed(&replayed, DeliveryStatus::Delivered, 5)]).await;
    assert_eq!(due(store, 9).await, [two.id]);
}

async fn one_change_set_may_settle_and_make_deliveries_of_one_lane(store: &dyn Store) {
    let made: Vec<_> = (0..6).map(|n| delivery(delivery_id(1, n), "d", &user("a"), 5)).collect();
    commit_deliveries(store, made[..4].iter().cloned().map(new_delivery).collect()).await;
    commit_deliveries(
        store,
        vec![
            changed(&made[2], DeliveryStatus::Superseded, 5),
            changed(&made[0], DeliveryStatus::Delivered, 5),
            new_delivery(made[5].clone()),
            changed(&made[1], DeliveryStatus::Failed, 5),
            new_delivery(made[4].clone()),
        ],
    )
    .await;
    assert_eq!(due(store, 9).await, [made[3].id]);
    let rest = [3, 4, 5].map(|n: usize| changed(&made[n], DeliveryStatus::Delivered, 5));
    commit_deliveries(store, rest.to_vec()).await;
    assert_eq!(due(store, 9).await, []);
    assert_eq!(store.next_delivery("d", &HashSet::new()).await.unwrap(), None);
    let counts: Vec<_> = store.counts().await.unwrap().deliveries.into_iter().collect();
    let key = |status| ("d".to_owned(), status);
    assert_eq!(counts, [(key("delivered"), 4), (key("failed"), 1), (key("superseded"), 1)]);
}

async fn busy_users_are_passed_over(store: &dyn Store) {
    let deliveries: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .zip(1..)
        .map(|(id, n)| delivery(delivery_id(1, n), "d", &user(id), i64::try_from(n).unwrap() * 10))
        .collect();
    commit_deliveries(store, deliveries.iter().cloned().map(new_delivery).collect()).await;
    let busy = HashSet::from([user("a")]);
    let found = store.due_deliveries("d", at(99), &busy, 1).await.unwrap();
    assert_eq!(found, [deliveries[1].clone()], "the limit counts those that are handed out");
    assert_eq!(store.next_delivery("d", &busy).await.unwrap(), Some(at(20)));
    let all = HashSet::from(["a", "b", "c"].map(user));
    assert_eq!(store.next_delivery("d", &all).await.unwrap(), None);
}

async fn due_deliveries_come_earliest_first(store: &dyn Store) {
    let writes = [("a", 30), ("b", 10), ("c", 20), ("d", 40)].into_iter().zip(1..);
    let writes =
        writes.map(|((id, next), n)| new_delivery(delivery(delivery_id(1, n), "d", &user(id), next)));
    commit_deliveries(store, writes.collect()).await;
    assert_eq!(due(store, 30).await, [2, 3, 1].map(|n| delivery_id(1, n)));
}

async fn what_is_pending_of_a_user_comes_in_its_order(store: &dyn Store) {
    let made: Vec<_> = (0..5).map(|n| delivery(delivery_id(1, n), "d", &user("a"), 50)).collect();
    let other = delivery(delivery_id(1, 9), "d", &user("b"), 50);
    commit_deliveries(store, made.iter().cloned().chain([other]).map(new_delivery).collect()).await;
    commit_deliveries(store, vec![changed(&made[1], DeliveryStatus::Superseded, 50)]).await;
    let ids = async |destination, after: Option<usize>, limit| {
        let after = after.map(|n| made[n].id);
        let pending = store.pending_of(destination, &user("a"), after, limit).await.unwrap();
        pending.into_iter().map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    let of = |numbers: &[usize]| numbers.iter().map(|n| made[*n].id).collect::<Vec<_>>();
    assert_eq!(ids("d", None, 9).await, of(&[0, 2, 3, 4]));
    assert_eq!(ids("d", None, 2).await, of(&[0, 2]));
    assert_eq!(ids("d", Some(0), 9).await, of(&[2, 3, 4]));
    assert_eq!(ids("d", Some(1), 1).await, of(&[2]), "after one that is there no more");
    assert_eq!(ids("d", Some(4), 9).await, []);
    assert_eq!(ids("e", None, 9).await, []);
    let lanes = [("d", "a"), ("e", "a")].map(|(key, id)| (key.to_owned(), user(id)));
    let newest = store.newest_pending(&lanes, 3).await.unwrap();
    let newest =
        newest.into_iter().map(|lane| lane.into_iter().map(|delivery| delivery.id).collect::<Vec<_>>());
    assert_eq!(newest.collect::<Vec<_>>(), [of(&[4, 3, 2]), vec![]]);
}

async fn what_is_due_is_counted(store: &dyn Store) {
    let mut writes = Vec::new();
    for (user_id, times) in [("a", &[10, 10, 90][..]), ("b", &[20, 20]), ("c", &[80, 5]), ("dd", &[30])] {
        for (n, at) in (writes.len()..).zip(times) {
            writes.push(new_delivery(delivery(delivery_id(1, n as u64), "d", &user(user_id), *at)));
        }
    }
    commit_deliveries(store, writes).await;
    let nobody = HashSet::new();
    let count = async |now, busy: &HashSet<UserKey>, limit, whole| {
        store.count_due("d", at(now), busy, limit, whole).await.unwrap()
    };
    assert_eq!(count(9, &nobody, 9, false).await, (0, None), "one that is behind another is not due");
    assert_eq!(count(30, &nobody, 9, false).await, (3, Some(at(10))));
    assert_eq!(count(30, &nobody, 2, false).await, (2, Some(at(10))));
    assert_eq!(count(30, &nobody, 9, true).await, (5, Some(at(10))), "c's second waits for his first");
    assert_eq!(count(30, &nobody, 4, true).await, (4, Some(at(10))));
    assert_eq!(count(90, &nobody, 99, true).await, (8, Some(at(10))));
    let busy = HashSet::from([user("a"), user("dd")]);
    assert_eq!(count(30, &busy, 9, false).await, (1, Some(at(20))));
    assert_eq!(count(30, &busy, 9, true).await, (2, Some(at(20))));
    assert_eq!(store.count_due("e", at(99), &nobody, 9, true).await.unwrap(), (0, None));
}

async fn deliveries_are_looked_through_from_the_oldest(store: &dyn Store) {
    let mut made = Vec::new();
    for n in 0..6 {
        let key = if n % 3 == 0 { "e" } else { "d" };
        let mut one = delivery(delivery_id(10 + i64::try_from(n).unwrap(), n), key, &user("a"), 5);
        one.created_at = at(10 + i64::try_from(n).unwrap());
        one.status = if n == 4 { DeliveryStatus::Delivered } else { DeliveryStatus::Dead };
        made.push(one);
    }
    commit_deliveries(store, made.iter().cloned().map(new_delivery).collect()).await;
    let dead = DeliveryFilter {
        destination: Some("d".into()),
        status: Some(DeliveryStatus::Dead),
        ..Default::default()
    };
    let until = made[5].id;
    let part = store.deliveries_after(&dead, None, until, 3).await.unwrap();
    assert_eq!(part.deliveries, made[1..3]);
    assert_eq!((part.looked_at, part.last), (3, Some(made[2].id)), "those of that status");
    let part = store.deliveries_after(&dead, part.last, made[4].id, 9).await.unwrap();
    assert_eq!((part.deliveries.len(), part.looked_at, part.last), (0, 1, Some(made[3].id)));
    let part = store.deliveries_after(&dead, part.last, until, 9).await.unwrap();
    assert_eq!((part.deliveries, part.looked_at), (made[5..].to_vec(), 1));
    let part = store.deliveries_after(&dead, Some(until), until, 9).await.unwrap();
    assert_eq!((part.looked_at, part.last), (0, None), "the end");
    let since = DeliveryFilter { since: Some(at(12)), ..dead.clone() };
    let part = store.deliveries_after(&since, None, until, 9).await.unwrap();
    assert_eq!((part.deliveries.len(), part.looked_at), (2, 3), "older ones are not looked at");
    let all = store.deliveries_after(&DeliveryFilter::default(), None, until, 9).await.unwrap();
    assert_eq!(all.deliveries, made);
}

async fn healths_and_replays_are_set_and_removed(store: &dyn Store) {
    let put = |replay: &Replay| ReplayWrite::Put(Box::new(replay.clone()));
    let (one, two) = (replay(1, ReplayStatus::Running), replay(2, ReplayStatus::Done));
    let mut set = changes();
    set.healths =
        ["b", "a", "c", "b"].into_iter().zip(1..).map(|(key, n)| HealthWrite::Put(health(key, n))).collect();
    set.healths.push(HealthWrite::Delete("c".into()));
    set.replays = vec![put(&two), put(&one)];
    commit(store, &set).await;
    assert_eq!(store.healths().await.unwrap(), [health("a", 2), health("b", 4)], "the last word holds");
    assert_eq!(store.replays().await.unwrap(), [one.clone(), two]);
    let mut set = changes();
    set.healths = vec![HealthWrite::Delete("a".into()), HealthWrite::Delete("none".into())];
    let done = Replay { status: ReplayStatus::Cancelled, ..one };
    set.replays = vec![put(&done), ReplayWrite::Delete(replay(2, ReplayStatus::Done).id)];
    commit(store, &set).await;
    assert_eq!(store.healths().await.unwrap(), [health("b", 4)]);
    assert_eq!(store.replays().await.unwrap(), [done]);
}

async fn deliveries_are_found_by_status(store: &dyn Store) {
    let mut made = Vec::new();
    for (n, status) in (0..12).zip(DeliveryStatus::ALL.into_iter().cycle()) {
        let mut delivery = delivery(delivery_id(10 + i64::try_from(n).unwrap(), n), "d", &user("a"), 5);
        delivery.status = status;
        made.push(delivery);
    }
    commit_deliveries(store, made.iter().cloned().map(new_delivery).collect()).await;
    for status in DeliveryStatus::ALL {
        let filter = DeliveryFilter { status: Some(status), ..Default::default() };
        let found = walk(1, async |p| store.deliveries(&filter, &p).await).await;
        let expected: Vec<_> = made.iter().rev().filter(|one| one.status == status).cloned().collect();
        assert_eq!(found, expected);
    }
    let dead = made.iter().find(|one| one.status == DeliveryStatus::Dead).unwrap();
    commit_deliveries(store, vec![changed(dead, DeliveryStatus::Failed, 5)]).await;
    let filter = DeliveryFilter { status: Some(DeliveryStatus::Dead), ..Default::default() };
    assert_eq!(store.deliveries(&filter, &first(9)).await.unwrap().rows.len(), 1);
    let filter = DeliveryFilter { since: Some(at(20)), ..Default::default() };
    assert_eq!(store.deliveries(&filter, &first(9)).await.unwrap().rows.len(), 2);
}

async fn a_page_looks_at_no_more_than_it_may(store: &dyn Store) {
    let made = (0..9).map(|n| delivery(delivery_id(5, n), "d", &user("a"), 5));
    commit_deliveries(store, made.map(new_delivery).collect()).await;
    let events = (0..9).map(|n| track(event_id(5, n), &user("a"), 5)).collect();
    commit(store, &ChangeSet { events, ..changes() }).await;
    let seldom = DeliveryFilter { text: Some("never".into()), looks: Some(4), ..Default::default() };
    let never = EventFilter { names: ["never".to_owned()].into(), looks: Some(4), ..Default::default() };
    let (mut at_delivery, mut at_event) = (first(2), first(2));
    for more in [true, true, false] {
        let page = store.deliveries(&seldom, &at_delivery).await.unwrap();
        assert_eq!((page.rows.len(), page.cursor.is_some()), (0, more), "four, four and one");
        at_delivery.cursor = page.cursor;
        let page = store.newest_events(&never, &at_event).await.unwrap();
        assert_eq!((page.rows.len(), page.cursor.is_some()), (0, more));
        at_event.cursor = page.cursor;
    }
}

async fn message_ids_are_remembered_and_expire(store: &dyn Store) {
    let seen = |id: &str, n: u8, ms| SeenWrite { user: user(id), message: [n; 16], at: at(ms) };
    let mut set = changes();
    set.seen = vec![seen("a", 1, 30), seen("a", 2, 10), seen("b", 1, 20), seen("b", 3, 5), seen("b", 3, 40)];
    commit(store, &set).await;
    let asked = [(user("a"), [1; 16]), (user("c"), [1; 16]), (user("b"), [3; 16])];
    assert_eq!(store.seen(&asked).await.unwrap(), [Some(at(30)), None, Some(at(40))]);
    let expired = store.expired_seen(at(30), 9).await.unwrap();
    assert_eq!(expired, [(user("a"), [2; 16]), (user("b"), [1; 16])], "oldest first, not the bound itself");
    let mut set = changes();
    set.forget_seen = store.expired_seen(at(99), 3).await.unwrap();
    commit(store, &set).await;
    assert_eq!(store.expired_seen(at(99), 9).await.unwrap(), [(user("b"), [3; 16])]);
    assert_eq!(store.seen(&asked).await.unwrap(), [None, None, Some(at(40))]);
}

async fn definitions_are_set_and_removed(store: &dyn Store) {
    let mut set = changes();
    set.definitions = vec![
        DefinitionWrite::Put(Box::new(source("b"))),
        DefinitionWrite::Put(Box::new(source("a"))),
        DefinitionWrite::Put(Box::new(source("c"))),
        DefinitionWrite::Delete { kind: Kind::Source, key: "c".into() },
        DefinitionWrite::Delete { kind: Kind::Flow, key: "a".into() },
    ];
    set.admin_token_hash = Some("hash".into());
    commit(store, &set).await;
    assert_eq!(store.definitions().await.unwrap(), [source("a"), source("b")]);
    assert_eq!(store.admin_token_hash().await.unwrap().as_deref(), Some("hash"));
}

async fn unknown_flows_are_listed_up_to_the_limit(store: &dyn Store) {
    let mut set = changes();
    set.unknown_flows = vec!["b".into(), "a".into(), "b".into()];
    commit(store, &set).await;
    assert_eq!(store.unknown_flows().await.unwrap(), ["a", "b"]);
    set.unknown_flows = (0..=limits::MAX_UNKNOWN_FLOWS).map(|n| format!("flow {n}")).collect();
    commit(store, &set).await;
    assert_eq!(store.unknown_flows().await.unwrap().len(), limits::MAX_UNKNOWN_FLOWS);
}

async fn a_wrong_cursor_is_refused(store: &dyn Store) {
    for cursor in ["", "nonsense", "j00", "é"] {
        let page = PageRequest { limit: 5, cursor: Some(cursor.into()) };
        let wrong = |error: StoreError| assert!(matches!(error, StoreError::Cursor(_)), "{error}");
        wrong(store.newest_events(&EventFilter::default(), &page).await.unwrap_err());
        wrong(store.journeys(&JourneyFilter::default(), &page).await.unwrap_err());
        wrong(store.deliveries(&DeliveryFilter::default(), &page).await.unwrap_err());
        wrong(store.members("x", &page).await.unwrap_err());
    }
}

async fn a_scan_that_finds_little_hands_out_what_it_has(store: &dyn Store) {
    let mut set = changes();
    let total = u64::try_from(limits::MAX_SCAN).unwrap() + 50;
    for n in 0..total {
        let call = Call::Alias { previous_id: "o".into() };
        set.events.push(event(event_id(10, n), &user(if n == 3 { "rare" } else { "a" }), call));
    }
    commit(store, &set).await;
    let filter = EventFilter { users: [user("rare")].into(), ..EventFilter::default() };
    let page = store.newest_events(&filter, &first(5)).await.unwrap();
    assert!(page.rows.is_empty() && page.cursor.is_some());
    let page = store.newest_events(&filter, &PageRequest { limit: 5, cursor: page.cursor }).await.unwrap();
    assert!(page.rows.len() == 1 && page.cursor.is_none());
}

async fn ids_may_hold_any_bytes(store: &dyn Store) {
    let users = ["", "\0", "\0\0", "a", "a\0", "a\0b", "ÿ\u{10ffff}", "a:b", "u:"].map(user);
    let mut set = changes();
    for (n, who) in (1..).zip(&users) {
        let mut owner = profile(who);
        owner.wake_at = Some(at(5));
        set.profiles.push(new_profile(owner));
        set.memberships.push(member("x", who, Some(1)));
        set.memberships.push(member("x\0", who, Some(1)));
        set.deliveries.push(new_delivery(delivery(delivery_id(1, n), "d", who, 5)));
        set.deliveries.push(new_delivery(delivery(delivery_id(2, n), "d\0", who, 5)));
    }
    commit(store, &set).await;
    assert_eq!(store.due_timers(at(5), 99).await.unwrap().len(), users.len());
    assert_eq!(walk(2, async |p| store.members("x", &p).await).await.len(), users.len());
    assert_eq!(due(store, 5).await.len(), users.len());
    for who in &users {
        assert_eq!(store.profile(who).await.unwrap().unwrap().key, *who);
    }
}
