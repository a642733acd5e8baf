//! What a store that several nodes share refuses: each change set that was decided on something that is no longer so, one
//! behaviour per test.

use stagepost::domain::change::{
    BackfillWrite, ChangeSet, DefinitionWrite, DeliveryWrite, HealthWrite, ReplayWrite, Revisions, Swept,
};
use stagepost::domain::delivery::{Delivery, DeliveryStatus};
use stagepost::domain::ids::{EventId, UserKey};
use stagepost::domain::profile::Profile;
use stagepost::domain::replay::ReplayStatus;
use stagepost::store::copy::copy;
use stagepost::store::{Store, StoreError};

use crate::backends::sled;
use crate::build::*;
use crate::writer::commit;

on_every_shared_backend!(
    a_profile_that_another_node_wrote_is_refused,
    a_profile_that_another_node_made_is_refused,
    a_delivery_is_changed_by_one_node_only,
    a_delivery_is_made_once,
    what_was_decided_on_old_definitions_is_refused,
    healths_and_replays_are_guarded_where_they_are_written,
    profiles_that_came_or_changed_in_a_swept_part_are_refused,
    what_is_refused_leaves_nothing_behind,
    a_backfill_that_begins_has_the_whole_log_as_its_past,
    a_rulebook_is_all_of_it,
    commits_whose_ids_lie_between_each_other_are_found_in_a_copy,
);

/// Commits, and says what was no longer so.
async fn conflict(store: &dyn Store, changes: &ChangeSet) -> Option<&'static str> {
    match store.commit(changes).await {
        Ok(()) => None,
        Err(StoreError::Conflict(what)) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

/// The change set that gives a profile, as it was read, another phone number of that many digits.
fn rewrite(read: &Profile, digits: usize) -> ChangeSet {
    let mut profile = read.clone();
    profile.anonymous_ids = vec!["5".repeat(digits)];
    let mut write = new_profile(profile);
    write.is_new = false;
    ChangeSet { profiles: vec![write], ..changes() }
}

/// The profile as it is stored.
async fn read(store: &dyn Store, key: &UserKey) -> Profile {
    store.profile(key).await.unwrap().unwrap()
}

/// Makes profiles of these users.
async fn make(store: &dyn Store, ids: &[&str]) {
    let mut set = changes();
    set.profiles = ids.iter().map(|id| new_profile(profile(&user(id)))).collect();
    store.commit(&set).await.unwrap();
}

async fn a_profile_that_another_node_wrote_is_refused(store: &dyn Store) {
    assert!(store.is_shared());
    make(store, &["a", "b"]).await;
    let (a, b) = (read(store, &user("a")).await, read(store, &user("b")).await);
    assert_eq!(conflict(store, &rewrite(&a, 3)).await, None);
    assert_eq!(conflict(store, &rewrite(&a, 4)).await, Some("a profile"), "read before the other one wrote");
    let mut both = rewrite(&b, 4);
    both.profiles.extend(rewrite(&a, 4).profiles);
    assert_eq!(conflict(store, &both).await, Some("a profile"), "one of several");
    assert_eq!(read(store, &user("b")).await.anonymous_ids, [""; 0], "nor is the other one written");

    let again = read(store, &user("a")).await;
    assert_eq!(again.anonymous_ids, ["555"]);
    assert_ne!(again.revision, a.revision);
    assert_eq!(conflict(store, &rewrite(&again, 4)).await, None, "read again");
    let (together, _) = store.profiles_after(None, 9).await.unwrap();
    let each = store.profiles(&[user("a"), user("b")]).await.unwrap();
    assert_eq!(together, each.into_iter().flatten().collect::<Vec<_>>(), "all calls read the revision");
    assert_eq!(together[0], read(store, &user("a")).await);
}

async fn a_profile_that_another_node_made_is_refused(store: &dyn Store) {
    make(store, &["a"]).await;
    let mut set = changes();
    set.profiles = ["b", "a"].map(|id| new_profile(profile(&user(id)))).to_vec();
    assert_eq!(conflict(store, &set).await, Some("a profile"));
    assert_eq!(store.profile(&user("b")).await.unwrap(), None);
    assert_eq!(conflict(store, &rewrite(&profile(&user("b")), 1)).await, Some("a profile"), "there is none");
    assert_eq!(store.counts().await.unwrap().profiles, 1);
}

fn writes(deliveries: Vec<DeliveryWrite>) -> ChangeSet {
    ChangeSet { deliveries, ..changes() }
}

async fn a_delivery_is_changed_by_one_node_only(store: &dyn Store) {
    let made: Vec<Delivery> = (0..2).map(|n| delivery(delivery_id(1, n), "d", &user("a"), 5)).collect();
    commit(store, &writes(made.iter().cloned().map(new_delivery).collect())).await;
    assert_eq!(conflict(store, &writes(vec![changed(&made[0], DeliveryStatus::Delivered, 5)])).await, None);
    let late = writes(vec![
        changed(&made[1], DeliveryStatus::Delivered, 5),
        changed(&made[0], DeliveryStatus::Pending, 9),
    ]);
    assert_eq!(conflict(store, &late).await, Some("a delivery"), "it is no longer pending");
    let next = changed(&made[1], DeliveryStatus::Pending, 70);
    assert_eq!(conflict(store, &writes(vec![next.clone()])).await, None);
    let late = writes(vec![changed(&made[1], DeliveryStatus::Pending, 80)]);
    assert_eq!(conflict(store, &late).await, Some("a delivery"), "its next attempt is another");
    let read = writes(vec![changed(&next.delivery, DeliveryStatus::Dead, 70)]);
    assert_eq!(conflict(store, &read).await, None);
    let counts: Vec<_> = store.counts().await.unwrap().deliveries.into_iter().collect();
    assert_eq!(counts, [(("d".to_owned(), "dead"), 1), (("d".to_owned(), "delivered"), 1)]);
}

async fn a_delivery_is_made_once(store: &dyn Store) {
    let one = delivery(delivery_id(1, 1), "d", &user("a"), 5);
    commit(store, &writes(vec![new_delivery(one.clone())])).await;
    let again = Delivery { destination: "e".into(), ..one.clone() };
    assert_eq!(conflict(store, &writes(vec![new_delivery(again)])).await, Some("a delivery"));
    let none = delivery(delivery_id(1, 2), "d", &user("a"), 5);
    let settled = writes(vec![changed(&none, DeliveryStatus::Delivered, 5)]);
    assert_eq!(conflict(store, &settled).await, Some("a delivery"), "there is none");
    assert_eq!(store.delivery(one.id).await.unwrap(), Some(one));
}

fn puts(n: u64) -> ChangeSet {
    ChangeSet { backfills: vec![BackfillWrite::Put(Box::new(backfill(n, None)))], ..changes() }
}

fn defines(key: &str) -> ChangeSet {
    ChangeSet { definitions: vec![DefinitionWrite::Put(Box::new(source(key)))], ..changes() }
}

async fn what_was_decided_on_old_definitions_is_refused(store: &dyn Store) {
    let basis = store.revisions().await.unwrap();
    let based = |basis: Revisions, id: &str| {
        let profiles = vec![new_profile(profile(&user(id)))];
        ChangeSet { basis: Some(basis), profiles, ..changes() }
    };
    assert_eq!(conflict(store, &based(basis, "a")).await, None);
    assert_eq!(store.revisions().await.unwrap(), basis, "whoever writes neither leaves them");

    commit(store, &defines("one")).await;
    assert_eq!(conflict(store, &based(basis, "b")).await, Some("the definitions"));
    let defined = store.revisions().await.unwrap();
    assert_eq!(defined, Revisions { definitions: basis.definitions + 1, ..basis });
    assert_eq!(conflict(store, &based(defined, "b")).await, None);

    commit(store, &puts(1)).await;
    assert_eq!(conflict(store, &based(defined, "c")).await, Some("the definitions"));
    let begun = store.revisions().await.unwrap();
    assert_eq!(begun, Revisions { backfills: defined.backfills + 1, ..defined });
    assert_eq!(
        conflict(store, &ChangeSet { basis: Some(defined), ..puts(2) }).await,
        Some("the definitions")
    );
    assert_eq!(conflict(store, &ChangeSet { basis: Some(begun), ..puts(2) }).await, None);
    assert_eq!(
        conflict(store, &based(begun, "c")).await,
        Some("the definitions"),
        "also after one that had a basis"
    );
    let newest = store.revisions().await.unwrap();
    let future = Revisions { definitions: newest.definitions + 1, ..newest };
    assert_eq!(conflict(store, &based(future, "c")).await, Some("the definitions"));
    assert_eq!(conflict(store, &based(newest, "c")).await, None);
}

async fn healths_and_replays_are_guarded_where_they_are_written(store: &dyn Store) {
    let basis = store.revisions().await.unwrap();
    let fails = |basis, failures| {
        let healths = vec![HealthWrite::Put(health("d", failures))];
        ChangeSet { basis: Some(basis), healths, ..changes() }
    };
    let replays = |basis, status| {
        let replays = vec![ReplayWrite::Put(Box::new(replay(1, status)))];
        ChangeSet { basis: Some(basis), replays, ..changes() }
    };
    assert_eq!(conflict(store, &fails(basis, 1)).await, None);
    assert_eq!(conflict(store, &fails(basis, 2)).await, Some("a destination"));
    assert_eq!(conflict(store, &replays(basis, ReplayStatus::Running)).await, None, "that is something else");
    assert_eq!(conflict(store, &replays(basis, ReplayStatus::Done)).await, Some("a replay"));
    let now = store.revisions().await.unwrap();
    assert_eq!(now, Revisions { healths: basis.healths + 1, replays: basis.replays + 1, ..basis });
    assert_eq!(conflict(store, &fails(now, 2)).await, None);
    assert_eq!(conflict(store, &replays(now, ReplayStatus::Done)).await, None);
    let mut of_others = ChangeSet { basis: Some(basis), ..changes() };
    of_others.profiles = vec![new_profile(profile(&user("a")))];
    assert_eq!(conflict(store, &of_others).await, None, "whoever writes neither does not mind");
    assert_eq!(store.healths().await.unwrap(), [health("d", 2)]);
    assert_eq!(store.replays().await.unwrap(), [replay(1, ReplayStatus::Done)]);
}

/// The part of all profiles after the one key and up to the other, as it is stored.
async fn swept(store: &dyn Store, after: Option<&str>, to: Option<&str>) -> Swept {
    let (after, to) = (after.map(user), to.map(user));
    let (all, _) = store.profiles_after(after.as_ref(), 99).await.unwrap();
    let within = all.into_iter().filter(|profile| to.as_ref().is_none_or(|to| profile.key <= *to));
    let profiles = within.map(|profile| (profile.key, profile.revision)).collect();
    Swept { after, to, profiles }
}

/// A step of a backfill that looked at these profiles.
fn step(swept: &Swept) -> ChangeSet {
    ChangeSet { swept: Some(swept.clone()), ..puts(1) }
}

async fn profiles_that_came_or_changed_in_a_swept_part_are_refused(store: &dyn Store) {
    make(store, &["b", "d", "f"]).await;
    for (after, to) in [(None, Some("d")), (Some("b"), Some("d")), (Some("b"), None), (None, None)] {
        assert_eq!(conflict(store, &step(&swept(store, after, to).await)).await, None, "{after:?} {to:?}");
    }
    let nobody = swept(store, Some("f"), Some("k")).await;
    let middle = swept(store, Some("b"), Some("d")).await;
    let rest = swept(store, Some("d"), None).await;
    assert_eq!((nobody.profiles.len(), middle.profiles.len(), rest.profiles.len()), (0, 1, 1));

    make(store, &["a", "e"]).await;
    assert_eq!(conflict(store, &step(&middle)).await, None, "others came elsewhere");
    assert_eq!(conflict(store, &step(&nobody)).await, None);
    assert_eq!(conflict(store, &step(&rest)).await, Some("the profiles"), "one came");
    let d = read(store, &user("d")).await;
    assert_eq!(conflict(store, &rewrite(&d, 1)).await, None);
    assert_eq!(conflict(store, &step(&middle)).await, Some("the profiles"), "one changed");
    make(store, &["k"]).await;
    assert_eq!(conflict(store, &step(&nobody)).await, Some("the profiles"), "the last key is one of them");
    let mut one_more = swept(store, None, None).await;
    one_more.profiles.push((user("z"), 1));
    assert_eq!(conflict(store, &step(&one_more)).await, Some("the profiles"), "one that is not there");

    // What it writes itself was read before it is written.
    let all = swept(store, None, None).await;
    let own = ChangeSet { profiles: rewrite(&read(store, &user("d")).await, 2).profiles, ..step(&all) };
    assert_eq!(conflict(store, &own).await, None);
    assert_eq!(conflict(store, &step(&all)).await, Some("the profiles"), "its own write is one");
}

async fn what_is_refused_leaves_nothing_behind(store: &dyn Store) {
    make(store, &["a"]).await;
    let mut all = defines("one");
    all.events = vec![track(event_id(5, 1), &user("a"), 10)];
    all.profiles = vec![new_profile(profile(&user("a")))];
    all.memberships = vec![member("x", &user("a"), Some(5))];
    all.at = at(5);
    all.deliveries = vec![new_delivery(delivery(delivery_id(1, 1), "d", &user("a"), 5))];
    all.leaf_pages = vec![leaf_page(&user("a"), 1, 1, Some(9))];
    all.external_ids = vec![external_id("email", "x@y", &user("a"), true)];
    all.backfills = puts(1).backfills;
    all.healths = vec![HealthWrite::Put(health("d", 1))];
    all.unknown_flows = vec!["flow".into()];
    all.admin_token_hash = Some("hash".into());
    let before = (store.counts().await.unwrap(), store.revisions().await.unwrap());
    assert_eq!(conflict(store, &all).await, Some("a profile"));
    assert_eq!((store.counts().await.unwrap(), store.revisions().await.unwrap()), before);
    assert_eq!(store.last_event().await.unwrap(), None);
    assert_eq!(store.audiences_with_members().await.unwrap(), [""; 0]);
    assert_eq!(store.delivery(delivery_id(1, 1)).await.unwrap(), None);
    assert_eq!(store.leaf_pages(&[(user("a"), leaf_id(1), 1)]).await.unwrap(), [None]);
    assert_eq!(store.users_by_external_id("email", "x@y", 9).await.unwrap(), []);
    let book = store.rulebook().await.unwrap();
    assert!(book.definitions.is_empty() && book.backfills.is_empty() && book.healths.is_empty());
    assert_eq!(store.unknown_flows().await.unwrap(), [""; 0]);
    assert_eq!(store.admin_token_hash().await.unwrap(), None);
    assert_eq!(store.next_delivery("d", &Default::default()).await.unwrap(), None);
}

async fn a_backfill_that_begins_has_the_whole_log_as_its_past(store: &dyn Store) {
    let untils = async || {
        let all = store.backfills().await.unwrap();
        all.into_iter().map(|backfill| backfill.until).collect::<Vec<_>>()
    };
    let begins = |n: u64| ChangeSet { begun: vec![backfill_id(n)], ..puts(n) };
    commit(store, &begins(1)).await;
    assert_eq!(untils().await, [None], "there is no past");
    let mut set = changes();
    set.events = vec![track(event_id(5, 1), &user("a"), 10), track(event_id(5, 2), &user("a"), 10)];
    commit(store, &set).await;
    commit(store, &puts(2)).await;
    let mut with_events = begins(3);
    with_events.events = vec![track(event_id(6, 1), &user("a"), 10)];
    commit(store, &with_events).await;
    commit(store, &begins(4)).await;
    let expected = [None, backfill(2, None).until, Some(event_id(6, 1)), Some(event_id(6, 1))];
    assert_eq!(untils().await, expected, "only those that begin; with the events of their own change set");
}

async fn a_rulebook_is_all_of_it(store: &dyn Store) {
    let mut set = defines("one");
    set.backfills = [2, 1].map(|n| BackfillWrite::Put(Box::new(backfill(n, None)))).to_vec();
    set.healths = ["e", "d"].map(|key| HealthWrite::Put(health(key, 1))).to_vec();
    set.replays = [2, 1].map(|n| ReplayWrite::Put(Box::new(replay(n, ReplayStatus::Running)))).to_vec();
    commit(store, &set).await;
    let book = store.rulebook().await.unwrap();
    assert_eq!(book.revisions, store.revisions().await.unwrap());
    assert_eq!(book.revisions, Revisions { definitions: 1, backfills: 1, healths: 1, replays: 1 });
    assert_eq!(book.definitions, [source("one")]);
    assert_eq!(book.backfills, [backfill(1, None), backfill(2, None)]);
    assert_eq!(book.healths, [health("d", 1), health("e", 1)]);
    assert_eq!(book.replays, [replay(1, ReplayStatus::Running), replay(2, ReplayStatus::Running)]);
}

/// In sled a commit's events are stored side by side, and found by the ids around them.
async fn commits_whose_ids_lie_between_each_other_are_found_in_a_copy(store: &dyn Store) {
    let ids: Vec<EventId> = (0..1_200).map(|n| event_id(7, n)).collect();
    for first in 0..2 {
        let mut set = changes();
        set.events = ids.iter().skip(first).step_by(2).map(|id| track(*id, &user("a"), 1)).collect();
        store.commit(&set).await.unwrap();
    }
    let sled = sled();
    let compared = copy(store, &*sled.store, "the copy", &mut |_| {}).await.unwrap();
    assert!(compared.iter().all(|compared| compared.difference.is_none()), "{compared:?}");
    let found = sled.store.events(&ids).await.unwrap();
    assert_eq!(found.iter().map(|event| event.id).collect::<Vec<_>>(), ids);
    assert_eq!(sled.store.last_event().await.unwrap(), ids.last().copied());
}
