//! Previews: who would be in an audience that does not exist, computed from the history as it is now.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::error::EngineError;
use super::handle::Engine;
use crate::domain::event::Event;
use crate::domain::ids::UserKey;
use crate::domain::profile::Profile;
use crate::domain::query::{LeafState, Query};
use crate::domain::time::Timestamp;

/// How long a preview may take before it hands out what it has.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Users with state that a preview may hold; beyond it, it hands out what it has.
const MOST_USERS: usize = 1_000_000;
/// Records read at a time.
const STEP: usize = 2000;
/// Users that are shown.
const SAMPLE: usize = 10;

/// Who would be in.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How many users.
    pub count: u64,
    /// Some of them.
    pub sample: Vec<UserKey>,
    /// Whether all of the history was looked at within the time and memory that a preview may take.
    pub complete: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// The leaf states of the users met so far.
type States = HashMap<UserKey, Vec<LeafState>>;

impl Engine {
    /// Computes who would be in; nothing is stored. Runs on a thread of its own and gives up after twenty seconds.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn preview(&self, query: Query) -> Result<Preview, EngineError> {
        let engine = self.clone();
        let runtime = tokio::runtime::Handle::current();
        let computed = tokio::task::spawn_blocking(move || runtime.block_on(engine.compute_preview(&query)));
        computed.await.map_err(|error| EngineError::Unavailable(error.to_string()))?
    }

    async fn compute_preview(&self, query: &Query) -> Result<Preview, EngineError> {
        let begun = Instant::now();
        let now = self.shared.clock.now();
        let (states, mut complete) = self.read_history(query, now, begun).await?;
        let mut preview = Preview { count: 0, sample: Vec::new(), complete: true, took_ms: 0 };
        let mut after: Option<UserKey> = None;
        loop {
            let profiles = self.shared.store.profiles_after(after.as_ref(), STEP).await?;
            let Some(last) = profiles.last() else { break };
            after = Some(last.key.clone());
            for profile in profiles.iter().filter(|profile| profile.key.user_id().is_some()) {
                if is_member(query, profile, &states, now) {
                    preview.count += 1;
                    if preview.sample.len() < SAMPLE {
                        preview.sample.push(profile.key.clone());
                    }
                }
            }
            if begun.elapsed() > TIME_LIMIT {
                complete = false;
                break;
            }
        }
        preview.complete = complete;
        preview.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(preview)
    }

    async fn read_history(
        &self,
        query: &Query,
        now: Timestamp,
        begun: Instant,
    ) -> Result<(States, bool), EngineError> {
        let mut states = States::new();
        let Some(until) = self.shared.store.last_event().await?.filter(|_| !query.leaves().is_empty()) else {
            return Ok((states, true));
        };
        let mut after = None;
        loop {
            let events = self.shared.store.event_log(after, until, STEP).await?;
            let Some(last) = events.last() else { return Ok((states, true)) };
            after = Some(last.id);
            for event in &events {
                count(query, event, &mut states, now);
            }
            if begun.elapsed() > TIME_LIMIT || states.len() > MOST_USERS {
                return Ok((states, false));
            }
        }
    }
}

fn count(query: &Query, event: &Event, states: &mut States, now: Timestamp) {
    let Some((name, properties)) = event.as_behaviour() else { return };
    for (index, leaf) in query.leaves().iter().enumerate() {
        if leaf.event == name && leaf.matches(&properties) {
            let state = states.entry(event.user_key()).or_default();
            state.resize(query.leaves().len(), LeafState::default());
            state[index].add(leaf, event.timestamp, now);
        }
    }
}

fn is_member(query: &Query, profile: &Profile, states: &States, now: Timestamp) -> bool {
    let state = states.get(&profile.key);
    let leaf = |index: usize| state.and_then(|state| state.get(index));
    query.evaluate(&leaf, &|name| profile.trait_value(name).map(Cow::Owned), now).value
}
