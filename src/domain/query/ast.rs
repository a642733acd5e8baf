//! What a query is made of. Only the parser builds these, so their invariants hold everywhere else.

use std::collections::BTreeSet;

use crate::domain::leaf::{Reduce, Window};
use crate::domain::time::Span;

use super::comparator::Comparator;
use super::logic::Logic;
use super::path::Path;

/// One test of a condition over a user or an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Term {
    /// A value against a comparator.
    Compare(Comparison<Scalar>),
    /// How many of an account's users meet a condition: the query's part of that index.
    Part(usize),
}

/// A value against a comparator; `S` is what values are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Comparison<S> {
    /// What is compared.
    pub(super) left: S,
    /// With what, and how.
    pub(super) comparator: Comparator<S>,
}

impl<S> Comparison<S> {
    /// All its values, from left to right.
    pub(super) fn scalars(&self) -> impl Iterator<Item = &S> {
        std::iter::once(&self.left).chain(self.comparator.operands())
    }
}

/// A value that a comparison looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scalar {
    /// A custom trait, computed trait, or audience key.
    Trait(Path),
    /// Of the event under test; only inside `where`.
    Field(Field),
    /// A property of the event in whose `where` the stream of the event under test stands.
    Parent(Path),
    /// A constant.
    Literal(Literal),
    /// A reduced event stream: the query's leaf of that index. Not inside `where`.
    Leaf(usize),
    /// A reduced stream of events that follow the event under test; only inside `where`.
    Stream(Box<Stream>),
}

/// Something that an event says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Field {
    /// In which of its objects.
    pub(super) place: Place,
    /// And where in it.
    pub(super) path: Path,
}

/// The objects of an event that can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// `properties`
    Property,
    /// `context`
    Context,
}

/// A filter on events: all `where` of a stream together.
pub(super) type Filter = Logic<Comparison<Scalar>>;

/// Events of a name, filtered, and what is made of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stream {
    /// The name of the events, exact and case-sensitive.
    pub(super) event: String,
    /// What the events have to meet.
    pub(super) filter: Option<Filter>,
    /// Sources whose events do not count; rising.
    pub(super) excluded: Vec<String>,
    /// Which events count at an instant. [`Window::Session`] only in the stream of a computed trait.
    pub(super) window: Window,
    /// How soon after the event under test; only inside `where`, and only with [`Window::All`].
    pub(super) after_parent: Option<Span>,
    /// What is made of them.
    pub(super) reducer: Reducer,
}

/// How a stream of events becomes one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reducer {
    /// What is made of the values. Never [`Reduce::List`].
    pub(super) reduce: Reduce,
    /// The value of an event; none for [`Reduce::Count`], one without `$` for all others.
    pub(super) field: Option<Field>,
    /// For [`Reduce::Mode`]: whether an array is one value, not as many as it has entries.
    pub(super) whole: bool,
}

impl Stream {
    /// The tests of its filter.
    pub(super) fn comparisons(&self) -> Vec<&Comparison<Scalar>> {
        let mut found = Vec::new();
        if let Some(filter) = &self.filter {
            filter.visit(&mut |comparison| found.push(comparison));
        }
        found
    }

    /// Whether an event's place in it depends on nothing but the event itself.
    pub(super) fn is_plain(&self) -> bool {
        self.comparisons().into_iter().all(Comparison::is_plain)
    }

    /// Adds the names of its events and of those in its filter.
    pub(super) fn collect_events<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        names.insert(&self.event);
        for scalar in self.comparisons().into_iter().flat_map(Comparison::scalars) {
            if let Scalar::Stream(inner) = scalar {
                inner.collect_events(names);
            }
        }
    }

    /// Adds the names of the traits in its filter.
    pub(super) fn collect_traits<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        self.comparisons().into_iter().flat_map(Comparison::scalars).for_each(|s| s.collect_traits(names));
    }

    /// How many levels its filter adds, in canonical text.
    pub(super) fn nesting(&self) -> usize {
        self.filter.as_ref().map_or(0, |filter| 1 + filter_nesting(filter))
    }
}

/// How many levels a filter has inside.
pub(super) fn filter_nesting(filter: &Filter) -> usize {
    filter.nesting(&|comparison| comparison.scalars().map(Scalar::nesting).max().unwrap_or(0))
}

impl Comparison<Scalar> {
    /// Whether an event alone answers it: no trait, no other event, no clock.
    pub(super) fn is_plain(&self) -> bool {
        let plain = |scalar: &Scalar| matches!(scalar, Scalar::Field(_) | Scalar::Literal(_));
        self.scalars().all(plain) && !matches!(self.comparator, Comparator::Relative(..))
    }
}

impl Scalar {
    /// Adds the names of the traits that it reads.
    pub(super) fn collect_traits<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match self {
            Self::Trait(path) => {
                names.insert(path.root());
            }
            Self::Stream(stream) => stream.collect_traits(names),
            Self::Field(_) | Self::Parent(_) | Self::Literal(_) | Self::Leaf(_) => {}
        }
    }

    fn nesting(&self) -> usize {
        if let Self::Stream(stream) = self { stream.nesting() } else { 0 }
    }
}

/// A constant in a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Literal {
    /// A decimal number in its shortest form (`5`, `-0.25`), of any size and precision.
    Number(String),
    /// A text, or an unquoted date.
    Text(String),
    /// `true` or `false`.
    Boolean(bool),
}

impl Literal {
    /// The text it is compared as where texts are compared.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Number(text) | Self::Text(text) => text,
            Self::Boolean(true) => "true",
            Self::Boolean(false) => "false",
        }
    }
}
