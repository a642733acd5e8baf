//! One node of the tree, and how a full one is split.

use serde_json::Value;

use crate::domain::leaf::pages::{PageNumber, Room};
use crate::domain::leaf::{Entry, Order};
use crate::domain::time::Timestamp;

/// A node: entries in order, or where they are.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::domain::leaf) enum Node {
    /// Entries, in order.
    Leaf(Vec<Entry>),
    /// Pages with nodes, in order.
    Inner {
        /// How far above the leaves; 1: the children are leaves.
        level: u8,
        /// Never empty, except in an empty tree.
        children: Vec<Child>,
    },
}

/// A node on a page of its own, as its parent knows it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::domain::leaf) struct Child {
    /// The time of the first entry in it.
    pub(super) at: Timestamp,
    /// What an entry of that time has to be ordered after, to belong here; `None`: every entry of that time does, as no
    /// node before this one has any. Orders are long, and equal times that fall on two pages are rare.
    pub(super) order: Option<Order>,
    /// Where it is.
    pub(super) page: PageNumber,
    /// How many entries are in it.
    pub(super) count: usize,
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

impl Child {
    /// What is to be known of `node` on `page`; `None` when it is empty. `order` is that of a leaf, a node above leaves
    /// has that of its first child.
    pub(super) fn of(node: &Node, page: PageNumber, order: Option<Order>) -> Option<Self> {
        let (at, order) = match node {
            Node::Leaf(entries) => (entries.first()?.at, order),
            Node::Inner { children, .. } => children.first().map(|first| (first.at, first.order.clone()))?,
        };
        Some(Self { at, order, page, count: node.count() })
    }

    /// The order to be known of this child after its node has changed to `node`.
    ///
    /// Times before this child's go to nodes before it, so a first entry of a later time is the first of that time; one
    /// of an earlier time is the first of all.
    pub(super) fn order_of(self, node: &Node) -> Option<Order> {
        self.order.filter(|_| node.first().is_some_and(|first| first.at == self.at))
    }
}

impl Node {
    /// How many entries are in it and below it.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner { children, .. } => children.iter().map(|child| child.count).sum(),
        }
    }

    /// The first entry of a leaf.
    pub(super) fn first(&self) -> Option<&Entry> {
        match self {
            Self::Leaf(entries) => entries.first(),
            Self::Inner { .. } => None,
        }
    }

    /// The order to be known of a leaf that comes after one whose last entry is at `before`.
    pub(super) fn order_after(&self, before: Option<Timestamp>) -> Option<Order> {
        let first = self.first().filter(|first| Some(first.at) == before);
        first.and_then(|first| first.order.clone())
    }

    /// When the last entry of a leaf is.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        match self {
            Self::Leaf(entries) => entries.last().map(|last| last.at),
            Self::Inner { .. } => None,
        }
    }

    /// How far above the leaves.
    pub(super) fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner { level, .. } => *level,
        }
    }

    /// Entries or children.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner { children, .. } => children.len(),
        }
    }

    /// Whether it is small enough. A single entry or child fits everywhere on a page.
    pub(super) fn fits(&self, room: Room) -> bool {
        let most = match self {
            Self::Leaf(_) => room.entries,
            Self::Inner { .. } => room.children,
        };
        self.length() <= most && self.bytes() <= room.bytes
    }

    /// About how long it is when packed.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.iter().map(entry_bytes).sum(),
            Self::Inner { children, .. } => children.iter().map(|child| 12 + order_bytes(&child.order)).sum(),
        }
    }

    /// Splits it into nodes that fit.
    ///
    /// `grew_at_end`: what came last was put at the end, as entries mostly are. The next ones will be too, so all but
    /// the last stay together: nodes that are left behind are full ones.
    pub(super) fn split(mut self, room: Room, grew_at_end: bool) -> Vec<Self> {
        if self.fits(room) || self.length() < 2 {
            return vec![self];
        }
        let middle = if grew_at_end { self.length() - 1 } else { self.length() / 2 };
        let rest = match &mut self {
            Self::Leaf(entries) => Self::Leaf(entries.split_off(middle)),
            Self::Inner { level, children } => {
                Self::Inner { level: *level, children: children.split_off(middle) }
            }
        };
        let mut parts = self.split(room, false);
        parts.append(&mut rest.split(room, false));
        parts
    }
}

fn entry_bytes(entry: &Entry) -> usize {
    let value = if entry.value.is_null() { 0 } else { value_bytes(&entry.value) };
    5 + order_bytes(&entry.order) + value
}

fn order_bytes(order: &Option<Order>) -> usize {
    order.as_ref().map_or(0, |order| 7 + order.message_id.len())
}

/// About how long a value is when packed; not less than it is for what people send.
pub(in crate::domain::leaf) fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(number) if number.as_u64().is_some_and(|number| number < 128) => 1,
        Value::Number(_) => 9,
        Value::String(text) => text_bytes(text),
        Value::Array(items) => 3 + items.iter().map(value_bytes).sum::<usize>(),
        Value::Object(fields) => {
            3 + fields.iter().map(|(name, value)| text_bytes(name) + value_bytes(value)).sum::<usize>()
        }
    }
}

/// How long a text is when packed.
pub(in crate::domain::leaf) fn text_bytes(text: &str) -> usize {
    let head = if text.len() < 32 { 1 } else { 3 };
    head + text.len()
}
