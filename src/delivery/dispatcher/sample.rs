//! The sample call of a destination's test.

use serde_json::{Map, Value, json};

use crate::clock;
use crate::domain::delivery::{Cause, Delivery, DeliveryStatus, Payload};
use crate::domain::ids::{IdSource, UserKey};
use crate::domain::time::Timestamp;

/// Whom the sample is about.
const USER: &str = "stagepost-test";

/// An identify call in the form of a computed change.
pub(super) fn delivery(destination: &str, now: Timestamp) -> Delivery {
    let mut ids = IdSource::new(clock::entropy());
    let message_id = ids.ksuid("test_", now);
    Delivery {
        id: ids.delivery(now),
        destination: destination.to_owned(),
        user: UserKey::user(USER),
        payload: Payload::Call(call(destination, &message_id, now)),
        message_id,
        cause: Cause::Time,
        status: DeliveryStatus::Pending,
        created_at: now,
        updated_at: now,
        next_attempt_at: now,
        retry_from: now,
        tries: 0,
        replays: 0,
        reason: None,
        superseded_by: None,
        attempts: Vec::new(),
    }
}

fn call(destination: &str, message_id: &str, now: Timestamp) -> Map<String, Value> {
    let at = now.to_rfc3339();
    let call = json!({
        "type": "identify",
        "version": 1,
        "userId": USER,
        "messageId": message_id,
        "timestamp": at,
        "originalTimestamp": at,
        "receivedAt": at,
        "sentAt": null,
        "traits": { "stagepost_test": true },
        "context": { "personas": {
            "computation_class": "audience",
            "computation_id": "aud_test",
            "computation_key": "stagepost_test",
        } },
        "integrations": { "All": false, destination: true },
    });
    match call {
        Value::Object(call) => call,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
