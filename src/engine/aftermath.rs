//! What follows once a change set is on the disk: figures, the debugger's feed, a nudge to the dispatcher.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::handle::Shared;
use crate::domain::change::{ChangeSet, DeliveryWrite};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::event::Event;
use crate::store::StoreError;

/// What is to follow once a change set is on the disk.
pub(super) struct Aftermath {
    shared: Arc<Shared>,
    begun: Instant,
    events: usize,
    /// Copies for the debugger's feed; none while nobody listens.
    feed: Vec<Event>,
    /// Destinations for which there is something to send.
    made_for: BTreeSet<String>,
}

impl Aftermath {
    pub fn new(shared: &Arc<Shared>, changes: &ChangeSet) -> Self {
        let mut made_for: BTreeSet<String> = BTreeSet::new();
        for DeliveryWrite { delivery, .. } in &changes.deliveries {
            if delivery.status == DeliveryStatus::Pending && !made_for.contains(&delivery.destination) {
                made_for.insert(delivery.destination.clone());
            }
        }
        Self {
            shared: Arc::clone(shared),
            begun: Instant::now(),
            events: changes.events.len(),
            // Where several nodes share the store, the feed is read from the log: see `follow`.
            feed: if shared.debugger.has_listeners() && !shared.store.is_shared() {
                changes.events.clone()
            } else {
                Vec::new()
            },
            made_for,
        }
    }

    /// The change set is on the disk, or was not written.
    pub fn happen(self, written: Result<(), &StoreError>) {
        self.shared.pulse.note(written);
        if let Err(error) = written {
            self.shared.pulse.failed.fetch_or(error.is_fatal(), Ordering::Relaxed);
            return;
        }
        metrics::histogram!("stagepost_commit_duration_seconds").record(self.begun.elapsed().as_secs_f64());
        if self.events > 0 {
            let events = u32::try_from(self.events).unwrap_or(u32::MAX);
            metrics::histogram!("stagepost_commit_events").record(f64::from(events));
        }
        self.shared.debugger.accepted(self.feed);
        self.shared.deliveries_made.tell(self.made_for);
    }
}
