//! Whose the runs are that Studio itself tells of.
//!
//! Before a group is decided, each of its events of Studio gets the user that its run has: whoever has it already, else whom the
//! contact's address leads to, else the address itself. A widget's post names the user, and takes the run over from whom it was
//! only concluded to be.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::command::Input;
use super::group::Group;
use super::handle::Engine;
use super::read::Read;
use crate::domain::definition::Definitions;
use crate::domain::event::{Event, StudioRun};
use crate::domain::external_ids::{EXECUTION, PHONE, normal};
use crate::domain::ids::UserKey;
use crate::domain::journey::Journey;
use crate::store::{Store, StoreError};

/// How many of those found by an execution or an address are looked at.
const LOOKED_AT: usize = 4;
/// How many look-ups are under way at once.
const AT_ONCE: usize = 16;

/// Who has a run.
#[derive(Clone)]
struct Owner {
    user: UserKey,
    /// Whether Studio alone told of the run.
    is_concluded: bool,
}

/// What is known of the runs of a group.
#[derive(Default)]
struct Known {
    owners: HashMap<String, Owner>,
    /// Whom addresses lead to: nobody, where several people share one.
    phones: HashMap<String, Option<UserKey>>,
}

/// A run that goes to another user with one of the group's events.
pub(super) struct HandOver {
    pub from: UserKey,
    pub to: UserKey,
    pub execution_sid: String,
}

/// The run of an event whose user has to be found: Studio tells of it, or may do so.
fn run<'e>(event: &'e Event, definitions: &Definitions) -> Option<StudioRun<'e>> {
    let run = event.studio_run()?;
    let has_sid = |name| definitions.flows.get(name).is_some_and(|flow: &Arc<_>| flow.sid.is_some());
    (run.by_studio || run.flow.is_some_and(has_sid)).then_some(run)
}

/// Whether the event names its user: what Studio tells has the contact's address in that place, or nobody at all.
fn is_named(event: &Event, run: &StudioRun<'_>) -> bool {
    !run.by_studio || (event.user_id.is_some() && event.user_id.as_deref() != run.address)
}

impl Group<'_> {
    /// Finds the users of the runs that Studio tells of.
    pub async fn find_runs(&mut self, inputs: &mut [Input]) -> Result<(), StoreError> {
        let definitions = Arc::clone(&self.decision.rules().definitions);
        let mut events: Vec<&mut Event> = inputs
            .iter_mut()
            .flat_map(|input| match input {
                Input::Ingest(events) => events.as_mut_slice(),
                Input::Settle(_)
                | Input::Expire(_)
                | Input::Operate { .. }
                | Input::AcknowledgeAll { .. }
                | Input::Receipt { .. } => &mut [],
            })
            .filter(|event| run(event, &definitions).is_some())
            .collect();
        if events.is_empty() {
            return Ok(());
        }
        self.load(events.iter().map(|event| event.user_key())).await?;
        let (mut known, copies) = self.load_runs(&events, &definitions).await?;
        self.hand_overs.extend(copies);
        for event in &mut events {
            let over = known.settle(event, &definitions, |user| self.survivor(user));
            self.hand_overs.extend(over);
        }
        Ok(())
    }

    /// Gives the event's user the run that it names, where another one had it.
    pub fn hand_over(&mut self, event: &Event) {
        if self.hand_overs.is_empty() {
            return;
        }
        let user = self.survivor(&event.user_key());
        let Some(run) = event.studio_run() else { return };
        // In this group, either may have become part of somebody else since.
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.hand_overs)
            .into_iter()
            .partition(|over| over.execution_sid == run.execution_sid && *self.surviving(&over.to) == user);
        self.hand_overs = later;
        for HandOver { from, execution_sid, .. } in now {
            let from = self.survivor(&from);
            self.with_two(&user, &from, |decision, to, from| decision.hand_over(from, to, &execution_sid));
        }
    }

    /// Loads who has the runs of these events, and whom the addresses lead to of those that nobody has. Answers also the copies
    /// of runs that go to whom they were named for: two nodes were told of one at the same time.
    async fn load_runs(
        &mut self,
        events: &[&mut Event],
        definitions: &Definitions,
    ) -> Result<(Known, Vec<HandOver>), StoreError> {
        let mut known = Known::default();
        let mut sids: Vec<String> = Vec::new();
        for event in events {
            let Some(run) = run(event, definitions) else { continue };
            let own = self.owner(&self.survivor(&event.user_key()), run.execution_sid);
            // That the user whom Studio's event leads to has the run does not say that nobody else was named for it.
            if own.is_none() || run.by_studio {
                sids.push(run.execution_sid.to_owned());
            }
            known.found(run.execution_sid, own);
        }
        sids.sort_unstable();
        sids.dedup();
        let found = users_by(self.store(), EXECUTION, sids).await?;
        self.load(found.iter().flat_map(|(_, users)| users.iter().cloned())).await?;
        let mut copies = Vec::new();
        for (sid, users) in found {
            for user in &users {
                let user = self.survivor(user);
                // Whose run was archived has it still.
                let owner = self.owner(&user, &sid).unwrap_or(Owner { user, is_concluded: false });
                known.found(&sid, Some(owner));
            }
            let Some(named) = known.owners.get(&sid).filter(|owner| !owner.is_concluded) else { continue };
            for from in users.iter().map(|user| self.survivor(user)) {
                let is_copy = self.owner(&from, &sid).is_some_and(|owner| owner.is_concluded);
                if is_copy && self.owner(&named.user, &sid).is_some() {
                    copies.push(HandOver { from, to: named.user.clone(), execution_sid: sid.clone() });
                }
            }
        }
        let open = events.iter().filter_map(|event| {
            let run = run(event, definitions).filter(|run| !is_named(event, run))?;
            run.address.filter(|_| known.is_open(run.execution_sid)).map(normal)
        });
        let mut addresses: Vec<String> = open.collect();
        addresses.sort_unstable();
        addresses.dedup();
        for (address, users) in users_by(self.store(), PHONE, addresses).await? {
            let mut others =
                users.into_iter().filter(|user| user.user_id().is_some_and(|id| normal(id) != address));
            let lead = (others.next(), others.next());
            known.phones.extend(match lead {
                (Some(user), None) => Some((address, Some(user))),
                (Some(_), Some(_)) => Some((address, None)),
                (None, _) => None,
            });
        }
        Ok((known, copies))
    }

    fn survivor(&self, user: &UserKey) -> UserKey {
        self.surviving(user).clone()
    }

    fn owner(&self, user: &UserKey, execution_sid: &str) -> Option<Owner> {
        let mut runs = self.profile(user)?.runs(execution_sid).peekable();
        runs.peek()?;
        let is_concluded = runs.all(Journey::is_told_by_studio_alone);
        Some(Owner { user: user.clone(), is_concluded })
    }
}

async fn users_by(
    store: &dyn Store,
    kind: &str,
    ids: Vec<String>,
) -> Result<Vec<(String, Vec<UserKey>)>, StoreError> {
    let look_up = async |id: String| {
        let users = store.users_by_external_id(kind, &id, LOOKED_AT).await?;
        Ok((id, users))
    };
    stream::iter(ids).map(look_up).buffered(AT_ONCE).try_collect().await
}

impl Known {
    /// Somebody has the run. One who was named goes before one who was concluded.
    fn found(&mut self, execution_sid: &str, owner: Option<Owner>) {
        let Some(owner) = owner else { return };
        if self.owners.get(execution_sid).is_none_or(|known| known.is_concluded && !owner.is_concluded) {
            self.owners.insert(execution_sid.to_owned(), owner);
        }
    }

    /// The user has the address: nobody is told by it any more where another one has it, too.
    fn has_address(&mut self, address: String, user: &UserKey) {
        if user.user_id().is_none_or(|id| normal(id) == address) {
            return;
        }
        let lead = self.phones.entry(address).or_insert_with(|| Some(user.clone()));
        if lead.as_ref() != Some(user) {
            *lead = None;
        }
    }

    /// Whether nobody has the run of whom anything is known but the run.
    fn is_open(&self, execution_sid: &str) -> bool {
        self.owners.get(execution_sid).is_none_or(|owner| owner.user.anonymous_id().is_some())
    }

    /// Gives the event the user of its run; answers whether the run goes to another one with it.
    fn settle(
        &mut self,
        event: &mut Event,
        definitions: &Definitions,
        survivor: impl Fn(&UserKey) -> UserKey,
    ) -> Option<HandOver> {
        let run = run(event, definitions)?;
        let (sid, by_studio, named) = (run.execution_sid.to_owned(), run.by_studio, is_named(event, &run));
        let address = run.address.map(normal);
        let own = survivor(&event.user_key());
        let lead = address.as_ref().and_then(|address| self.phones.get(address)?.as_ref());
        let concluded = match lead {
            Some(user) if !named && event.user_id.is_some() => survivor(user),
            _ => own.clone(),
        };
        if let Some(address) = address.filter(|_| named) {
            self.has_address(address, &own);
        }
        let Some(owner) = self.owners.get_mut(&sid) else {
            if by_studio {
                set_user(event, &concluded);
            }
            self.owners.insert(sid, Owner { user: concluded, is_concluded: by_studio });
            return None;
        };
        if owner.user == own {
            owner.is_concluded &= by_studio;
            return None;
        }
        let has_room = by_studio || event.anonymous_id.is_none();
        if owner.user.anonymous_id() == Some(sid.as_str()) && event.user_id.is_some() && has_room {
            // Who was nobody but that run is who has it: the two become one.
            if by_studio {
                set_user(event, &concluded);
            }
            event.anonymous_id = Some(sid);
            *owner = Owner { user: concluded, is_concluded: by_studio };
            return None;
        }
        if named && owner.is_concluded {
            let from = std::mem::replace(&mut owner.user, own.clone());
            owner.is_concluded = by_studio;
            return Some(HandOver { from, to: own, execution_sid: sid });
        }
        if by_studio {
            let user = owner.user.clone();
            set_user(event, &user);
        }
        // Two widgets of one run that name two users: each says whose post it is.
        None
    }
}

fn set_user(event: &mut Event, user: &UserKey) {
    event.user_id = user.user_id().map(str::to_owned);
    event.anonymous_id = user.anonymous_id().map(str::to_owned);
}

impl Engine {
    /// The newest run that is known to be that execution, of those that Studio may tell of: rather one of somebody who was named.
    pub async fn run(&self, execution_sid: &str) -> Read<Option<Journey>> {
        let store = &self.shared.store;
        let mut found: Option<Journey> = None;
        for user in store.users_by_external_id(EXECUTION, execution_sid, LOOKED_AT).await? {
            let profile = self.profile(&user).await?;
            let run = profile.iter().flat_map(|profile| profile.runs(execution_sid)).last();
            if let Some(run) = run
                && found
                    .as_ref()
                    .is_none_or(|known| known.is_told_by_studio_alone() && !run.is_told_by_studio_alone())
            {
                found = Some(run.clone());
            }
        }
        Ok(found)
    }

    /// Whether anything is known of that execution, be it long ago.
    pub async fn knows_run(&self, execution_sid: &str) -> Read<bool> {
        let users = self.shared.store.users_by_external_id(EXECUTION, execution_sid, 1).await?;
        Ok(!users.is_empty())
    }
}
