//! Entries in order of time: a small B+-tree whose root is kept in the profile and whose other nodes are pages.
//!
//! A page that is not in memory counts as empty. Callers see to it that none is needed (see
//! [`LeafState::missing`](super::LeafState::missing)); what a damaged store has lost is lost, and the rest goes on.

mod edit;
mod node;
mod packing;
mod walk;

use std::ops::Range;

use crate::domain::time::Timestamp;

use super::pages::{PageNumber, Pages};

pub(super) use node::{Node, text_bytes, value_bytes};
pub(super) use packing::{Base, Based};

/// Instants in milliseconds, the first included and the last not. Not [`Timestamp`]s: bounds may lie beyond them.
pub(super) type Times = Range<i64>;

/// Entries by time, among those of an instant by their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    root: Node,
}

impl Tree {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.root.count()
    }

    /// All entries, when none is on a page.
    pub(super) fn inline(&self) -> Option<&[super::Entry]> {
        match &self.root {
            Node::Leaf(entries) => Some(entries),
            Node::Inner { .. } => None,
        }
    }

    /// When the first entry is. Needs no page.
    pub(super) fn first_at(&self) -> Option<Timestamp> {
        match &self.root {
            Node::Leaf(entries) => entries.first().map(|entry| entry.at),
            Node::Inner { children, .. } => children.first().map(|child| child.at),
        }
    }

    /// The pages that are not in memory, as far as the nodes that are tell.
    pub(super) fn missing_pages(&self, pages: &Pages) -> Vec<PageNumber> {
        let mut missing = Vec::new();
        self.root.add_missing(pages, &mut missing);
        missing
    }
}

impl Node {
    fn add_missing(&self, pages: &Pages, missing: &mut Vec<PageNumber>) {
        let Self::Inner { children, .. } = self else { return };
        for child in children {
            if !pages.is_loaded(child.page) {
                missing.push(child.page);
            } else if let Some(node) = pages.node(child.page) {
                node.add_missing(pages, missing);
            }
        }
    }
}
