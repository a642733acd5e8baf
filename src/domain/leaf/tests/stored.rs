//! A state with its pages as a store has them: everything is packed between two uses, and nothing is in memory that was
//! not asked for.

use std::collections::BTreeMap;

use crate::domain::leaf::pages::Capacity;
use crate::domain::leaf::state::State;
use crate::domain::leaf::{Entry, Page, PageNumber, Pages, Reading, Shape};
use crate::domain::time::Timestamp;

pub(super) struct Stored {
    pub(super) shape: Shape,
    pub(super) state: State,
    capacity: Capacity,
    /// Packed pages.
    pub(super) store: BTreeMap<PageNumber, Vec<u8>>,
    pages: Pages,
    /// How many pages the last use loaded, and how many it wrote.
    pub(super) touched: (usize, usize),
    has_lost: bool,
}

impl Stored {
    pub(super) fn new(shape: Shape, capacity: Capacity) -> Self {
        let pages = Pages::with_capacity(capacity);
        let (state, store) = (State::default(), BTreeMap::new());
        Self { shape, state, capacity, store, pages, touched: (0, 0), has_lost: false }
    }

    /// Packs the state and forgets the pages in memory.
    pub(super) fn forget(&mut self) {
        let packed = rmp_serde::to_vec_named(&self.state).unwrap();
        let unpacked: State = rmp_serde::from_slice(&packed).unwrap();
        assert_eq!(unpacked, self.state);
        let json = serde_json::to_string(&self.state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&json).unwrap(), self.state, "{json}");
        self.state = unpacked;
        self.pages = Pages::with_capacity(self.capacity);
    }

    /// The store loses a page.
    pub(super) fn lose(&mut self, number: PageNumber) {
        self.forget();
        self.store.remove(&number);
        self.has_lost = true;
    }

    fn load(&mut self, missing: &[PageNumber]) {
        for number in missing {
            assert!((0..self.state.next).contains(number));
            let packed = self.store.get(number);
            assert!(packed.is_some() || self.has_lost, "only pages that exist are asked for");
            self.pages.put_loaded(*number, packed.map(|packed| rmp_serde::from_slice(packed).unwrap()));
        }
        self.touched.0 += missing.len();
    }

    /// Loads what is missing for an entry and the value.
    fn load_for(&mut self, entry: Option<&Entry>, now: Timestamp) {
        self.touched = (0, 0);
        for round in 0.. {
            let missing = self.state.missing(
                &self.shape,
                entry.map_or(&[][..], std::slice::from_ref),
                now,
                &self.pages,
            );
            if missing.is_empty() {
                return;
            }
            assert!(round < 30, "no end of loading");
            self.load(&missing);
        }
    }

    fn load_all(&mut self) {
        loop {
            let missing = self.state.missing_all(&self.pages);
            if missing.is_empty() {
                return;
            }
            self.load(&missing);
        }
    }

    /// Writes what changed, and sees to it that nothing was used that was not in memory.
    pub(super) fn save(&mut self) {
        let changes = self.pages.take_changes();
        self.touched.1 = changes.len();
        for (number, page) in changes {
            match page {
                Some(page) => {
                    let packed = rmp_serde::to_vec_named(&page).unwrap();
                    assert_eq!(rmp_serde::from_slice::<Page>(&packed).unwrap(), page);
                    let json = serde_json::to_string(&page).unwrap();
                    assert_eq!(serde_json::from_str::<Page>(&json).unwrap(), page, "{json}");
                    self.store.insert(number, packed);
                }
                None => {
                    self.store.remove(&number);
                }
            }
        }
        assert_eq!(self.pages.missed_now(), Vec::<PageNumber>::new(), "used without being asked for");
    }

    /// Without loading anything: all is in memory.
    pub(super) fn add_in_memory(&mut self, entry: Entry, now: Timestamp) -> bool {
        self.state.add(&self.shape, entry, now, &mut self.pages)
    }

    pub(super) fn add(&mut self, entry: Entry, now: Timestamp) -> bool {
        self.load_for(Some(&entry), now);
        let added = self.state.add(&self.shape, entry, now, &mut self.pages);
        self.state.value(&self.shape, now, &self.pages);
        self.save();
        added
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.load_for(None, now);
        self.state.advance(&self.shape, now, &mut self.pages);
        self.state.value(&self.shape, now, &self.pages);
        self.save();
    }

    /// The value at `now`, without changing anything.
    pub(super) fn read(&mut self, now: Timestamp) -> Reading {
        self.load_for(None, now);
        let (mut state, mut pages) = (self.state.clone(), self.pages.clone());
        state.advance(&self.shape, now, &mut pages);
        let reading = state.value(&self.shape, now, &pages);
        assert_eq!(pages.missed_now(), Vec::<PageNumber>::new());
        reading
    }

    pub(super) fn entries(&mut self) -> Vec<Entry> {
        self.load_all();
        self.state.entries(&self.pages)
    }

    pub(super) fn merge(&mut self, other: &mut Self, now: Timestamp) {
        self.load_all();
        other.load_all();
        self.state.merge(&self.shape, &other.state, &other.pages, now, &mut self.pages);
        self.save();
    }

    /// Every page in the store is one that the state knows.
    pub(super) fn check_no_page_is_left_behind(&mut self) {
        self.forget();
        self.touched = (0, 0);
        self.load_all();
        assert_eq!(self.touched.0, self.store.len());
    }
}
