//! What an input causes: the rules applied to the profiles concerned, gathered into one change set.
//!
//! A [`Decision`] is made for one group of inputs at one instant. Its methods change profiles that the caller loaded and
//! note everything else (events, moves of journeys, memberships, deliveries) in its [`ChangeSet`].

mod accounts;
mod compute;
mod deletion;
mod digest;
mod escalate;
mod external_ids;
mod figures;
mod identity;
mod intake;
mod leaves;
mod messages;
mod operate;
mod operators;
mod recipients;
mod rules;
mod runs;
mod stall;
mod summary;
mod wake;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use accounts::{Effect, Told};
pub use identity::{Merged, links};
pub use intake::{Taken, message_hash};
pub use leaves::MissingPages;
pub use messages::in_words;
pub use operate::OperateError;
pub use operators::Queue;
pub use rules::{Rules, Surroundings};

use super::change::{ChangeSet, DeliveryWrite};
use super::delivery::{Cause, Delivery, Payload};
use super::desk::Gathering;
use super::ids::{DeliveryId, IdSource, UserKey};
use super::profile::Profile;
use super::route::NotSentCounts;
use super::time::Timestamp;

/// What one group of inputs causes, as far as it is decided.
pub struct Decision<'a> {
    rules: Arc<Rules>,
    now: Timestamp,
    ids: &'a mut IdSource,
    /// Everything that was caused so far, but for the profiles themselves.
    pub changes: ChangeSet,
    /// What follows for other profiles; to be applied to them, see [`Decision::take_effects`].
    pub effects: Vec<Told>,
    /// What the desks of flows gather for digests, by flow; loaded and kept by whoever decides. A flow without a desk here holds
    /// no mails back.
    pub gatherings: BTreeMap<String, Option<Gathering>>,
    /// What found no room.
    pub left_out: LeftOut,
    /// How many calls destinations were not sent.
    pub not_sent: NotSentCounts,
    /// Whose profile, one that the caller does not keep, something was needed of that can't be read
    /// ([`Profile::is_damaged`](super::profile::Profile::is_damaged)): what was decided is not to be written.
    pub damaged: Option<UserKey>,
}

/// What found no room on its profile, where only the events keep it, or in what a level sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Traits that were too many or too large.
    pub traits: usize,
    /// Events past what one leaf keeps of one profile.
    pub leaf_entries: usize,
    /// Links to more accounts than one user may have.
    pub groups: usize,
    /// Deliveries past what one level makes at once.
    pub escalations: usize,
}

impl<'a> Decision<'a> {
    /// Nothing decided yet.
    pub fn new(rules: Arc<Rules>, now: Timestamp, ids: &'a mut IdSource) -> Self {
        let changes = ChangeSet { at: now, ..ChangeSet::default() };
        let left_out = LeftOut::default();
        Self {
            rules,
            now,
            ids,
            changes,
            effects: Vec::new(),
            gatherings: BTreeMap::new(),
            left_out,
            not_sent: NotSentCounts::default(),
            damaged: None,
        }
    }

    /// Notes it where something that was needed of a profile can't be read.
    fn note_damage(&mut self, profile: &Profile) {
        if profile.is_damaged() {
            self.damaged.get_or_insert_with(|| profile.key.clone());
        }
    }

    /// The rules it goes by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The instant of the decision.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The source of ids and jitter.
    pub fn ids(&mut self) -> &mut IdSource {
        self.ids
    }

    /// Puts something into the outbox.
    fn deliver(
        &mut self,
        destination: &str,
        user: &UserKey,
        message_id: String,
        cause: Cause,
        payload: Payload,
    ) -> DeliveryId {
        let id = self.ids.delivery(self.now);
        let (destination, user) = (destination.to_owned(), user.clone());
        self.queue(Delivery::new(id, destination, user, message_id, cause, payload, self.now))
    }

    /// Puts a delivery that was made just now into the outbox.
    fn queue(&mut self, delivery: Delivery) -> DeliveryId {
        let id = delivery.id;
        self.changes.deliveries.push(DeliveryWrite { delivery, was: None });
        id
    }
}

/// What `json!` makes of braces.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
