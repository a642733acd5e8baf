//! The sweeper: users whose timers are due are looked at, in bounded batches with ingest in between.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::group::Group;
use super::writer::Writer;
use crate::domain::limits;
use crate::store::StoreError;

impl Writer {
    /// Looks at the users whose timers are due; says whether there may be more.
    pub(super) async fn sweep(&mut self) -> Result<bool, StoreError> {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        shared.pulse.sweeper.store(now.millis(), Ordering::Relaxed);
        let due = shared.store.due_timers(now, limits::SWEEP_TIMERS).await?;
        let more = due.len() >= limits::SWEEP_TIMERS;
        metrics::gauge!("stagepost_timers_due").set(u32::try_from(due.len()).unwrap_or(u32::MAX));
        if due.is_empty() {
            return Ok(false);
        }
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        group.load(due.iter().map(|(_, user)| user.clone())).await?;
        group.load_accounts().await?;
        group.load_pages(&[], &HashSet::new()).await?;
        for (at, user) in &due {
            let woken = group.with_profile(user, |decision, profile| {
                decision.wake(profile);
                (true, ())
            });
            if woken.is_none() {
                return Err(StoreError::Corrupt {
                    place: shared.store.describe(),
                    detail: format!("the timer at {at} belongs to a user who is not there"),
                });
            }
            let late = u32::try_from(now.millis_since(*at).max(0)).unwrap_or(u32::MAX);
            metrics::histogram!("stagepost_timer_lateness_seconds").record(f64::from(late) / 1000.0);
        }
        let changes = group.finish()?;
        self.commit(&changes).await?;
        metrics::counter!("stagepost_timers_fired_total")
            .increment(u64::try_from(due.len()).unwrap_or(u64::MAX));
        Ok(more)
    }
}
