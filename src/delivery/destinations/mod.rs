//! The registry of destinations: one folder each, and one line here.

mod answer;
pub mod webhook;

use serde_json::{Map, Value};

use super::http_client::HttpClient;
use super::sender::Verdict;
use crate::domain::definition::{Destination, DestinationKind};
use crate::domain::time::Timestamp;

/// Sends `call` to `destination` once.
pub async fn send(
    client: &HttpClient,
    destination: &Destination,
    call: &Map<String, Value>,
    now: Timestamp,
) -> Verdict {
    let timeout = destination.timeout.to_std();
    match &destination.kind {
        DestinationKind::Webhook { urls, signing, gzip: _ } => {
            webhook::send(client, urls, signing.shared_secret.as_deref(), call, timeout, now).await
        }
        DestinationKind::WebhookAction(_) | DestinationKind::Preset { .. } => {
            Verdict::failed("webhook actions are not available yet")
        }
    }
}
