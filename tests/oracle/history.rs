//! What has happened, as it was told: every post in the order of its arrival. The truth is computed from all of it.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use crate::flaw::Flaw;
use crate::language::Millis;

pub type Fields = Map<String, Value>;

/// Something a source says. `user` and `group` are numbers; their ids are `u0`, `g0` and so on.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    pub user: usize,
    pub message: String,
    pub source: &'static str,
    /// When it says it happened.
    pub at: Millis,
    pub context: Fields,
    pub what: What,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Track(String, Fields),
    Page(Option<String>, Fields),
    Screen(Option<String>, Fields),
    Identify(Fields),
    Group(usize, Fields),
}

/// An event as the language sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    pub user: usize,
    pub name: String,
    pub properties: Fields,
    pub context: Fields,
    pub source: &'static str,
    pub at: Millis,
    pub received_at: Millis,
    pub message: String,
}

/// Somebody or something that has traits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    User(usize),
    Account(usize),
}

/// All that has arrived.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub events: Vec<Happened>,
    /// Whose, when, and which, in the order of arrival.
    traits: Vec<(Owner, Millis, Fields)>,
    /// Account and user.
    links: BTreeSet<(usize, usize)>,
    users: BTreeSet<usize>,
    messages: HashSet<(usize, String)>,
    flaw: Option<Flaw>,
}

impl History {
    pub fn new(flaw: Option<Flaw>) -> Self {
        Self { flaw, ..Self::default() }
    }

    /// Takes a post; one whose message id the user has sent before changes nothing.
    pub fn take(&mut self, post: &Post, received_at: Millis) {
        let new = self.messages.insert((post.user, post.message.clone()));
        if !new && self.flaw != Some(Flaw::RepetitionCounts) {
            return;
        }
        self.users.insert(post.user);
        let named = |fields: &Fields, key: &str, name: &Option<String>| {
            let mut fields = fields.clone();
            if let Some(name) = name {
                fields.insert(key.to_owned(), name.clone().into());
            }
            fields
        };
        let (name, properties) = match &post.what {
            What::Track(name, properties) => (name.clone(), properties.clone()),
            What::Page(name, fields) => ("Page Viewed".to_owned(), named(fields, "page_name", name)),
            What::Screen(name, fields) => ("Screen Viewed".to_owned(), named(fields, "screen_name", name)),
            What::Identify(traits) => {
                self.traits.push((Owner::User(post.user), post.at, traits.clone()));
                return;
            }
            What::Group(group, traits) => {
                self.links.insert((*group, post.user));
                self.traits.push((Owner::Account(*group), post.at, traits.clone()));
                return;
            }
        };
        self.events.push(Happened {
            user: post.user,
            name,
            properties,
            context: post.context.clone(),
            source: post.source,
            at: post.at,
            received_at,
            message: post.message.clone(),
        });
    }

    /// A custom trait: what the newest post says, of equally new ones the one that arrived last. `null` removes it.
    pub fn trait_value(&self, owner: Owner, name: &str) -> Option<Value> {
        let mut newest: Option<(Millis, &Value)> = None;
        for (of, at, fields) in &self.traits {
            let Some(value) = fields.get(name).filter(|_| *of == owner) else { continue };
            let newer = newest.is_none_or(|(known, _)| match self.flaw {
                Some(Flaw::FirstTraitOfATie) => *at > known,
                Some(Flaw::LastTraitToArrive) => true,
                _ => *at >= known,
            });
            if newer {
                newest = Some((*at, value));
            }
        }
        newest.map(|(_, value)| value.clone()).filter(|value| !value.is_null())
    }

    /// Everybody who was heard of.
    pub fn users(&self) -> impl Iterator<Item = usize> {
        self.users.iter().copied()
    }

    /// Every account that was heard of.
    pub fn accounts(&self) -> BTreeSet<usize> {
        self.links.iter().map(|(account, _)| *account).collect()
    }

    /// The users of an account.
    pub fn users_of(&self, account: usize) -> impl Iterator<Item = usize> {
        self.links.iter().filter(move |(of, _)| *of == account).map(|(_, user)| *user)
    }

    /// Each instant that a trait or an event names, and each at which an event happened.
    pub fn instants(&self) -> Vec<Millis> {
        let mut all: Vec<Millis> = self.events.iter().map(|event| event.at).collect();
        let fields = self.events.iter().flat_map(|event| [&event.properties, &event.context]);
        for fields in fields.chain(self.traits.iter().map(|(_, _, fields)| fields)) {
            let texts = fields.values().filter_map(Value::as_str);
            all.extend(texts.filter_map(crate::value::instant));
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}
