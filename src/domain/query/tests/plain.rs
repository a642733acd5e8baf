//! People and their events, evaluated from the whole history: what a kept state has to be equal to.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::domain::event::{Call, Event};
use crate::domain::ids::EventId;
use crate::domain::leaf::{Entry, Reading, Window};
use crate::domain::query::reduce::reduce;
use crate::domain::query::{Evaluation, Inputs, LeafSpec, Quantifier, Query, Tally};
use crate::domain::time::{Span, Timestamp};

/// The instant of all worked examples.
pub(super) fn now() -> Timestamp {
    Timestamp::parse_lenient("2026-01-31T00:00:00Z").unwrap()
}

/// A track of this age.
pub(super) fn track(name: &str, age: &str, properties: Value) -> Event {
    track_at(name, now().minus(age.parse::<Span>().unwrap()), properties)
}

/// A track at an instant.
pub(super) fn track_at(name: &str, at: Timestamp, properties: Value) -> Event {
    let properties = properties.as_object().cloned().unwrap();
    call(Call::Track { event: name.to_owned(), properties }, at)
}

/// Any call at an instant, from the source `src_web`.
pub(super) fn call(call: Call, at: Timestamp) -> Event {
    Event {
        id: EventId::floor(at),
        message_id: "m-1".to_owned(),
        dedupe: false,
        source: "src_web".to_owned(),
        user_id: Some("u1".to_owned()),
        anonymous_id: None,
        call,
        context: Map::new(),
        integrations: Map::new(),
        extra: Map::new(),
        channel: "server".to_owned(),
        timestamp: at,
        original_timestamp: at,
        sent_at: None,
        received_at: at,
    }
}

/// Somebody with a history. An account's are the events of all its users.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) events: Vec<Event>,
    pub(super) traits: Value,
    /// Of an account.
    pub(super) users: Vec<Person>,
}

impl Person {
    pub(super) fn new(events: Vec<Event>, traits: Value) -> Self {
        Self { events, traits, users: Vec::new() }
    }

    pub(super) fn account(users: Vec<Self>, traits: Value) -> Self {
        let events = users.iter().flat_map(|user| user.events.clone()).collect();
        Self { events, traits, users }
    }

    pub(super) fn trait_value(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.traits.get(name).map(Cow::Borrowed)
    }

    /// What a query says of this person.
    pub(super) fn evaluate(&self, query: &Query, now: Timestamp) -> Evaluation {
        query.evaluate(&Asked { person: self, query, now }, now)
    }

    /// What a leaf says of this person.
    pub(super) fn leaf(&self, spec: &LeafSpec, now: Timestamp) -> Reading {
        let mut state = State::default();
        self.events.iter().filter_map(|event| spec.observe(event)).for_each(|entry| state.add(entry));
        if spec.is_listed() {
            return spec.read(&state.entries, &|name| self.trait_value(name), now);
        }
        state.value(spec, now)
    }
}

struct Asked<'a> {
    person: &'a Person,
    query: &'a Query,
    now: Timestamp,
}

impl Inputs for Asked<'_> {
    fn leaf(&self, index: usize) -> Reading {
        self.person.leaf(&self.query.leaves()[index], self.now)
    }
    fn part(&self, index: usize) -> Tally {
        let part = &self.query.parts()[index];
        assert!(matches!(part.quantifier, Quantifier::Any | Quantifier::All));
        let users = &self.person.users;
        let yes = users.iter().filter(|user| user.evaluate(&part.condition, self.now).is_true()).count();
        Tally { yes: yes.try_into().unwrap(), all: users.len().try_into().unwrap() }
    }
    fn trait_value(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.person.trait_value(name)
    }
}

/// All entries that a leaf ever got.
#[derive(Default)]
struct State {
    entries: Vec<Entry>,
}

impl State {
    fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.entries.sort_by_key(|entry| (entry.at, entry.order.clone()));
    }

    /// The value, and when it is first another.
    fn value(&self, spec: &LeafSpec, now: Timestamp) -> Reading {
        let value = self.value_at(spec, now.millis());
        let spans = match spec.shape().window {
            Window::All => Vec::new(),
            Window::Within(span) | Window::Session(span) => vec![0, span.millis() + 1],
            Window::Between { near, far } => vec![near.millis(), far.millis() + 1],
        };
        let edges = self.entries.iter().flat_map(|entry| spans.iter().map(|span| entry.at.millis() + span));
        let mut later: Vec<i64> = edges.filter(|edge| *edge > now.millis()).collect();
        later.sort_unstable();
        let change = later.into_iter().find(|edge| self.value_at(spec, *edge) != value);
        Reading { value, holds_until: change.map(Timestamp::from_millis) }
    }

    fn value_at(&self, spec: &LeafSpec, now: i64) -> Value {
        let ages = |entry: &&Entry| now - entry.at.millis();
        let past = || self.entries.iter().filter(|entry| ages(entry) >= 0);
        let counting: Vec<&Entry> = match spec.shape().window {
            Window::All => self.entries.iter().collect(),
            Window::Within(span) => past().filter(|entry| ages(entry) <= span.millis()).collect(),
            Window::Between { near, far } => {
                past().filter(|entry| (near.millis()..=far.millis()).contains(&ages(entry))).collect()
            }
            Window::Session(span) => last_session(past().collect(), span.millis(), now),
        };
        reduce(spec.shape().reduce, &counting.iter().map(|entry| &entry.value).collect::<Vec<_>>())
    }
}

fn last_session(entries: Vec<&Entry>, span: i64, now: i64) -> Vec<&Entry> {
    let mut session = Vec::new();
    let mut next = now;
    for entry in entries.into_iter().rev() {
        if next - entry.at.millis() > span {
            break;
        }
        next = entry.at.millis();
        session.insert(0, entry);
    }
    session
}

/// The query of a text that is one.
pub(super) fn condition(text: &str) -> Query {
    Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether a condition holds of somebody.
pub(super) fn holds(text: &str, events: Vec<Event>, traits: Value) -> bool {
    Person::new(events, traits).evaluate(&condition(text), now()).is_true()
}

/// The value of a computed trait, at `now` and a while later.
pub(super) fn value_later(text: &str, events: Vec<Event>, later: &str) -> Value {
    let query = Query::parse_value(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let at = now().plus(later.parse::<Span>().unwrap());
    Person::new(events, json!({})).evaluate(&query, at).value
}
