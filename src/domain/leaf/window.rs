//! Windows that move with the present: what enters at their upper edge and leaves at their lower one.

use std::ops::ControlFlow;

use crate::domain::time::Timestamp;

use super::total::{Total, compare};
use super::tree::Times;
use super::work::Work;
use super::{Entry, Reduce};

/// How far behind the present the edges are, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edges {
    /// The upper one: how old the youngest may be.
    pub(super) near: i64,
    /// The lower one: how old the oldest may be.
    pub(super) far: i64,
}

impl Edges {
    /// The times that are inside at `now`.
    pub(super) fn at(self, now: i64) -> Times {
        now.saturating_sub(self.far)..now.saturating_sub(self.near).saturating_add(1)
    }

    /// When the first of the entries inside leaves or the first above enters, whichever is sooner.
    pub(super) fn next_change(self, inside: Option<Timestamp>, above: Option<Timestamp>) -> Option<i64> {
        let leaves = inside.map(|at| at.millis().saturating_add(self.far).saturating_add(1));
        let enters = above.map(|at| at.millis().saturating_add(self.near));
        leaves.into_iter().chain(enters).min()
    }
}

impl Work<'_> {
    /// Moves the edges of a running total.
    pub(super) fn advance_running(&mut self, before: &Times, after: &Times) {
        let reduce = self.shape.reduce;
        let (run, tree, desk) = self.parts();
        if after.start < before.end {
            tree.visit(&(i64::MIN..after.start), desk.pages, &mut |entry| run.total.remove(entry));
        } else {
            // All that was inside has left, and perhaps some that never was inside: none of it has to be looked at.
            run.total = Total::Nothing;
        }
        tree.remove_times(i64::MIN..after.start, desk);
        let entering = before.end.max(after.start)..after.end;
        let mut without_room = Vec::new();
        tree.visit(&entering, desk.pages, &mut |entry| {
            if !run.total.add(reduce, entry) {
                without_room.push(entry.clone());
            }
        });
        if !without_room.is_empty() {
            let mut entries = Vec::new();
            tree.visit(&entering, desk.pages, &mut |entry| entries.push(entry.clone()));
            tree.remove_times(entering, desk);
            entries.retain(|entry| !without_room.contains(entry));
            entries.into_iter().for_each(|entry| tree.insert(entry, desk));
        }
        self.trim();
    }

    /// Adds an entry inside the edges to the running total and the tree.
    pub(super) fn add_running(&mut self, entry: Entry) -> bool {
        let reduce = self.shape.reduce;
        let (run, tree, desk) = self.parts();
        if !run.total.add(reduce, &entry) {
            return false;
        }
        tree.insert(entry, desk);
        self.trim();
        true
    }

    /// Forgets all but the newest `keep` of the entries inside.
    ///
    /// One that is forgotten has `keep` newer ones that stay in the window longer than it would: as long as it would
    /// be counted there are at least `keep`.
    fn trim(&mut self) {
        let (Reduce::Count, Some(keep)) = (self.shape.reduce, self.shape.keep) else { return };
        let (run, tree, desk) = self.parts();
        let excess = run.total.count().saturating_sub(u64::from(keep));
        if excess > 0 {
            tree.remove_first(usize::try_from(excess).unwrap_or(usize::MAX), desk);
            run.total = Total::of_count(u64::from(keep));
        }
    }

    /// Moves the edges where only candidates are kept.
    pub(super) fn advance_candidates(&mut self, before: &Times, after: &Times) {
        self.tree.remove_times(i64::MIN..after.start, &mut self.desk);
        let entering = before.end.max(after.start)..after.end;
        let mut entries = Vec::new();
        self.tree.visit(&entering, self.desk.pages, &mut |entry| entries.push(entry.clone()));
        if !entries.is_empty() {
            self.tree.remove_times(entering, &mut self.desk);
            entries.into_iter().for_each(|entry| self.add_candidate(after, entry));
        }
    }

    /// Adds an entry inside the edges, unless a later one is at least as good: that one stays longer. Earlier ones
    /// that are no better than this one go for the same reason, so the earliest that is left is the best.
    pub(super) fn add_candidate(&mut self, inside: &Times, entry: Entry) {
        let reduce = self.shape.reduce;
        let at = entry.at.millis();
        let later = self.tree.first_from(at, self.desk.pages).filter(|later| later.at.millis() < inside.end);
        if later.is_some_and(|later| compare(reduce, later, &entry).is_ge()) {
            return;
        }
        let mut first_beaten = None;
        self.tree.visit_back(at, self.desk.pages, &mut |earlier| {
            if compare(reduce, earlier, &entry).is_gt() {
                return ControlFlow::Break(());
            }
            first_beaten = Some(earlier.at.millis());
            ControlFlow::Continue(())
        });
        if let Some(first) = first_beaten {
            self.tree.remove_times(first..at.saturating_add(1), &mut self.desk);
        }
        self.tree.insert(entry, &mut self.desk);
    }
}
