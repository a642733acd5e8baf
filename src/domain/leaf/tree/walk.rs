//! Reading the tree.

use std::ops::ControlFlow;

use crate::domain::leaf::Entry;
use crate::domain::leaf::pages::Pages;
use crate::domain::time::Timestamp;

use super::node::{Child, Node};
use super::{Times, Tree};

impl Tree {
    /// The first entry.
    pub(in crate::domain::leaf) fn first<'t>(&'t self, pages: &'t Pages) -> Option<&'t Entry> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(entries) => return entries.first(),
                Node::Inner { children, .. } => node = pages.node(children.first()?.page)?,
            }
        }
    }

    /// The last entry that is not after `time`.
    pub(in crate::domain::leaf) fn last_until<'t>(
        &'t self,
        time: i64,
        pages: &'t Pages,
    ) -> Option<&'t Entry> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(entries) => return entries.get(places_until(entries, time).checked_sub(1)?),
                Node::Inner { children, .. } => {
                    let place = children.partition_point(|child| child.at.millis() <= time).checked_sub(1)?;
                    node = pages.node(children.get(place)?.page)?;
                }
            }
        }
    }

    /// The first entry that is not before `time`.
    pub(in crate::domain::leaf) fn first_from<'t>(
        &'t self,
        time: i64,
        pages: &'t Pages,
    ) -> Option<&'t Entry> {
        let (mut node, mut time, mut next) = (&self.root, time, None);
        loop {
            match node {
                Node::Leaf(entries) => {
                    let place = entries.partition_point(|entry| entry.at.millis() < time);
                    if let Some(entry) = entries.get(place) {
                        return Some(entry);
                    }
                    // None here, so it is the first of what comes next.
                    node = pages.node(next.take()?)?;
                    time = i64::MIN;
                }
                Node::Inner { children, .. } => {
                    let place = children.partition_point(|child| child.at.millis() < time);
                    let before = place.saturating_sub(1);
                    next = children.get(before + 1).map(|child| child.page).or(next);
                    node = pages.node(children.get(before)?.page)?;
                }
            }
        }
    }

    /// When the first entry after `time` is.
    pub(in crate::domain::leaf) fn first_after(&self, time: i64, pages: &Pages) -> Option<Timestamp> {
        let mut node = &self.root;
        let mut next = None;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return entries.get(places_until(entries, time)).map(|entry| entry.at).or(next);
                }
                Node::Inner { children, .. } => {
                    let place = children.partition_point(|child| child.at.millis() <= time);
                    next = children.get(place).map(|child| child.at).or(next);
                    let Some(before) = place.checked_sub(1).and_then(|before| children.get(before)) else {
                        return next;
                    };
                    match pages.node(before.page) {
                        Some(below) => node = below,
                        None => return next,
                    }
                }
            }
        }
    }

    /// Visits the entries of a time, in order.
    pub(in crate::domain::leaf) fn visit(&self, times: &Times, pages: &Pages, visit: &mut dyn FnMut(&Entry)) {
        if times.start < times.end {
            self.root.visit(times, pages, visit);
        }
    }

    /// Visits the entries that are not after `time`, the last first, as long as `visit` goes on.
    ///
    /// How far it will go is not known before. So where pages are missing, as many as were there are asked for at
    /// once: a long walk takes few rounds of loading, and no walk loads more than twice what it needs.
    pub(in crate::domain::leaf) fn visit_back(
        &self,
        time: i64,
        pages: &Pages,
        visit: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) {
        let mut walk = BackWalk { time, pages, visit, seen: 0, missed: 0 };
        let _ = walk.node(&self.root);
    }
}

/// How many of the entries, from the first, are not after `time`.
fn places_until(entries: &[Entry], time: i64) -> usize {
    entries.partition_point(|entry| entry.at.millis() <= time)
}

impl Node {
    fn visit(&self, times: &Times, pages: &Pages, visit: &mut dyn FnMut(&Entry)) {
        match self {
            Self::Leaf(entries) => {
                let start = entries.partition_point(|entry| entry.at.millis() < times.start);
                entries[start..].iter().take_while(|entry| entry.at.millis() < times.end).for_each(visit);
            }
            Self::Inner { children, .. } => {
                for (place, child) in children.iter().enumerate() {
                    let after = children.get(place + 1);
                    let ends_before = after.is_some_and(|after| after.at.millis() < times.start);
                    if child.at.millis() < times.end
                        && !ends_before
                        && let Some(node) = pages.node(child.page)
                    {
                        node.visit(times, pages, visit);
                    }
                }
            }
        }
    }
}

struct BackWalk<'w> {
    time: i64,
    pages: &'w Pages,
    visit: &'w mut dyn FnMut(&Entry) -> ControlFlow<()>,
    seen: usize,
    missed: usize,
}

impl BackWalk<'_> {
    fn node(&mut self, node: &Node) -> ControlFlow<()> {
        match node {
            // Behind a missing page nothing is visited: what comes next is not known.
            Node::Leaf(_) if self.missed > 0 => ControlFlow::Continue(()),
            Node::Leaf(entries) => {
                self.seen += 1;
                entries[..places_until(entries, self.time)].iter().rev().try_for_each(&mut self.visit)
            }
            Node::Inner { children, .. } => {
                let until = children.partition_point(|child| child.at.millis() <= self.time);
                children[..until].iter().rev().try_for_each(|child| self.child(child))
            }
        }
    }

    fn child(&mut self, child: &Child) -> ControlFlow<()> {
        if let Some(node) = self.pages.node(child.page) {
            return self.node(node);
        }
        if self.pages.is_loaded(child.page) {
            // Lost: it is as if it were empty.
            return ControlFlow::Continue(());
        }
        self.missed += 1;
        if self.missed > self.seen { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
