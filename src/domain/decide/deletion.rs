//! The notice that a person is to be deleted, for the receivers that know of it: Segment's classic webhooks.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Decision;
use crate::domain::definition::{Destination, DestinationKind, EventsWanted};
use crate::domain::delivery::{Cause, Payload};
use crate::domain::ids::{DeliveryId, UserKey};

impl Decision<'_> {
    /// Tells every webhook that takes calls that this user is to be deleted, in exactly the three keys of Segment's notice; behind
    /// whatever it was to be told of him before: `user` is whose profile it is now. For one that is switched off it waits, as that
    /// does. Answers the deliveries.
    pub fn notify_deletion(&mut self, user_id: &str, user: &UserKey) -> Vec<DeliveryId> {
        let rules = Arc::clone(&self.rules);
        let takes_notices = rules.definitions.destinations.values().filter(|destination| {
            matches!(destination.kind, DestinationKind::Webhook { .. })
                && destination.events != EventsWanted::None
        });
        let notify = |destination: &Arc<Destination>| {
            let message_id = self.ids.ksuid("delete_", self.now);
            let mut notice = Map::new();
            notice.insert("type".to_owned(), "delete".into());
            notice.insert("userId".to_owned(), user_id.into());
            notice.insert("timestamp".to_owned(), Value::from(self.now.to_rfc3339()));
            self.deliver(&destination.key, user, message_id, Cause::Operator, Payload::Call(notice))
        };
        takes_notices.map(notify).collect()
    }
}
