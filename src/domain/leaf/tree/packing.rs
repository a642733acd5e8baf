//! How nodes are stored: one flat list of cells. What kind of cells, comes first; then for each entry its time as the
//! distance to the one before, its order and its value as far as the node has any, or for each child where it is.

use std::fmt;

use serde::de::{self, DeserializeSeed, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::domain::leaf::{Entry, Order};
use crate::domain::time::Timestamp;

use super::Tree;
use super::node::{Child, Node};

/// The first cell: what follows, by bits, and the level in the bits above them.
#[derive(Clone, Copy)]
struct Kind {
    has_orders: bool,
    has_values: bool,
    level: u8,
}

const ORDERS: u32 = 1;
const VALUES: u32 = 2;
const LEVEL: u32 = 4;

impl Kind {
    fn of(node: &Node) -> Self {
        match node {
            Node::Leaf(entries) => Self {
                has_orders: entries.iter().any(|entry| entry.order.is_some()),
                has_values: entries.iter().any(|entry| !entry.value.is_null()),
                level: 0,
            },
            Node::Inner { level, children } => Self {
                has_orders: children.iter().any(|child| child.order.is_some()),
                has_values: false,
                level: *level,
            },
        }
    }

    fn code(self) -> u32 {
        let bit = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        bit(self.has_orders, ORDERS) + bit(self.has_values, VALUES) + u32::from(self.level) * LEVEL
    }

    fn from_code(code: u32) -> Self {
        Self {
            has_orders: code & ORDERS != 0,
            has_values: code & VALUES != 0,
            level: u8::try_from(code / LEVEL).unwrap_or(u8::MAX),
        }
    }

    /// How many cells there are for an entry or a child.
    fn width(self) -> usize {
        let orders = if self.has_orders { 2 } else { 0 };
        let rest = if self.level > 0 { 2 } else { usize::from(self.has_values) };
        1 + orders + rest
    }
}

/// A node with the instant that its first time is told from: the distance is shorter than the time itself.
pub(in crate::domain::leaf) struct Based<'t>(
    pub(in crate::domain::leaf) &'t Tree,
    pub(in crate::domain::leaf) i64,
);

/// How to read what [`Based`] wrote, given the same instant.
pub(in crate::domain::leaf) struct Base(pub(in crate::domain::leaf) i64);

impl Serialize for Based<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&self.0.root, self.1, serializer)
    }
}

impl<'de> DeserializeSeed<'de> for Base {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Ok(Tree { root: deserializer.deserialize_seq(Cells { last: self.0 })? })
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self, 0, serializer)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Cells { last: 0 })
    }
}

fn write<S: Serializer>(node: &Node, base: i64, serializer: S) -> Result<S::Ok, S::Error> {
    let kind = Kind::of(node);
    let mut cells = serializer.serialize_seq(Some(1 + node.length() * kind.width()))?;
    cells.serialize_element(&kind.code())?;
    let mut last = base;
    match node {
        Node::Leaf(entries) => {
            for entry in entries {
                write_key(&mut cells, kind, &mut last, entry.at, &entry.order)?;
                if kind.has_values {
                    cells.serialize_element(&entry.value)?;
                }
            }
        }
        Node::Inner { children, .. } => {
            for child in children {
                write_key(&mut cells, kind, &mut last, child.at, &child.order)?;
                cells.serialize_element(&child.page)?;
                cells.serialize_element(&child.count)?;
            }
        }
    }
    cells.end()
}

fn write_key<S: SerializeSeq>(
    cells: &mut S,
    kind: Kind,
    last: &mut i64,
    at: Timestamp,
    order: &Option<Order>,
) -> Result<(), S::Error> {
    // The first is mostly before the base, the others never before the one in front: positive is shorter.
    let distance = at.millis().wrapping_sub(*last);
    cells.serialize_element(&distance)?;
    *last = at.millis();
    if kind.has_orders {
        let received_at = order.as_ref().map_or(at, |order| order.received_at);
        cells.serialize_element(&received_at.millis_since(at))?;
        cells.serialize_element(&order.as_ref().map(|order| &order.message_id))?;
    }
    Ok(())
}

/// Reads the cells; `last` is the time that the next one is told from.
struct Cells {
    last: i64,
}

impl<'de> Visitor<'de> for Cells {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of cells, what kind they are first")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut cells: A) -> Result<Node, A::Error> {
        let Some(code) = cells.next_element::<u32>()? else { return Ok(Node::default()) };
        let kind = Kind::from_code(code);
        let expected = cells.size_hint().unwrap_or(0).min(4096) / kind.width();
        if kind.level == 0 {
            let mut entries = Vec::with_capacity(expected);
            while let Some((at, order)) = self.key(kind, &mut cells)? {
                let value = if kind.has_values { self.cell(&mut cells)? } else { Value::Null };
                entries.push(Entry { at, order, value });
            }
            return Ok(Node::Leaf(entries));
        }
        let mut children = Vec::with_capacity(expected);
        while let Some((at, order)) = self.key(kind, &mut cells)? {
            children.push(Child { at, order, page: self.cell(&mut cells)?, count: self.cell(&mut cells)? });
        }
        Ok(Node::Inner { level: kind.level, children })
    }
}

impl Cells {
    fn key<'de, A: SeqAccess<'de>>(
        &mut self,
        kind: Kind,
        cells: &mut A,
    ) -> Result<Option<(Timestamp, Option<Order>)>, A::Error> {
        let Some(distance) = cells.next_element::<i64>()? else { return Ok(None) };
        self.last = self.last.wrapping_add(distance);
        let at = Timestamp::from_millis(self.last);
        if !kind.has_orders {
            return Ok(Some((at, None)));
        }
        let received_at = Timestamp::from_millis(self.last.saturating_add(self.cell(cells)?));
        let message_id: Option<String> = self.cell(cells)?;
        Ok(Some((at, message_id.map(|message_id| Order { received_at, message_id }))))
    }

    fn cell<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(&self, cells: &mut A) -> Result<T, A::Error> {
        cells.next_element()?.ok_or_else(|| de::Error::custom("the last cells are missing"))
    }
}
