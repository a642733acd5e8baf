//! Sample calls for a destination's test: one of each type, as sources and computations make them.

use serde_json::{Map, Value, json};

use crate::domain::ids::{IdSource, UserKey};
use crate::domain::ingest::segment::CallType;
use crate::domain::time::Timestamp;

/// Whom samples are about.
const USER: &str = "stagepost-test";

/// A call to be sent as a test, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Whose it is.
    pub user: UserKey,
    /// Key of the source that it came from, if it came from one.
    pub source: Option<String>,
    /// The call.
    pub call: Map<String, Value>,
    /// Traits of his profile, as far as the destination wants to be told of them.
    pub traits: Map<String, Value>,
}

/// A sample of that type, made `now` for `destination`. The identify call is that of a computed change, the others are what a
/// website or a server sends.
pub fn call(call_type: CallType, destination: &str, ids: &mut IdSource, now: Timestamp) -> Sample {
    let own = match call_type {
        CallType::Identify => json!({
            "type": "identify",
            "traits": { "stagepost_test": true, "email": "jane.doe@example.com", "firstName": "Jane", "lastName": "Doe" },
            "context": {
                "personas": {
                    "computation_class": "audience",
                    "computation_id": "aud_test",
                    "computation_key": "stagepost_test",
                },
            },
            "integrations": { "All": false, destination: true },
        }),
        CallType::Track => json!({
            "type": "track",
            "event": "Order Completed",
            "properties": {
                "order_id": "50314b8e",
                "total": 42.5,
                "currency": "EUR",
                "email": "jane.doe@example.com",
                "products": [{ "product_id": "sku-1", "name": "Tea", "price": 21.25, "quantity": 2 }],
            },
            "context": { "traits": person() },
        }),
        CallType::Page => json!({
            "type": "page",
            "name": "Pricing",
            "category": "Docs",
            "properties": {
                "path": "/pricing",
                "referrer": "https://www.example.com/",
                "title": "Pricing",
                "url": "https://www.example.com/pricing",
            },
            "context": { "traits": person() },
        }),
        CallType::Screen => json!({
            "type": "screen",
            "name": "Checkout",
            "category": "Shop",
            "properties": { "step": 2 },
            "context": {
                "app": { "name": "Example", "version": "1.2.0" },
                "device": { "type": "ios", "model": "iPhone15,2" },
                "os": { "name": "iOS", "version": "18.1" },
                "traits": person(),
            },
        }),
        CallType::Group => json!({
            "type": "group",
            "groupId": "stagepost-test-account",
            "traits": { "name": "Example Ltd", "plan": "business", "employees": 120 },
            "context": { "traits": person() },
        }),
        CallType::Alias => json!({ "type": "alias", "previousId": "stagepost-test-visitor", "context": {} }),
    };
    let traits = person().as_object().cloned().unwrap_or_default();
    let call = enveloped(own, &ids.ksuid("test_", now), now);
    Sample { user: UserKey::user(USER), source: None, call, traits }
}

fn person() -> Value {
    json!({ "email": "jane.doe@example.com", "firstName": "Jane", "lastName": "Doe" })
}

/// What every call has, around what this one has.
fn enveloped(own: Value, message_id: &str, now: Timestamp) -> Map<String, Value> {
    let at = now.to_rfc3339();
    let mut call = Map::new();
    let mut put = |key: &str, value: Value| {
        call.entry(key).or_insert(value);
    };
    if let Some(type_name) = own.get("type") {
        put("type", type_name.clone());
    }
    put("version", 1.into());
    put("userId", USER.into());
    put("messageId", message_id.into());
    if let Value::Object(own) = own {
        for (key, value) in own {
            put(&key, value);
        }
    }
    put("integrations", json!({}));
    put("channel", "server".into());
    put("timestamp", at.clone().into());
    put("originalTimestamp", at.clone().into());
    put("receivedAt", at.into());
    put("sentAt", Value::Null);
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_a_whole_call() {
        for (call_type, name, own) in [
            (CallType::Identify, "identify", "traits"),
            (CallType::Track, "track", "event"),
            (CallType::Page, "page", "properties"),
            (CallType::Screen, "screen", "properties"),
            (CallType::Group, "group", "groupId"),
            (CallType::Alias, "alias", "previousId"),
        ] {
            let sample = call(call_type, "crm", &mut IdSource::new([1; 32]), Timestamp::from_millis(0));
            assert_eq!(sample.call["type"], name);
            for key in [own, "userId", "messageId", "timestamp", "context", "integrations", "version"] {
                assert!(sample.call.contains_key(key), "{name}: {key}");
            }
            assert_eq!(sample.call.keys().next().map(String::as_str), Some("type"));
        }
    }
}
