//! How a state is stored: a list of its parts, cut after the last that is not empty.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PageNumber;
use super::kept::Kept;
use super::state::State;
use super::total::Total;
use super::tree::{Base, Based};

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { seen, tree, kept, start, next } = self;
        let is_used = [
            kept.inline != Total::Nothing,
            seen.is_some(),
            tree.len() > 0,
            *next > 0,
            !kept.pages.is_empty(),
            start.is_some(),
        ];
        let length = is_used.iter().rposition(|is_used| *is_used).map_or(0, |last| last + 1);
        let mut parts = serializer.serialize_seq(Some(length))?;
        for part in 0..length {
            match part {
                0 => parts.serialize_element(&is_used[0].then_some(&kept.inline))?,
                1 => parts.serialize_element(seen)?,
                2 => parts.serialize_element(&Based(tree, seen.unwrap_or(0)))?,
                3 => parts.serialize_element(next)?,
                4 => parts.serialize_element(&kept.pages)?,
                _ => parts.serialize_element(start)?,
            }
        }
        parts.end()
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = State;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of total, time, entries, next page, pages of the total, start")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<State, A::Error> {
        let inline = parts.next_element::<Option<Total>>()?.flatten().unwrap_or_default();
        let seen = parts.next_element::<Option<i64>>()?.flatten();
        let tree = parts.next_element_seed(Base(seen.unwrap_or(0)))?.unwrap_or_default();
        let next = parts.next_element::<PageNumber>()?.unwrap_or_default();
        let pages = parts.next_element::<Vec<PageNumber>>()?.unwrap_or_default();
        let start = parts.next_element::<Option<i64>>()?.flatten();
        Ok(State { seen, tree, kept: Kept { inline, pages }, start, next })
    }
}
