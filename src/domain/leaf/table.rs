//! How often each text occurs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::tree::text_bytes;
use super::{MAX_TEXT_BYTES, MAX_TEXTS};

/// Texts with how often they occur, never 0.
///
/// They are in chunks, each of which is before the next in the alphabet and none empty. A large table is loaded and
/// stored with every entry: chunks that do not change are shared with the pages that they are on, and cost nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Vec<Arc<Chunk>>);

type Chunk = BTreeMap<String, u64>;

/// Tables of the same texts are equal, however they are cut.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        // Arcs that are the same are found equal without a look at the texts.
        self.0 == other.0 || self.rows().eq(other.rows())
    }
}

impl Table {
    fn rows(&self) -> impl DoubleEndedIterator<Item = (&String, &u64)> {
        self.0.iter().flat_map(|chunk| chunk.iter())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many distinct texts there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|chunk| chunk.len()).sum()
    }

    /// The chunk where a text is, or would have to be.
    fn place(&self, text: &str) -> usize {
        let is_before =
            |chunk: &Arc<Chunk>| chunk.first_key_value().is_some_and(|(first, _)| first.as_str() <= text);
        self.0.partition_point(is_before).saturating_sub(1)
    }

    fn contains(&self, text: &str) -> bool {
        self.0.get(self.place(text)).is_some_and(|chunk| chunk.contains_key(text))
    }

    /// Counts each of `texts` once more. `false`: there is no room for all of them, and nothing was done.
    pub(super) fn add<'t>(&mut self, texts: impl Iterator<Item = &'t str> + Clone) -> bool {
        let mut new: Vec<&str> = texts.clone().filter(|text| !self.contains(text)).collect();
        new.sort_unstable();
        new.dedup();
        if !new.is_empty() {
            let old = self.rows().map(|(text, _)| text.len()).sum::<usize>();
            let length = old + new.iter().map(|text| text.len()).sum::<usize>();
            if self.len() + new.len() > MAX_TEXTS || length > MAX_TEXT_BYTES {
                return false;
            }
        }
        texts.for_each(|text| self.count(text, 1));
        true
    }

    fn count(&mut self, text: &str, times: u64) {
        if self.0.is_empty() {
            self.0.push(Arc::default());
        }
        let place = self.place(text);
        let Some(chunk) = self.0.get_mut(place).map(Arc::make_mut) else { return };
        match chunk.get_mut(text) {
            Some(count) => *count = count.saturating_add(times),
            None => {
                chunk.insert(text.to_owned(), times);
            }
        }
    }

    /// Takes back what [`Table::add`] did.
    pub(super) fn remove<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        for text in texts {
            let place = self.place(text);
            let Some(chunk) = self.0.get_mut(place).map(Arc::make_mut) else { return };
            let Some(count) = chunk.get_mut(text) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                chunk.remove(text);
            }
            if chunk.is_empty() {
                self.0.remove(place);
            }
        }
    }

    /// Adds all that the other has. Texts that there is no room for are left out, the last of the alphabet first.
    pub(super) fn merge(&mut self, other: &Self) {
        for (text, count) in other.rows() {
            if self.add(std::iter::once(text.as_str())) {
                self.count(text, count.saturating_sub(1));
            }
        }
    }

    /// The text that occurs most often, of equals the first of the alphabet, if it occurs at least `least` times.
    pub(super) fn most_frequent(&self, least: u32) -> Value {
        let best = self.rows().rev().max_by_key(|(_, count)| **count);
        best.filter(|(_, count)| **count >= u64::from(least))
            .map_or(Value::Null, |(text, _)| text.as_str().into())
    }

    /// All texts, in order of the alphabet.
    pub(super) fn texts(&self) -> Value {
        self.rows().map(|(text, _)| text.as_str()).collect()
    }

    /// About how long it is when packed.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|chunk| chunk_bytes(chunk)).sum()
    }

    /// Parts of at most `bytes`, or of a single text. Chunks stay as they are, as far as possible.
    pub(super) fn split(self, bytes: usize) -> Vec<Self> {
        let mut parts: Vec<Arc<Chunk>> = Vec::new();
        for chunk in self.0 {
            let length = chunk_bytes(&chunk);
            match parts.last_mut() {
                // What shrank goes together, only once it is far below the size at which it is split again.
                Some(last) if chunk_bytes(last) + length <= bytes / 2 => {
                    Arc::make_mut(last).append(&mut Arc::unwrap_or_clone(chunk));
                }
                _ if length <= bytes || chunk.len() < 2 => parts.push(chunk),
                _ => parts.extend(cut(Arc::unwrap_or_clone(chunk), bytes)),
            }
        }
        parts.into_iter().map(|part| Self(vec![part])).collect()
    }

    /// Adds a part that [`Table::split`] made and that comes after all others.
    pub(super) fn join(&mut self, part: &Self) {
        self.0.extend(part.0.iter().cloned());
    }
}

/// Cuts a chunk in two until the pieces are no longer than `bytes`.
fn cut(mut chunk: Chunk, bytes: usize) -> Vec<Arc<Chunk>> {
    let middle = chunk.keys().nth(chunk.len() / 2).cloned();
    match middle {
        Some(middle) if chunk.len() > 1 && chunk_bytes(&chunk) > bytes => {
            let rest = chunk.split_off(&middle);
            let mut pieces = cut(chunk, bytes);
            pieces.append(&mut cut(rest, bytes));
            pieces
        }
        _ => vec![Arc::new(chunk)],
    }
}

/// About how long a chunk is when packed, whatever its counts are.
fn chunk_bytes(chunk: &Chunk) -> usize {
    chunk.keys().map(|text| text_bytes(text) + 5).sum()
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [chunk] => chunk.serialize(serializer),
            _ => self.rows().collect::<BTreeMap<_, _>>().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let chunk = Chunk::deserialize(deserializer)?;
        Ok(Self(if chunk.is_empty() { Vec::new() } else { vec![Arc::new(chunk)] }))
    }
}
