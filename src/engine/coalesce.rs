//! Coalescing: where a destination wants it, a newer call about the same computation and user takes the place of one that was
//! not delivered yet.
//!
//! The newest hundred calls of a user that wait are looked at: among more than that, an older one may stay.
//!
//! The older one stays on record as superseded, with the id of what took its place. One whose attempt is under way just now
//! is superseded too; should the attempt get through, it counts as delivered after all.

use std::collections::{BTreeSet, HashMap};

use super::group::Group;
use crate::domain::change::DeliveryWrite;
use crate::domain::definition::Definitions;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::ids::{DeliveryId, UserKey};
use crate::domain::limits::COALESCE_DEPTH;
use crate::store::StoreError;

/// What a call is about: destination, user, computation, type of the call.
type Topic = (String, UserKey, String, String);

fn topic(delivery: &Delivery, definitions: &Definitions) -> Option<Topic> {
    let destination = definitions.destinations.get(&delivery.destination)?;
    let (computation, call) = delivery.topic().filter(|_| destination.coalesce)?;
    Some((delivery.destination.clone(), delivery.user.clone(), computation.to_owned(), call.to_owned()))
}

impl Group<'_> {
    /// Lets the calls that this group makes take the place of older ones.
    pub(super) async fn coalesce(&mut self) -> Result<(), StoreError> {
        let definitions = std::sync::Arc::clone(&self.decision.rules().definitions);
        if definitions.destinations.values().all(|destination| !destination.coalesce) {
            return Ok(());
        }
        let now = self.now;
        let mut newest: HashMap<Topic, DeliveryId> = HashMap::new();
        for write in self.decision.changes.deliveries.iter_mut().rev() {
            let Some(topic) = topic(&write.delivery, &definitions) else { continue };
            match newest.get(&topic) {
                Some(by) => write.delivery.supersede(Some(*by), said(*by), now),
                None => drop(newest.insert(topic, write.delivery.id)),
            }
        }
        let lanes: BTreeSet<(String, UserKey)> =
            newest.keys().map(|(key, user, ..)| (key.clone(), user.clone())).collect();
        let lanes: Vec<_> = lanes.into_iter().collect();
        let pending = if lanes.is_empty() {
            Vec::new()
        } else {
            self.store().newest_pending(&lanes, COALESCE_DEPTH).await?
        };
        let mut superseded = Vec::new();
        for stored in pending.into_iter().flatten() {
            // What this group knows of it already is newer.
            let write = match self.changed_delivery(stored.id) {
                Some(write) => write.clone(),
                None => {
                    let was = Some((stored.status, stored.next_attempt_at));
                    DeliveryWrite { delivery: stored, was }
                }
            };
            if write.delivery.status != DeliveryStatus::Pending {
                continue;
            }
            let by = topic(&write.delivery, &definitions).and_then(|topic| newest.get(&topic).copied());
            superseded.extend(by.map(|by| (write, by)));
        }
        for (mut write, by) in superseded {
            write.delivery.supersede(Some(by), said(by), now);
            self.put_delivery(write);
        }
        Ok(())
    }
}

fn said(by: DeliveryId) -> String {
    format!("a newer call took its place: {by}")
}
