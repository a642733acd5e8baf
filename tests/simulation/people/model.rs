//! The plain model of people: every event as it came, kept with whoever it belongs to by now, and who is one with whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use stagepost::domain::event::{Call, Event, STUDIO_STEP};
use stagepost::domain::ids::UserKey;

/// Ids that are nobody in particular.
pub const NOBODY: [&str; 2] = ["null", "0"];

/// An event with its place among all that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub place: usize,
    pub event: Event,
}

/// Traits with their times.
#[derive(Clone, Debug, Default)]
pub struct Traits(BTreeMap<String, (i64, Value)>);

impl Traits {
    fn set(&mut self, traits: &Map<String, Value>, at: i64) {
        for (name, value) in traits {
            let known = self.0.get(name).filter(|(known, _)| *known > at);
            if known.is_none() {
                self.0.insert(name.clone(), (at, value.clone()));
            }
        }
    }

    /// Those of somebody who turned out to be the same: the newer value holds, this one's own of two that are equally old.
    fn merge(&mut self, other: Self) {
        for (name, (at, value)) in other.0 {
            if self.0.get(&name).is_none_or(|(known, _)| *known < at) {
                self.0.insert(name, (at, value));
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name).map(|(_, value)| value.clone()).filter(|value| !value.is_null())
    }
}

/// One person, or somebody of whom only an anonymous id is known.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// In the order they arrived.
    pub events: Vec<Arrived>,
    pub traits: Traits,
    pub groups: BTreeSet<String>,
    /// Message ids of stage posts.
    pub posts: Vec<String>,
}

impl Person {
    fn merge(&mut self, other: Self) {
        self.events.extend(other.events);
        self.events.sort_by_key(|arrived| arrived.place);
        self.traits.merge(other.traits);
        self.groups.extend(other.groups);
        self.posts.extend(other.posts);
    }
}

/// Everybody.
#[derive(Debug, Default)]
pub struct Model {
    pub people: BTreeMap<UserKey, Person>,
    /// Whose an id is that was somebody else's, or nobody's, before.
    pub pointers: BTreeMap<UserKey, UserKey>,
    pub accounts: BTreeMap<UserKey, Traits>,
    /// How many events arrived.
    pub arrived: usize,
}

impl Model {
    pub fn surviving(&self, key: &UserKey) -> UserKey {
        let mut key = key;
        while let Some(into) = self.pointers.get(key) {
            key = into;
        }
        key.clone()
    }

    /// Takes in an event; answers the keys that became part of another by it.
    pub fn take_in(&mut self, event: &Event) -> Vec<UserKey> {
        let mut merged = Vec::new();
        let survivor = self.surviving(&event.user_key());
        for other in other_names(event) {
            if other != survivor && !self.pointers.contains_key(&other) {
                self.pointers.insert(other.clone(), survivor.clone());
                if let Some(from) = self.people.remove(&other) {
                    self.people.entry(survivor.clone()).or_default().merge(from);
                }
                merged.push(other);
            }
        }
        let person = self.people.entry(survivor).or_default();
        let at = event.timestamp.millis();
        match &event.call {
            Call::Identify { traits } => person.traits.set(traits, at),
            Call::Group { group_id, traits } => {
                person.groups.insert(group_id.clone());
                self.accounts.entry(UserKey::group(group_id)).or_default().set(traits, at);
            }
            Call::Track { event: name, .. } if name == STUDIO_STEP => {
                person.posts.push(event.message_id.clone());
            }
            Call::Track { .. } | Call::Page { .. } | Call::Screen { .. } | Call::Alias { .. } => {}
        }
        person.events.push(Arrived { place: self.arrived, event: event.clone() });
        self.arrived += 1;
        merged
    }

    /// The people of an account.
    pub fn users_of<'m>(&'m self, group: &'m str) -> impl Iterator<Item = (&'m UserKey, &'m Person)> {
        self.people.iter().filter(move |(_, person)| person.groups.contains(group))
    }
}

/// Other names of the event's user that it tells.
fn other_names(event: &Event) -> Vec<UserKey> {
    let is_nobody = |id: &str| NOBODY.contains(&id);
    let Some(user) = event.user_id.as_deref().filter(|id| !is_nobody(id)) else { return Vec::new() };
    match (&event.call, event.anonymous_id.as_deref()) {
        (Call::Alias { previous_id }, _) if previous_id == user || is_nobody(previous_id) => Vec::new(),
        (Call::Alias { previous_id }, _) => {
            vec![UserKey::user(previous_id), UserKey::anonymous(previous_id)]
        }
        (_, Some(anonymous)) if !is_nobody(anonymous) => vec![UserKey::anonymous(anonymous)],
        (_, _) => Vec::new(),
    }
}
