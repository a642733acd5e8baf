//! The state of one leaf for one user, unpacked.

use serde_json::Value;

use crate::domain::time::Timestamp;

use super::kept::Kept;
use super::pages::{PageNumber, Pages};
use super::session::Run;
use super::total::{Total, picked_value};
use super::tree::Tree;
use super::window::Edges;
use super::work::{Manner, load};
use super::{Entry, Reading, Reduce, Shape};

/// A [`LeafState`](super::LeafState), unpacked; its methods are those.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// The largest `now` so far, in milliseconds; `None`: there was none, or the window is all time.
    pub(super) seen: Option<i64>,
    /// The entries, where entries are kept.
    pub(super) tree: Tree,
    /// The total of those that count, where it cannot be made from a few entries.
    pub(super) kept: Kept,
    /// When the session began of which the total is, in milliseconds.
    pub(super) start: Option<i64>,
    /// The number of the next new page.
    pub(super) next: PageNumber,
}

impl State {
    /// The pages that have to be in memory before `entries` are added one after another, the edges are moved to `now`,
    /// and the value is read. Loading them may show that more are needed: to be asked until it is empty, as a rule two or
    /// three times.
    pub(super) fn missing(
        &self,
        shape: &Shape,
        entries: &[Entry],
        now: Timestamp,
        pages: &Pages,
    ) -> Vec<PageNumber> {
        if !self.is_paged() {
            return Vec::new();
        }
        // Doing it on copies shows what it takes. Pages are shared until they change, so the copies are cheap.
        let mut state = self.clone();
        let mut pages = pages.clone();
        state.advance(shape, now, &mut pages);
        for entry in entries {
            state.add(shape, entry.clone(), now, &mut pages);
        }
        state.read(shape, now, &pages, &|_| Value::Null);
        pages.into_missed()
    }

    /// The pages that have to be in memory before all entries are read or merged; to be asked until it is empty.
    pub(super) fn missing_all(&self, pages: &Pages) -> Vec<PageNumber> {
        let mut missing = self.tree.missing_pages(pages);
        missing.extend(self.kept.pages.iter().filter(|page| !pages.is_loaded(**page)));
        missing
    }

    /// Whether anything of it is, or ever was, on pages.
    pub(super) fn had_pages(&self) -> bool {
        self.next > 0
    }

    /// Whether anything of it is on pages.
    pub(super) fn is_paged(&self) -> bool {
        !self.kept.pages.is_empty() || self.tree.inline().is_none()
    }

    /// Adds an entry, with the edges moved to `now`.
    ///
    /// `false`: there is no room for it ([`MAX_ENTRIES`](super::MAX_ENTRIES), [`MAX_TEXTS`](super::MAX_TEXTS),
    /// [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES)), it was not added. Entries that do not matter, because they are too
    /// old or not of the kind that the reducer reads, are not kept; that is no lack of room.
    pub(super) fn add(&mut self, shape: &Shape, entry: Entry, now: Timestamp, pages: &mut Pages) -> bool {
        self.see(shape, now);
        self.change(shape, pages, |work| {
            work.advance(now.millis());
            work.add(entry)
        })
    }

    /// Moves the edges to `now`, and forgets what will never count again.
    pub(super) fn advance(&mut self, shape: &Shape, now: Timestamp, pages: &mut Pages) {
        if self.seen.is_some_and(|seen| seen < now.millis()) {
            self.change(shape, pages, |work| work.advance(now.millis()));
        }
    }

    /// The first `now` is kept before anything else is.
    fn see(&mut self, shape: &Shape, now: Timestamp) {
        if self.seen.is_none() && !matches!(Manner::of(shape), Manner::Total | Manner::Newest(None)) {
            self.seen = Some(now.millis());
        }
    }

    /// The value at `now`, to which [`State::advance`] has moved the edges. For a list it is null.
    pub(super) fn value(&self, shape: &Shape, now: Timestamp, pages: &Pages) -> Reading {
        self.read(shape, now, pages, &|total| total.value(shape.reduce))
    }

    /// The same, with `value_of` to make the value of a total.
    fn read(
        &self,
        shape: &Shape,
        now: Timestamp,
        pages: &Pages,
        value_of: &dyn Fn(&Total) -> Value,
    ) -> Reading {
        let (value, changes_at) = match (Manner::of(shape), self.seen) {
            (Manner::Newest(_), _) => (Value::Null, None),
            (Manner::Running(edges), Some(seen)) => {
                (value_of(&self.run(shape, pages).total), self.edges_meet(edges, seen, pages))
            }
            (Manner::Candidates(edges) | Manner::Plain(edges), Some(seen)) => {
                let has_inside = self.tree.first_at().is_some_and(|at| edges.at(seen).contains(&at.millis()));
                let picked = if has_inside { self.tree.first(pages) } else { None };
                let value = picked.map_or(Value::Null, |entry| picked_value(shape.reduce, entry));
                (value, self.edges_meet(edges, seen, pages))
            }
            (Manner::Session(gap), Some(seen)) => {
                let (goes_on, changes_at) = self.session(gap, seen, pages);
                let total = if goes_on { self.run(shape, pages).total } else { Total::Nothing };
                (value_of(&total), changes_at)
            }
            (Manner::Total, _) | (_, None) => (value_of(&self.run(shape, pages).total), None),
        };
        // Beyond the last representable instant nothing happens.
        let instant = |at: i64| Some(Timestamp::from_millis(at)).filter(|instant| instant.millis() == at);
        let later = |at: i64| at.max(now.millis().saturating_add(1));
        Reading { value, holds_until: changes_at.map(later).and_then(instant) }
    }

    fn run(&self, shape: &Shape, pages: &Pages) -> Run {
        load(shape, Manner::of(shape), self.seen, &self.tree, &self.kept, self.start, pages)
    }

    /// When the edges next meet an entry.
    fn edges_meet(&self, edges: Edges, seen: i64, pages: &Pages) -> Option<i64> {
        let inside = edges.at(seen);
        let first = self.tree.first_at().filter(|at| inside.contains(&at.millis()));
        let above = self.tree.first_after(inside.end.saturating_sub(1), pages);
        edges.next_change(first, above)
    }

    /// Whether the last session goes on at `seen`, and when that or its value changes.
    fn session(&self, gap: i64, seen: i64, pages: &Pages) -> (bool, Option<i64>) {
        let last = self.tree.last_until(seen, pages).map(|entry| entry.at.millis());
        let over = last.map(|last| last.saturating_add(gap).saturating_add(1)).filter(|over| *over > seen);
        let next = self.tree.first_after(seen, pages).map(Timestamp::millis);
        (over.is_some(), over.into_iter().chain(next).min())
    }

    /// How many entries are kept; none where only a total is.
    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    /// The entries that are kept, in order. Every page has to be in memory.
    pub(super) fn entries(&self, pages: &Pages) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.tree.len());
        self.tree.visit(&(i64::MIN..i64::MAX), pages, &mut |entry| entries.push(entry.clone()));
        entries
    }

    /// Adds all that was added to `other`, as far as there is room; answers how many entries found none. Every page of both
    /// has to be in memory.
    ///
    /// The value is the same as if all had been added here, at every instant from the latest `now` of both on.
    pub(super) fn merge(
        &mut self,
        shape: &Shape,
        other: &Self,
        other_pages: &Pages,
        now: Timestamp,
        pages: &mut Pages,
    ) -> usize {
        self.see(shape, now);
        let now = other.seen.map_or(now.millis(), |seen| seen.max(now.millis()));
        self.change(shape, pages, |work| {
            work.advance(now);
            if matches!(work.manner, Manner::Total) {
                work.parts().0.total.merge(shape.reduce, other.kept.load(other_pages));
            }
            let entries = other.entries(other_pages).into_iter();
            entries.map(|entry| work.add(entry)).filter(|added| !added).count()
        })
    }
}

/// The value of `entries`, all of which count, in any order: the plain computation that a state makes bit by bit. Null
/// for [`Reduce::List`]. The limits hold: entries with texts that there is no room for are left out.
pub fn reduce_all<'e>(reduce: Reduce, entries: impl IntoIterator<Item = &'e Entry>) -> Value {
    let mut total = Total::Nothing;
    for entry in entries {
        total.add(reduce, entry);
    }
    total.value(reduce)
}
