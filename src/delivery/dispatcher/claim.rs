//! Claiming: what is due is taken out of the queue, at most one thing of a user at a time (or what goes into one batch).
//!
//! A claim holds for a time. It ends when what came of the attempt is on disk, and no attempt outlives it: the dispatcher breaks one
//! off that does. What was claimed when the process died is still pending in the store.

use std::collections::HashSet;

use super::circuit::Gate;
use super::lane::Lane;
use super::pace::Pace;
use super::{Inner, Working};
use crate::domain::delivery::Delivery;
use crate::domain::ids::UserKey;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// What is read ahead at least, where that is of use: claiming costs a look at the index and a wait for the disk.
const AHEAD: usize = 128;
/// Users of whom something is claimed, beyond four for each request that may be under way: outcomes wait for the disk, too.
const BUSY: usize = 256;

impl Inner {
    /// Whether this node may send to the lane's destination. What it claimed under an earlier lease is given back: another node
    /// may have sent it since.
    fn holds(&self, lane: &Lane) -> bool {
        let name = self.lease(lane);
        let term = self.leases.term(&name);
        let mut state = lane.state();
        let term = term.filter(|_| !self.leases.are_shared() || state.has_long_had(name));
        if state.term != term {
            state.release();
            state.term = term;
        }
        term.is_some()
    }

    /// How the lane is sent to now.
    pub(super) fn pace(&self, lane: &Lane) -> Option<Pace> {
        let now = self.clock.now();
        let pace = Pace::of(&self.definitions.borrow(), &self.healths.borrow(), &lane.key, now)?;
        Some(pace.narrowed_by(lane.state().circuit.gate(now)))
    }

    /// Takes what is due now, as far as it is worth it, and holds it ready. What is returned counts as work until dropped.
    pub(super) async fn claim(&self, lane: &Lane) -> Result<Working, StoreError> {
        let _alone = lane.claiming.lock().await;
        // First counted, then asked whether to stop: a shutdown either is seen here or sees this.
        let working = Working::new(&self.working);
        let may_send = !*self.stopping.borrow() && self.holds(lane);
        let Some(pace) = self.pace(lane).filter(|_| may_send) else {
            lane.state().release();
            return Ok(working);
        };
        let now = self.clock.now();
        let wanted = self.wanted(lane, &pace, now);
        if wanted == 0 {
            return Ok(working);
        }
        let busy = lane.state().busy.clone();
        match &pace.batch {
            None => {
                let claimed = self.outbox.due(&lane.key, now, &busy, wanted, 1).await?;
                let mut state = lane.state();
                state.next = claimed.next;
                claimed.deliveries.into_iter().for_each(|delivery| state.hold(vec![delivery]));
            }
            Some(batch) => {
                // Where it may become a request for each, no more than the rate lets.
                let size = usize::try_from(batch.size).unwrap_or(usize::MAX).max(1);
                let most = if pace.splits { size.min(self.allowance(&pace, now)) } else { size };
                let per_user = if pace.splits { 1 } else { size };
                let (count, oldest) = self.outbox.count_due(&lane.key, now, &busy, size, per_user).await?;
                // Full, or the one that is due for longest has waited long enough for others.
                let ripe_at = oldest.map(|at| if count >= size { now } else { at.plus(batch.wait) });
                if ripe_at.is_some_and(|at| at <= now) {
                    let claimed = self.outbox.due(&lane.key, now, &busy, most, per_user).await?;
                    let mut state = lane.state();
                    state.next = claimed.next;
                    if !claimed.deliveries.is_empty() {
                        state.hold(claimed.deliveries);
                    }
                } else {
                    // What is made meanwhile wakes the loop.
                    lane.state().next = ripe_at;
                }
            }
        }
        Ok(working)
    }

    /// How many deliveries, or batches of them, are to be claimed now.
    fn wanted(&self, lane: &Lane, pace: &Pace, now: Timestamp) -> usize {
        let allowance = self.allowance(pace, now);
        let state = lane.state();
        let slots = pace.max_in_flight.saturating_sub(state.in_flight);
        let held = state.ready.len();
        match pace.gate {
            Gate::None(_) => 0,
            Gate::One => usize::from(state.open == 0 && held == 0).min(allowance),
            Gate::All if pace.reads_ahead => {
                let room = (4 * pace.max_in_flight + BUSY).saturating_sub(state.busy.len());
                let ahead = AHEAD.max(pace.max_in_flight);
                // Half is left before more is read.
                if held >= ahead / 2 { 0 } else { (ahead - held).min(room) }
            }
            Gate::All => slots.min(allowance).saturating_sub(held),
        }
    }

    /// How many requests may begin now by the rate.
    fn allowance(&self, pace: &Pace, now: Timestamp) -> usize {
        self.rates().entry(pace.rate_key.clone()).or_default().allowance(pace.rate, now)
    }

    /// Takes out of what is ready as much as may begin now.
    pub(super) fn take(&self, lane: &Lane) -> Vec<Vec<Delivery>> {
        let may_send = !*self.stopping.borrow() && self.holds(lane);
        let Some(pace) = self.pace(lane).filter(|_| may_send) else {
            lane.state().release();
            return Vec::new();
        };
        let now = self.clock.now();
        let mut rates = self.rates();
        let rate = rates.entry(pace.rate_key.clone()).or_default();
        let mut state = lane.state();
        let slots = match pace.gate {
            Gate::None(_) => 0,
            // What the one before says of the destination has to be known first.
            Gate::One => usize::from(state.open == 0),
            Gate::All => pace.max_in_flight.saturating_sub(state.in_flight),
        };
        let mut taken = Vec::new();
        while taken.len() < slots {
            let Some(next) = state.ready.front() else { break };
            let requests = if pace.splits { next.len() } else { 1 };
            if rate.allowance(pace.rate, now) < requests {
                break;
            }
            rate.take(pace.rate, requests, now);
            taken.extend(state.ready.pop_front());
        }
        state.in_flight += taken.len();
        state.open += taken.len();
        if pace.gate != Gate::All {
            // What is left may be superseded before it has its turn.
            state.release();
        }
        taken
    }

    /// When the lane is to be looked at again, unless it is woken; `None` for no particular time.
    pub(super) fn look_again_at(&self, lane: &Lane) -> Option<Timestamp> {
        let pace = self.pace(lane)?;
        let now = self.clock.now();
        let state = lane.state();
        if state.in_flight >= pace.max_in_flight {
            return None;
        }
        match pace.gate {
            Gate::None(at) => return at,
            Gate::One if state.open > 0 => return None,
            Gate::One | Gate::All => {}
        }
        let next = state.next;
        drop(state);
        let mut rates = self.rates();
        let rate = rates.entry(pace.rate_key).or_default();
        if rate.allowance(pace.rate, now) == 0 { rate.free_at(pace.rate).max(next) } else { next }
    }
}

/// Whose deliveries these are.
pub(super) fn users_of(deliveries: &[Delivery]) -> HashSet<UserKey> {
    deliveries.iter().map(|delivery| delivery.user.clone()).collect()
}
