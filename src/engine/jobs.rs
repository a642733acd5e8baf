//! Long work in small steps: what new or changed definitions ask of the past, and tidying up.
//!
//! How far each has come is kept in the store in the same change set as its results, so a restart goes on where it was.

use std::collections::HashSet;
use std::sync::Arc;

use super::writer::Writer;
use crate::domain::change::{ChangeSet, DeliveryWrite};
use crate::domain::definition::{Audience, AudienceStatus, Flow};
use crate::domain::delivery::{DeliveryStatus, EMAIL};
use crate::domain::limits;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// What is to be worked on next.
enum Job {
    Compute(Arc<Audience>),
    Revisit(Arc<Flow>),
}

impl Writer {
    /// Does one step of the first job there is; says whether there may be more.
    pub(super) async fn work_on_jobs(&mut self) -> Result<bool, StoreError> {
        if let Some(replaying) = self.replays.pop_front() {
            return self.replay(replaying).await.map(|()| true);
        }
        match self.next_job() {
            Some(Job::Compute(audience)) => self.compute(&audience).await.map(|()| true),
            Some(Job::Revisit(flow)) => self.revisit(&flow).await.map(|()| true),
            None => self.tidy_up().await,
        }
    }

    fn next_job(&self) -> Option<Job> {
        let definitions = &self.rules.definitions;
        let is_computing =
            |audience: &&Arc<Audience>| matches!(audience.status, AudienceStatus::Computing(_));
        let computing_keys: Vec<&str> = definitions
            .audiences
            .values()
            .filter(is_computing)
            .map(|audience| audience.key.as_str())
            .collect();
        // What others ask about comes first, so that they find its truth.
        let computing = definitions.audiences.values().filter(is_computing).min_by_key(|audience| {
            let asked = audience.query.trait_names();
            (computing_keys.iter().any(|key| asked.contains(key)), audience.updated_at)
        });
        let revisiting = || definitions.flows.values().find(|flow| flow.revisit.is_some());
        computing
            .map(|audience| Job::Compute(Arc::clone(audience)))
            .or_else(|| revisiting().map(|flow| Job::Revisit(Arc::clone(flow))))
    }

    async fn tidy_up(&mut self) -> Result<bool, StoreError> {
        Ok(self.forget_message_ids().await?
            || self.drop_members_of_nothing().await?
            || self.supersede_for_nobody().await?)
    }

    /// Message ids past their window.
    async fn forget_message_ids(&mut self) -> Result<bool, StoreError> {
        let oldest = self.shared.clock.now().minus(limits::DEDUPE_WINDOW);
        let forget_seen = self.shared.store.expired_seen(oldest, limits::UPKEEP_STEP).await?;
        if forget_seen.is_empty() {
            return Ok(false);
        }
        self.commit(&ChangeSet { forget_seen, ..ChangeSet::default() }).await?;
        Ok(true)
    }

    /// Members of audiences that are gone.
    async fn drop_members_of_nothing(&mut self) -> Result<bool, StoreError> {
        let mut gone = self.shared.store.audiences_with_members().await?;
        let definitions = &self.rules.definitions;
        gone.retain(|id| definitions.audiences.values().all(|audience| audience.id != *id));
        gone.truncate(1);
        if gone.is_empty() {
            return Ok(false);
        }
        let drop_members_limit = limits::UPKEEP_STEP;
        self.commit(&ChangeSet { drop_members: gone, drop_members_limit, ..ChangeSet::default() }).await?;
        Ok(true)
    }

    /// Pending deliveries to destinations that are gone.
    async fn supersede_for_nobody(&mut self) -> Result<bool, StoreError> {
        let counts = self.shared.store.counts().await?;
        let pending = DeliveryStatus::Pending.as_str();
        let gone = counts.deliveries.iter().find(|((key, status), count)| {
            *status == pending
                && **count > 0
                && key != EMAIL
                && !self.rules.definitions.destinations.contains_key(key)
        });
        let Some(((destination, _), _)) = gone else { return Ok(false) };
        // The first of each user's queue; the next step finds the second.
        let ever = Timestamp::from_millis(i64::MAX);
        let found =
            self.shared.store.due_deliveries(destination, ever, &HashSet::new(), limits::UPKEEP_STEP).await?;
        let now = self.shared.clock.now();
        let deliveries = found.into_iter().map(|mut delivery| {
            let was = Some((delivery.status, delivery.next_attempt_at));
            delivery.status = DeliveryStatus::Superseded;
            delivery.updated_at = now;
            DeliveryWrite { delivery, was }
        });
        let changes = ChangeSet { deliveries: deliveries.collect(), ..ChangeSet::default() };
        if changes.is_empty() {
            return Ok(false);
        }
        self.commit(&changes).await?;
        Ok(true)
    }
}
