//! Long work in small steps: what new or changed definitions ask of the past, and tidying up.
//!
//! How far each has come is kept in the store in the same change set as its results, so a restart goes on where it was.

use std::collections::HashSet;
use std::sync::Arc;

use super::command::Input;
use super::group::Group;
use super::inputs::decide;
use super::receipts::{load_told, tell_journeys};
use super::settle::Faring;
use super::writer::Writer;
use crate::domain::backfill::Backfill;
use crate::domain::change::{ChangeSet, DefinitionWrite, DeliveryWrite, MembershipWrite};
use crate::domain::definition::{Announcement, Computation, Flow, Status};
use crate::domain::delivery::{DeliveryStatus, EMAIL};
use crate::domain::figures::OldestFigures;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::retry;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// What is to be worked on next.
enum Job {
    Compute(Box<Backfill>),
    Announce(Arc<Computation>),
    Leave(Arc<Computation>),
    Revisit(Arc<Flow>),
}

impl Writer {
    /// Does one step of the first job there is; says whether there may be more.
    pub(super) async fn work_on_jobs(&mut self) -> Result<bool, StoreError> {
        if self.summaries_due && self.sum_up().await? {
            return Ok(true);
        }
        // By turns with everything else, so that neither waits for the other's end.
        self.replay_has_turn = !self.replay_has_turn;
        if let Some(replay) = self.running_replay().filter(|_| self.replay_has_turn) {
            return self.go_on_with_replay(replay).await.map(|()| true);
        }
        let is_replaying = self.running_replay().is_some();
        self.work_on_others().await.map(|more| more || is_replaying)
    }

    async fn work_on_others(&mut self) -> Result<bool, StoreError> {
        match self.next_job() {
            Some(Job::Compute(backfill)) => match self.compute(&backfill).await {
                Err(error) if error.is_about_this() => self.give_up(&backfill, &error).await.map(|()| true),
                computed => computed,
            },
            Some(Job::Announce(computation)) => self.announce(&computation).await.map(|()| true),
            Some(Job::Leave(audience)) => self.leave(&audience).await.map(|()| true),
            Some(Job::Revisit(flow)) => self.revisit(&flow).await.map(|()| true),
            None => self.tidy_up().await,
        }
    }

    fn next_job(&self) -> Option<Job> {
        let definitions = &self.rules.definitions;
        if let Some(backfill) = self.rules.backfills.iter().find(|backfill| !backfill.only_forgets()) {
            return Some(Job::Compute(Box::new(backfill.clone())));
        }
        let mut computations = definitions.computations();
        if let Some(leaving) = computations.find(|it| matches!(it.status, Status::Leaving)) {
            return Some(Job::Leave(Arc::clone(leaving)));
        }
        let is_announcing =
            |it: &&Arc<Computation>| it.status == Status::Live && !it.announcements.is_empty();
        if let Some(announcing) = definitions.computations().find(is_announcing) {
            return Some(Job::Announce(Arc::clone(announcing)));
        }
        if let Some(revisiting) = definitions.flows.values().find(|flow| flow.revisit.is_some()) {
            return Some(Job::Revisit(Arc::clone(revisiting)));
        }
        // What is left only lets profiles forget.
        self.rules.backfills.first().map(|backfill| Job::Compute(Box::new(backfill.clone())))
    }

    /// Tells a destination that was added later of the next profiles' present values.
    async fn announce(&mut self, computation: &Arc<Computation>) -> Result<(), StoreError> {
        let Some(Announcement { destination, after }) = computation.announcements.first() else {
            return Ok(());
        };
        let step = self.fewer(self.pace.step);
        let (profiles, last) = self.shared.store.profiles_after(after.as_ref(), step).await?;
        let swept = self.swept(after.as_ref(), last.as_ref(), &profiles);
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        for profile in profiles {
            group.rise_above(&profile);
            group.decision.announce_present(&profile, computation, destination);
            group.hold(profile);
        }
        let mut changes = group.finish().await?;
        changes.swept = swept;
        let mut computation = (**computation).clone();
        match last {
            Some(last) => computation.announcements[0].after = Some(last),
            None => drop(computation.announcements.remove(0)),
        }
        changes.definitions.push(DefinitionWrite::Put(Box::new(computation.into())));
        self.commit_definitions(changes).await
    }

    /// Tells the next members of an audience that is being deleted that they are out; after the last one it is gone.
    async fn leave(&mut self, audience: &Arc<Computation>) -> Result<(), StoreError> {
        // Whoever was told is no member any more, so the next ones are always the first.
        let page = PageRequest { limit: self.fewer(self.pace.step), cursor: None };
        let members = self.shared.store.members(&audience.id, &page).await?.rows;
        if members.is_empty() {
            let (kind, key) = (audience.kind(), audience.key.clone());
            tracing::info!(key, "its members were told; the audience is deleted");
            let definitions = vec![DefinitionWrite::Delete { kind, key }];
            let mut changes = ChangeSet { definitions, ..ChangeSet::default() };
            self.forget(&audience.id, &mut changes).await?;
            return self.commit_definitions(changes).await;
        }
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        group.load(members.iter().map(|member| member.user.clone())).await?;
        group.load_accounts().await?;
        group.load_pages(&[], &HashSet::new()).await?;
        for member in members {
            let told = group.with_profile(&member.user, |decision, profile| {
                let left = decision.leave(profile, audience);
                (left, left)
            });
            if told != Some(true) {
                let (audience_id, user) = (audience.id.clone(), member.user);
                group.decision.changes.memberships.push(MembershipWrite { audience_id, user, since: None });
            }
        }
        let mut changes = group.finish().await?;
        self.commit(&mut changes).await
    }

    async fn tidy_up(&mut self) -> Result<bool, StoreError> {
        Ok(self.forget_message_ids().await?
            || self.drop_members_of_nothing().await?
            || self.forget_sizes().await?
            || self.forget_people().await?
            || self.forget_figures().await?
            || self.expire().await?
            || self.supersede_for_nobody().await?)
    }

    /// Message ids past their window.
    async fn forget_message_ids(&mut self) -> Result<bool, StoreError> {
        let oldest = self.shared.clock.now().minus(limits::DEDUPE_WINDOW);
        let forget_seen = self.shared.store.expired_seen(oldest, limits::UPKEEP_STEP).await?;
        if forget_seen.is_empty() {
            return Ok(false);
        }
        self.commit(&mut ChangeSet { forget_seen, ..ChangeSet::default() }).await?;
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
        self.commit(&mut ChangeSet { drop_members: gone, drop_members_limit, ..ChangeSet::default() })
            .await?;
        Ok(true)
    }

    /// Sizes of audiences past their time.
    async fn forget_sizes(&mut self) -> Result<bool, StoreError> {
        let now = self.shared.clock.now();
        let (hours, days) = (now.minus(limits::HOURLY_SIZES_KEPT), now.minus(limits::DAILY_SIZES_KEPT));
        if !self.shared.store.has_sizes_before(hours, days).await? {
            return Ok(false);
        }
        let forget_sizes_before = Some((hours, days));
        self.commit(&mut ChangeSet { forget_sizes_before, ..ChangeSet::default() }).await?;
        Ok(true)
    }

    /// Figures past their time.
    async fn forget_figures(&mut self) -> Result<bool, StoreError> {
        let oldest = OldestFigures::at(self.shared.clock.now());
        if !self.shared.store.has_figures_before(&oldest).await? {
            return Ok(false);
        }
        let forget_figures = Some(oldest);
        self.commit(&mut ChangeSet { forget_figures, ..ChangeSet::default() }).await?;
        Ok(true)
    }

    /// Deliveries that waited longer than their destination lets them: those that were never tried, or whose next attempt is
    /// long past because the destination is paused. The others are looked at when an attempt ends.
    async fn expire(&mut self) -> Result<bool, StoreError> {
        let now = self.shared.clock.now();
        let rules = Arc::clone(&self.rules);
        for (key, destination) in &rules.definitions.destinations {
            let Some(after) = destination.expire_after else { continue };
            let (oldest, nobody) = (now.minus(after), HashSet::new());
            let store = &self.shared.store;
            let mut found = store.due_deliveries(key, oldest, &nobody, limits::REPLAY_STEP).await?;
            found.retain(|delivery| retry::is_expired(delivery, after, now));
            if found.is_empty() {
                continue;
            }
            metrics::counter!("stagepost_deliveries_expired_total", "destination" => key.clone())
                .increment(u64::try_from(found.len()).unwrap_or(u64::MAX));
            let ids = found.iter().map(|delivery| delivery.id).collect();
            let shared = Arc::clone(&self.shared);
            let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
            let mut faring = Faring { healths: Arc::clone(&self.healths), has_turned: false };
            decide(&mut group, vec![Input::Expire(ids)], &mut faring).await?;
            let mut changes = group.finish().await?;
            self.commit(&mut changes).await?;
            return Ok(true);
        }
        Ok(false)
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
        if found.is_empty() {
            return Ok(false);
        }
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        let owners = load_told(&mut group, &found).await?;
        for mut delivery in found {
            let was = Some((delivery.status, delivery.next_attempt_at));
            delivery.supersede(None, "its destination was removed".to_owned(), now);
            tell_journeys(&mut group, &owners, &delivery);
            group.put_delivery(DeliveryWrite { delivery, was });
        }
        let mut changes = group.finish().await?;
        self.commit(&mut changes).await?;
        Ok(true)
    }
}
