//! What tests of destinations send, and what they send it by.

use std::sync::Mutex;

use serde_json::Value;

use super::destinations::Network;
use super::http_client::HttpClient;
use crate::clock::Clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::delivery::{Cause, Delivery, DeliveryStatus, Payload};
use crate::domain::ids::{IdSource, UserKey};
use crate::domain::time::Timestamp;

/// Where the clocks of tests stand.
pub const NOW: i64 = 1_790_000_000_000;

/// A network that dials everything, with a clock that stands at [`NOW`].
pub fn network() -> Network {
    let clock = Clock::manual(Timestamp::from_millis(NOW));
    Network::new(HttpClient::new(AddressPolicy::allow_all()).unwrap(), clock)
}

/// A call to `crm` about that user, due now; its id is higher than those before.
pub fn delivery(user: &str, call: &Value) -> Delivery {
    static IDS: Mutex<Option<IdSource>> = Mutex::new(None);
    let now = Timestamp::from_millis(NOW);
    let id = IDS.lock().unwrap().get_or_insert_with(|| IdSource::new([5; 32])).delivery(now);
    Delivery {
        id,
        destination: "crm".to_owned(),
        user: UserKey::user(user),
        message_id: id.to_string(),
        cause: Cause::Time,
        payload: Payload::Call(call.as_object().unwrap().clone()),
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
