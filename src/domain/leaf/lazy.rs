//! A leaf's state as profiles hold it: packed until it is asked for. An event touches few of the leaves of a profile that is
//! read and written whole.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::packed;
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
/// **Damage.** A state that was stored and can't be read counts as empty, and as something missing
/// ([`Pages::has_missed`]): what was decided on it is not to be written.
#[derive(Clone)]
pub struct LeafState(Form);

#[derive(Clone)]
enum Form {
    /// The first byte says whether anything is or was on pages, the others are the state in MessagePack.
    Packed(Box<[u8]>),
    Open(Box<State>),
}

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
        if !self.is_paged() {
            return Vec::new();
        }
        self.read(|state| state.missing(shape, entries, now, pages)).unwrap_or_default()
    }

    /// The pages that have to be in memory before all entries are read or merged; to be asked until it is empty.
    pub fn missing_all(&self, pages: &Pages) -> Vec<PageNumber> {
        if !self.is_paged() {
            return Vec::new();
        }
        self.read(|state| state.missing_all(pages)).unwrap_or_default()
    }

    /// Whether anything of it is on pages.
    pub fn is_paged(&self) -> bool {
        match &self.0 {
            Form::Packed(bytes) => bytes.first() == Some(&PAGED),
            Form::Open(state) => state.is_paged(),
        }
    }

    /// Whether anything of it is, or ever was, on pages: some may still be in the store.
    pub fn had_pages(&self) -> bool {
        match &self.0 {
            Form::Packed(bytes) => bytes.first() != Some(&WHOLE),
            Form::Open(state) => state.had_pages(),
        }
    }

    /// Adds an entry, with the edges moved to `now`.
    ///
    /// `false`: there is no room for it ([`MAX_ENTRIES`](super::MAX_ENTRIES), [`MAX_TEXTS`](super::MAX_TEXTS),
    /// [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES)), it was not added. Entries that do not matter, because they are too
    /// old or not of the kind that the reducer reads, are not kept; that is no lack of room.
    pub fn add(&mut self, shape: &Shape, entry: Entry, now: Timestamp, pages: &mut Pages) -> bool {
        self.open(pages).add(shape, entry, now, pages)
    }

    /// Moves the edges to `now`, and forgets what will never count again.
    pub fn advance(&mut self, shape: &Shape, now: Timestamp, pages: &mut Pages) {
        self.open(pages).advance(shape, now, pages);
    }

    /// The value at `now`, to which [`LeafState::advance`] has moved the edges. For a list it is null.
    pub fn value(&self, shape: &Shape, now: Timestamp, pages: &Pages) -> Reading {
        self.read_or_note(pages, |state| state.value(shape, now, pages))
    }

    /// How many entries are kept; none where only a total is.
    pub fn len(&self) -> usize {
        self.read(State::len).unwrap_or_default()
    }

    /// Whether no entries are kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries that are kept, in order. Every page has to be in memory.
    pub fn entries(&self, pages: &Pages) -> Vec<Entry> {
        self.read_or_note(pages, |state| state.entries(pages))
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
        let left_out = other.read(|other| self.open(pages).merge(shape, other, other_pages, now, pages));
        left_out.unwrap_or_else(|| {
            pages.note_missed();
            0
        })
    }

    /// The state, to be changed.
    fn open(&mut self, pages: &Pages) -> &mut State {
        if let Form::Packed(bytes) = &self.0 {
            let state = unpack(bytes).unwrap_or_else(|| {
                pages.note_missed();
                State::default()
            });
            self.0 = Form::Open(Box::new(state));
        }
        match &mut self.0 {
            Form::Open(state) => state,
            Form::Packed(_) => unreachable!("it was opened above"),
        }
    }

    /// Reads the state; `None` where it is damaged.
    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Option<T> {
        match &self.0 {
            Form::Open(state) => Some(read(state)),
            Form::Packed(bytes) => unpack(bytes).as_ref().map(read),
        }
    }

    fn read_or_note<T>(&self, pages: &Pages, read: impl Fn(&State) -> T) -> T {
        self.read(&read).unwrap_or_else(|| {
            pages.note_missed();
            read(&State::default())
        })
    }

    /// Its packed form.
    fn packed(&self) -> std::borrow::Cow<'_, [u8]> {
        match &self.0 {
            Form::Packed(bytes) => bytes.as_ref().into(),
            Form::Open(state) => {
                let mut bytes = vec![match (state.is_paged(), state.had_pages()) {
                    (true, _) => PAGED,
                    (false, true) => WHOLE_AGAIN,
                    (false, false) => WHOLE,
                }];
                rmp_serde::encode::write(&mut bytes, state)
                    .expect("a state holds nothing that MessagePack can't");
                bytes.into()
            }
        }
    }
}

/// First byte of a state that is all there and always was.
const WHOLE: u8 = 0;
/// First byte of one that is all there again.
const WHOLE_AGAIN: u8 = 2;
/// First byte of one of which something is on pages.
const PAGED: u8 = 1;

fn unpack(bytes: &[u8]) -> Option<State> {
    rmp_serde::from_slice(bytes.get(1..)?).ok()
}

impl Default for LeafState {
    fn default() -> Self {
        Self(Form::Open(Box::default()))
    }
}

impl PartialEq for LeafState {
    fn eq(&self, other: &Self) -> bool {
        self.packed() == other.packed()
    }
}

impl fmt::Debug for LeafState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeafState").field(&self.read(|state| format!("{state:?}"))).finish()
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
        if bytes.is_empty() {
            return Err(de::Error::invalid_length(0, &"the state of a leaf"));
        }
        Ok(Self(Form::Packed(bytes.into_boxed_slice())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::leaf::{Reduce, Window};
    use crate::domain::time::Span;

    #[test]
    fn a_state_that_cannot_be_read_is_something_missing() {
        let shape = Shape { window: Window::Within(Span::from_days(1)), reduce: Reduce::Count, keep: None };
        let now = Timestamp::from_millis(1_790_000_000_000);
        let damaged = LeafState(Form::Packed(vec![WHOLE, 0xc1].into()));
        let pages = Pages::new();
        assert_eq!(damaged.value(&shape, now, &pages).value, json!(0));
        assert!(pages.has_missed());
        let (mut state, mut pages) = (damaged.clone(), Pages::new());
        state.add(&shape, Entry { at: now, order: None, value: json!(null) }, now, &mut pages);
        assert!(pages.has_missed());
        let (mut state, mut pages) = (LeafState::default(), Pages::new());
        state.merge(&shape, &damaged, &Pages::new(), now, &mut pages);
        assert!(pages.has_missed());
    }
}
