//! A leaf: one aggregate over a user's events, shared by every query that contains it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::event::Event;
use crate::domain::leaf::{Entry, Order, Reading, Reduce, Shape, Window};
use crate::domain::time::Timestamp;

use super::ast::{Filter, Stream};
use super::format::write_stream;
use super::listed::Plan;
use super::moment::Moment;
use super::reduce::reduce;
use super::seen::Seen;
use super::{MAX_KEPT_BYTES, MAX_KEPT_COUNT, QueryError, parser};

/// An event stream with its filters, its window and its reducer, at the top level of a query.
///
/// It is *counted* when an event's place in it depends on nothing but the event: then [`LeafSpec::shape`] says what is
/// to be kept, and how its value comes from that. Otherwise it is *listed*: what is kept is a list, of which
/// [`LeafSpec::read`] makes the value.
///
/// It is stored as its canonical text and `keep`. Its parts come from the parser, so they are within the limits of
/// the language.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct LeafSpec {
    stream: Stream,
    shape: Shape,
    /// How it is listed; `None` when it is counted.
    plan: Option<Arc<Plan>>,
}

impl LeafSpec {
    /// The leaf of a stream, of which no more than `keep` of the newest entries in the window have to be told apart.
    /// That is heeded only where it makes sense: for counts of a window.
    pub(super) fn new(stream: Stream, keep: Option<u32>) -> Self {
        let shape = |window, reduce, keep| Shape { window, reduce, keep };
        let is_windowed = matches!(stream.window, Window::Within(_) | Window::Between { .. });
        if stream.is_plain() {
            let may_forget = is_windowed && stream.reducer.reduce == Reduce::Count;
            let keep = keep.filter(|keep| may_forget && (1..=MAX_KEPT_COUNT + 1).contains(keep));
            return Self { shape: shape(stream.window, stream.reducer.reduce, keep), stream, plan: None };
        }
        // Which events make a session is known only when it is read: no gap can be forgotten.
        let window = if is_windowed { stream.window } else { Window::All };
        let plan = Some(Arc::new(Plan::new(&stream)));
        Self { shape: shape(window, Reduce::List, None), stream, plan }
    }

    /// The text that names this leaf: equal for leaves that differ in `keep` only.
    pub fn canonical(&self) -> String {
        Canonical(&self.stream).to_string()
    }

    /// Reads what [`LeafSpec::canonical`] wrote, for `keep` as in [`Shape::keep`].
    ///
    /// # Errors
    /// What is wrong with the text and where, if it is no leaf.
    pub fn parse(canonical: &str, keep: Option<u32>) -> Result<Self, QueryError> {
        Ok(Self::new(parser::leaf(canonical)?, keep))
    }

    /// The stream it is made of.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What is kept of its events.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether its value has to be made with [`LeafSpec::read`] from the list of its events.
    pub fn is_listed(&self) -> bool {
        self.plan.is_some()
    }

    /// The names of the events that concern it.
    pub fn event_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.stream.collect_events(&mut names);
        names
    }

    /// The names of the traits that its value depends on (of `trait('address.city')`: `address`).
    pub fn trait_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.stream.collect_traits(&mut names);
        names
    }

    /// What is kept of an event; `None` if it does not concern the leaf, if the reducer finds nothing in it (and it is no
    /// part of a session), and if what would have to be kept is longer than [`MAX_KEPT_BYTES`].
    pub fn observe(&self, event: &Event) -> Option<Entry> {
        let seen = Seen::of(event)?;
        let value = match &self.plan {
            Some(plan) => plan.keep(&seen)?,
            // What the reducer skips goes on a session all the same.
            None if self.counts(&seen) => match seen.reduced(&self.stream.reducer) {
                Some(value) => value,
                None if self.shape.window.is_session() => Value::Null,
                None => return None,
            },
            None => return None,
        };
        let is_ordered = matches!(self.shape.reduce, Reduce::First | Reduce::Last | Reduce::List);
        let order = || Order { received_at: event.received_at, message_id: event.message_id.clone() };
        fits(&value).then(|| Entry { at: event.timestamp, order: is_ordered.then(order), value })
    }

    /// Whether an event counts, for a counted leaf.
    pub(super) fn counts(&self, seen: &Seen<'_>) -> bool {
        // A plain filter does not ask for the present instant.
        let moment = Moment::new(Timestamp::default());
        let passes = |filter: &Filter| filter.holds(&|test| seen.passes(test, &moment));
        seen.is_of(&self.stream) && self.stream.filter.as_ref().is_none_or(passes)
    }

    /// The value of a listed leaf at `now`, over the entries that were kept for it (of a counted leaf: its empty value).
    /// `traits` gives the value of a trait by name.
    pub fn read<'v>(
        &self,
        entries: &[Entry],
        traits: &dyn Fn(&str) -> Option<Cow<'v, Value>>,
        now: Timestamp,
    ) -> Reading {
        let Some(plan) = &self.plan else { return Reading { value: self.empty(), holds_until: None } };
        let moment = Moment::new(now);
        let place = |entry: &Entry| (entry.at, entry.order.clone());
        let value = if entries.is_sorted_by_key(place) {
            plan.read(entries, traits, &moment)
        } else {
            let mut sorted = entries.to_vec();
            sorted.sort_by_cached_key(place);
            plan.read(&sorted, traits, &moment)
        };
        Reading { value, holds_until: moment.until() }
    }

    /// Its value when there are no events: 0, null or `[]`.
    pub fn empty(&self) -> Value {
        reduce(self.stream.reducer.reduce, &[])
    }
}

/// Whether a value is short enough to be kept.
fn fits(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(_) | Value::Array(_) | Value::Object(_) => value.to_string().len() <= MAX_KEPT_BYTES,
    }
}

// The shape and the plan follow from the stream and `keep`.
impl PartialEq for LeafSpec {
    fn eq(&self, other: &Self) -> bool {
        self.stream == other.stream && self.shape.keep == other.shape.keep
    }
}

impl Eq for LeafSpec {}

impl Hash for LeafSpec {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.stream.hash(state);
        self.shape.keep.hash(state);
    }
}

struct Canonical<'a>(&'a Stream);

impl fmt::Display for Canonical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_stream(f, self.0)
    }
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored {
    leaf: String,
    #[serde(default)]
    keep: Option<u32>,
}

impl From<LeafSpec> for Stored {
    fn from(spec: LeafSpec) -> Self {
        Self { leaf: spec.canonical(), keep: spec.shape.keep }
    }
}

impl TryFrom<Stored> for LeafSpec {
    type Error = QueryError;

    fn try_from(stored: Stored) -> Result<Self, QueryError> {
        Self::parse(&stored.leaf, stored.keep)
    }
}
