//! One change of a leaf state: its parts, opened while entries come and go.

use super::kept::Kept;
use super::pages::{Desk, Pages};
use super::session::Run;
use super::state::State;
use super::total::{Total, reads};
use super::tree::Tree;
use super::window::Edges;
use super::{Entry, LIST_KEPT, Reduce, Shape, Window};

/// How a shape is kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// Only the total of all entries.
    Total,
    /// The entries from the lower edge on, and the total of those inside.
    Running(Edges),
    /// The entries that can still be picked: those inside that no later one is better than, and those to come.
    Candidates(Edges),
    /// The entries from the lower edge on.
    Plain(Edges),
    /// The entries of the last session and before, and the total of that session. The longest gap in milliseconds.
    Session(i64),
    /// The newest entries, when there are edges those from the lower one on.
    Newest(Option<Edges>),
}

impl Manner {
    pub(super) fn of(shape: &Shape) -> Self {
        let edges = match shape.window {
            Window::All | Window::Session(_) => None,
            Window::Within(span) => Some(Edges { near: 0, far: span.millis() }),
            Window::Between { near, far } => Some(Edges { near: near.millis(), far: far.millis() }),
        };
        match (shape.window, edges, shape.reduce) {
            (_, edges, Reduce::List) => Self::Newest(edges),
            (Window::Session(span), _, _) => Self::Session(span.millis()),
            (_, None, _) => Self::Total,
            (_, Some(edges), Reduce::Minimum(_) | Reduce::Maximum(_) | Reduce::Last) => {
                Self::Candidates(edges)
            }
            (_, Some(edges), Reduce::First) => Self::Plain(edges),
            (_, Some(edges), _) => Self::Running(edges),
        }
    }
}

/// The parts of a state while it is being changed.
pub(super) struct Work<'w> {
    pub(super) shape: &'w Shape,
    pub(super) manner: Manner,
    /// The largest `now` so far, in milliseconds.
    pub(super) seen: Option<i64>,
    pub(super) tree: &'w mut Tree,
    pub(super) desk: Desk<'w>,
    kept: &'w mut Kept,
    start: &'w mut Option<i64>,
    /// The total and where its session starts, once it was asked for.
    open: Option<Run>,
}

impl<'w> Work<'w> {
    pub(super) fn on(state: &'w mut State, shape: &'w Shape, pages: &'w mut Pages) -> Self {
        let State { seen, tree, kept, start, next } = state;
        let desk = Desk { pages, next };
        Self { shape, manner: Manner::of(shape), seen: *seen, tree, desk, kept, start, open: None }
    }

    /// The total, to be changed, with the tree and the pages.
    pub(super) fn parts(&mut self) -> (&mut Run, &mut Tree, &mut Desk<'w>) {
        let (tree, kept, start, pages) = (&*self.tree, &*self.kept, *self.start, &*self.desk.pages);
        let (shape, manner, seen) = (self.shape, self.manner, self.seen);
        let run = self.open.get_or_insert_with(|| load(shape, manner, seen, tree, kept, start, pages));
        (run, self.tree, &mut self.desk)
    }

    /// Puts back what was opened.
    pub(super) fn close(mut self) {
        if let Some(run) = self.open.take() {
            let is_seen_in_tree = !matches!(self.manner, Manner::Total) && self.tree.inline().is_some();
            let run = if is_seen_in_tree { Run::default() } else { run };
            *self.start = run.start;
            self.kept.store(run.total, &mut self.desk);
        }
    }

    /// Moves the edges to `now`, never back.
    pub(super) fn advance(&mut self, now: i64) {
        let Some(before) = self.seen.filter(|seen| *seen < now) else { return };
        match self.manner {
            Manner::Total | Manner::Newest(None) => {}
            Manner::Running(edges) => self.advance_running(&edges.at(before), &edges.at(now)),
            Manner::Candidates(edges) => self.advance_candidates(&edges.at(before), &edges.at(now)),
            Manner::Plain(edges) | Manner::Newest(Some(edges)) => {
                self.tree.remove_times(i64::MIN..edges.at(now).start, &mut self.desk);
            }
            Manner::Session(gap) => self.advance_session(gap, before, now),
        }
        self.seen = Some(now);
    }

    /// Adds an entry; the edges are where `now` was last. `false`: there was no room.
    pub(super) fn add(&mut self, entry: Entry) -> bool {
        if !self.shape.window.is_session() && !reads(self.shape.reduce, &entry.value) {
            return true;
        }
        let inside = |edges: Edges| self.seen.map_or(0..0, |now| edges.at(now));
        match self.manner {
            Manner::Total => {
                let reduce = self.shape.reduce;
                self.parts().0.total.add(reduce, &entry)
            }
            Manner::Newest(edges) => {
                if edges.is_none_or(|edges| inside(edges).start <= entry.at.millis()) {
                    self.tree.insert(entry, &mut self.desk);
                    self.tree.remove_first(self.tree.len().saturating_sub(LIST_KEPT), &mut self.desk);
                }
                true
            }
            Manner::Session(gap) => self.has_room() && self.add_to_session(gap, entry),
            Manner::Running(edges) | Manner::Candidates(edges) | Manner::Plain(edges) => {
                let inside = inside(edges);
                if entry.at.millis() < inside.start {
                    return true;
                }
                self.has_room() && self.add_to_window(&inside, entry)
            }
        }
    }

    fn has_room(&self) -> bool {
        self.tree.len() < self.desk.pages.capacity.entries
    }

    fn add_to_window(&mut self, inside: &super::tree::Times, entry: Entry) -> bool {
        let is_inside = entry.at.millis() < inside.end;
        match self.manner {
            Manner::Candidates(_) if is_inside => self.add_candidate(inside, entry),
            Manner::Running(_) if is_inside => return self.add_running(entry),
            Manner::Running(_) => self.add_aside(entry),
            _ => self.tree.insert(entry, &mut self.desk),
        }
        true
    }

    /// Adds an entry that is not part of the total.
    pub(super) fn add_aside(&mut self, entry: Entry) {
        // Opened although it does not change: with this entry the tree may become too large to make it again.
        let (_, tree, desk) = self.parts();
        tree.insert(entry, desk);
    }
}

/// The total of a state: it is only kept beside a tree of several pages; of a few entries it is soon made again.
pub(super) fn load(
    shape: &Shape,
    manner: Manner,
    seen: Option<i64>,
    tree: &Tree,
    kept: &Kept,
    start: Option<i64>,
    pages: &Pages,
) -> Run {
    match (manner, tree.inline(), seen) {
        (Manner::Running(edges), Some(entries), Some(now)) => {
            let mut total = Total::Nothing;
            let inside = edges.at(now);
            for entry in entries.iter().filter(|entry| inside.contains(&entry.at.millis())) {
                total.add(shape.reduce, entry);
            }
            Run { start: None, total }
        }
        (Manner::Session(gap), Some(entries), Some(now)) => Run::last_of(entries, shape.reduce, gap, now),
        _ => Run { start, total: kept.load(pages) },
    }
}

impl State {
    /// Opens the state, changes it, and puts it back.
    pub(super) fn change<T>(
        &mut self,
        shape: &Shape,
        pages: &mut Pages,
        change: impl FnOnce(&mut Work<'_>) -> T,
    ) -> T {
        let mut work = Work::on(self, shape, pages);
        let result = change(&mut work);
        let seen = work.seen;
        work.close();
        self.seen = seen;
        result
    }
}
