//! Changes of the tree. Nodes split when they are full and go when they are empty; half-empty neighbours are not joined,
//! because entries leave in runs and mostly at the front.

use crate::domain::leaf::Entry;
use crate::domain::leaf::pages::{Content, Desk};
use crate::domain::time::Timestamp;

use super::node::{Child, Node};
use super::{Times, Tree};

/// What is removed from the tree.
#[derive(Clone)]
enum Cut {
    /// What happened in this time.
    Times(Times),
    /// So many at the front.
    First(usize),
}

/// What a cut does to a child.
enum Effect {
    None,
    All,
    Some,
}

impl Tree {
    /// Puts an entry in its place, after those that are equal.
    pub(in crate::domain::leaf) fn insert(&mut self, entry: Entry, desk: &mut Desk<'_>) {
        let at_end = self.root.insert(entry, desk);
        self.settle(at_end, desk);
    }

    /// Removes the entries of a time. Only pages that are cut through are needed, and the nodes above the others.
    pub(in crate::domain::leaf) fn remove_times(&mut self, times: Times, desk: &mut Desk<'_>) {
        if self.first_at().is_some_and(|first| first.millis() < times.end) {
            self.root.remove(Cut::Times(times), None, desk);
            self.settle(false, desk);
        }
    }

    /// Removes the first `count` entries.
    pub(in crate::domain::leaf) fn remove_first(&mut self, count: usize, desk: &mut Desk<'_>) {
        if count > 0 {
            self.root.remove(Cut::First(count), None, desk);
            self.settle(false, desk);
        }
    }

    /// Moves the root out to a page when it is too large for the profile, back when it is small.
    fn settle(&mut self, grew_at_end: bool, desk: &mut Desk<'_>) {
        let capacity = desk.pages.capacity;
        // A root of two children is as small as it gets.
        while !self.root.fits(capacity.root) && (self.root.level() == 0 || self.root.length() > 2) {
            let level = self.root.level().saturating_add(1);
            let parts = std::mem::take(&mut self.root).split(capacity.node, grew_at_end);
            let children = put_new(parts, None, desk);
            self.root = Node::Inner { level, children };
        }
        while let Node::Inner { children, .. } = &self.root {
            let [child] = children.as_slice() else {
                if children.is_empty() {
                    self.root = Node::default();
                }
                return;
            };
            // Half of the room, so that a state at the limit does not move with every entry. Never loaded for this.
            let page = child.page;
            let small = |node: &&Node| node.fits(capacity.root.half());
            let is_small = desk.pages.is_loaded(page) && desk.pages.node(page).filter(small).is_some();
            if !is_small {
                return;
            }
            self.root = desk.take_node(page);
            desk.remove(page);
        }
    }
}

/// Puts nodes on new pages. `before`: when the last entry in front of them is.
fn put_new(
    nodes: impl IntoIterator<Item = Node>,
    mut before: Option<Timestamp>,
    desk: &mut Desk<'_>,
) -> Vec<Child> {
    let mut children = Vec::new();
    for node in nodes {
        if let Some(mut child) = Child::of(&node, 0, node.order_after(before)) {
            before = node.last_at();
            child.page = desk.put_new(Content::Node(node));
            children.push(child);
        }
    }
    children
}

impl Node {
    /// Puts an entry into it; whether that was at its end. It may be too large afterwards.
    fn insert(&mut self, entry: Entry, desk: &mut Desk<'_>) -> bool {
        match self {
            Self::Leaf(entries) => {
                let before = |other: &Entry| (other.at, &other.order) <= (entry.at, &entry.order);
                let place = entries.partition_point(before);
                entries.insert(place, entry);
                place + 1 == entries.len()
            }
            Self::Inner { children, .. } => {
                let before = |child: &Child| (child.at, &child.order) <= (entry.at, &entry.order);
                let place = children.partition_point(before).saturating_sub(1);
                let Some(child) = children.get(place) else {
                    *self = Self::Leaf(vec![entry]);
                    return true;
                };
                let child = child.clone();
                let is_last = place + 1 == children.len();
                let mut node = desk.take_node(child.page);
                let at_end = node.insert(entry, desk);
                let mut parts = node.split(desk.pages.capacity.node, at_end && is_last).into_iter();
                let first = parts.next().unwrap_or_default();
                let before = first.last_at();
                let first = put_back(first, child, desk);
                let rest = put_new(parts, before, desk);
                children.splice(place..=place, first.into_iter().chain(rest));
                at_end && is_last
            }
        }
    }

    /// Removes what is cut. `after`: when the first entry after this node is.
    fn remove(&mut self, mut cut: Cut, after: Option<Timestamp>, desk: &mut Desk<'_>) {
        match self {
            Self::Leaf(entries) => {
                entries.drain(cut.places(entries));
            }
            Self::Inner { level, children } => {
                let old = std::mem::take(children);
                let next: Vec<Option<Timestamp>> =
                    old.iter().skip(1).map(|child| Some(child.at)).chain([after]).collect();
                for (child, after) in old.into_iter().zip(next) {
                    let removed = child.count;
                    match cut.effect(&child, after) {
                        Effect::None => children.push(child),
                        Effect::All => drop_subtree(&child, *level, desk),
                        Effect::Some => {
                            let mut node = desk.take_node(child.page);
                            node.remove(cut.clone(), after, desk);
                            children.extend(put_back(node, child, desk));
                        }
                    }
                    cut.pass(removed);
                }
            }
        }
    }
}

/// Puts a changed node back on the page of `old`; the page of an empty one is removed.
fn put_back(node: Node, old: Child, desk: &mut Desk<'_>) -> Option<Child> {
    let page = old.page;
    let child = Child::of(&node, page, old.order_of(&node));
    match child {
        Some(_) => desk.put(page, Content::Node(node)),
        None => desk.remove(page),
    }
    child
}

/// Removes the pages of a child and of all that is below it. `level`: that of its parent.
fn drop_subtree(child: &Child, level: u8, desk: &mut Desk<'_>) {
    if level > 1
        && let Node::Inner { level, children } = desk.take_node(child.page)
    {
        for child in &children {
            drop_subtree(child, level, desk);
        }
    }
    desk.remove(child.page);
}

impl Cut {
    /// Which of the entries of a leaf go.
    fn places(&self, entries: &[Entry]) -> std::ops::Range<usize> {
        match self {
            Self::Times(times) => {
                let start = entries.partition_point(|entry| entry.at.millis() < times.start);
                let end = entries.partition_point(|entry| entry.at.millis() < times.end);
                start.min(end)..end
            }
            Self::First(count) => 0..(*count).min(entries.len()),
        }
    }

    /// What it does to a child. `after`: when the first entry after the child is.
    fn effect(&self, child: &Child, after: Option<Timestamp>) -> Effect {
        match self {
            Self::Times(times) => {
                let first = child.at.millis();
                let ends_before = |time: i64| after.is_some_and(|after| after.millis() < time);
                if first >= times.end || ends_before(times.start) {
                    Effect::None
                } else if first >= times.start && ends_before(times.end) {
                    Effect::All
                } else {
                    Effect::Some
                }
            }
            Self::First(0) => Effect::None,
            Self::First(count) if *count >= child.count => Effect::All,
            Self::First(_) => Effect::Some,
        }
    }

    /// Goes on behind a child of `count` entries.
    fn pass(&mut self, passed: usize) {
        if let Self::First(count) = self {
            *count = count.saturating_sub(passed);
        }
    }
}
