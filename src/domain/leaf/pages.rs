//! The pages of one leaf state: what of it is stored beside the profile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::MAX_ENTRIES;
use super::total::Total;
use super::tree::Node;

/// Which page of a leaf state. Numbers are given out rising and never again.
pub type PageNumber = u32;

/// A part of a leaf state that is stored on its own: some of its entries, some of their totals, or where to find them.
///
/// Packed it is at most about 4 KiB, more only when one entry alone is larger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Page(pub(super) Content);

/// What is on a page. The names are those in stored pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Content {
    /// A part of the ordered entries.
    #[serde(rename = "n")]
    Node(Node),
    /// A total that is too large for the profile, or a part of it.
    #[serde(rename = "t")]
    Total(Total),
}

/// How much fits where. The standard is for servers; tests take less, so that few entries fill many pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    /// Most entries of a state.
    pub(super) entries: usize,
    /// Of the root that is kept in the profile.
    pub(super) root: Room,
    /// Of every other node.
    pub(super) node: Room,
    /// Largest total kept in the profile, in bytes.
    pub(super) total: usize,
    /// Largest part of a larger one that is kept on a page, in bytes.
    pub(super) total_page: usize,
}

/// How much fits into a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Most entries.
    pub(super) entries: usize,
    /// Most children.
    pub(super) children: usize,
    /// Most bytes, packed.
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn half(self) -> Self {
        Self { entries: self.entries / 2, children: self.children / 2, bytes: self.bytes / 2 }
    }
}

impl Capacity {
    pub(super) const STANDARD: Self = Self {
        entries: MAX_ENTRIES,
        root: Room { entries: 64, children: 64, bytes: 900 },
        node: Room { entries: 128, children: 64, bytes: 2000 },
        total: 500,
        total_page: 4000,
    };
}

/// The pages of one leaf state that are in memory, and which of them changed.
#[derive(Debug)]
pub struct Pages {
    pub(super) capacity: Capacity,
    slots: BTreeMap<PageNumber, Slot>,
    /// What was asked for and not there. A lock because reading is enough to miss something.
    missed: Mutex<BTreeSet<PageNumber>>,
}

#[derive(Clone, Debug)]
struct Slot {
    /// `None`: there is no such page.
    page: Option<Arc<Page>>,
    is_changed: bool,
}

impl Default for Pages {
    fn default() -> Self {
        Self::with_capacity(Capacity::STANDARD)
    }
}

/// What was missed is not taken along.
impl Clone for Pages {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone(), ..Self::with_capacity(self.capacity) }
    }
}

impl Pages {
    /// None in memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn with_capacity(capacity: Capacity) -> Self {
        Self { capacity, slots: BTreeMap::new(), missed: Mutex::default() }
    }

    /// Takes what the store has under `number`; `None` when it has nothing, which stands for an empty page.
    pub fn put_loaded(&mut self, number: PageNumber, page: Option<Page>) {
        self.slots.insert(number, Slot { page: page.map(Arc::new), is_changed: false });
    }

    /// What has to be written since the last time: new contents, or `None` for a page that is gone.
    pub fn take_changes(&mut self) -> Vec<(PageNumber, Option<Page>)> {
        let changed = self.slots.iter_mut().filter(|(_, slot)| slot.is_changed);
        changed
            .map(|(number, slot)| {
                slot.is_changed = false;
                (*number, slot.page.as_deref().cloned())
            })
            .collect()
    }

    /// Whether something was asked for that was not in memory: what was decided since then is not to be trusted.
    pub fn has_missed(&self) -> bool {
        !self.missed.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn is_loaded(&self, number: PageNumber) -> bool {
        self.slots.contains_key(&number)
    }

    /// What is on a page that has to be in memory; if it is not, that is remembered.
    pub(super) fn get(&self, number: PageNumber) -> Option<&Content> {
        match self.slots.get(&number) {
            Some(slot) => slot.page.as_deref().map(|page| &page.0),
            None => {
                self.missed.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
                None
            }
        }
    }

    /// A node of the tree. `None`, when the page is not there, stands for an empty one.
    pub(super) fn node(&self, number: PageNumber) -> Option<&Node> {
        match self.get(number)? {
            Content::Node(node) => Some(node),
            Content::Total(_) => None,
        }
    }

    #[cfg(test)]
    pub(super) fn missed_now(&self) -> Vec<PageNumber> {
        self.missed.lock().unwrap().iter().copied().collect()
    }

    /// What was asked for and not in memory.
    pub(super) fn into_missed(self) -> Vec<PageNumber> {
        self.missed.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect()
    }
}

/// The pages while a state is being changed, with the number that the next new page gets.
pub(super) struct Desk<'d> {
    pub(super) pages: &'d mut Pages,
    pub(super) next: &'d mut PageNumber,
}

impl Desk<'_> {
    /// Takes a node out, to be put back changed. One that is not there is empty.
    pub(super) fn take_node(&mut self, number: PageNumber) -> Node {
        // Asked for first, so that a page which is not in memory is remembered.
        if self.pages.node(number).is_none() {
            return Node::default();
        }
        let page = self.pages.slots.get_mut(&number).and_then(|slot| slot.page.take());
        match page.map(Arc::unwrap_or_clone) {
            Some(Page(Content::Node(node))) => node,
            _ => Node::default(),
        }
    }

    /// Puts contents under a number; what is there already is not written again.
    pub(super) fn put(&mut self, number: PageNumber, content: Content) {
        let page = Page(content);
        let slot = self.pages.slots.entry(number).or_insert(Slot { page: None, is_changed: false });
        if slot.page.as_deref() != Some(&page) {
            *slot = Slot { page: Some(Arc::new(page)), is_changed: true };
        }
    }

    /// Puts contents under a new number.
    pub(super) fn put_new(&mut self, content: Content) -> PageNumber {
        let number = *self.next;
        *self.next = number.saturating_add(1);
        self.put(number, content);
        number
    }

    /// Removes a page, in memory or not.
    pub(super) fn remove(&mut self, number: PageNumber) {
        self.pages.slots.insert(number, Slot { page: None, is_changed: true });
    }
}
