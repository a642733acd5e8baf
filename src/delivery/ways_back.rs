//! The ways back to us that deliveries carry: callbacks for Twilio, and links for people who read of a stall.

use std::borrow::Cow;

use serde_json::Value;
use url::Url;

use super::links;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::delivery::{Cause, Delivery, Payload};
use crate::domain::ids::JourneyId;
use crate::domain::link::{Link, Links, Purpose};

/// Whether somebody elsewhere can reach us there, as far as the address tells.
pub(super) fn is_public(links: &Links) -> bool {
    let policy = AddressPolicy::public_only();
    Url::parse(&links.base_url).is_ok_and(|url| policy.check_definition(&url).is_ok())
}

/// Where Twilio is to tell of `delivery`.
pub(super) fn status_callback(links: &Links, delivery: &Delivery) -> String {
    let purpose = Purpose::Status(delivery.replays);
    let link = Link { purpose, delivery: delivery.id, expires_at: links::until(delivery) };
    format!("{}/twilio/{}/status", links.base_url, links.key.sign(&link))
}

/// Where Twilio is to tell of the key that somebody presses in a call about that journey.
pub(super) fn key_callback(links: &Links, journey: JourneyId, delivery: &Delivery) -> String {
    let link = Link {
        purpose: Purpose::CallKey(journey),
        delivery: delivery.id,
        expires_at: links::until(delivery),
    };
    format!("{}/twilio/{}/key", links.base_url, links.key.sign(&link))
}

/// `deliveries` with the pages in those that tell of a stall, as `properties.links`: for who gets the call, not for who reads the
/// store, the links are as good as the token of the API.
pub(super) fn with_pages<'d>(links: Option<&Links>, deliveries: &'d [Delivery]) -> Cow<'d, [Delivery]> {
    let mut linked = Cow::Borrowed(deliveries);
    let Some(links) = links else { return linked };
    for (place, delivery) in deliveries.iter().enumerate() {
        let Some(journey) = journey_of(delivery) else { continue };
        let pages = links::of_journey(links, delivery, journey);
        if let Payload::Call(call) = &mut linked.to_mut()[place].payload
            && let Some(properties) = call.get_mut("properties").and_then(Value::as_object_mut)
        {
            properties.insert("links".to_owned(), pages);
        }
    }
    linked
}

/// The journey that `delivery` tells of, where it is a part of an escalation.
pub(super) fn journey_of(delivery: &Delivery) -> Option<JourneyId> {
    match delivery.cause {
        Cause::Stall(journey) => Some(journey),
        Cause::Event(_)
        | Cause::Digest(_)
        | Cause::Time
        | Cause::Backfill
        | Cause::Deletion
        | Cause::Merge
        | Cause::Health
        | Cause::Operator => None,
    }
}
