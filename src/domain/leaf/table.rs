//! How often each text occurs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tree::text_bytes;
use super::{MAX_TEXT_BYTES, MAX_TEXTS};

/// Texts with how often they occur, never 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Table(BTreeMap<String, u64>);

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many distinct texts there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Counts each of `texts` once more. `false`: there is no room for all of them, and nothing was done.
    pub(super) fn add<'t>(&mut self, texts: impl Iterator<Item = &'t str> + Clone) -> bool {
        let mut new: Vec<&str> = texts.clone().filter(|text| !self.0.contains_key(*text)).collect();
        new.sort_unstable();
        new.dedup();
        if !new.is_empty() {
            let length: usize = self.0.keys().map(String::len).chain(new.iter().map(|text| text.len())).sum();
            if self.0.len() + new.len() > MAX_TEXTS || length > MAX_TEXT_BYTES {
                return false;
            }
        }
        for text in texts {
            self.count(text, 1);
        }
        true
    }

    fn count(&mut self, text: &str, times: u64) {
        match self.0.get_mut(text) {
            Some(count) => *count = count.saturating_add(times),
            None => {
                self.0.insert(text.to_owned(), times);
            }
        }
    }

    /// Takes back what [`Table::add`] did.
    pub(super) fn remove<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        for text in texts {
            if let Some(count) = self.0.get_mut(text) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(text);
                }
            }
        }
    }

    /// Adds all that the other has. Texts that there is no room for are left out, the last of the alphabet first.
    pub(super) fn merge(&mut self, other: Self) {
        for (text, count) in other.0 {
            if self.add(std::iter::once(text.as_str())) {
                self.count(&text, count.saturating_sub(1));
            }
        }
    }

    /// The text that occurs most often, of equals the first of the alphabet, if it occurs at least `least` times.
    pub(super) fn most_frequent(&self, least: u32) -> Value {
        let best = self.0.iter().rev().max_by_key(|(_, count)| **count);
        best.filter(|(_, count)| **count >= u64::from(least))
            .map_or(Value::Null, |(text, _)| text.as_str().into())
    }

    /// All texts, in order of the alphabet.
    pub(super) fn texts(&self) -> Value {
        self.0.keys().map(String::as_str).collect()
    }

    /// About how long it is when packed.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(row_bytes).sum()
    }

    /// Parts of at most `bytes`, or of a single text.
    pub(super) fn split(self, bytes: usize) -> Vec<Self> {
        let mut parts = Vec::new();
        let (mut part, mut used) = (BTreeMap::new(), 0);
        for (text, count) in self.0 {
            let length = row_bytes((&text, &count));
            if used + length > bytes && !part.is_empty() {
                parts.push(Self(std::mem::take(&mut part)));
                used = 0;
            }
            used += length;
            part.insert(text, count);
        }
        parts.push(Self(part));
        parts
    }

    /// Adds a part that [`Table::split`] made, whatever the limits are.
    pub(super) fn join(&mut self, part: &Self) {
        self.0.extend(part.0.iter().map(|(text, count)| (text.clone(), *count)));
    }
}

/// Counts are taken for five bytes: were the parts cut closer, each event would move the cuts.
fn row_bytes((text, _): (&String, &u64)) -> usize {
    text_bytes(text) + 5
}
