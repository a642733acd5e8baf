//! What one event causes: dedupe, traits, journeys, computations, calls.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Decision;
use super::compute::{Touched, arm};
use super::identity::Merged;
use super::runs::begins_again;
use crate::domain::change::SeenWrite;
use crate::domain::definition::Destination;
use crate::domain::delivery::{Cause, Payload};
use crate::domain::event::{Call, Event, weight};
use crate::domain::external_ids::KINDS;
use crate::domain::ids::JourneyId;
use crate::domain::journey::{Journey, Post};
use crate::domain::limits;
use crate::domain::profile::{MessageHash, Profile, TraitValue};
use crate::domain::route::{self, NotSent};
use crate::domain::time::Timestamp;

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// It had come before; nothing was done.
    pub duplicate: bool,
    /// The journey that it belongs to, where it is a stage post.
    pub journey: Option<JourneyId>,
}

/// The name under which a message id is remembered.
pub fn message_hash(message_id: &str) -> MessageHash {
    let digest = Sha256::digest(message_id.as_bytes());
    let mut hash = MessageHash::default();
    hash.copy_from_slice(&digest[..16]);
    hash
}

impl Decision<'_> {
    /// Takes in one event of the profile's user. `spilled` is when a message of that id arrived, if the store remembers
    /// one outside the profile; `merged` what the event made part of the profile just before.
    pub fn take_in(
        &mut self,
        profile: &mut Profile,
        mut event: Event,
        spilled: Option<Timestamp>,
        merged: Option<Merged>,
    ) -> Taken {
        let step_of = |profile: &Profile| {
            let has_it =
                |journey: &&Journey| journey.steps.iter().any(|step| step.message_id == event.message_id);
            profile.journeys.iter().find(has_it).map(|journey| journey.id)
        };
        // What Studio tells by itself may be told again after weeks: its journey remembers it for longer.
        let by_studio = event.studio_run().is_some_and(|run| run.by_studio);
        if event.dedupe
            && (self.seen_before(profile, &event, spilled) || (by_studio && step_of(profile).is_some()))
        {
            if let Some(merged) = merged {
                self.evaluate_merged(profile, merged, Touched::new());
            }
            return Taken { duplicate: true, journey: step_of(profile) };
        }
        event.id = self.ids.event(self.now);
        profile.updated_at = self.now;
        remember_event(profile, &event);
        self.forget_during_backfill(profile);
        let begins_again = begins_again(profile, &event);
        let journey = self.follow(profile, &event);
        if begins_again {
            event.demote_stage();
        }
        let mut touched = self.apply_traits(profile, &event);
        touched.append(&mut self.count_event(profile, &event));
        if profile.is_fresh(self.now) {
            touched.extend(self.rules.of_nobody.iter().copied());
        }
        self.link_account(profile, &event);
        self.pass_on(profile, &event);
        if let Some(merged) = merged {
            self.evaluate_merged(profile, merged, touched);
        } else if !touched.is_empty() {
            let wake = self.evaluate(profile, touched, &Cause::Event(event.id));
            arm(profile, wake);
        }
        self.changes.events.push(event);
        Taken { duplicate: false, journey }
    }

    /// Whether this message id arrived within the dedupe window; remembers it if not.
    fn seen_before(&mut self, profile: &mut Profile, event: &Event, spilled: Option<Timestamp>) -> bool {
        let hash = message_hash(&event.message_id);
        let oldest = self.now.minus(limits::DEDUPE_WINDOW);
        let known = profile.seen.recent.iter().find(|(known, _)| *known == hash).map(|(_, at)| *at);
        if known.or(spilled).is_some_and(|at| at >= oldest) {
            return true;
        }
        let seen = &mut profile.seen;
        while seen.recent.front().is_some_and(|(_, at)| *at < oldest) {
            seen.recent.pop_front();
        }
        seen.recent.push_back((hash, self.now));
        self.spill(profile);
        false
    }

    /// Moves the older ones of too many message ids out of the profile.
    pub(super) fn spill(&mut self, profile: &mut Profile) {
        let seen = &mut profile.seen;
        if seen.recent.len() > limits::SEEN_IN_PROFILE {
            let surplus = seen.recent.len() - limits::SEEN_IN_PROFILE / 2;
            for (message, at) in seen.recent.drain(..surplus) {
                seen.spilled_until = seen.spilled_until.max(Some(at.plus(limits::DEDUPE_WINDOW)));
                self.changes.seen.push(SeenWrite { user: profile.key.clone(), message, at });
            }
        }
    }

    /// Sets the traits that an identify brings; answers the computations that ask about those that changed.
    fn apply_traits(&mut self, profile: &mut Profile, event: &Event) -> Touched {
        match &event.call {
            Call::Identify { traits } => self.set_traits(profile, traits, event.timestamp),
            Call::Track { .. }
            | Call::Page { .. }
            | Call::Screen { .. }
            | Call::Group { .. }
            | Call::Alias { .. } => Touched::new(),
        }
    }

    /// Sets traits of a user or account; answers the computations that ask about those that changed.
    pub(super) fn set_traits(
        &mut self,
        profile: &mut Profile,
        traits: &Map<String, Value>,
        at: Timestamp,
    ) -> Touched {
        let mut touched = Touched::new();
        self.left_out.traits += traits.len().saturating_sub(limits::MAX_TRAITS_PER_EVENT);
        for (name, value) in traits.iter().take(limits::MAX_TRAITS_PER_EVENT) {
            let before = if KINDS.contains(&name.as_str()) { profile.external_ids(name) } else { Vec::new() };
            // What a computation that is gone left behind gives way to what people say.
            if self.rules.definitions.computation(name).is_none() {
                profile.memberships.remove(name);
                profile.values.remove(name);
            }
            match set_trait(profile, name, value, at) {
                SetTrait::Changed => {
                    self.note_external_ids(profile, name, &before);
                    touched.extend(self.rules.rules_by_trait.get(name).into_iter().flatten());
                }
                SetTrait::Same => {}
                SetTrait::NoRoom => self.left_out.traits += 1,
            }
        }
        touched
    }

    /// Moves the user's journeys when the event is a stage post, or the end of an execution.
    fn follow(&mut self, profile: &mut Profile, event: &Event) -> Option<JourneyId> {
        if let Some(end) = event.studio_end() {
            return self.end_run(profile, event, &end);
        }
        let step = event.studio_step()?;
        let definitions = Arc::clone(&self.rules.definitions);
        let flow = definitions.flows.get(step.flow).map(Arc::as_ref);
        if flow.is_none() && !self.changes.unknown_flows.iter().any(|name| name == step.flow) {
            self.changes.unknown_flows.push(step.flow.to_owned());
        }
        if let Some(phone) = step.phone_number {
            self.note_phone(profile, phone, event.timestamp);
        }
        let post = Post {
            step,
            at: event.timestamp.min(event.received_at),
            received_at: event.received_at,
            message_id: &event.message_id,
        };
        let key = profile.key.clone();
        self.index_run(profile, event, flow);
        let mut journeys = self.changes.journeys_of(&key, &mut profile.journeys);
        let journey = journeys.post(flow, &post, self.now, self.ids);
        self.archive(profile, Some(journey));
        let wake = self.journeys_wake(profile);
        arm(profile, wake);
        Some(journey)
    }

    /// Moves the oldest finished journeys out of a profile that holds too many; `keep` stays.
    pub(super) fn archive(&mut self, profile: &mut Profile, keep: Option<JourneyId>) {
        while profile.journeys.len() > limits::JOURNEYS_IN_PROFILE {
            let finished = |journey: &Journey| !journey.status.is_open() && Some(journey.id) != keep;
            let Some(oldest) = profile.journeys.iter().position(finished) else { break };
            self.changes.archived.push(profile.journeys.remove(oldest));
        }
    }

    /// Queues the event for the destinations that want source events, as they want it.
    fn pass_on(&mut self, profile: &Profile, event: &Event) {
        let rules = Arc::clone(&self.rules);
        // Made at most once, only if somebody may want it, and copied only if there is somebody after him.
        let mut call: Option<Value> = None;
        let mut destinations = rules.event_destinations.iter().peekable();
        while let Some(destination) = destinations.next() {
            let selected =
                route::admit(destination, Some(&event.source), &event.integrations).and_then(|()| {
                    if !destination.enabled {
                        return Err(NotSent::Disabled);
                    }
                    let made = call.take().unwrap_or_else(|| Value::Object(event.to_json()));
                    if destinations.peek().is_none() {
                        return self.select(destination, profile, Cow::Owned(made));
                    }
                    self.select(destination, profile, Cow::Borrowed(call.insert(made)))
                });
            match selected {
                Ok(call) => {
                    let (id, cause) = (event.message_id.clone(), Cause::Event(event.id));
                    self.deliver(&destination.key, &profile.key, id, cause, Payload::Call(call));
                }
                Err(reason) => self.not_sent.add(&destination.key, reason),
            }
        }
    }

    /// What of a call is sent to a destination.
    pub(super) fn select(
        &self,
        destination: &Destination,
        profile: &Profile,
        call: Cow<'_, Value>,
    ) -> Result<Map<String, Value>, NotSent> {
        // What is known of an account is nobody's profile.
        let person = Some(profile).filter(|profile| profile.key.group_id().is_none());
        let trait_of = |name: &str| person?.trait_value(name).map(Cow::into_owned);
        match route::select(destination, call, trait_of)?.into_owned() {
            Value::Object(call) => Ok(call),
            // A call is an object, and stays one.
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(NotSent::Fault)
            }
        }
    }
}

fn remember_event(profile: &mut Profile, event: &Event) {
    if profile.recent.len() >= limits::RECENT_EVENTS {
        profile.recent.pop_front();
    }
    profile.recent.push_back(event.id);
}

/// Sets one trait unless a newer value is known.
pub(super) fn set_trait(profile: &mut Profile, name: &str, value: &Value, at: Timestamp) -> SetTrait {
    if let Some(known) = profile.traits.get_mut(name)
        && (at < known.at || known.value == *value)
    {
        known.at = known.at.max(at);
        return SetTrait::Same;
    }
    let others = profile.traits.iter().filter(|(other, _)| *other != name);
    let bytes: usize = others.map(|(other, known)| other.len() + weight(&known.value)).sum();
    let is_new = !profile.traits.contains_key(name);
    if bytes + name.len() + weight(value) > limits::MAX_PROFILE_TRAIT_BYTES
        || (is_new && profile.traits.len() >= limits::MAX_PROFILE_TRAITS)
    {
        return SetTrait::NoRoom;
    }
    profile.traits.insert(name.to_owned(), TraitValue { value: value.clone(), at });
    SetTrait::Changed
}

/// What became of one trait.
pub(super) enum SetTrait {
    Changed,
    Same,
    /// The profile is full; the event keeps it.
    NoRoom,
}
