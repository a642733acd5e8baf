//! A change set as statements: arrays of columns, so that their number does not depend on how many rows there are.
//!
//! Each statement writes its rows in the order of their primary key, and the tables come in one order: whoever waits, waits for
//! somebody who is further on, so nobody waits for ever.

mod counts;
mod fence;
mod figures;
mod journeys;
mod log;
mod members;
mod outbox;
mod people;
mod rules;
mod shelves;

use std::collections::BTreeMap;

use super::pipeline::Answer;
use super::plan::Plan;
use crate::domain::change::ChangeSet;
use crate::store::Result;
use crate::store::seal::Sealer;

pub(super) use fence::{REVISIONS, read_revisions};

/// What a commit brings with it.
#[derive(Clone, Copy)]
pub(super) struct Commit<'c> {
    pub changes: &'c ChangeSet,
    pub sealer: &'c Sealer,
    /// Its name, by which it is looked for when nobody answered whether it took place.
    pub id: uuid::Uuid,
    /// The row of the fence, and of the counters, that is this writer's while it commits.
    pub slot: i16,
}

/// Places of the answers that something else depends on.
#[derive(Default)]
pub(super) struct Asked {
    /// Whether the commit is not there yet.
    commit: usize,
    seats: Option<usize>,
    dropped: Option<usize>,
    archives: Option<usize>,
    last_event: Option<usize>,
}

impl Asked {
    /// Whether something depends on an answer.
    fn anything(&self) -> bool {
        self.seats.is_some() || self.dropped.is_some() || self.archives.is_some() || self.last_event.is_some()
    }
}

/// The first statements of a commit: all that depends on no answer.
pub(super) struct First<'c> {
    pub plan: Plan<'c>,
    pub asked: Asked,
    counts: counts::Delta,
}

impl<'c> First<'c> {
    pub(super) fn new(commit: Commit<'c>) -> Result<Self> {
        let changes = commit.changes;
        let mut plan = Plan::default();
        let mut asked = Asked { commit: fence::note_commit(commit.id, &mut plan), ..Asked::default() };
        fence::take(changes, commit.slot, &mut plan);
        people::write(changes, &mut plan)?;
        asked.archives = journeys::write(changes, &mut plan)?;
        (asked.seats, asked.dropped) = members::write(changes, &mut plan);
        outbox::write(changes, &mut plan)?;
        asked.last_event = log::write(changes, &mut plan)?;
        rules::write(commit, &mut plan)?;
        shelves::write(changes, &mut plan)?;
        figures::write(changes, commit.slot, &mut plan);
        let counts = counts::Delta::of(changes);
        if !asked.anything() {
            counts.write(commit.slot, &mut plan);
        }
        Ok(Self { plan, asked, counts })
    }

    /// Whether the commit took place already: it is tried again because nobody answered.
    pub(super) fn is_done(&self, answers: &[Answer]) -> bool {
        answers[self.asked.commit].affected == 0
    }

    /// The statements that depend on the answers to the first ones; none where nothing does.
    pub(super) fn second(&self, commit: Commit<'c>, answers: &[Answer]) -> Result<Option<Plan<'c>>> {
        if !self.asked.anything() {
            return Ok(None);
        }
        let changes = commit.changes;
        let answer = |place: Option<usize>| place.map(|place| &answers[place]);
        let mut plan = Plan::default();
        let mut counts = self.counts.clone();
        if let Some(found) = answer(self.asked.archives) {
            journeys::adopt(changes, found, &mut plan)?;
        }
        if let Some(last) = answer(self.asked.last_event) {
            rules::begin(changes, log::last_event(last)?, &mut plan)?;
        }
        let moves = members::moves(changes, answer(self.asked.seats), answer(self.asked.dropped))?;
        members::count(changes, commit.slot, &moves, &mut plan);
        counts.members = moves.into_iter().map(|(audience, moves)| (audience, moves.change)).collect();
        counts.write(commit.slot, &mut plan);
        Ok(Some(plan))
    }
}

/// The last word on each key, in the order of the keys.
fn last_words<K: Ord, T>(words: impl Iterator<Item = (K, T)>) -> BTreeMap<K, T> {
    words.collect()
}
