//! How receivers get back to us: by links that only this server can make.

use serde_json::{Value, json};
use url::Url;

use crate::domain::address_policy::AddressPolicy;
use crate::domain::delivery::{Cause, Delivery};
use crate::domain::ids::JourneyId;
use crate::domain::limits::LINK_LIFE;
use crate::domain::link::{Link, LinkKey, Purpose, SnoozeFor};
use crate::domain::time::Timestamp;

/// Where we are reached, and what links are signed with; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reach {
    key: LinkKey,
    base_url: String,
    is_public: bool,
}

impl Reach {
    /// `base_url` begins every link; `public_url` is it, where it was set, and not only the address that we listen on.
    pub fn new(key: LinkKey, base_url: &str, public_url: Option<&Url>) -> Self {
        let is_public = public_url.is_some_and(|url| AddressPolicy::public_only().check_definition(url).is_ok());
        Self { key, base_url: base_url.trim_end_matches('/').to_owned(), is_public }
    }

    /// Whether somebody elsewhere reaches us, as far as the address tells.
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// Where Twilio is to tell of `delivery`: `what` is `status`, or `key` for the one that somebody presses about the journey.
    pub fn callback(&self, purpose: Purpose, delivery: &Delivery) -> String {
        let what = match purpose {
            Purpose::CallKey(_) => "key",
            _ => "status",
        };
        let token = self.sign(purpose, delivery, delivery.wanted_since());
        format!("{}/twilio/{token}/{what}", self.base_url)
    }

    /// The links that act on the journey whose stall `delivery` tells of. They are the same on every try and replay.
    pub fn acts(&self, journey: JourneyId, delivery: &Delivery) -> Value {
        let act = |purpose| {
            format!("{}/act/{}", self.base_url, self.sign(purpose, delivery, delivery.created_at))
        };
        json!({
            "acknowledge": act(Purpose::Acknowledge(journey)),
            "resolve": act(Purpose::Resolve(journey)),
            "snoozeHour": act(Purpose::Snooze(journey, SnoozeFor::Hour)),
            "snoozeTomorrow": act(Purpose::Snooze(journey, SnoozeFor::Tomorrow)),
        })
    }

    fn sign(&self, purpose: Purpose, delivery: &Delivery, from: Timestamp) -> String {
        self.key.sign(&Link { purpose, delivery: delivery.id, expires_at: from.plus(LINK_LIFE) })
    }
}

/// The journey that `delivery` is about, where it is a part of an escalation.
pub(super) fn journey_of(delivery: &Delivery) -> Option<JourneyId> {
    match delivery.cause {
        Cause::Stall(journey) => Some(journey),
        Cause::Event(_)
        | Cause::Time
        | Cause::Backfill
        | Cause::Deletion
        | Cause::Merge
        | Cause::Health
        | Cause::Operator => None,
    }
}
