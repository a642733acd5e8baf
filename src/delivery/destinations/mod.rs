//! The registry of destinations: one folder each, and one line here.

mod action;
mod answer;
mod envelope;
mod network;
mod twilio;
mod webhook;

use serde_json::{Map, Value};

use self::action::Calls;
pub(super) use self::network::Network;
pub use self::twilio::KEY_PROMPT;
use self::twilio::TwilioRequests;
pub(super) use self::twilio::{Client as TwilioClient, spoken};
use self::webhook::Webhook;
use super::http_client::Request;
use super::secrets::Secrets;
use super::sender::Sent;
use super::turns::Turns;
use super::ways_back;
use crate::domain::definition::{Destination, DestinationKind};
use crate::domain::delivery::Delivery;
use crate::domain::time::Timestamp;

/// Sends these calls to `destination` once; see [`Sender::send`](super::sender::Sender::send).
pub(super) async fn send(network: &Network, destination: &Destination, batch: &[Delivery]) -> Vec<Sent> {
    let most = usize::try_from(destination.max_in_flight).unwrap_or(1);
    let timeout = destination.timeout.to_std();
    let batch = &*ways_back::with_pages(network.links.as_ref(), batch);
    match &destination.kind {
        DestinationKind::Webhook { urls, signing, gzip } => {
            let secrets = Secrets::of(destination).with_links(network.links.as_ref(), batch);
            let webhook = Webhook { urls, signing, gzip: *gzip, timeout, secrets: &secrets };
            let requests = webhook.requests_of(network, batch);
            Turns::one_each(batch).run(most, timeout, &network.clock, &requests).await
        }
        DestinationKind::WebhookAction(action) | DestinationKind::Preset { action, .. } => {
            let calls = Calls::map(network, destination, action, batch).await;
            let mut sent = calls.turns().run(most, timeout, &network.clock, &calls).await;
            calls.add_notes(&mut sent);
            sent
        }
        DestinationKind::Twilio(account) => {
            let secrets = Secrets::of(destination).with_links(network.links.as_ref(), batch);
            let client = TwilioClient { account, network, timeout, secrets: &secrets };
            let requests = TwilioRequests { client, deliveries: batch };
            Turns::one_each(batch).run(most, timeout, &network.clock, &requests).await
        }
    }
}

/// The requests that an attempt at `delivery` would make `now`, without an access token that has to be asked for first.
///
/// # Errors
/// Why none can be made.
pub(super) async fn requests(
    network: &Network,
    destination: &Destination,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Vec<Request>, String> {
    let timeout = destination.timeout.to_std();
    match &destination.kind {
        DestinationKind::Webhook { urls, signing, gzip } => {
            let secrets = Secrets::of(destination);
            let webhook = Webhook { urls, signing, gzip: *gzip, timeout, secrets: &secrets };
            webhook.requests(delivery, now)?.into_iter().map(|(_, request)| request).collect()
        }
        DestinationKind::WebhookAction(action) | DestinationKind::Preset { action, .. } => {
            let calls = Calls::map(network, destination, action, std::slice::from_ref(delivery)).await;
            calls.request(&[0], now, timeout).map(|request| vec![request])
        }
        DestinationKind::Twilio(_) => Err("Twilio is sent no calls".to_owned()),
    }
}

/// Whether it asks the receiver to delete somebody: exactly `{"type":"delete","userId":…,"timestamp":…}`.
fn is_delete_notice(call: &Map<String, Value>) -> bool {
    call.get("type").is_some_and(|name| name == "delete")
}
