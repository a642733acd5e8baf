//! Of a profile of which something can't be read.

use serde::{Serialize, Serializer};
use stagepost::domain::change::{ChangeSet, ProfileWrite};
use stagepost::domain::delivery::{DeliveryStatus, Outcome};
use stagepost::domain::event::Event;
use stagepost::domain::ids::UserKey;
use stagepost::domain::profile::Profile;
use stagepost::domain::replay::ReplayStatus;
use stagepost::domain::time::Timestamp;
use stagepost::engine::EngineError;

use super::machine;
use crate::machine::{Machine, audience};

/// A stored profile, with the entries of its memberships as bytes.
#[derive(Serialize)]
struct Record {
    k: UserKey,
    c: Timestamp,
    u: Timestamp,
    #[serde(serialize_with = "as_bytes")]
    m: &'static [u8],
}

fn as_bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

fn stored(user: &str, memberships: &'static [u8]) -> Result<Profile, rmp_serde::decode::Error> {
    let at = Timestamp::from_millis(1);
    let record = Record { k: UserKey::user(user), c: at, u: at, m: memberships };
    rmp_serde::from_slice(&rmp_serde::to_vec_named(&record).unwrap())
}

impl Machine {
    async fn ingest(&mut self, event: Event) -> Result<(), EngineError> {
        let engine = self.engine.clone();
        self.ask(async { engine.ingest(vec![event]).await.map(drop) }).await
    }
}

#[tokio::test]
async fn nothing_is_written_of_what_was_decided_on_it() {
    let mut machine = machine().await;
    machine.apply(vec![audience("recent", "event('Order Completed').count() >= 1")]).await;
    let profile = stored("u1", b"\x06recent\x01\xc1").unwrap();
    let write = ProfileWrite { profile: profile.clone(), wake_was: None, is_new: true, was_merged: false };
    machine.store.commit(&ChangeSet { profiles: vec![write], ..ChangeSet::default() }).await.unwrap();
    for event in [machine.order("u1"), machine.alias("u2", "u1")] {
        let answer = machine.ingest(event).await;
        let is_told_why = |why: &str| why.contains("can't be read");
        assert!(matches!(&answer, Err(EngineError::Unavailable(why)) if is_told_why(why)), "{answer:?}");
        assert_eq!(machine.user("u1").await, profile);
    }
    let read = machine.engine.profile(&UserKey::user("u1")).await;
    assert!(matches!(read, Err(EngineError::Store(_))), "nobody is shown that he is in no audience");
    let event = machine.order("u3");
    machine.ingest(event).await.unwrap();
    assert_eq!(machine.told().await, ["u:u3 recent=true"], "the others go on");
}

#[tokio::test]
async fn a_replay_goes_round_whoever_can_t_be_read() {
    let mut machine = machine().await;
    let buyers = "event('Order Completed').count() >= 1";
    machine.apply(vec![audience("recent", buyers)]).await;
    for user in ["u1", "u2", "u3"] {
        let event = machine.order(user);
        machine.ingest(event).await.unwrap();
    }
    for delivery in machine.deliveries("crm").await {
        machine.settle(delivery.id, Outcome::Failed).await;
    }
    let known = machine.user("u1").await;
    let profile = Profile { wake_at: known.wake_at, ..stored("u1", b"\x06recent\x01\xc1").unwrap() };
    let write = ProfileWrite { profile, wake_was: known.wake_at, is_new: false, was_merged: false };
    machine.store.commit(&ChangeSet { profiles: vec![write], ..ChangeSet::default() }).await.unwrap();
    machine.replay("crm", DeliveryStatus::Failed).await;
    let replays = machine.engine.replays();
    let replay = replays.values().next().unwrap();
    assert_eq!((replay.status, replay.replayed, replay.failed), (ReplayStatus::Done, 2, 1));
    assert_eq!(replay.looked_at, 3);
}

#[test]
fn bytes_that_are_no_entries_are_no_profile() {
    assert!(stored("u1", b"").is_ok_and(|profile| profile.memberships.is_empty()));
    for wrong in [&b"\x06recent"[..], b"\x06recent\x02\xc1", b"\x01b\x00\x01a\x00"] {
        assert!(stored("u1", wrong).is_err(), "{wrong:?}");
    }
}
