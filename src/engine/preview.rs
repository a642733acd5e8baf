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
/// Most bytes of state that a preview may hold, as [`States`] reckons them; beyond it, it hands out what it has. With
/// `limits::MAX_PREVIEWS` at a time that is what previews cost at most, beside the records of a step.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What an entry of the map takes beside the user's key and the states: a map has up to twice the room it uses, and each of
/// the two allocations has its own overhead.
const USER_BYTES: usize = 2 * (size_of::<UserKey>() + size_of::<Vec<LeafState>>()) + 2 * 16;
/// What a user's state of one leaf takes: a list begins with room for four instants.
const LEAF_BYTES: usize = size_of::<LeafState>() + 4 * size_of::<i64>();
/// What an instant in a state takes: a list has up to twice the room it uses.
const INSTANT_BYTES: usize = 2 * size_of::<i64>();
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

/// The leaf states of the users met so far, and about how many bytes they take.
#[derive(Default)]
struct States {
    of: HashMap<UserKey, Vec<LeafState>>,
    bytes: usize,
}

impl States {
    fn is_full(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    fn count(&mut self, query: &Query, event: &Event, now: Timestamp) {
        let Some((name, properties)) = event.as_behaviour() else { return };
        for (index, leaf) in query.leaves().iter().enumerate() {
            if leaf.event() == name && leaf.matches(&properties) {
                let user = event.user_key();
                let key_bytes = user.as_str().len();
                let state = self.of.entry(user).or_insert_with(|| {
                    let leaves = query.leaves().len();
                    self.bytes += USER_BYTES + key_bytes + leaves * LEAF_BYTES;
                    vec![LeafState::default(); leaves]
                });
                let before = state[index].count(leaf, now);
                state[index].add(leaf, event.timestamp, now);
                // Of a leaf without a window only the number is kept; what is forgotten leaves its room behind.
                let is_kept = event.timestamp > now || state[index].count(leaf, now) > before;
                if leaf.within().is_some() && is_kept {
                    self.bytes += INSTANT_BYTES;
                }
            }
        }
    }
}

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
        let mut states = States::default();
        let Some(until) = self.shared.store.last_event().await?.filter(|_| !query.leaves().is_empty()) else {
            return Ok((states, true));
        };
        let mut after = None;
        loop {
            let events = self.shared.store.event_log(after, until, STEP).await?;
            let Some(last) = events.last() else { return Ok((states, true)) };
            after = Some(last.id);
            for event in &events {
                states.count(query, event, now);
            }
            if begun.elapsed() > TIME_LIMIT || states.is_full() {
                return Ok((states, false));
            }
        }
    }
}

fn is_member(query: &Query, profile: &Profile, states: &States, now: Timestamp) -> bool {
    let state = states.of.get(&profile.key);
    let leaf = |index: usize| state.and_then(|state| state.get(index));
    query.evaluate_counts(&leaf, &|name| profile.trait_value(name).map(Cow::Owned), now).value
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::domain::event::Call;
    use crate::domain::ids::EventId;

    const NOW: i64 = 1_790_000_000_000;

    fn event(user: &str, at: i64) -> Event {
        let at = Timestamp::from_millis(at);
        Event {
            id: EventId::floor(at),
            message_id: "m".to_owned(),
            dedupe: false,
            source: "studio".into(),
            user_id: Some(user.into()),
            anonymous_id: None,
            call: Call::Track { event: "Tried".into(), properties: Map::new() },
            context: Map::new(),
            integrations: Map::new(),
            extra: Map::new(),
            channel: "server".into(),
            timestamp: at,
            original_timestamp: at,
            sent_at: None,
            received_at: at,
        }
    }

    fn count(states: &mut States, query: &str, user: &str, at: i64) {
        states.count(&Query::parse(query).unwrap(), &event(user, at), Timestamp::from_millis(NOW));
    }

    const EVER: &str = "event('Tried').count() >= 2";
    const LATELY: &str = "event('Tried').within(7 days).count() >= 100";

    #[test]
    fn instants_are_reckoned_as_far_as_they_are_kept() {
        let (mut ever, mut lately) = (States::default(), States::default());
        for n in 0..1000 {
            count(&mut ever, EVER, "u", NOW - 1000 + n);
            count(&mut lately, LATELY, "u", NOW - 1000 + n);
        }
        let one_user = USER_BYTES + "u:u".len() + LEAF_BYTES;
        assert_eq!((ever.bytes, ever.of.len()), (one_user, 1));
        let kept = (lately.bytes - one_user) / INSTANT_BYTES;
        assert!((100..=101).contains(&kept), "{kept}");
        count(&mut lately, LATELY, "u", NOW + 1000);
        assert_eq!(lately.bytes, one_user + (kept + 1) * INSTANT_BYTES, "those of the future are kept too");
    }

    #[test]
    fn a_long_name_counts_for_what_it_is() {
        let mut states = States::default();
        let long = "u".repeat(500);
        for n in 0..10 {
            count(&mut states, EVER, &format!("{n}{long}"), NOW);
        }
        assert!(states.bytes > 10 * 500 && !states.is_full());
        states.bytes = MOST_BYTES + 1;
        assert!(states.is_full());
    }
}
