//! What has happened, as it was told: every post in the order of its arrival. The truth is computed from all of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value};

use crate::flaw::Flaw;
use crate::language::Millis;

pub type Fields = Map<String, Value>;

/// Something a source says. `user`, `anonymous` and `group` are numbers; their ids are `u0`, `a0`, `g0` and so on.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// One of the two is there.
    pub user: Option<usize>,
    pub anonymous: Option<usize>,
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
    /// The user was known by that id before.
    Alias(Id),
}

/// Under what somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    User(usize),
    Anonymous(usize),
}

/// An event as the language sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    pub by: Id,
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
    /// When, and which, in the order of arrival: of people.
    traits: Vec<(Id, Millis, Fields)>,
    /// The same of accounts.
    described: Vec<(usize, Millis, Fields)>,
    /// Account and person.
    members: BTreeSet<(usize, Id)>,
    /// Under which ids something came.
    known: BTreeSet<Id>,
    /// Ids that turned out to be another's.
    merged: BTreeMap<Id, Id>,
    messages: HashSet<String>,
    flaw: Option<Flaw>,
}

impl Post {
    /// Under which id it counts.
    pub fn by(&self) -> Id {
        match (self.user, self.anonymous) {
            (Some(user), _) => Id::User(user),
            (None, Some(anonymous)) => Id::Anonymous(anonymous),
            (None, None) => panic!("a post of nobody: {self:?}"),
        }
    }
}

impl History {
    pub fn new(flaw: Option<Flaw>) -> Self {
        Self { flaw, ..Self::default() }
    }

    /// Who it is that is known by this id.
    pub fn person(&self, mut id: Id) -> Id {
        while let Some(other) = self.merged.get(&id) {
            id = *other;
        }
        id
    }

    /// Takes a post; one whose message id was sent before changes nothing.
    pub fn take(&mut self, post: &Post, received_at: Millis) {
        if self.flaw != Some(Flaw::IdsStayApart) {
            self.link(post);
        }
        let new = self.messages.insert(post.message.clone());
        if !new && self.flaw != Some(Flaw::RepetitionCounts) {
            return;
        }
        self.known.insert(self.person(post.by()));
        let (name, properties) = match &post.what {
            What::Track(name, properties) => (name.clone(), properties.clone()),
            What::Page(name, fields) => ("Page Viewed".to_owned(), named(fields, "page_name", name)),
            What::Screen(name, fields) => ("Screen Viewed".to_owned(), named(fields, "screen_name", name)),
            What::Identify(traits) => return self.traits.push((post.by(), post.at, traits.clone())),
            What::Group(group, traits) => {
                self.members.insert((*group, post.by()));
                return self.described.push((*group, post.at, traits.clone()));
            }
            What::Alias(_) => return,
        };
        self.events.push(Happened {
            by: post.by(),
            name,
            properties,
            context: post.context.clone(),
            source: post.source,
            at: post.at,
            received_at,
            message: post.message.clone(),
        });
    }

    /// Two ids of one person: an anonymous one that comes with a user's, and one that an alias names. What belongs to
    /// somebody already stays with him.
    fn link(&mut self, post: &Post) {
        let Some(user) = post.user else { return };
        let others = match (&post.what, post.anonymous) {
            (What::Alias(other), _) => vec![*other],
            (_, Some(anonymous)) => vec![Id::Anonymous(anonymous)],
            (_, None) => Vec::new(),
        };
        let person = self.person(Id::User(user));
        for other in others {
            if other != person && !self.merged.contains_key(&other) {
                self.merged.insert(other, person);
                self.known.remove(&other);
            }
        }
    }

    /// A custom trait: what the newest post says, of equally new ones the one that arrived last. `null` removes it.
    pub fn trait_value(&self, owner: Owner, name: &str) -> Option<Value> {
        let of_person = |user: usize| {
            let of = self.traits.iter().filter(move |(id, ..)| self.person(*id) == Id::User(user));
            of.map(|(_, at, fields)| (*at, fields)).collect::<Vec<_>>()
        };
        let said: Vec<(Millis, &Fields)> = match owner {
            Owner::User(user) => of_person(user),
            Owner::Account(account) => {
                let of = self.described.iter().filter(|(of, ..)| *of == account);
                of.map(|(_, at, fields)| (*at, fields)).collect()
            }
        };
        let mut newest: Option<(Millis, &Value)> = None;
        for (at, fields) in said {
            let Some(value) = fields.get(name) else { continue };
            let newer = newest.is_none_or(|(known, _)| match self.flaw {
                Some(Flaw::FirstTraitOfATie) => at > known,
                Some(Flaw::LastTraitToArrive) => true,
                _ => at >= known,
            });
            if newer {
                newest = Some((at, value));
            }
        }
        newest.map(|(_, value)| value.clone()).filter(|value| !value.is_null())
    }

    /// Every user who was heard of, under the id that he has now.
    pub fn users(&self) -> impl Iterator<Item = usize> {
        self.known.iter().filter_map(|id| match id {
            Id::User(user) => Some(*user),
            Id::Anonymous(_) => None,
        })
    }

    /// Every account that was heard of.
    pub fn accounts(&self) -> BTreeSet<usize> {
        self.members.iter().map(|(account, _)| *account).collect()
    }

    /// The users of an account.
    pub fn users_of(&self, account: usize) -> BTreeSet<usize> {
        let of = self.members.iter().filter(|(of, _)| *of == account);
        let people = of.map(|(_, id)| match self.person(*id) {
            Id::User(user) => user,
            Id::Anonymous(_) => panic!("only users are linked to accounts here"),
        });
        people.collect()
    }

    /// The events of a user or account.
    pub fn events_of(&self, owner: Owner) -> Vec<&Happened> {
        let users = match owner {
            Owner::User(user) => BTreeSet::from([user]),
            Owner::Account(account) => self.users_of(account),
        };
        let is_his = |event: &&Happened| users.iter().any(|user| self.person(event.by) == Id::User(*user));
        self.events.iter().filter(is_his).collect()
    }

    /// Whether something came under this id, and it is nobody else's.
    pub fn knows(&self, id: Id) -> bool {
        self.known.contains(&id)
    }

    /// Whether somebody said something of a person's traits at that instant.
    pub fn said(&self, at: Millis) -> bool {
        self.traits.iter().any(|(_, known, _)| *known == at)
    }

    /// Each instant that a trait or an event names, and each at which an event happened.
    pub fn instants(&self) -> Vec<Millis> {
        let mut all: Vec<Millis> = self.events.iter().map(|event| event.at).collect();
        let fields = self.events.iter().flat_map(|event| [&event.properties, &event.context]);
        let traits = self.traits.iter().map(|(_, _, fields)| fields);
        let described = self.described.iter().map(|(_, _, fields)| fields);
        for fields in fields.chain(traits).chain(described) {
            all.extend(fields.values().filter_map(Value::as_str).filter_map(crate::value::instant));
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn named(fields: &Fields, key: &str, name: &Option<String>) -> Fields {
    let mut fields = fields.clone();
    if let Some(name) = name {
        fields.insert(key.to_owned(), name.clone().into());
    }
    fields
}
