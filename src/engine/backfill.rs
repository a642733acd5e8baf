//! The first computing of computations that were made or changed: the event log into their leaves, then every profile
//! once, while live events go on.
//!
//! Events up to their making come from the log, later ones count as they arrive; leaf updates commute, so the two give
//! what the ordered stream would have given. The log is read into memory first and poured into the profiles in the order
//! of their keys: however often a user occurs in the log, his profile is written once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::group::Group;
use super::writer::Writer;
use crate::domain::backfill::{Backfill, BackfillPhase, ComputationRef, Pouring};
use crate::domain::change::{BackfillWrite, ChangeSet, DefinitionWrite};
use crate::domain::definition::{
    Computation, Definitions, Flow, History, LEAF_FORM, LeafUse, PartUse, Revisit, Status,
};
use crate::domain::event::Event;
use crate::domain::ids::{BackfillId, EventId, IdSource, LeafId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::leaf::{Entry, LeafState, Pages};
use crate::domain::limits;
use crate::domain::query::{LeafSpec, Target};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// How much of a backfill is done at a time.
#[derive(Clone, Copy, Debug)]
pub struct BackfillPace {
    /// Events, or profiles, looked at in one step before ingest has its turn again.
    pub step: usize,
    /// Bytes of states that are read into memory before they are poured into the profiles.
    pub bytes: usize,
}

impl Default for BackfillPace {
    fn default() -> Self {
        Self { step: limits::BACKFILL_STEP, bytes: limits::BACKFILL_BYTES }
    }
}

/// Computations that begin to be computed together.
pub(super) struct Start<'a> {
    /// Leaves that live computations keep already.
    live: Vec<&'a LeafUse>,
    /// Those that are made now and may be shared by the others of this start.
    made: Vec<LeafUse>,
    backfill: Backfill,
}

impl<'a> Start<'a> {
    /// `until` is the log's present end, `totals` how many events and profiles there are.
    pub fn new(
        existing: &'a Definitions,
        until: Option<EventId>,
        totals: (u64, u64),
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Self {
        let is_shared = |it: &&Arc<Computation>| {
            it.status == Status::Live && it.form == LEAF_FORM && it.history == History::All
        };
        let of_users = |it: &'a Arc<Computation>| {
            let own = if it.target == Target::Users { it.leaves.as_slice() } else { &[] };
            own.iter().chain(it.parts.iter().flat_map(|part| &part.leaves))
        };
        Self {
            live: existing.computations().filter(is_shared).flat_map(of_users).collect(),
            made: Vec::new(),
            backfill: Backfill {
                id: ids.backfill(now),
                computations: Vec::new(),
                fresh: BTreeSet::new(),
                until,
                phase: BackfillPhase::Profiles { after: None },
                events_read: 0,
                events_total: totals.0,
                profiles_done: 0,
                profiles_total: totals.1,
                started_at: now,
            },
        }
    }

    /// Sets a new or changed computation to be computed. A leaf that a live one keeps already is shared; the others start
    /// empty under names of their own and are filled from the log.
    pub fn begin(&mut self, computation: &mut Computation, ids: &mut IdSource) {
        computation.form = LEAF_FORM;
        computation.parts.clear();
        computation.leaves.clear();
        if !computation.enabled {
            computation.status = Status::Disabled;
            return;
        }
        let may_share = computation.history == History::All;
        let specs = computation.query.leaves().to_vec();
        computation.leaves =
            self.uses(&specs, may_share && computation.target == Target::Users, computation.history, ids);
        let conditions: Vec<Vec<LeafSpec>> =
            computation.query.parts().iter().map(|part| part.condition.leaves().to_vec()).collect();
        for specs in conditions {
            let leaves = self.uses(&specs, may_share, computation.history, ids);
            computation.parts.push(PartUse { id: ids.leaf(), leaves });
        }
        computation.status = Status::Computing;
        self.backfill.computations.push(ComputationRef {
            kind: computation.kind(),
            key: computation.key.clone(),
            id: computation.id.clone(),
        });
    }

    fn uses(
        &mut self,
        specs: &[LeafSpec],
        may_share: bool,
        history: History,
        ids: &mut IdSource,
    ) -> Vec<LeafUse> {
        let mut uses = Vec::with_capacity(specs.len());
        for spec in specs {
            let known = self.live.iter().copied().chain(&self.made).find(|known| known.spec == *spec);
            let used = match known.filter(|_| may_share) {
                Some(known) => known.clone(),
                None => {
                    let since = history.earliest(self.backfill.started_at);
                    let made = LeafUse { id: ids.leaf(), spec: spec.clone(), since };
                    if history != History::Off {
                        self.backfill.fresh.insert(made.id);
                    }
                    if may_share {
                        self.made.push(made.clone());
                    }
                    made
                }
            };
            uses.push(used);
        }
        uses
    }

    /// What is to be done. Where nothing is to be computed, the profiles are looked at all the same: what is gone leaves
    /// states behind.
    pub fn finish(mut self) -> Backfill {
        if self.backfill.until.is_some() && !self.backfill.fresh.is_empty() {
            self.backfill.phase = BackfillPhase::History { after: None, pouring: None };
        }
        self.backfill
    }
}

/// A part of the log as it is read: the states that its events give, by user.
pub(super) struct Reading {
    /// Of which backfill.
    pub(super) backfill: BackfillId,
    /// The last event read.
    to: Option<EventId>,
    pub(super) events: u64,
    states: BTreeMap<UserKey, Vec<Share>>,
    /// About how many bytes they take.
    bytes: usize,
    /// Events that found no room.
    left_out: usize,
    /// Whether it goes on being read.
    is_open: bool,
}

/// The state of one leaf for one user, as the past gives it.
struct Share {
    leaf: LeafId,
    held: Held,
}

/// There may be millions of them: those on one page are kept packed.
enum Held {
    Packed(Box<[u8]>),
    Open(Box<(LeafState, Pages)>),
}

impl Held {
    fn open(self) -> (LeafState, Pages) {
        match self {
            Self::Packed(bytes) => {
                let state = rmp_serde::from_slice(&bytes).expect("it was packed just now, from a state");
                (state, Pages::default())
            }
            Self::Open(open) => *open,
        }
    }

    fn close(state: LeafState, pages: Pages) -> Self {
        if state.is_paged() {
            return Self::Open(Box::new((state, pages)));
        }
        let bytes = rmp_serde::to_vec(&state).expect("a state holds nothing that MessagePack can't");
        Self::Packed(bytes.into_boxed_slice())
    }

    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.len(),
            Self::Open(open) => size_of::<(LeafState, Pages)>() + open.0.len() * ENTRY_BYTES,
        }
    }
}

impl Writer {
    /// One step of a backfill.
    pub(super) async fn compute(&mut self, backfill: &Backfill) -> Result<(), StoreError> {
        let done = match &backfill.phase {
            BackfillPhase::History { after, pouring: None } => {
                self.read_history(backfill, *after, None).await
            }
            BackfillPhase::History { after, pouring: Some(pouring) } => match &self.reading {
                Some(reading) if reading.backfill == backfill.id && !reading.is_open => {
                    self.pour(backfill, pouring).await
                }
                // After a restart: what is to be poured is read once more.
                _ => self.read_history(backfill, *after, Some(pouring)).await,
            },
            BackfillPhase::Profiles { after } => self.look_at_profiles(backfill, after.as_ref()).await,
            BackfillPhase::Accounts { after } => self.look_at_accounts(backfill, after.as_ref()).await,
        };
        if done.is_err() {
            self.reading = None;
        }
        done
    }

    /// Reads a piece of the log into memory; once there is enough, it is to be poured.
    async fn read_history(
        &mut self,
        backfill: &Backfill,
        after: Option<EventId>,
        again: Option<&Pouring>,
    ) -> Result<(), StoreError> {
        let Some(until) = again.map(|pouring| pouring.to).or(backfill.until) else {
            return self
                .advance(backfill, ChangeSet::default(), BackfillPhase::Profiles { after: None })
                .await;
        };
        let leaves = self.filled(backfill);
        let mut reading = match self.reading.take() {
            Some(reading) if reading.backfill == backfill.id && reading.is_open => reading,
            _ => Reading {
                backfill: backfill.id,
                to: after,
                events: 0,
                states: BTreeMap::new(),
                bytes: 0,
                left_out: 0,
                is_open: true,
            },
        };
        let events = self.shared.store.event_log(reading.to, until, self.pace.step).await?;
        let now = self.shared.clock.now();
        for event in &events {
            let user = event.user_key();
            let is_poured = again.and_then(|pouring| pouring.done.as_ref()).is_some_and(|done| user <= *done);
            if !is_poured {
                reading.count(&leaves, &user, event, now);
            }
        }
        reading.events += u64::try_from(events.len()).unwrap_or(u64::MAX);
        reading.to = events.last().map_or(reading.to, |event| Some(event.id));
        let is_at_end = events.is_empty() || reading.to.is_some_and(|to| to >= until);
        reading.is_open = !is_at_end && (again.is_some() || reading.bytes <= self.pace.bytes);
        let finished = (!reading.is_open).then_some(reading.events);
        let to = reading.to.unwrap_or(until);
        self.reading = Some(reading);
        self.publish_progress();
        match (finished, again) {
            (None, _) | (Some(_), Some(_)) => Ok(()),
            (Some(events), None) => {
                let to = if is_at_end { until } else { to };
                let phase = BackfillPhase::History { after, pouring: Some(Pouring { to, done: None }) };
                let mut backfill = backfill.clone();
                backfill.events_read += events;
                self.advance(&backfill, ChangeSet::default(), phase).await
            }
        }
    }

    /// The fresh leaves of a backfill, by the event that concerns them.
    fn filled(&self, backfill: &Backfill) -> BTreeMap<String, Vec<LeafUse>> {
        let mut filled: BTreeMap<String, Vec<LeafUse>> = BTreeMap::new();
        for computation in self.rules.definitions.computations() {
            for used in computation.all_leaves().filter(|used| backfill.fresh.contains(&used.id)) {
                for event in used.spec.event_names() {
                    let of_event = filled.entry(event.to_owned()).or_default();
                    if of_event.iter().all(|known| known.id != used.id) {
                        of_event.push(used.clone());
                    }
                }
            }
        }
        filled
    }

    /// Gives the next users their share of what was read.
    async fn pour(&mut self, backfill: &Backfill, pouring: &Pouring) -> Result<(), StoreError> {
        let Some(mut reading) = self.reading.take() else { return Ok(()) };
        let mut share = Vec::new();
        while share.len() < self.pace.step
            && let Some(next) = reading.states.pop_first()
        {
            share.push(next);
        }
        let Some((last, _)) = share.last() else {
            let is_whole = backfill.until.is_none_or(|until| pouring.to >= until);
            let phase = if is_whole {
                BackfillPhase::Profiles { after: None }
            } else {
                BackfillPhase::History { after: Some(pouring.to), pouring: None }
            };
            return self.advance(backfill, ChangeSet::default(), phase).await;
        };
        let BackfillPhase::History { after, .. } = backfill.phase else { return Ok(()) };
        let phase = BackfillPhase::History {
            after,
            pouring: Some(Pouring { to: pouring.to, done: Some(last.clone()) }),
        };
        let shared = Arc::clone(&self.shared);
        let rules = Arc::clone(&self.rules);
        let mut group = Group::new(&*shared.store, rules, shared.clock.now(), &mut self.ids);
        let users: Vec<UserKey> = share.iter().map(|(user, _)| user.clone()).collect();
        group.load_for_pouring(&users).await?;
        for (user, states) in share {
            let open = |share: Share| {
                let (state, pages) = share.held.open();
                (share.leaf, state, pages)
            };
            group.pour(&user, states.into_iter().map(open).collect());
        }
        group.decision.left_out.leaf_entries += std::mem::take(&mut reading.left_out);
        let changes = group.finish()?;
        self.reading = Some(reading);
        self.advance(backfill, changes, phase).await
    }

    /// Evaluates the next profiles.
    async fn look_at_profiles(
        &mut self,
        backfill: &Backfill,
        after: Option<&UserKey>,
    ) -> Result<(), StoreError> {
        let (profiles, last) = self.shared.store.profiles_after(after, self.pace.step).await?;
        let Some(last) = last else {
            let has_accounts = self.computations_of(backfill).any(|it| it.target == Target::Accounts);
            if has_accounts {
                let phase = BackfillPhase::Accounts { after: None };
                return self.advance(backfill, ChangeSet::default(), phase).await;
            }
            return self.go_live(backfill).await;
        };
        let mut backfill = backfill.clone();
        backfill.profiles_done += u64::try_from(profiles.len()).unwrap_or(u64::MAX);
        let changes = self.evaluate_first(&backfill, profiles).await?;
        self.advance(&backfill, changes, BackfillPhase::Profiles { after: Some(last) }).await
    }

    /// Evaluates the next accounts.
    async fn look_at_accounts(
        &mut self,
        backfill: &Backfill,
        after: Option<&UserKey>,
    ) -> Result<(), StoreError> {
        let first = UserKey::group("");
        let after = after.unwrap_or(&first);
        let (profiles, last) = self.shared.store.profiles_after(Some(after), self.pace.step).await?;
        let Some(last) = last.filter(|last| last.group_id().is_some()) else {
            let rest = profiles.into_iter().filter(|profile| profile.key.group_id().is_some()).collect();
            let changes = self.evaluate_first(backfill, rest).await?;
            if !changes.is_empty() {
                self.commit(&changes).await?;
            }
            return self.go_live(backfill).await;
        };
        let changes = self.evaluate_first(backfill, profiles).await?;
        self.advance(backfill, changes, BackfillPhase::Accounts { after: Some(last) }).await
    }

    async fn evaluate_first(
        &mut self,
        backfill: &Backfill,
        profiles: Vec<crate::domain::profile::Profile>,
    ) -> Result<ChangeSet, StoreError> {
        let ids = |is_wanted: fn(Target) -> bool| -> BTreeSet<String> {
            let wanted = self.computations_of(backfill).filter(|it| is_wanted(it.target));
            wanted.map(|it| it.id.clone()).collect()
        };
        // What is computed of accounts waits until it is known what all their users are to it.
        let (of_all, of_users) = (ids(|_| true), ids(|target| target == Target::Users));
        let (of_all, of_users) = (self.rules.places_of(&of_all), self.rules.places_of(&of_users));
        let is_turn_of_accounts = matches!(backfill.phase, BackfillPhase::Accounts { .. });
        let shared = Arc::clone(&self.shared);
        let rules = Arc::clone(&self.rules);
        let mut group = Group::new(&*shared.store, rules, shared.clock.now(), &mut self.ids);
        let users: Vec<UserKey> = profiles.iter().map(|profile| profile.key.clone()).collect();
        profiles.into_iter().for_each(|profile| group.hold(profile));
        group.load_accounts().await?;
        group.load_pages(&[], &HashSet::new()).await?;
        for user in &users {
            let waits = user.group_id().is_some() && !is_turn_of_accounts;
            let places = if waits { &of_users } else { &of_all };
            group.with_profile(user, |decision, profile| (decision.evaluate_first(profile, places), ()));
        }
        group.finish()
    }

    fn computations_of<'a>(&'a self, backfill: &'a Backfill) -> impl Iterator<Item = &'a Arc<Computation>> {
        let definitions = &self.rules.definitions;
        backfill
            .computations
            .iter()
            .filter_map(|it| definitions.computation(&it.key).filter(|known| known.id == it.id))
    }

    async fn go_live(&mut self, backfill: &Backfill) -> Result<(), StoreError> {
        let count = backfill.computations.len();
        tracing::info!(count, "computations are live");
        self.end(backfill, &Status::Live).await
    }

    /// What can't be written fails, rather than being tried for ever; the next start tries again.
    pub(super) async fn give_up(
        &mut self,
        backfill: &Backfill,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let count = backfill.computations.len();
        tracing::error!(%error, count, "computations failed; they are tried again at the next start");
        self.end(backfill, &Status::Failed).await
    }

    async fn end(&mut self, backfill: &Backfill, status: &Status) -> Result<(), StoreError> {
        let ended = self.computations_of(backfill).map(|it| {
            let ended = Computation { status: status.clone(), ..(**it).clone() };
            DefinitionWrite::Put(Box::new(ended.into()))
        });
        let definitions = ended.collect();
        let backfills = vec![BackfillWrite::Delete(backfill.id)];
        self.commit_definitions(ChangeSet { definitions, backfills, ..ChangeSet::default() }).await
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
        self.begin(&changes).await?;
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
        let (profiles, last) = self.shared.store.profiles_after(after.as_ref(), self.pace.step).await?;
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        for profile in profiles {
            let concerned = |journey: &Journey| journey.status.is_open() && journey.flow == flow.name;
            if profile.journeys.iter().any(concerned) {
                let user = profile.key.clone();
                group.hold(profile);
                group.with_profile(&user, |decision, profile| {
                    decision.revisit(profile);
                    (true, ())
                });
            }
        }
        let mut changes = group.finish()?;
        let revisit = last.map(|last| Revisit { after: Some(last) });
        let definition = crate::domain::definition::Definition::Flow(Flow { revisit, ..(**flow).clone() });
        changes.definitions.push(DefinitionWrite::Put(Box::new(definition)));
        self.commit_definitions(changes).await
    }
}

impl Reading {
    fn count(
        &mut self,
        leaves: &BTreeMap<String, Vec<LeafUse>>,
        user: &UserKey,
        event: &Event,
        now: Timestamp,
    ) {
        let Some((name, _)) = event.as_behaviour() else { return };
        for leaf in leaves.get(name).into_iter().flatten() {
            if leaf.is_too_old(event.timestamp) {
                continue;
            }
            let Some(entry) = leaf.spec.observe(event) else { continue };
            if !self.states.contains_key(user) {
                self.bytes += USER_BYTES + 2 * user.as_str().len();
                self.states.insert(user.clone(), Vec::new());
            }
            let Some(shares) = self.states.get_mut(user) else { continue };
            let place = shares.iter().position(|share| share.leaf == leaf.id);
            let (mut state, mut pages) = match place {
                Some(place) => {
                    let share = shares.swap_remove(place);
                    self.bytes = self.bytes.saturating_sub(share.held.bytes());
                    share.held.open()
                }
                None => {
                    self.bytes += SHARE_BYTES;
                    (LeafState::default(), Pages::default())
                }
            };
            self.left_out += usize::from(!state.add(leaf.spec.shape(), entry, now, &mut pages));
            let held = Held::close(state, pages);
            self.bytes += held.bytes();
            shares.push(Share { leaf: leaf.id, held });
        }
    }
}

/// What a user takes in memory beside his key and his shares: his place in the map, and what allocations round up to.
const USER_BYTES: usize = 2 * (size_of::<UserKey>() + size_of::<Vec<Share>>()) + 64;
/// What a share takes beside its state; a list has up to twice the room it uses.
const SHARE_BYTES: usize = 2 * size_of::<Share>() + 16;
/// What an entry on open pages takes, as a rule.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>();
