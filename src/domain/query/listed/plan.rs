//! What has to be kept of events, and what is asked of that.

use crate::domain::leaf::Reduce;
use crate::domain::query::ast::{Comparison, Field, Filter, Literal, Place, Scalar, Stream};
use crate::domain::query::comparator::{Comparator, Matching};
use crate::domain::query::logic::Logic;
use crate::domain::query::path::Path;

/// A listed leaf, prepared: its streams, from the leaf's own at 0 to the innermost ones, and what their events keep.
#[derive(Debug, Default)]
pub(in crate::domain::query) struct Plan {
    pub(super) streams: Vec<Planned>,
    /// Tests that an event answers by itself, when it arrives.
    pub(super) known: Vec<Known>,
    /// Tests whose answer is the same for all events.
    pub(super) common: Vec<Comparison<Asked>>,
    /// What is kept of an event, in this order.
    pub(super) slots: Vec<Slot>,
    /// Names of the traits that tests read.
    pub(super) traits: Vec<String>,
}

/// A stream of a plan.
#[derive(Debug)]
pub(super) struct Planned {
    /// As the query says it.
    pub(super) stream: Stream,
    pub(super) filter: Option<Logic<Test>>,
    /// The slot of the value that is reduced; none for a count.
    pub(super) reduced: Option<usize>,
    /// Whether its filter reads the event that its events follow.
    pub(super) asks_parent: bool,
    /// Slots, of its own events and of the one they follow, that have to be equal.
    pub(super) joined: Option<(usize, usize)>,
}

/// A test of an event's own values, with the stream in whose filter it stands.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) stream: usize,
    pub(super) comparison: Comparison<Scalar>,
}

/// A test of a filter.
#[derive(Debug)]
pub(super) enum Test {
    /// One of [`Plan::known`].
    Known(usize),
    /// One of [`Plan::common`].
    Common(usize),
    /// One that has to be asked of every event.
    Asked(Comparison<Asked>),
}

/// A value that a test looks at.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// Of the trait of that index in [`Plan::traits`].
    Trait(usize, Path),
    /// A slot of the event under test.
    Slot(usize),
    /// A slot of the event that it follows.
    Parent(usize),
    Literal(Literal),
    /// The stream of that index, of the events that follow the event under test.
    Stream(usize),
}

/// Something that is kept of events.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) what: Kept,
    /// The streams whose events have to keep it.
    pub(super) of: Vec<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kept {
    /// The value of a field; of one with `$` in its path, the array of its values.
    Field(Field),
    /// What the reducer of that stream makes of the event.
    Reduced(usize),
}

impl Plan {
    /// Prepares a leaf's stream.
    pub(in crate::domain::query) fn new(stream: &Stream) -> Self {
        let mut plan = Self::default();
        plan.add(stream, None);
        plan
    }

    /// Adds a stream whose events follow those of `parent`; answers its index.
    fn add(&mut self, stream: &Stream, parent: Option<usize>) -> usize {
        let index = self.streams.len();
        self.streams.push(Planned {
            stream: stream.clone(),
            filter: None,
            reduced: None,
            asks_parent: stream.comparisons().into_iter().any(reads_parent),
            joined: None,
        });
        let reduced =
            (stream.reducer.reduce != Reduce::Count).then(|| self.slot(Kept::Reduced(index), index));
        let filter = stream.filter.as_ref().map(|filter| self.filter(filter, index, parent));
        let planned = &mut self.streams[index];
        planned.joined = filter.as_ref().and_then(join);
        planned.reduced = reduced;
        planned.filter = filter;
        index
    }

    fn filter(&mut self, filter: &Filter, stream: usize, parent: Option<usize>) -> Logic<Test> {
        filter.map(&mut |comparison| {
            if comparison.is_plain() {
                self.known.push(Known { stream, comparison: comparison.clone() });
                return Test::Known(self.known.len() - 1);
            }
            let asked = Comparison {
                left: self.asked(&comparison.left, stream, parent),
                comparator: comparison.comparator.map(&mut |scalar| self.asked(scalar, stream, parent)),
            };
            if asked.scalars().all(|scalar| matches!(scalar, Asked::Trait(..) | Asked::Literal(_))) {
                self.common.push(asked);
                return Test::Common(self.common.len() - 1);
            }
            Test::Asked(asked)
        })
    }

    fn asked(&mut self, scalar: &Scalar, stream: usize, parent: Option<usize>) -> Asked {
        match (scalar, parent) {
            (Scalar::Field(field), _) => Asked::Slot(self.slot(Kept::Field(field.clone()), stream)),
            (Scalar::Parent(path), Some(parent)) => {
                let field = Field { place: Place::Property, path: path.clone() };
                Asked::Parent(self.slot(Kept::Field(field), parent))
            }
            (Scalar::Trait(path), _) => Asked::Trait(self.trait_named(path.root()), path.clone()),
            (Scalar::Stream(inner), _) => Asked::Stream(self.add(inner, Some(stream))),
            (Scalar::Literal(literal), _) => Asked::Literal(literal.clone()),
            // The parser lets neither stand here; a text that is nowhere equals nothing that is kept.
            (Scalar::Parent(_) | Scalar::Leaf(_), _) => Asked::Literal(Literal::Text(String::new())),
        }
    }

    /// The slot for `what`, which events of `stream` have to keep.
    fn slot(&mut self, what: Kept, stream: usize) -> usize {
        let known = self.slots.iter().position(|slot| slot.what == what);
        let index = known.unwrap_or_else(|| {
            self.slots.push(Slot { what, of: Vec::new() });
            self.slots.len() - 1
        });
        let of = &mut self.slots[index].of;
        if !of.contains(&stream) {
            of.push(stream);
        }
        index
    }

    fn trait_named(&mut self, name: &str) -> usize {
        self.traits.iter().position(|known| known == name).unwrap_or_else(|| {
            self.traits.push(name.to_owned());
            self.traits.len() - 1
        })
    }

    /// Whether a slot keeps several values of an event.
    pub(super) fn is_many(&self, slot: usize) -> bool {
        matches!(&self.slots[slot].what, Kept::Field(field) if field.path.is_many())
    }
}

fn reads_parent(comparison: &Comparison<Scalar>) -> bool {
    comparison.scalars().any(|scalar| matches!(scalar, Scalar::Parent(_)))
}

/// Slots of an event and of its parent that have to be equal for the filter to hold.
fn join(filter: &Logic<Test>) -> Option<(usize, usize)> {
    let comparison = match filter {
        Logic::And(members) => return members.iter().find_map(join),
        Logic::Test(Test::Asked(comparison)) => comparison,
        Logic::Or(_) | Logic::Not(_) | Logic::Test(_) => return None,
    };
    match (&comparison.left, &comparison.comparator) {
        (left, Comparator::Value(Matching::Equals | Matching::OneOf, right)) => {
            match (left, right.as_slice()) {
                (Asked::Slot(own), [Asked::Parent(parent)]) | (Asked::Parent(parent), [Asked::Slot(own)]) => {
                    Some((*own, *parent))
                }
                (_, _) => None,
            }
        }
        (_, _) => None,
    }
}
