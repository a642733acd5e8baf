//! Small builders of what the tests store.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use stagepost::domain::backfill::{Backfill, BackfillPhase, ComputationRef};
use stagepost::domain::change::{
    ChangeSet, DeliveryWrite, ExternalIdWrite, JourneyMove, LeafPageWrite, MembershipWrite, ProfileWrite,
};
use stagepost::domain::definition::{Definition, Kind, Source, SourceKind};
use stagepost::domain::delivery::{Cause, Delivery, DeliveryFilter, DeliveryStatus, Payload};
use stagepost::domain::event::{Call, Event};
use stagepost::domain::health::Health;
use stagepost::domain::ids::{BackfillId, DeliveryId, EventId, JourneyId, LeafId, ReplayId, UserKey};
use stagepost::domain::journey::{Acknowledgement, Journey, JourneyStatus, Note};
use stagepost::domain::page::PageRequest;
use stagepost::domain::profile::Profile;
use stagepost::domain::replay::{Replay, ReplayStatus};
use stagepost::domain::time::Timestamp;
use stagepost::store::Wanted;

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub fn user(id: &str) -> UserKey {
    UserKey::user(id)
}

fn id_bytes(ms: i64, n: u64) -> [u8; 16] {
    let high = u128::from(u64::try_from(ms).unwrap()) << 80;
    (high | u128::from(n)).to_be_bytes()
}

pub fn backfill_id(n: u64) -> BackfillId {
    BackfillId::from_bytes(id_bytes(3, n))
}

pub fn leaf_id(n: u64) -> LeafId {
    LeafId::from_bytes(n.to_be_bytes())
}

pub fn event_id(ms: i64, n: u64) -> EventId {
    EventId::from_bytes(id_bytes(ms, n))
}

pub fn journey_id(ms: i64, n: u64) -> JourneyId {
    JourneyId::from_bytes(id_bytes(ms, n))
}

pub fn delivery_id(ms: i64, n: u64) -> DeliveryId {
    DeliveryId::from_bytes(id_bytes(ms, n))
}

/// A JSON object with a text of that many bytes in it.
pub fn object(bytes: usize) -> Map<String, Value> {
    let Value::Object(map) = json!({"z": 1, "a": {"deep": [1.0, -2, null]}, "text": "x".repeat(bytes)})
    else {
        unreachable!()
    };
    map
}

pub fn event(id: EventId, user: &UserKey, call: Call) -> Event {
    Event {
        id,
        message_id: format!("m-{id}"),
        dedupe: true,
        source: "studio".into(),
        user_id: user.user_id().map(Into::into),
        anonymous_id: user.anonymous_id().map(Into::into),
        call,
        context: Map::new(),
        integrations: Map::new(),
        extra: Map::new(),
        channel: "server".into(),
        timestamp: id.made_at(),
        original_timestamp: id.made_at(),
        sent_at: None,
        received_at: id.made_at(),
    }
}

pub fn track(id: EventId, user: &UserKey, bytes: usize) -> Event {
    event(id, user, Call::Track { event: "Tried".into(), properties: object(bytes) })
}

pub fn profile(user: &UserKey) -> Profile {
    Profile::new(user.clone(), at(1000))
}

pub fn new_profile(profile: Profile) -> ProfileWrite {
    ProfileWrite { profile, wake_was: None, is_new: true, was_merged: false }
}

pub fn journey(id: JourneyId, user: &UserKey, status: JourneyStatus) -> Journey {
    Journey {
        id,
        user: user.clone(),
        flow: "order".into(),
        phone_number: None,
        execution_sid: None,
        status,
        stage: "initiation".into(),
        stage_at: id.made_at(),
        started_at: id.made_at(),
        updated_at: id.made_at(),
        ended_at: None,
        steps: Vec::new(),
        steps_left_out: 0,
        escalations: Vec::new(),
        snoozes: Vec::new(),
        died: None,
        acknowledged: Vec::new(),
        resolved: None,
    }
}

/// The word of somebody who takes notice of how it stands now.
pub fn acknowledged(journey: &Journey) -> Acknowledgement {
    let note = Note { by: "ada".into(), reason: String::new(), at: at(9), via: None };
    Acknowledgement { stage: journey.stage.clone(), stage_at: journey.stage_at, note }
}

pub fn opened(journey: &Journey) -> JourneyMove {
    JourneyMove::of(journey, None)
}

pub fn delivery(id: DeliveryId, destination: &str, user: &UserKey, next: i64) -> Delivery {
    Delivery {
        id,
        destination: destination.into(),
        user: user.clone(),
        message_id: format!("m-{id}"),
        cause: Cause::Event(event_id(1, 1)),
        payload: Payload::Call(object(10)),
        status: DeliveryStatus::Pending,
        created_at: id.made_at(),
        updated_at: id.made_at(),
        next_attempt_at: at(next),
        retry_from: id.made_at(),
        tries: 0,
        replays: 0,
        reason: None,
        superseded_by: None,
        receipt: None,
        replayed_at: None,
        withdrawn: false,
        attempts: Vec::new(),
    }
}

pub fn new_delivery(delivery: Delivery) -> DeliveryWrite {
    DeliveryWrite { delivery, was: None }
}

/// The write that gives `was` another status and next attempt.
pub fn changed(was: &Delivery, status: DeliveryStatus, next: i64) -> DeliveryWrite {
    let delivery = Delivery { status, next_attempt_at: at(next), ..was.clone() };
    DeliveryWrite { delivery, was: Some((was.status, was.next_attempt_at)) }
}

pub fn member(audience: &str, user: &UserKey, since: Option<i64>) -> MembershipWrite {
    MembershipWrite { audience_id: audience.into(), user: user.clone(), since: since.map(at) }
}

/// A page of that many bytes, or its removal.
pub fn leaf_page(owner: &UserKey, leaf: u64, number: u32, bytes: Option<usize>) -> LeafPageWrite {
    let page = bytes.map(|bytes| (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect());
    LeafPageWrite { owner: owner.clone(), leaf: leaf_id(leaf), number, page }
}

/// A backfill that came to `done`.
pub fn backfill(n: u64, done: Option<&UserKey>) -> Backfill {
    let to = event_id(9, n);
    Backfill {
        id: backfill_id(n),
        computations: vec![ComputationRef {
            kind: Kind::Audience,
            key: format!("key_{n}"),
            id: "aud_1".into(),
        }],
        fresh: (0..n).map(leaf_id).collect(),
        until: (n > 0).then_some(to),
        phase: BackfillPhase::Profiles { after: done.cloned() },
        is_reading: false,
        events_read: 0,
        events_total: 2 * n,
        profiles_done: 0,
        profiles_total: u64::MAX,
        started_at: at(7),
    }
}

pub fn external_id(kind: &str, id: &str, user: &UserKey, present: bool) -> ExternalIdWrite {
    ExternalIdWrite { kind: kind.into(), id: id.into(), user: user.clone(), present }
}

/// A destination that failed that often.
pub fn health(key: &str, failures: u32) -> Health {
    Health { failures, ..Health::new(key.to_owned()) }
}

pub fn replay(n: u64, status: ReplayStatus) -> Replay {
    Replay {
        id: ReplayId::from_bytes(id_bytes(7, n)),
        filter: DeliveryFilter { text: Some("503".into()), ..DeliveryFilter::default() },
        until: delivery_id(9, 9),
        after: Some(delivery_id(1, n)),
        status,
        total: 7,
        looked_at: 3,
        replayed: 2,
        superseded: 1,
        failed: 0,
        created_at: at(1),
        updated_at: at(2),
    }
}

pub fn source(key: &str) -> Definition {
    Definition::Source(Source {
        key: key.into(),
        kind: SourceKind::Studio,
        write_key: format!("write-{key}"),
        previous_write_key: None,
        twilio_auth_tokens: Vec::new(),
        properties: None,
        created_at: at(5),
        updated_at: at(6),
    })
}

pub fn first(limit: usize) -> PageRequest {
    PageRequest { limit, cursor: None }
}

pub fn changes() -> ChangeSet {
    ChangeSet::default()
}

/// All events with one of these names.
pub fn named(names: &BTreeSet<String>) -> Wanted<'_> {
    Wanted { names, after: None, to: None }
}
