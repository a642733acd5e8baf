//! The writer where several nodes share the store: it decides anew where another was first, and goes by what others change.

use std::sync::Arc;

use super::command::{Input, Waiting};
use super::error::EngineError;
use super::ingest::{REFUSED_TIMES, refusal, stand_back};
use super::settle::Faring;
use super::writer::{Writer, refused};
use crate::domain::change::{Revisions, Swept};
use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::domain::profile::Profile;
use crate::store::StoreError;

impl Writer {
    /// Where other nodes write, too: decided and written again and again until nobody was faster.
    pub(super) async fn handle_among_others(
        &mut self,
        inputs: Vec<Input>,
        waiting: Vec<Waiting>,
    ) -> Result<(), StoreError> {
        let mut tries = 0;
        let written = loop {
            let mut faring = Faring { healths: Arc::clone(&self.healths), has_turned: false };
            let (shared, in_force) = (Arc::clone(&self.shared), Arc::clone(&self.in_force));
            match shared.write_group(&in_force, &mut self.ids, inputs.clone(), &mut faring).await {
                Err(StoreError::Conflict(what)) if tries < limits::DECISIONS => {
                    tries += 1;
                    metrics::counter!(REFUSED_TIMES, "what" => what).increment(1);
                    stand_back(tries, &mut self.ids).await;
                    match self.catch_up().await {
                        Ok(()) => {}
                        Err(error) => break Err(error),
                    }
                }
                written => break written.map(|outcomes| (outcomes, faring)),
            }
        };
        match written {
            Ok((outcomes, faring)) => {
                let has_turned = faring.has_turned;
                self.go_by_faring(faring);
                self.look_for_changes |= has_turned;
                for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
                    waiting.answer(Ok(outcome));
                }
                Ok(())
            }
            Err(error) => {
                waiting.into_iter().for_each(|waiting| waiting.answer(Err(refusal(&error))));
                refused(error)
            }
        }
    }

    /// Does that, and again by what is in force then as long as another node is first.
    pub(super) async fn until_first<T>(
        &mut self,
        mut work: impl AsyncFnMut(&mut Self) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut tries = 0;
        loop {
            match work(self).await {
                Err(EngineError::Store(StoreError::Conflict(_))) if tries < limits::DECISIONS => {
                    tries += 1;
                    stand_back(tries, &mut self.ids).await;
                    self.catch_up().await?;
                }
                done => return done,
            }
        }
    }

    /// Whether other nodes write, too.
    pub(super) fn is_shared(&self) -> bool {
        self.shared.store.is_shared()
    }

    /// Goes by what is stored now.
    pub(super) async fn catch_up(&mut self) -> Result<(), StoreError> {
        if self.is_shared() {
            let shared = Arc::clone(&self.shared);
            shared.present.catch_up(&*shared.store).await?;
            self.go_by_present();
        }
        Ok(())
    }

    /// Goes by what this node last saw of what is stored, and tells whoever watches.
    pub(super) fn go_by_present(&mut self) {
        let now = self.shared.present.get();
        if Arc::ptr_eq(&now, &self.in_force) {
            return;
        }
        let before = std::mem::replace(&mut self.in_force, Arc::clone(&now));
        let is_new = !Arc::ptr_eq(&before.rules.definitions, &now.rules.definitions);
        self.rules = Arc::clone(&now.rules);
        now.start_after_past(&mut self.ids);
        self.go_by_backfills(now.rules.backfills.clone());
        if is_new {
            self.published.send_replace(Arc::clone(&now.rules.definitions));
        }
        // What only this node counted so far stays, where the others did not write anything else down.
        let mut healths = Arc::clone(&self.healths);
        for key in before.healths.keys().chain(now.healths.keys()) {
            let (was, is) = (before.healths.get(key), now.healths.get(key));
            match is.filter(|_| was != is) {
                Some(health) => drop(Arc::make_mut(&mut healths).insert(key.clone(), health.clone())),
                None if is.is_none() => drop(Arc::make_mut(&mut healths).remove(key)),
                None => {}
            }
        }
        self.go_by_healths(healths);
        self.replays = now.replays.clone();
        self.published_replays.send_replace(Arc::new(self.replays.clone()));
        self.jobs = true;
    }

    /// What is in force, as the store is to check it.
    pub(super) fn basis(&self) -> Option<Revisions> {
        self.is_shared().then_some(self.in_force.revisions)
    }

    /// The part of the profiles that a step of long work looked at, as the store is to check it.
    pub(super) fn swept(
        &self,
        after: Option<&UserKey>,
        to: Option<&UserKey>,
        profiles: &[Profile],
    ) -> Option<Swept> {
        self.is_shared().then(|| Swept::of(after, to, profiles))
    }

    /// How many of `count` to take at a time: fewer where others keep being first.
    pub(super) fn fewer(&self, count: usize) -> usize {
        (count >> self.conflicts.min(12)).max(1)
    }
}
