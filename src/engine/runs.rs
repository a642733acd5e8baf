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
    /// Whom addresses lead to.
    phones: HashMap<String, UserKey>,
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
                | Input::Withdraw(_)
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
        let mut known = self.load_runs(&events, &definitions).await?;
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
        let is_it = |over: &HandOver| over.execution_sid == run.execution_sid && over.to == user;
        let Some(at) = self.hand_overs.iter().position(is_it) else { return };
        let HandOver { from, to, execution_sid } = self.hand_overs.remove(at);
        self.with_two(&to, &from, |decision, to, from| decision.hand_over(from, to, &execution_sid));
    }

    /// Loads who has the runs of these events, and whom the addresses lead to of those that nobody has.
    async fn load_runs(
        &mut self,
        events: &[&mut Event],
        definitions: &Definitions,
    ) -> Result<Known, StoreError> {
        let mut known = Known::default();
        let mut sids: Vec<String> = Vec::new();
        for event in events {
            let Some(run) = run(event, definitions) else { continue };
            let user = self.survivor(&event.user_key());
            match self.owner(&user, run.execution_sid) {
                Some(owner) => drop(known.owners.insert(run.execution_sid.to_owned(), owner)),
                None => sids.push(run.execution_sid.to_owned()),
            }
        }
        sids.sort_unstable();
        sids.dedup();
        sids.retain(|sid| !known.owners.contains_key(sid));
        let found = users_by(self.store(), EXECUTION, sids).await?;
        self.load(found.iter().flat_map(|(_, users)| users.iter().cloned())).await?;
        for (sid, users) in found {
            let owners = users.iter().map(|user| {
                let user = self.survivor(user);
                // Whose run was archived has it still.
                self.owner(&user, &sid).unwrap_or(Owner { user, is_concluded: false })
            });
            // Where two nodes were told of it at the same time, somebody was named to one of them.
            if let Some(owner) = owners.min_by_key(|owner| owner.is_concluded) {
                known.owners.insert(sid, owner);
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
            // An address that several people share leads to nobody.
            if let (Some(user), None) = (others.next(), others.next()) {
                known.phones.insert(address, user);
            }
        }
        Ok(known)
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
        let concluded = match address.as_ref().and_then(|address| self.phones.get(address)) {
            Some(user) if !named && event.user_id.is_some() => survivor(user),
            _ => own.clone(),
        };
        if let Some(address) = address.filter(|_| named) {
            self.phones.entry(address).or_insert_with(|| own.clone());
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
    /// The newest run that is known to be that execution, of those that Studio may tell of.
    pub async fn run(&self, execution_sid: &str) -> Read<Option<Journey>> {
        let store = &self.shared.store;
        for user in store.users_by_external_id(EXECUTION, execution_sid, LOOKED_AT).await? {
            let profile = self.profile(&user).await?;
            if let Some(run) = profile.iter().flat_map(|profile| profile.runs(execution_sid)).last() {
                return Ok(Some(run.clone()));
            }
        }
        Ok(None)
    }

    /// Whether anything is known of that execution, be it long ago.
    pub async fn knows_run(&self, execution_sid: &str) -> Read<bool> {
        let users = self.shared.store.users_by_external_id(EXECUTION, execution_sid, 1).await?;
        Ok(!users.is_empty())
    }
}
