//! Which calls a destination gets, and what of them.
//!
//! In this order: connected sources, the sender's `integrations`, filters, the preset's condition, the trigger. What is left out by a filter is not
//! seen by the filters after it, nor by the trigger. A condition that can't be judged keeps the call back: what is not known to
//! be wanted is not sent.

mod fields;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::definition::{Destination, Effect};
use super::fql::Dialect;

/// Why a call is not sent to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotSent {
    /// Its source is not one of the destination's.
    NotConnected,
    /// The sender said so.
    Integrations,
    /// The destination is switched off, and it is none of what waits for it.
    Disabled,
    /// A filter dropped it.
    Filter,
    /// It does not match the trigger.
    Trigger,
    /// A filter or the trigger can't judge it.
    Fault,
}

impl NotSent {
    /// Every reason, in the order in which they are looked at.
    pub const ALL: [Self; 6] =
        [Self::NotConnected, Self::Integrations, Self::Disabled, Self::Filter, Self::Trigger, Self::Fault];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::Integrations => "integrations",
            Self::Disabled => "disabled",
            Self::Filter => "filter",
            Self::Trigger => "trigger",
            Self::Fault => "fault",
        }
    }

    /// Why, for somebody who wonders.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NotConnected => "its source is not among the `sources` of this destination",
            Self::Integrations => "its `integrations` keep it from this destination",
            Self::Disabled => "this destination is not enabled",
            Self::Filter => "a filter of this destination drops it",
            Self::Trigger => {
                "it does not match the `trigger` of this destination, or is nothing for its preset"
            }
            Self::Fault => "a filter or the `trigger` of this destination can't judge it",
        }
    }
}

/// Whether a call may be for `destination` at all, by what costs next to nothing to look at: the source that it came from
/// (`None` for what stagepost computes) and the sender's `integrations`.
///
/// # Errors
/// Why it is not.
pub fn admit(
    destination: &Destination,
    source: Option<&str>,
    integrations: &Map<String, Value>,
) -> Result<(), NotSent> {
    let connected = destination.routing.sources.as_ref();
    if let (Some(source), Some(connected)) = (source, connected)
        && !connected.iter().any(|known| known == source)
    {
        return Err(NotSent::NotConnected);
    }
    if is_wanted(destination, integrations) { Ok(()) } else { Err(NotSent::Integrations) }
}

/// What the sender says about a destination: its own entry, that of its kind as Segment names it, `All`, else yes. An
/// options object means yes.
fn is_wanted(destination: &Destination, integrations: &Map<String, Value>) -> bool {
    if integrations.is_empty() {
        return true;
    }
    let choice = destination.names().chain(["All"]).find_map(|name| integrations.get(name));
    choice.is_none_or(|choice| *choice != Value::Bool(false))
}

/// What of an admitted `call`, an object, is sent to `destination`; `trait_of` answers the traits of its user's profile.
///
/// # Errors
/// Why nothing is sent.
pub fn select<'c>(
    destination: &Destination,
    call: Cow<'c, Value>,
    trait_of: impl Fn(&str) -> Option<Value>,
) -> Result<Cow<'c, Value>, NotSent> {
    let routing = &destination.routing;
    let mut call = call;
    for filter in &routing.filters {
        let concerns = match &filter.when {
            Some(when) => when.evaluate(&call, Dialect::Filter).map_err(|_| NotSent::Fault)?,
            None => true,
        };
        if !concerns {
            continue;
        }
        match &filter.effect {
            Effect::DropEvent => return Err(NotSent::Filter),
            Effect::DropFields(paths) => fields::leave_out(call.to_mut(), paths),
            Effect::AllowFields(paths) => fields::keep_only(call.to_mut(), paths),
        }
    }
    for condition in destination.kind.only().into_iter().chain(&routing.trigger) {
        if !condition.evaluate(&call, Dialect::Trigger).map_err(|_| NotSent::Fault)? {
            return Err(NotSent::Trigger);
        }
    }
    add_profile(&mut call, &routing.profile_traits, trait_of);
    Ok(call)
}

/// Puts the traits that the profile has under `profile.traits`, in the order in which they are named. What the sender wrote
/// in their place goes, also where the profile has none of them: it would be taken for the profile.
fn add_profile(call: &mut Cow<'_, Value>, names: &[String], trait_of: impl Fn(&str) -> Option<Value>) {
    if names.is_empty() {
        return;
    }
    let known = names.iter().filter_map(|name| Some((name.clone(), trait_of(name)?)));
    let traits: Map<String, Value> = known.filter(|(_, value)| !value.is_null()).collect();
    if traits.is_empty() && call.get("profile").is_none() {
        return;
    }
    if let Value::Object(members) = call.to_mut() {
        members.shift_remove("profile");
        if !traits.is_empty() {
            members.insert("profile".to_owned(), json!({ "traits": traits }));
        }
    }
}

/// How many calls were not sent, by destination and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotSentCounts(BTreeMap<String, [u64; NotSent::ALL.len()]>);

impl NotSentCounts {
    /// One more.
    pub fn add(&mut self, destination: &str, reason: NotSent) {
        match self.0.get_mut(destination) {
            Some(counts) => counts[reason as usize] += 1,
            None => {
                let mut counts = [0; NotSent::ALL.len()];
                counts[reason as usize] = 1;
                self.0.insert(destination.to_owned(), counts);
            }
        }
    }

    /// The counts that are not 0.
    pub fn iter(&self) -> impl Iterator<Item = (&str, NotSent, u64)> {
        let each = |counts: &[u64; NotSent::ALL.len()]| NotSent::ALL.into_iter().zip(*counts);
        let all = self.0.iter().flat_map(move |(destination, counts)| {
            each(counts).map(move |(reason, count)| (destination.as_str(), reason, count))
        });
        all.filter(|(_, _, count)| *count > 0)
    }
}
