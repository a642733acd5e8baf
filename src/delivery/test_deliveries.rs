//! What tests of destinations send, and what they send it by.

use std::sync::Mutex;

use serde_json::Value;

use super::destinations::Network;
use super::http_client::HttpClient;
use crate::clock::Clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::delivery::{Cause, Delivery, Payload};
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
    let payload = Payload::Call(call.as_object().unwrap().clone());
    Delivery::new(id, "crm".to_owned(), UserKey::user(user), id.to_string(), Cause::Time, payload, now)
}
