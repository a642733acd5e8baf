//! The beginning of a backfill: which leaves are made, and which are shared with computations that are live.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::backfill::{Backfill, BackfillPhase, ComputationRef};
use crate::domain::definition::{Computation, Definitions, History, LEAF_FORM, LeafUse, PartUse, Status};
use crate::domain::ids::{EventId, IdSource};
use crate::domain::query::{LeafSpec, Target};
use crate::domain::time::Timestamp;

/// Computations that begin to be computed together.
pub(in crate::engine) struct Start<'a> {
    /// Leaves that live computations keep already.
    live: Vec<&'a LeafUse>,
    /// Those that are made now and may be shared by the others of this start.
    made: Vec<LeafUse>,
    backfill: Backfill,
}

impl<'a> Start<'a> {
    /// `until` is the log's present end, `totals` how many events and profiles there are.
    pub fn new(
        existing: &'a Definitions,
        until: Option<EventId>,
        totals: (u64, u64),
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Self {
        let is_shared = |it: &&Arc<Computation>| {
            it.status == Status::Live && it.form == LEAF_FORM && it.history == History::All
        };
        let of_users = |it: &'a Arc<Computation>| {
            let own = if it.target == Target::Users { it.leaves.as_slice() } else { &[] };
            own.iter().chain(it.parts.iter().flat_map(|part| &part.leaves))
        };
        Self {
            live: existing.computations().filter(is_shared).flat_map(of_users).collect(),
            made: Vec::new(),
            backfill: Backfill {
                id: ids.backfill(now),
                computations: Vec::new(),
                fresh: BTreeSet::new(),
                until,
                phase: BackfillPhase::Profiles { after: None },
                is_reading: false,
                events_read: 0,
                events_total: totals.0,
                profiles_done: 0,
                profiles_total: totals.1,
                started_at: now,
            },
        }
    }

    /// Sets a new or changed computation to be computed. A leaf that a live one keeps already is shared; the others start
    /// empty under names of their own and are filled from the log.
    pub fn begin(&mut self, computation: &mut Computation, ids: &mut IdSource) {
        computation.form = LEAF_FORM;
        computation.parts.clear();
        computation.leaves.clear();
        if !computation.enabled {
            computation.status = Status::Disabled;
            return;
        }
        let may_share = computation.history == History::All;
        let specs = computation.query.leaves().to_vec();
        computation.leaves =
            self.uses(&specs, may_share && computation.target == Target::Users, computation.history, ids);
        let conditions: Vec<Vec<LeafSpec>> =
            computation.query.parts().iter().map(|part| part.condition.leaves().to_vec()).collect();
        for specs in conditions {
            let leaves = self.uses(&specs, may_share, computation.history, ids);
            computation.parts.push(PartUse { id: ids.leaf(), leaves });
        }
        computation.status = Status::Computing;
        self.backfill.computations.push(ComputationRef {
            kind: computation.kind(),
            key: computation.key.clone(),
            id: computation.id.clone(),
        });
    }

    fn uses(
        &mut self,
        specs: &[LeafSpec],
        may_share: bool,
        history: History,
        ids: &mut IdSource,
    ) -> Vec<LeafUse> {
        let mut uses = Vec::with_capacity(specs.len());
        for spec in specs {
            let known = self.live.iter().copied().chain(&self.made).find(|known| known.spec == *spec);
            let used = match known.filter(|_| may_share) {
                Some(known) => known.clone(),
                None => {
                    let since = history.earliest(self.backfill.started_at);
                    let made = LeafUse { id: ids.leaf(), spec: spec.clone(), since };
                    if history != History::Off {
                        self.backfill.fresh.insert(made.id);
                    }
                    if may_share {
                        self.made.push(made.clone());
                    }
                    made
                }
            };
            uses.push(used);
        }
        uses
    }

    /// What is to be done. Where nothing is to be computed, the profiles are looked at all the same: what is gone leaves
    /// states behind.
    pub fn finish(mut self) -> Backfill {
        if self.backfill.past().is_none() {
            self.backfill.events_total = 0;
        }
        self.backfill
    }
}
