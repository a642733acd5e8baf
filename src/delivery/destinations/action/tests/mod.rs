//! Actions against receivers on real ports.

mod batches;
mod requests;
mod tokens;

use serde_json::{Value, json};

use crate::delivery::destinations::{Network, send};
use crate::delivery::sender::Sent;
use crate::delivery::test_deliveries::{delivery, network};
use crate::domain::definition::{Action, Destination, DestinationKind, Signing};
use crate::domain::delivery::{Attempt, Delivery};
use crate::domain::mapping::Mapping;
use crate::domain::time::Span;

fn mapping(definition: Value) -> Mapping {
    Mapping::parse(&definition).unwrap()
}

/// The whole event, posted to `url`.
fn action(url: &str) -> Action {
    Action {
        url: mapping(json!(url)),
        method: mapping(json!("POST")),
        headers: mapping(json!({})),
        data: mapping(json!({ "@path": "$." })),
        signing: Signing::default(),
        gzip: false,
        auth: None,
        batch: None,
        required: Vec::new(),
        expected: Vec::new(),
    }
}

fn destination(action: Action) -> Destination {
    let mut destination = Destination::new("crm".to_owned(), DestinationKind::WebhookAction(action.into()));
    destination.timeout = Span::from_millis(2000);
    destination
}

/// A track of `user` with these properties.
fn track(user: &str, properties: Value) -> Delivery {
    delivery(user, &json!({ "type": "track", "event": "Bought", "userId": user, "properties": properties }))
}

async fn send_all(action: Action, deliveries: &[Delivery]) -> Vec<Sent> {
    send_by(&network(), action, deliveries).await
}

async fn send_by(network: &Network, action: Action, deliveries: &[Delivery]) -> Vec<Sent> {
    send(network, &destination(action), deliveries).await
}

/// The attempt of the one delivery.
async fn attempt(action: Action, delivery: &Delivery) -> Attempt {
    send_all(action, std::slice::from_ref(delivery)).await.remove(0).attempt.unwrap()
}
