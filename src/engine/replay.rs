//! Replay: dead letters go back into the queue, under their old ids.

use super::command::ReplaySelection;
use super::error::EngineError;
use super::writer::Writer;
use crate::domain::change::{ChangeSet, DeliveryWrite};
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus};
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::time::Timestamp;

impl Writer {
    /// Puts the selected deliveries back; answers how many.
    pub(super) async fn replay(&mut self, selection: ReplaySelection) -> Result<u64, EngineError> {
        match selection {
            ReplaySelection::One(id) => {
                let found = self.shared.store.delivery(id).await?;
                let delivery =
                    found.ok_or_else(|| EngineError::NotFound { what: "delivery", key: id.to_string() })?;
                if delivery.status == DeliveryStatus::Pending {
                    return Err(EngineError::Conflict(format!(
                        "delivery {id} is waiting for an attempt already"
                    )));
                }
                self.put_back(vec![delivery]).await
            }
            ReplaySelection::Of { destination, status, since } => {
                let filter = DeliveryFilter {
                    destination: Some(destination),
                    status: Some(status),
                    user: None,
                    since,
                };
                self.replay_all(&filter).await
            }
        }
    }

    async fn replay_all(&mut self, filter: &DeliveryFilter) -> Result<u64, EngineError> {
        let mut replayed = 0;
        let mut cursor = None;
        loop {
            // The cursor goes by id, so those that were put back are not met again.
            let page = PageRequest { limit: limits::MAX_PAGE, cursor };
            let found = self.shared.store.deliveries(filter, &page).await?;
            replayed += self.put_back(found.rows).await?;
            cursor = found.cursor;
            if cursor.is_none() {
                return Ok(replayed);
            }
        }
    }

    async fn put_back(&mut self, deliveries: Vec<Delivery>) -> Result<u64, EngineError> {
        let now = self.shared.clock.now();
        let count = u64::try_from(deliveries.len()).unwrap_or(u64::MAX);
        let deliveries = deliveries.into_iter().map(|delivery| put_back(delivery, now)).collect();
        let changes = ChangeSet { deliveries, ..ChangeSet::default() };
        if !changes.is_empty() {
            self.commit(&changes).await?;
        }
        Ok(count)
    }
}

fn put_back(mut delivery: Delivery, now: Timestamp) -> DeliveryWrite {
    let was = Some((delivery.status, delivery.next_attempt_at));
    delivery.status = DeliveryStatus::Pending;
    delivery.next_attempt_at = now;
    delivery.retry_from = now;
    delivery.updated_at = now;
    delivery.tries = 0;
    delivery.replays = delivery.replays.saturating_add(1);
    DeliveryWrite { delivery, was }
}
