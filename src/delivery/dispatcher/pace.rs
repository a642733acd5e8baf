//! How a destination is sent to at present: by its definition, and by how it fares.

use std::collections::BTreeMap;
use std::time::Duration;

use super::circuit::Gate;
use super::rate::Rate;
use crate::domain::definition::{Action, Batch, Definitions};
use crate::domain::delivery::EMAIL;
use crate::domain::health::Health;
use crate::domain::limits::{DEFAULT_IN_FLIGHT, MAIL_TIMEOUT};
use crate::domain::time::Timestamp;

/// What an attempt gets beyond twice its destination's timeout before it is broken off.
const MARGIN: Duration = Duration::from_secs(30);

/// How a destination is sent to at present.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pace {
    /// Requests under way at once.
    pub max_in_flight: usize,
    pub rate: Option<Rate>,
    /// Under which name the rate is kept: destinations of one account may share it.
    pub rate_key: String,
    /// How many events go together, and how long they wait for each other.
    pub batch: Option<Batch>,
    /// Whether a batch may become several requests, because they don't all go to one place: then one is made at a time, with as
    /// many requests at once as may be under way, and holds one event of a user.
    pub splits: bool,
    /// Whether more may be claimed than can go at once: not where what waits may still be superseded.
    pub reads_ahead: bool,
    /// How long a claim holds: an attempt that takes longer is broken off, and made again.
    pub lease: Duration,
    /// What follows from a pause.
    pub gate: Gate,
}

impl Pace {
    /// The pace for `key`; `None` while nothing may be sent there.
    pub fn of(
        definitions: &Definitions,
        healths: &BTreeMap<String, Health>,
        key: &str,
        now: Timestamp,
    ) -> Option<Self> {
        if key == EMAIL {
            return Some(Self {
                max_in_flight: at_least_one(DEFAULT_IN_FLIGHT),
                rate: None,
                rate_key: EMAIL.to_owned(),
                batch: None,
                splits: false,
                reads_ahead: false,
                lease: MAIL_TIMEOUT.to_std() * 2 + MARGIN,
                gate: Gate::All,
            });
        }
        let destination = definitions.destinations.get(key).filter(|destination| destination.enabled)?;
        let rate = destination.rate_limit.map(|per_second| Rate { per_second, burst: destination.burst });
        let batch = destination.kind.action().and_then(|action| action.batch.clone());
        let splits = destination.kind.action().is_some_and(|action| may_split(action));
        Some(Self {
            max_in_flight: if splits { 1 } else { at_least_one(destination.max_in_flight) },
            splits,
            reads_ahead: rate.is_none() && batch.is_none() && !destination.coalesce,
            rate,
            rate_key: destination.rate_key.clone().unwrap_or_else(|| key.to_owned()),
            batch,
            lease: destination.timeout.to_std() * 2 + MARGIN,
            gate: healths.get(key).map_or(Gate::All, |health| gate(health, now)),
        })
    }

    /// The narrower of two gates.
    pub fn narrowed_by(mut self, gate: Gate) -> Self {
        self.gate = match (self.gate, gate) {
            (Gate::None(at), Gate::None(other)) => Gate::None(at.zip(other).map(|(a, b)| a.max(b))),
            (closed @ Gate::None(_), _) | (_, closed @ Gate::None(_)) => closed,
            (Gate::One, _) | (_, Gate::One) => Gate::One,
            (Gate::All, Gate::All) => Gate::All,
        };
        self
    }
}

/// Whether batches of that action may have to be cut by where they go.
fn may_split(action: &Action) -> bool {
    let Some(batch) = &action.batch else { return false };
    let mappings = [&action.url, &action.method, &action.headers];
    mappings.iter().any(|mapping| mapping.constant().is_none())
        || batch.keys.iter().any(|key| key.starts_with('$'))
}

/// A paused destination is tried with one delivery when it is time, or not at all.
fn gate(health: &Health, now: Timestamp) -> Gate {
    match health.pause.as_ref().map(|pause| pause.probe_at) {
        None => Gate::All,
        Some(Some(at)) if at <= now => Gate::One,
        Some(at) => Gate::None(at),
    }
}

fn at_least_one(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).max(1)
}
