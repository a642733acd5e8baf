//! Sessions: runs of entries without a longer gap. The total of the last one is kept, so that it may be of any length.

use std::ops::ControlFlow;

use super::total::Total;
use super::work::Work;
use super::{Entry, Reduce, SESSION_LATE};

/// A total, and of a session also its start.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    /// When the first entry of the session is, in milliseconds. `None`: there is none, or this is no session.
    pub(super) start: Option<i64>,
    /// The total of its entries.
    pub(super) total: Total,
}

impl Run {
    /// The last session that has begun by `now`.
    pub(super) fn last_of(entries: &[Entry], reduce: Reduce, gap: i64, now: i64) -> Self {
        let until = entries.partition_point(|entry| entry.at.millis() <= now);
        let mut run = Self::default();
        for entry in entries[..until].iter().rev() {
            if run.extend_back(reduce, gap, entry).is_break() {
                break;
            }
        }
        run
    }

    /// Takes in the entry before its start, unless the gap is too long.
    fn extend_back(&mut self, reduce: Reduce, gap: i64, entry: &Entry) -> ControlFlow<()> {
        let at = entry.at.millis();
        if self.start.is_some_and(|start| start.saturating_sub(at) > gap) {
            return ControlFlow::Break(());
        }
        self.start = Some(at);
        self.total.add(reduce, entry);
        ControlFlow::Continue(())
    }

    /// Takes in an entry that is not before `last`, the last one so far; it may begin another session. `false`: there
    /// is no room in the total.
    fn follow(&mut self, reduce: Reduce, gap: i64, last: Option<i64>, entry: &Entry) -> bool {
        let at = entry.at.millis();
        if last.is_some_and(|last| at.saturating_sub(last) <= gap) {
            return self.total.add(reduce, entry);
        }
        let mut total = Total::Nothing;
        let added = total.add(reduce, entry);
        if added {
            *self = Self { start: Some(at), total };
        }
        added
    }

    /// Since when entries matter: what is older could be joined to the session only by several later arrivals.
    fn since(&self, gap: i64) -> i64 {
        let late = SESSION_LATE.millis().max(gap.saturating_mul(2));
        self.start.map_or(i64::MIN, |start| start.saturating_sub(late))
    }
}

impl Work<'_> {
    /// Takes in what happened since.
    pub(super) fn advance_session(&mut self, gap: i64, before: i64, now: i64) {
        let reduce = self.shape.reduce;
        let entering = before.saturating_add(1)..now.saturating_add(1);
        let (run, tree, desk) = self.parts();
        let mut last = tree.last_until(before, desk.pages).map(|entry| entry.at.millis());
        tree.visit(&entering, desk.pages, &mut |entry| {
            // Texts without room are not counted.
            run.follow(reduce, gap, last, entry);
            last = Some(entry.at.millis());
        });
        tree.remove_times(i64::MIN..run.since(gap), desk);
    }

    /// Adds an entry to the tree, and to the total when it is part of the last session.
    pub(super) fn add_to_session(&mut self, gap: i64, entry: Entry) -> bool {
        let reduce = self.shape.reduce;
        let at = entry.at.millis();
        let Some(now) = self.seen.filter(|now| at <= *now) else {
            self.add_aside(entry);
            return true;
        };
        let (run, tree, desk) = self.parts();
        if at < run.since(gap) {
            return true;
        }
        let last = tree.last_until(now, desk.pages).map(|entry| entry.at.millis());
        let added = match run.start {
            Some(start) if at.saturating_add(gap) < start => true,
            Some(start) if at < start => {
                let added = run.extend_back(reduce, gap, &entry);
                tree.visit_back(at, desk.pages, &mut |earlier| run.extend_back(reduce, gap, earlier));
                added.is_continue()
            }
            Some(_) if last.is_some_and(|last| at <= last) => run.total.add(reduce, &entry),
            _ => run.follow(reduce, gap, last, &entry),
        };
        if added {
            tree.insert(entry, desk);
            tree.remove_times(i64::MIN..run.since(gap), desk);
        }
        added
    }
}
