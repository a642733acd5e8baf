//! Stores that are copied into others: there and back, cut short at every step, and refused where it would do harm.

mod house;

use std::sync::Arc;

use stagepost::clock::Clock;
use stagepost::domain::change::{ChangeSet, DeliveryWrite, ProfileWrite};
use stagepost::domain::copying::RecordKind;
use stagepost::domain::delivery::DeliveryStatus;
use stagepost::domain::ids::UserKey;
use stagepost::domain::lease::{LeaseAsk, NODE};
use stagepost::domain::profile::Profile;
use stagepost::domain::time::{Span, Timestamp};
use stagepost::store::Store;
use stagepost::store::copy::{Compared, CopyError, compare, copy};
use stagepost::store::memory::MemoryStore;

use crate::crash_store::{Crash, CrashStore};
use crate::machine::{HOUR, Machine};
use crate::support::stores::{Backend, Place};
use house::{BUSY, answers, deliveries, full_house};

async fn copied(from: &dyn Store, to: &dyn Store) -> Result<Vec<Compared>, CopyError> {
    copy(from, to, "the copy", &mut |_| {}).await
}

fn are_equal(compared: &[Compared]) -> bool {
    compared.iter().all(|compared| compared.difference.is_none())
}

/// What is in the store, once more.
async fn everything(machine: &Machine) -> (Vec<String>, String) {
    let picture = machine.picture().await;
    let mut journeys = picture.journeys;
    journeys.sort_by_key(|journey| journey.id);
    let lists = format!("{:?} {:?} {:?} {:?}", picture.events, picture.profiles, journeys, picture.members);
    (answers(machine).await, without_revisions(&lists))
}

/// A store that nodes share counts how often a profile was written, from 1 on where it was copied to.
fn without_revisions(text: &str) -> String {
    let mut parts = text.split("revision: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

async fn there_and_back(backend: Backend) {
    let mut machine = full_house(Backend::Memory).await;
    for status in DeliveryStatus::ALL {
        assert!(deliveries(&machine).await.contains_key(&status), "none is {status:?}");
    }
    let before = everything(&machine).await;
    let compared = machine.move_to(backend).await;
    for Compared { kind, source, .. } in &compared {
        assert!(source.count > 0, "there is nothing of {}", kind.as_str());
    }
    assert_eq!(everything(&machine).await, before);
    assert_eq!(machine.store.copy_mark().await.unwrap(), None);
    let back = machine.move_to(Backend::Memory).await;
    assert_eq!(back, compared);
    assert_eq!(everything(&machine).await, before);
}

#[tokio::test]
async fn everything_is_copied_to_sled_and_back() {
    Box::pin(there_and_back(Backend::Sled)).await;
}

#[tokio::test]
async fn everything_is_copied_to_shared_memory_and_back() {
    Box::pin(there_and_back(Backend::SharedMemory)).await;
}

#[tokio::test]
async fn everything_is_copied_to_postgres_and_back() {
    Box::pin(there_and_back(Backend::Postgres)).await;
}

#[tokio::test]
async fn everything_is_copied_from_sled_to_postgres_to_sled() {
    let mut machine = full_house(Backend::Sled).await;
    let before = everything(&machine).await;
    machine.move_to(Backend::Postgres).await;
    machine.move_to(Backend::Sled).await;
    assert_eq!(everything(&machine).await, before);
}

/// Breaks the copy at every `by`th commit, before it is written and after, and goes on with it over the store opened anew.
async fn goes_on(backend: Backend, by: usize) {
    let machine = full_house(Backend::Memory).await;
    let from = &*machine.store;
    let whole = copied(from, &MemoryStore::new()).await.unwrap();
    let mut breaks = 0;
    for commits in (0..).step_by(by) {
        let crash = if breaks % 2 == 0 { Crash::After } else { Crash::Before };
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(backend, folder.path(), &Clock::system());
        let broken = {
            let to = CrashStore::new(place.open().await);
            to.arm(commits, crash);
            copied(from, &to).await
        };
        if broken.is_ok() {
            break;
        }
        breaks += 1;
        let to = place.open().await;
        match copied(from, &*to).await {
            Ok(compared) => assert_eq!(compared, whole, "after {commits} commits"),
            // Only nobody was told that it was whole.
            Err(CopyError::NotEmpty { .. }) => assert_eq!(crash, Crash::After),
            Err(error) => panic!("after {commits} commits: {error}"),
        }
        assert_eq!(to.copy_mark().await.unwrap(), None);
        assert_eq!(to.counts().await.unwrap(), from.counts().await.unwrap());
    }
    assert!(breaks * by > 25, "{breaks}");
}

#[tokio::test]
async fn a_copy_that_was_cut_short_goes_on() {
    Box::pin(goes_on(Backend::Memory, 2)).await;
}

#[tokio::test]
async fn a_copy_into_sled_that_was_cut_short_goes_on() {
    Box::pin(goes_on(Backend::Sled, 7)).await;
}

#[tokio::test]
async fn a_copy_into_postgres_that_was_cut_short_goes_on() {
    Box::pin(goes_on(Backend::Postgres, 7)).await;
}

/// A copy that was cut short before its end was written: all records are there.
async fn unfinished(from: &dyn Store) -> MemoryStore {
    let mut before = None;
    for commits in 0.. {
        let to = MemoryStore::new();
        let breaking = CrashStore::new(Arc::new(to.clone()));
        breaking.arm(commits, Crash::Before);
        match copied(from, &breaking).await {
            Ok(_) => break,
            Err(CopyError::Store(_)) => before = Some(to),
            Err(error) => panic!("{error}"),
        }
    }
    before.unwrap()
}

#[tokio::test]
async fn what_is_not_the_same_is_noticed() {
    let machine = full_house(Backend::Memory).await;
    let from = &*machine.store;
    let whole = unfinished(from).await;
    let user = UserKey::user("u005");
    let profile = from.profile(&user).await.unwrap().unwrap();
    let wake_was = profile.wake_at;
    let flipped = Profile { phone: None, anonymous_ids: vec!["x".into()], ..profile };
    let write = ProfileWrite { profile: flipped, wake_was, is_new: false, was_merged: false };
    let later = {
        let now = Timestamp::from_millis(4_000_000_000_000);
        let mut delivery = from.due_deliveries("crm", now, &Default::default(), 1).await.unwrap().remove(0);
        let was = Some((delivery.status, delivery.next_attempt_at));
        delivery.next_attempt_at = delivery.next_attempt_at.plus(Span::from_millis(1));
        DeliveryWrite { delivery, was }
    };
    let seen = from.expired_seen(Timestamp::from_millis(i64::MAX), 1).await.unwrap();
    let cases = [
        (RecordKind::Profiles, "is another one", ChangeSet { profiles: vec![write], ..Default::default() }),
        (
            RecordKind::Deliveries,
            "is another one",
            ChangeSet { deliveries: vec![later], ..Default::default() },
        ),
        (RecordKind::MessageIds, "is missing", ChangeSet { forget_seen: seen, ..Default::default() }),
        (
            RecordKind::UnknownFlows,
            "is in the target only",
            ChangeSet { unknown_flows: vec!["more".into()], ..Default::default() },
        ),
    ];
    for (kind, what, changes) in cases {
        let to = whole.fork();
        to.commit(&changes).await.unwrap();
        let compared = copied(from, &to).await.unwrap();
        for it in compared {
            assert_eq!(it.difference.is_some(), it.kind == kind, "{it:?}");
            if let Some(difference) = it.difference {
                assert!(difference.contains(what) && !difference.contains("u005"), "{difference}");
            }
        }
        assert!(to.copy_mark().await.unwrap().is_some_and(|mark| mark.differs), "it is none to be served");
        let refused = copied(from, &to).await;
        assert!(matches!(refused, Err(CopyError::Differs { .. })), "{refused:?}");
    }
    assert!(are_equal(&copied(from, &whole).await.unwrap()));
}

#[tokio::test]
async fn only_a_store_with_something_in_it_is_copied_and_only_into_an_empty_one() {
    let mut machine = full_house(Backend::Memory).await;
    let empty = MemoryStore::new();
    let refused = copied(&empty, &MemoryStore::new()).await;
    assert!(matches!(refused, Err(CopyError::Empty { .. })), "{refused:?}");

    let used = MemoryStore::new();
    used.commit(&ChangeSet { admin_token_hash: Some("h".into()), ..Default::default() }).await.unwrap();
    let refused = copied(&*machine.store, &used).await;
    assert!(matches!(refused, Err(CopyError::NotEmpty { .. })), "{refused:?}");

    let half = unfinished(&*machine.store).await;
    let refused = copied(&half, &empty).await;
    assert!(matches!(refused, Err(CopyError::Part { .. })), "{refused:?}");
    let refused = copied(&used, &half).await;
    assert!(matches!(refused, Err(CopyError::Changed { .. })), "{refused:?}");
    assert!(half.copy_mark().await.unwrap().is_some());

    // The same source, but somebody posted to it meanwhile.
    let call = stagepost::domain::event::Call::Identify { traits: Default::default() };
    let event = machine.event((Some(BUSY.into()), None), 0, call);
    machine.send(vec![vec![event]]).await;
    let refused = copied(&*machine.store, &half).await;
    assert!(matches!(refused, Err(CopyError::Changed { .. })), "{refused:?}");
    machine.pass(HOUR);
    assert!(are_equal(&copied(&*machine.store, &empty).await.unwrap()));
}

#[tokio::test]
async fn a_store_that_a_node_is_alive_on_is_not_copied() {
    let machine = full_house(Backend::Memory).await;
    let clock = Clock::manual(Timestamp::from_millis(0));
    let told = clock.clone();
    let shared = MemoryStore::shared(move || told.now());
    let ask = LeaseAsk { take: vec![format!("{NODE}one")], ..LeaseAsk::default() };
    shared.hold_leases("one", &ask, Span::from_millis(1000)).await.unwrap();
    let refused = copied(&*machine.store, &shared).await;
    assert!(matches!(&refused, Err(CopyError::InUse { node, .. }) if node == "one"), "{refused:?}");
    let refused = copied(&shared, &MemoryStore::new()).await;
    assert!(matches!(refused, Err(CopyError::InUse { .. })), "{refused:?}");
    clock.set(Timestamp::from_millis(1000));
    assert!(are_equal(&copied(&*machine.store, &shared).await.unwrap()));
}

#[tokio::test]
async fn a_whole_copy_is_compared_again() {
    let machine = full_house(Backend::Memory).await;
    let (from, to) = (&*machine.store, MemoryStore::new());
    let whole = copied(from, &to).await.unwrap();
    let refused = copied(from, &to).await;
    assert!(matches!(refused, Err(CopyError::NotEmpty { .. })), "{refused:?}");
    assert_eq!(compare(from, &to, "the copy", &mut |_| {}).await.unwrap(), whole);
    to.commit(&ChangeSet { unknown_flows: vec!["more".into()], ..Default::default() }).await.unwrap();
    assert!(!are_equal(&compare(from, &to, "the copy", &mut |_| {}).await.unwrap()));
    assert_eq!(to.copy_mark().await.unwrap(), None, "nothing is written");
    let refused = compare(from, &unfinished(from).await, "the copy", &mut |_| {}).await;
    assert!(matches!(refused, Err(CopyError::Part { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_shared_store_is_filled_by_one_copy_at_a_time_and_not_from_itself() {
    let machine = full_house(Backend::Memory).await;
    let clock = Clock::manual(Timestamp::from_millis(0));
    let told = clock.clone();
    let shared = MemoryStore::shared(move || told.now());
    let refused = copied(&shared, &shared).await;
    assert!(matches!(refused, Err(CopyError::SameStore { .. })), "{refused:?}");

    // Another one prolongs its lease whenever it is looked at.
    let ask = LeaseAsk { take: vec!["copy".into()], keep: vec!["copy".into()], ..LeaseAsk::default() };
    let span = std::sync::atomic::AtomicI64::new(1000);
    let prolong = async || {
        let span = Span::from_millis(span.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        shared.hold_leases("another", &ask, span).await.unwrap();
    };
    prolong().await;
    let other = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            prolong().await;
        }
    };
    let refused = tokio::select! {
        refused = copied(&*machine.store, &shared) => refused,
        () = other => unreachable!("it goes on for ever"),
    };
    assert!(matches!(refused, Err(CopyError::OtherCopy { .. })), "{refused:?}");

    // It died.
    clock.set(Timestamp::from_millis(60_000));
    assert!(are_equal(&copied(&*machine.store, &shared).await.unwrap()));
    let left = shared.hold_leases("one", &LeaseAsk::default(), Span::default()).await.unwrap();
    assert!(left.is_empty(), "given up: {left:?}");
}
