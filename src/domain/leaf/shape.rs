//! What a leaf asks of its events: which of them count at an instant, and what is made of those.

use serde_json::Value;

use crate::domain::time::{Span, Timestamp};

/// What has to be known of a leaf to keep its state. States are kept for one shape and make no sense with another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Which entries count at an instant.
    pub window: Window,
    /// What is made of them.
    pub reduce: Reduce,
    /// For [`Reduce::Count`] only: the count is never compared with anything above this, so of the entries inside the
    /// window no more than the newest `keep` are kept. Counts below it are exact, from there on only "at least".
    pub keep: Option<u32>,
}

/// Which entries count at an instant `now`. All bounds are inclusive and exact to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// All of them, those of the future too.
    All,
    /// Those of `now - span` to `now`.
    Within(Span),
    /// Those of `now - far` to `now - near`.
    Between {
        /// How old the youngest may be.
        near: Span,
        /// How old the oldest may be; never shorter than `near`.
        far: Span,
    },
    /// Of those up to `now`, the last run in which each is no more than the span after the one before. Once `now` is
    /// more than the span after the last of them: none.
    Session(Span),
}

impl Window {
    /// Whether it is the last session. Entries that the reducer does not read are part of one, too.
    pub fn is_session(self) -> bool {
        matches!(self, Self::Session(_))
    }
}

/// What is made of the entries that count, and with it what an [`Entry::value`](super::Entry) has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduce {
    /// How many there are. The entries' values are not looked at.
    Count,
    /// The exact sum of numbers; 0 of none.
    Sum,
    /// The mean of numbers; null of none.
    Average,
    /// The least; null of none.
    Minimum(As),
    /// The greatest; null of none.
    Maximum(As),
    /// The value of the earliest entry, whatever JSON it is; null of none.
    First,
    /// The value of the latest entry, whatever JSON it is; null of none.
    Last,
    /// The most frequent text, when it occurs at least so many times; the first of the alphabet among equals. A value
    /// is an array of texts, each of which counts once for each time it is in it.
    Mode {
        /// How often it has to occur. 0 is as good as 1.
        least: u32,
    },
    /// The distinct texts, by code point order.
    Unique,
    /// How many distinct texts there are.
    UniqueCount,
    /// Nothing: the newest [`LIST_KEPT`](super::LIST_KEPT) entries are kept, and read with
    /// `LeafState::entries`.
    List,
}

/// How a least and a greatest value compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum As {
    /// As JSON numbers.
    Number,
    /// As JSON texts, by code point order.
    Text,
}

/// What a leaf yields at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The value; null when there is none.
    pub value: Value,
    /// The earliest later instant at which the value may be another if no entry is added. `None`: it stays for ever.
    pub holds_until: Option<Timestamp>,
}
