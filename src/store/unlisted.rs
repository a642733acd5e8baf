//! Records that no list of a store hands out, for whoever copies all of it.

use crate::domain::change::{ChangeSet, ExternalIdWrite, JourneyMove, LeafPageWrite, SeenWrite};
use crate::domain::event::Event;
use crate::domain::figures::FigureWrite;
use crate::domain::journey::Journey;

/// A kind of such records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// Events in the order of their ids, whatever their commits.
    Events,
    /// Pages of leaves.
    LeafPages,
    /// Message ids that are kept on their own.
    MessageIds,
    /// Ids that profiles are found by.
    ExternalIds,
    /// Journeys that left their profile.
    ArchivedJourneys,
    /// Points of figures.
    Figures,
}

/// A part of a store's records of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordPart {
    /// What writes them into a store that has none of them.
    pub changes: ChangeSet,
    /// Where to go on, for the store that said it; `None`: there was nothing behind the place that was asked for.
    pub last: Option<Vec<u8>>,
}

impl RecordPart {
    pub(super) fn add_event(&mut self, event: Event) {
        self.changes.events.push(event);
    }

    pub(super) fn add_page(&mut self, page: LeafPageWrite) {
        self.changes.leaf_pages.push(page);
    }

    pub(super) fn add_message(&mut self, message: SeenWrite) {
        self.changes.seen.push(message);
    }

    pub(super) fn add_external_id(&mut self, id: ExternalIdWrite) {
        self.changes.external_ids.push(id);
    }

    pub(super) fn add_figure(&mut self, figure: FigureWrite) {
        self.changes.figure_points.push(figure);
    }

    pub(super) fn add_archived(&mut self, journey: Journey) {
        self.changes.journeys.push(opened(&journey));
        self.changes.archived.push(journey);
    }
}

/// A journey that a store has not got yet.
pub(super) fn opened(journey: &Journey) -> JourneyMove {
    JourneyMove::of(journey, None)
}
