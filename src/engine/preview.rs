//! Previews: who would be in an audience that does not exist, computed from the history as it is now.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::error::EngineError;
use super::group::damaged;
use super::handle::Engine;
use super::population::Population;
use crate::domain::ids::UserKey;
use crate::domain::profile::Profile;
use crate::domain::query::{Finding, Part, Quantifier, Query, Tally, Target};
use crate::domain::time::Timestamp;
use crate::store::Wanted;

/// How long a preview may take before it hands out what it has.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Most bytes of state that a preview may hold, as [`Population`] reckons them; beyond it, it hands out what it has. With
/// `limits::MAX_PREVIEWS` at a time that is what previews cost at most, beside the records of a step.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Records read at a time.
const STEP: usize = 2000;
/// Users that are shown.
const SAMPLE: usize = 10;

/// Who would be in.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How many users, or accounts; of a computed trait, how many have a value.
    pub count: u64,
    /// Some of them.
    pub sample: Vec<Sample>,
    /// Whether all of the history was looked at within the time and memory that a preview may take.
    pub complete: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// One who would be in, and why.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Who.
    pub user: UserKey,
    /// The value: `true`, or that of a computed trait.
    pub value: Value,
    /// What each condition of the query says of him.
    pub conditions: Vec<Finding>,
    /// What each leaf of the query says of him: its text and its value.
    pub leaves: Vec<(String, Value)>,
    /// The traits that the query asks about.
    pub traits: Vec<(String, Value)>,
    /// Of an account: each `ANY` or `ALL` of the query, and of how many of its users its condition is true.
    pub parts: Vec<(String, Tally)>,
}

/// The question of a preview.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked.
    pub query: Query,
    /// Of whom.
    pub target: Target,
    /// Whether visitors of whom only an anonymous id is known count.
    pub include_anonymous: bool,
}

impl Question {
    fn is_about(&self, key: &UserKey) -> bool {
        match self.target {
            Target::Accounts => key.group_id().is_some(),
            Target::Users => self.counts_person(key),
        }
    }

    /// Whether that is the key of somebody who counts, for accounts too.
    fn counts_person(&self, key: &UserKey) -> bool {
        key.user_id().is_some() || (self.include_anonymous && key.anonymous_id().is_some())
    }
}

/// One preview as it is made.
struct Making<'a> {
    engine: &'a Engine,
    question: &'a Question,
    population: Population<'a>,
    /// Whose profile another one became part of.
    merged: HashMap<UserKey, UserKey>,
    now: Timestamp,
    begun: Instant,
}

impl Engine {
    /// Computes who would be in; nothing is stored. Runs on a thread of its own and gives up after twenty seconds.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn preview(&self, question: Question) -> Result<Preview, EngineError> {
        let engine = self.clone();
        let runtime = tokio::runtime::Handle::current();
        let computed = tokio::task::spawn_blocking(move || {
            let mut making = Making {
                engine: &engine,
                question: &question,
                population: Population::new(&question.query, question.target),
                merged: HashMap::new(),
                now: engine.shared.clock.now(),
                begun: Instant::now(),
            };
            runtime.block_on(making.make())
        });
        computed.await.map_err(|error| EngineError::Unavailable(error.to_string()))?
    }
}

impl Making<'_> {
    async fn make(&mut self) -> Result<Preview, EngineError> {
        let mut complete = self.read_people().await? && self.read_history().await?;
        if self.population.needs_groups() {
            complete &= self
                .each_profile(|making, profile| {
                    if making.question.counts_person(&profile.key) {
                        making.population.tally(profile, making.now);
                    }
                })
                .await?;
        }
        let mut preview = Preview { count: 0, sample: Vec::new(), complete: true, took_ms: 0 };
        complete &= self
            .each_profile(|making, profile| {
                if making.question.is_about(&profile.key) {
                    making.judge(profile, &mut preview);
                }
            })
            .await?;
        preview.complete = complete;
        preview.took_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(preview)
    }

    /// What has to be known of people before events are read: who is one with whom, and who belongs to which account.
    async fn read_people(&mut self) -> Result<bool, EngineError> {
        if !self.population.needs_events() {
            return Ok(true);
        }
        self.each_profile(|making, profile| {
            for other in &profile.former_ids {
                making.merged.insert(UserKey::user(other), profile.key.clone());
            }
            for other in &profile.anonymous_ids {
                making.merged.insert(UserKey::anonymous(other), profile.key.clone());
            }
            if making.population.needs_groups() {
                making.population.note_groups(profile);
            }
        })
        .await
    }

    /// Shows every profile to `see`; says whether there was time for all of them.
    async fn each_profile(&mut self, mut see: impl FnMut(&mut Self, &Profile)) -> Result<bool, EngineError> {
        let mut after: Option<UserKey> = None;
        loop {
            let (profiles, last) = self.engine.shared.store.profiles_after(after.as_ref(), STEP).await?;
            profiles
                .iter()
                .filter(|profile| profile.merged_into.is_none())
                .for_each(|profile| see(self, profile));
            if let Some(profile) = profiles.iter().find(|profile| profile.is_damaged()) {
                return Err(damaged(&profile.key).into());
            }
            if last.is_none() {
                return Ok(true);
            }
            after = last;
            if self.begun.elapsed() > TIME_LIMIT {
                return Ok(false);
            }
        }
    }

    async fn read_history(&mut self) -> Result<bool, EngineError> {
        let store = &self.engine.shared.store;
        let Some(until) = store.last_event().await?.filter(|_| self.population.needs_events()) else {
            return Ok(true);
        };
        let names = self.population.event_names();
        let wanted = Wanted { names: &names, after: None, to: None };
        let mut after = None;
        loop {
            let part = store.wanted_log(&wanted, after, until, STEP).await?;
            if part.last.is_none() {
                return Ok(true);
            }
            after = part.last;
            for event in &part.events {
                let sent_under = event.user_key();
                let user = self.merged.get(&sent_under).unwrap_or(&sent_under);
                self.population.count(user, event, self.now);
            }
            if self.begun.elapsed() > TIME_LIMIT || self.population.bytes() > MOST_BYTES {
                return Ok(false);
            }
        }
    }

    fn judge(&mut self, profile: &Profile, preview: &mut Preview) {
        let found = self.population.find(profile, self.now);
        let value = found.evaluation.value.clone();
        let query = &self.question.query;
        let is_in = match &value {
            Value::Bool(is_in) if query.is_condition() => *is_in,
            value => *value != query.leaves().first().map_or(Value::Null, |leaf| leaf.empty()),
        };
        if !is_in {
            return;
        }
        preview.count += 1;
        if preview.sample.len() < SAMPLE {
            let conditions = self.population.explain(profile, &found, self.now);
            let leaves = query.leaves().iter().map(|leaf| leaf.canonical()).zip(found.leaves).collect();
            let traits = query.trait_names().into_iter().map(|name| {
                (name.to_owned(), profile.trait_value(name).map_or(Value::Null, |value| value.into_owned()))
            });
            let traits = traits.collect();
            let parts = query.parts().iter().map(text_of).zip(found.tallies).collect();
            let user = profile.key.clone();
            preview.sample.push(Sample { user, value, conditions, leaves, traits, parts });
        }
    }
}

fn text_of(part: &Part) -> String {
    let quantifier = match part.quantifier {
        Quantifier::Any => "ANY",
        Quantifier::All => "ALL",
    };
    format!("{quantifier} ({})", part.condition)
}
