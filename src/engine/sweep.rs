//! The sweeper: users whose timers are due are looked at, in bounded batches with ingest in between.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::backfill::BackfillPace;
use super::desks::desks_of;
use super::group::Group;
use super::writer::Writer;
use crate::domain::decide::message_hash;
use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

impl Writer {
    /// Looks at the users whose timers are due; says whether there may be more.
    pub(super) async fn sweep(&mut self) -> Result<bool, StoreError> {
        let now = self.shared.clock.now();
        self.shared.pulse.sweeper.store(now.millis(), Ordering::Relaxed);
        let begun = Instant::now();
        let pace = BackfillPace { step: limits::SWEEP_TIMERS, ..self.pace };
        let most = self.fewer(self.sweep_slice.items(pace, self.is_busy));
        let mut due = self.shared.store.due_timers(now, most + self.stuck.len()).await?;
        due.retain(|(_, user)| !self.stuck.contains(user));
        due.truncate(most);
        let more = due.len() >= most;
        metrics::gauge!("stagepost_timers_due").set(u32::try_from(due.len()).unwrap_or(u32::MAX));
        if due.is_empty() {
            return Ok(false);
        }
        match self.wake(&due, now).await {
            Err(error) if error.is_about_this() => {
                // One of them can't be written. The others must not wait for him.
                for one in &due {
                    self.wake_alone(one, now).await?;
                }
            }
            woken => woken?,
        }
        self.sweep_slice.took(due.len(), begun.elapsed());
        Ok(more)
    }

    /// Looks at one user, who is left alone where he can't be written; if it is a desk of his that can't, the desk is, and he is
    /// looked at without it, so that his flow's timers go on.
    async fn wake_alone(&mut self, due: &(Timestamp, UserKey), now: Timestamp) -> Result<(), StoreError> {
        let error = match self.wake(std::slice::from_ref(due), now).await {
            Err(error) if error.is_about_this() => error,
            woken => return woken,
        };
        let user = &due.1;
        let found = self.shared.store.profiles(std::slice::from_ref(user)).await?;
        let mut desks: BTreeSet<UserKey> =
            found.iter().flatten().flat_map(|it| desks_of(it, &self.rules.definitions)).collect();
        desks.retain(|desk| self.stuck.insert(desk.clone()));
        let woken = if desks.is_empty() {
            Err(error)
        } else {
            self.wake(std::slice::from_ref(due), now).await.map(|()| error)
        };
        match woken {
            Ok(error) => desks.iter().for_each(|desk| self.leave_alone(desk, &error.to_string())),
            Err(refused) => {
                self.stuck.retain(|user| !desks.contains(user));
                if !refused.is_about_this() {
                    return Err(refused);
                }
                self.leave_alone(user, &refused.to_string());
            }
        }
        Ok(())
    }

    /// Looks at these users.
    async fn wake(&mut self, due: &[(Timestamp, UserKey)], now: Timestamp) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        group.load(due.iter().map(|(_, user)| user.clone())).await?;
        group.load_desks(&self.stuck).await?;
        group.load_accounts().await?;
        group.load_pages(&[], &HashSet::new()).await?;
        let mut strangers = Vec::new();
        // What is true of an account hangs on its users: it is looked at once all of them were.
        let (accounts, users): (Vec<_>, Vec<_>) = due.iter().partition(|(_, user)| user.group_id().is_some());
        for (at, user) in users.into_iter().chain(accounts) {
            if user.group_id().is_some() {
                group.apply_effects();
            }
            let woken = group.wake(user);
            if woken.is_none() {
                strangers.push(user.clone());
            }
            let late = u32::try_from(now.millis_since(*at).max(0)).unwrap_or(u32::MAX);
            metrics::histogram!("stagepost_timer_lateness_seconds").record(f64::from(late) / 1000.0);
        }
        group.apply_effects();
        let mut changes = group.finish().await?;
        for user in strangers {
            self.leave_alone(&user, "the timer belongs to somebody who is not there");
        }
        // Nobody waits for an answer, so the next group need not wait for the disk.
        self.begin(&mut changes).await?;
        metrics::counter!("stagepost_timers_fired_total")
            .increment(u64::try_from(due.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Does not look at a user's timer again before the next start.
    fn leave_alone(&mut self, user: &UserKey, why: &str) {
        tracing::error!(user = %hex::encode(&message_hash(user.as_str())[..4]), why, "a timer is left alone");
        metrics::counter!("stagepost_timers_left_alone_total").increment(1);
        self.stuck.insert(user.clone());
    }
}
