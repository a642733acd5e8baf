//! The first computing of computations that were made or changed: every profile is given its share of the past and looked
//! at once, while live events go on.
//!
//! Events up to their making come from the log, later ones count as they arrive; leaf updates commute, so the two give
//! what the ordered stream would have given. Each profile is written once: its share is made from the whole log before its
//! turn comes ([`reading`]).

mod pace;
mod reading;
mod run;
mod shares;
mod start;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::group::Group;
use super::writer::Writer;
use crate::domain::backfill::{Backfill, BackfillPhase};
use crate::domain::change::{BackfillWrite, ChangeSet, DefinitionWrite, Swept};
use crate::domain::definition::{Computation, Definition, Flow, Revisit, Status};
use crate::domain::ids::{EventId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::profile::Profile;
use crate::domain::query::Target;
use crate::store::StoreError;

pub use pace::BackfillPace;
pub(super) use pace::Slice;
pub(super) use reading::Past;
use reading::{Aside, PastState, Reading};
pub(super) use start::Start;

/// Profiles that have their turn.
struct Turn {
    profiles: Vec<Profile>,
    /// Their shares of the past.
    given: Vec<(UserKey, Vec<PastState>)>,
    /// How much of it found no room.
    left_out: usize,
    swept: Option<Swept>,
    /// The last one of them.
    last: UserKey,
}

impl Writer {
    /// One step of a backfill; says whether there is more to do at once.
    pub(super) async fn compute(&mut self, backfill: &Backfill) -> Result<bool, StoreError> {
        let done = match &backfill.phase {
            BackfillPhase::Profiles { after } => {
                self.give_profiles_their_turn(backfill, after.as_ref()).await
            }
            BackfillPhase::Accounts { after } => {
                self.look_at_accounts(backfill, after.as_ref()).await.map(|()| true)
            }
        };
        if done.as_ref().is_err_and(|error| !error.is_passing()) {
            self.past = None;
        }
        done
    }

    /// The past of the profiles after `after`, read on by a piece; `None` while it is not there yet.
    async fn past_after(
        &mut self,
        backfill: &Backfill,
        after: Option<&UserKey>,
        until: EventId,
    ) -> Result<Option<Reading>, StoreError> {
        let store = Arc::clone(&self.shared.store);
        let past = match self.past.take() {
            Some(Past::Known(reading)) if reading.is_for(backfill, after) => return Ok(Some(reading)),
            Some(Past::ReadAside(aside)) if aside.is_done() => Past::Known(aside.join().await?),
            Some(Past::ReadAside(aside)) => Past::ReadAside(aside),
            Some(Past::Read(mut reading)) => {
                if reading.read_on(&*store, self.pace, self.shared.clock.now()).await? {
                    Past::Read(reading)
                } else {
                    Past::Known(reading)
                }
            }
            Some(Past::Known(_)) | None => self.begin_reading(backfill, after, until),
        };
        self.past = Some(past);
        self.publish_progress();
        Ok(self.past.take_if(|past| matches!(past, Past::Known(_))).and_then(Past::known))
    }

    /// Whether a reading that was waited for is at its end.
    pub(super) fn is_past_read(&self) -> bool {
        matches!(&self.past, Some(Past::ReadAside(aside)) if aside.is_done())
    }

    fn begin_reading(&self, backfill: &Backfill, after: Option<&UserKey>, until: EventId) -> Past {
        let reading = Reading::new(backfill, &self.rules.definitions, after, until, self.pace.bytes);
        if reading.is_of_nothing() {
            return Past::Known(reading);
        }
        if !self.pace.by_time {
            return Past::Read(reading);
        }
        tracing::info!(after = after.is_some(), "reading the log for the next profiles of a backfill");
        let shared = &self.shared;
        let (store, clock) = (Arc::clone(&shared.store), shared.clock.clone());
        Past::ReadAside(Aside::begin(reading, store, clock, self.pace, Arc::clone(&self.past_read)))
    }

    /// Gives the next profiles their shares of the past, and looks at them; says whether there is more to do at once.
    async fn give_profiles_their_turn(
        &mut self,
        backfill: &Backfill,
        after: Option<&UserKey>,
    ) -> Result<bool, StoreError> {
        let mut past = None;
        if let Some(until) = backfill.past() {
            past = self.past_after(backfill, after, until).await?;
            if past.is_none() {
                // A reading aside says when it is done.
                return Ok(!self.pace.by_time);
            }
        }
        let begun = Instant::now();
        let items = self.fewer(self.profiles_at_a_time());
        let (mut profiles, mut last) = self.shared.store.profiles_after(after, items).await?;
        let to = past.as_ref().and_then(Reading::to);
        if let (Some(to), Some(found)) = (to, &last)
            && found >= to
        {
            profiles.retain(|profile| profile.key <= *to);
            last = Some(to.clone());
        }
        let Some(last) = last else {
            return self.end_profiles(backfill, after).await.map(|()| true);
        };
        let count = profiles.len();
        let turn = Turn {
            given: past.as_mut().map(|past| past.take(&profiles, &last)).unwrap_or_default(),
            left_out: past.as_mut().map(Reading::take_left_out).unwrap_or_default(),
            swept: self.swept(after, Some(&last), &profiles),
            profiles,
            last: last.clone(),
        };
        // Another node may change one of them first: then they have their turn again, with the same shares.
        let given = if self.is_shared() { turn.given.clone() } else { Vec::new() };
        if let Err(error) = self.take_turn(backfill, turn).await {
            self.past = past.filter(|_| error.is_passing()).map(|past| Past::Known(past.with(given, after)));
            return Err(error);
        }
        // Where it was for the profiles up to `last` only, the log is read again for the next.
        let is_over = past.as_ref().is_some_and(|past| past.to() == Some(&last));
        self.past = past.filter(|_| !is_over).map(Past::Known);
        self.publish_progress();
        self.slice.took(count, begun.elapsed());
        Ok(true)
    }

    /// No profile is left after that one: accounts are next, or all is done.
    async fn end_profiles(&mut self, backfill: &Backfill, after: Option<&UserKey>) -> Result<(), StoreError> {
        let changes = ChangeSet { swept: self.swept(after, None, &[]), ..ChangeSet::default() };
        if self.computations_of(backfill).any(|it| it.target == Target::Accounts) {
            return self.advance(backfill, changes, BackfillPhase::Accounts { after: None }).await;
        }
        self.go_live(backfill, changes).await
    }

    /// How many profiles have their turn in one step. With each step go the pages of their accounts, however few profiles there
    /// are: where anything is computed of accounts, small steps would take longer, not shorter.
    fn profiles_at_a_time(&self) -> usize {
        let items = self.slice.items(self.pace, self.is_busy);
        if self.rules.has_accounts() { items.max(self.pace.step) } else { items }
    }

    /// Gives these profiles their turn, and writes what it changes with how far the backfill came by it.
    async fn take_turn(&mut self, backfill: &Backfill, turn: Turn) -> Result<(), StoreError> {
        let Turn { profiles, given, left_out, swept, last } = turn;
        let mut backfill = backfill.clone();
        let is_somebody = |profile: &&Profile| profile.merged_into.is_none();
        backfill.profiles_done +=
            u64::try_from(profiles.iter().filter(is_somebody).count()).unwrap_or(u64::MAX);
        let mut changes = self.changes_of_turn(&backfill, profiles, given, &last, left_out).await?;
        changes.swept = swept;
        self.advance(&backfill, changes, BackfillPhase::Profiles { after: Some(last) }).await
    }

    async fn changes_of_turn(
        &mut self,
        backfill: &Backfill,
        profiles: Vec<Profile>,
        given: Vec<(UserKey, Vec<PastState>)>,
        last: &UserKey,
        left_out: usize,
    ) -> Result<ChangeSet, StoreError> {
        let (of_all, of_users) = self.places_of(backfill);
        let shared = Arc::clone(&self.shared);
        let rules = Arc::clone(&self.rules);
        let mut group = Group::new(&*shared.store, rules, shared.clock.now(), &mut self.ids);
        let users: Vec<UserKey> = profiles.iter().map(|profile| profile.key.clone()).collect();
        let (merged, profiles): (Vec<_>, Vec<_>) =
            profiles.into_iter().partition(|profile| profile.merged_into.is_some());
        profiles.into_iter().for_each(|profile| group.hold(profile));
        // What was sent under an id that is another's by now is his.
        group.load(merged.into_iter().map(|profile| profile.key)).await?;
        group.load_accounts().await?;
        group.load_pages_to_pour(given.iter().map(|(user, _)| user)).await?;
        group.decision.left_out.leaf_entries += left_out;
        for (user, states) in given {
            group.pour(&user, states);
        }
        // Somebody of whose ids one is still to come is looked at then.
        let ready = users.iter().filter_map(|user| group.profile(user)).filter(|it| it.is_behind(last));
        let ready: BTreeSet<UserKey> = ready.map(|profile| profile.key.clone()).collect();
        for user in &ready {
            // What is computed of accounts waits until it is known what all their users are to it.
            let places = if user.group_id().is_some() { &of_users } else { &of_all };
            group.with_profile(user, |decision, profile| (decision.evaluate_first(profile, places), ()));
        }
        group.finish().await
    }

    /// Places of the rules of what is computed: all, and those that are not about accounts.
    fn places_of(&self, backfill: &Backfill) -> (Vec<usize>, Vec<usize>) {
        let ids = |is_wanted: fn(Target) -> bool| -> BTreeSet<String> {
            let wanted = self.computations_of(backfill).filter(|it| is_wanted(it.target));
            wanted.map(|it| it.id.clone()).collect()
        };
        let (of_all, of_users) = (ids(|_| true), ids(|target| target == Target::Users));
        (self.rules.places_of(&of_all), self.rules.places_of(&of_users))
    }

    /// Evaluates the next accounts.
    async fn look_at_accounts(
        &mut self,
        backfill: &Backfill,
        after: Option<&UserKey>,
    ) -> Result<(), StoreError> {
        let first = UserKey::group("");
        let after = after.unwrap_or(&first);
        let step = self.fewer(self.pace.step);
        let (mut profiles, last) = self.shared.store.profiles_after(Some(after), step).await?;
        let swept = self.swept(Some(after), last.as_ref(), &profiles);
        let is_end = last.as_ref().is_none_or(|last| last.group_id().is_none());
        profiles.retain(|profile| profile.key.group_id().is_some());
        let mut changes = self.evaluate_accounts(backfill, profiles).await?;
        changes.swept = swept;
        match last.filter(|_| !is_end) {
            Some(last) => {
                self.advance(backfill, changes, BackfillPhase::Accounts { after: Some(last) }).await
            }
            None => self.go_live(backfill, changes).await,
        }
    }

    async fn evaluate_accounts(
        &mut self,
        backfill: &Backfill,
        accounts: Vec<Profile>,
    ) -> Result<ChangeSet, StoreError> {
        let (places, _) = self.places_of(backfill);
        let shared = Arc::clone(&self.shared);
        let rules = Arc::clone(&self.rules);
        let mut group = Group::new(&*shared.store, rules, shared.clock.now(), &mut self.ids);
        let keys: Vec<UserKey> = accounts.iter().map(|account| account.key.clone()).collect();
        accounts.into_iter().for_each(|account| group.hold(account));
        group.load_pages(&[], &HashSet::new()).await?;
        for key in &keys {
            group.with_profile(key, |decision, account| (decision.evaluate_first(account, &places), ()));
        }
        group.finish().await
    }

    fn computations_of<'a>(&'a self, backfill: &'a Backfill) -> impl Iterator<Item = &'a Arc<Computation>> {
        let definitions = &self.rules.definitions;
        backfill
            .computations
            .iter()
            .filter_map(|it| definitions.computation(&it.key).filter(|known| known.id == it.id))
    }

    /// Everybody was looked at, the last ones with `changes`.
    async fn go_live(&mut self, backfill: &Backfill, changes: ChangeSet) -> Result<(), StoreError> {
        self.end(backfill, &Status::Live, changes).await?;
        let count = backfill.computations.len();
        tracing::info!(count, "computations are live");
        Ok(())
    }

    /// What can't be written fails, rather than being tried for ever; the next start tries again.
    pub(super) async fn give_up(
        &mut self,
        backfill: &Backfill,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let count = backfill.computations.len();
        tracing::error!(%error, count, "computations failed; they are tried again at the next start");
        self.end(backfill, &Status::Failed, ChangeSet::default()).await
    }

    async fn end(
        &mut self,
        backfill: &Backfill,
        status: &Status,
        mut changes: ChangeSet,
    ) -> Result<(), StoreError> {
        let ended = self.computations_of(backfill).map(|it| {
            let ended = Computation { status: status.clone(), ..(**it).clone() };
            DefinitionWrite::Put(Box::new(ended.into()))
        });
        changes.definitions = ended.collect();
        changes.backfills.push(BackfillWrite::Delete(backfill.id));
        self.commit_definitions(changes).await
    }

    /// Writes the results of a step with how far the backfill came by it. The next step need not wait for the disk: what is
    /// lost with this one is lost with its progress.
    async fn advance(
        &mut self,
        backfill: &Backfill,
        mut changes: ChangeSet,
        phase: BackfillPhase,
    ) -> Result<(), StoreError> {
        let backfill = Backfill { phase, ..backfill.clone() };
        changes.backfills.push(BackfillWrite::Put(Box::new(backfill.clone())));
        self.begin(&mut changes).await?;
        if self.is_shared() {
            return self.catch_up().await;
        }
        let mut backfills = self.rules.backfills.clone();
        backfills.retain(|known| known.id != backfill.id);
        backfills.push(backfill);
        backfills.sort_by_key(|known| known.id);
        self.go_by_backfills(backfills);
        Ok(())
    }

    /// One step of looking anew at the open journeys of a flow whose rules changed.
    pub(super) async fn revisit(&mut self, flow: &Arc<Flow>) -> Result<(), StoreError> {
        let Some(Revisit { after }) = &flow.revisit else { return Ok(()) };
        let step = self.fewer(self.pace.step);
        let (profiles, last) = self.shared.store.profiles_after(after.as_ref(), step).await?;
        let swept = self.swept(after.as_ref(), last.as_ref(), &profiles);
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        let concerned = |journey: &Journey| journey.status.is_open() && journey.flow == flow.name;
        let mut users = Vec::new();
        for profile in profiles.into_iter().filter(|it| it.journeys.iter().any(concerned)) {
            users.push(profile.key.clone());
            group.hold(profile);
        }
        group.load_desks(&self.stuck).await?;
        for user in users {
            group.with_profile(&user, |decision, profile| {
                decision.revisit(profile);
                (true, ())
            });
        }
        let mut changes = group.finish().await?;
        changes.swept = swept;
        let revisit = last.map(|last| Revisit { after: Some(last) });
        let definition = Definition::Flow(Flow { revisit, ..(**flow).clone() });
        changes.definitions.push(DefinitionWrite::Put(Box::new(definition)));
        self.commit_definitions(changes).await
    }
}
