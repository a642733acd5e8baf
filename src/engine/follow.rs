//! The debugger's feed where several nodes share the store: events of all of them, read from the log while somebody listens.

use std::collections::BTreeSet;

use super::handle::Engine;
use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::time::{Span, Timestamp};
use crate::store::{EventFilter, StoreError};

/// How far back each look goes: clocks of nodes differ, and a commit takes its time, so that an event may turn up behind newer ones.
pub(super) const OVERLAP: Span = Span::from_secs(5);
/// Events that one look reads at most; more than a listener's feed holds, so that he is told how many he missed.
const MOST: usize = 5000;

impl Engine {
    /// Tells the debugger's listeners of events that any node takes in, until the future is dropped. Does nothing where the store
    /// is this process's own: its writer tells them.
    pub async fn follow_log(&self) {
        // Events that were told of, of those that the next look meets again.
        let mut told: BTreeSet<EventId> = BTreeSet::new();
        let mut since = None;
        while self.shared.store.is_shared() {
            tokio::time::sleep(limits::SHARED_RECHECK.to_std()).await;
            if !self.shared.debugger.has_listeners() {
                since = None;
                continue;
            }
            let now = self.shared.clock.now();
            // Whoever began to listen since the last look gets what came since.
            let since = *since.get_or_insert_with(|| now.minus(limits::SHARED_RECHECK));
            let from = now.minus(OVERLAP).max(since);
            match self.events_since(from).await {
                Ok(mut events) => {
                    told = told.split_off(&EventId::floor(from));
                    // Clocks that are far ahead would fill it.
                    while told.len() > 4 * MOST {
                        told.pop_first();
                    }
                    events.retain(|event| told.insert(event.id));
                    events.reverse();
                    self.shared.debugger.accepted(events);
                }
                Err(error) => tracing::debug!(%error, "the debugger's feed waits"),
            }
        }
    }

    /// What arrived since, newest first.
    async fn events_since(&self, from: Timestamp) -> Result<Vec<Event>, StoreError> {
        let filter = EventFilter { arrived_from: Some(from), ..EventFilter::default() };
        let mut page = PageRequest { limit: limits::MAX_PAGE, cursor: None };
        let mut events = Vec::new();
        loop {
            let found = self.shared.store.newest_events(&filter, &page).await?;
            events.extend(found.rows);
            page.cursor = found.cursor;
            if page.cursor.is_none() || events.len() >= MOST {
                return Ok(events);
            }
        }
    }
}
