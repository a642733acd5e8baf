//! A leaf's state as it is handed around, and its packed form.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::packed;
use crate::domain::packed_map::{Held, MapValue};
use crate::domain::time::Timestamp;

use super::state::State;
use super::{Entry, PageNumber, Pages, Reading, Shape};

/// What is kept of one user's events for one leaf. It is stored with the profile and stays small (at most some 1.5 KiB,
/// unless single values are large); what does not fit is on [`Pages`] beside it.
///
/// In whatever order entries are added, the value at every instant from then on is the same. A state is kept for one
/// [`Shape`], which is to be given with every call.
///
/// **Pages.** Before [`LeafState::add`], [`LeafState::advance`] or [`LeafState::value`], [`LeafState::missing`] says
/// which pages have to be loaded; before [`LeafState::merge`] and [`LeafState::entries`] it is
/// [`LeafState::missing_all`]. A page that is missing nevertheless counts as empty: what was on it is lost, nothing else.
///
/// **The present.** The largest `now` that a state was given counts: a clock that goes back does not bring back what has
/// left a window.
///
/// **Packed** it is a string of bytes. The first says whether anything is or was on pages, so that this is known without
/// reading the others, which are the state in MessagePack.
#[derive(Clone, Debug, Default)]
pub struct LeafState(Box<State>);

/// First byte of a state that is all there and always was.
const WHOLE: u8 = 0;
/// First byte of one that is all there again.
const WHOLE_AGAIN: u8 = 2;
/// First byte of one of which something is on pages.
const PAGED: u8 = 1;

impl LeafState {
    /// The pages that have to be in memory before `entries` are added one after another, the edges are moved to `now`,
    /// and the value is read. Loading them may show that more are needed: to be asked until it is empty, as a rule two or
    /// three times.
    pub fn missing(
        &self,
        shape: &Shape,
        entries: &[Entry],
        now: Timestamp,
        pages: &Pages,
    ) -> Vec<PageNumber> {
        self.0.missing(shape, entries, now, pages)
    }

    /// The pages that have to be in memory before all entries are read or merged; to be asked until it is empty.
    pub fn missing_all(&self, pages: &Pages) -> Vec<PageNumber> {
        self.0.missing_all(pages)
    }

    /// Whether anything of it is on pages.
    pub fn is_paged(&self) -> bool {
        self.0.is_paged()
    }

    /// Whether anything of it is, or ever was, on pages: some may still be in the store.
    pub fn had_pages(&self) -> bool {
        self.0.had_pages()
    }

    /// Adds an entry, with the edges moved to `now`.
    ///
    /// `false`: there is no room for it ([`MAX_ENTRIES`](super::MAX_ENTRIES), [`MAX_TEXTS`](super::MAX_TEXTS),
    /// [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES)), it was not added. Entries that do not matter, because they are too
    /// old or not of the kind that the reducer reads, are not kept; that is no lack of room.
    pub fn add(&mut self, shape: &Shape, entry: Entry, now: Timestamp, pages: &mut Pages) -> bool {
        self.0.add(shape, entry, now, pages)
    }

    /// Moves the edges to `now`, and forgets what will never count again.
    pub fn advance(&mut self, shape: &Shape, now: Timestamp, pages: &mut Pages) {
        self.0.advance(shape, now, pages);
    }

    /// The value at `now`, to which [`LeafState::advance`] has moved the edges. For a list it is null.
    pub fn value(&self, shape: &Shape, now: Timestamp, pages: &Pages) -> Reading {
        self.0.value(shape, now, pages)
    }

    /// How many entries are kept; none where only a total is.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no entries are kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries that are kept, in order. Every page has to be in memory.
    pub fn entries(&self, pages: &Pages) -> Vec<Entry> {
        self.0.entries(pages)
    }

    /// Adds all that was added to `other`, as far as there is room; answers how many entries found none. Every page of both
    /// has to be in memory.
    ///
    /// The value is the same as if all had been added here, at every instant from the latest `now` of both on.
    pub fn merge(
        &mut self,
        shape: &Shape,
        other: &Self,
        other_pages: &Pages,
        now: Timestamp,
        pages: &mut Pages,
    ) -> usize {
        self.0.merge(shape, &other.0, other_pages, now, pages)
    }

    fn packed(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.pack(&mut bytes);
        bytes
    }
}

impl MapValue for LeafState {
    fn pack(&self, bytes: &mut Vec<u8>) {
        bytes.push(match (self.is_paged(), self.had_pages()) {
            (true, _) => PAGED,
            (false, true) => WHOLE_AGAIN,
            (false, false) => WHOLE,
        });
        rmp_serde::encode::write(bytes, &*self.0).expect("a state holds nothing that MessagePack can't");
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes.get(1..)?).ok().map(Self)
    }
}

impl Held<'_, LeafState> {
    /// As [`LeafState::is_paged`]; the state is not read for it.
    pub fn is_paged(self) -> bool {
        match self {
            Self::Packed(bytes) => bytes.first() == Some(&PAGED),
            Self::Open(state) => state.is_paged(),
        }
    }

    /// As [`LeafState::had_pages`]; the state is not read for it.
    pub fn had_pages(self) -> bool {
        match self {
            Self::Packed(bytes) => bytes.first() != Some(&WHOLE),
            Self::Open(state) => state.had_pages(),
        }
    }
}

/// Two are equal whose packed forms are.
impl PartialEq for LeafState {
    fn eq(&self, other: &Self) -> bool {
        self.packed() == other.packed()
    }
}

impl Serialize for LeafState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.packed())
    }
}

impl<'de> Deserialize<'de> for LeafState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = packed::bytes(deserializer)?;
        Self::unpack(&bytes).ok_or_else(|| de::Error::custom("the state of a leaf can't be read"))
    }
}
