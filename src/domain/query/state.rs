//! What is kept of one user's events for one leaf.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::time::{Span, Timestamp};

use super::{LeafSpec, MAX_FUTURE};

/// One user's state of one leaf: a count, or for a windowed leaf the timestamps that can still matter.
///
/// At most `keep` timestamps of the past and [`MAX_FUTURE`] of the future are kept. Stored, it is one integer or one
/// array of rising timestamps in which each is the difference to the one before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafState(Kept);

#[derive(Clone, Debug, PartialEq)]
enum Kept {
    /// How many events there were, for a leaf without a window; also the state of no events at all.
    Count(u64),
    /// Rising milliseconds since 1970, at least one.
    Times(Vec<i64>),
}

impl Default for Kept {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl LeafState {
    /// Counts an event of time `at`, and forgets what cannot matter from `now` on. Events before 1970 are ignored.
    ///
    /// In whatever order events are added, every comparison that `spec.keep()` was made for comes out the same at every
    /// instant from `now` on.
    pub fn add(&mut self, spec: &LeafSpec, at: Timestamp, now: Timestamp) {
        if at.millis() < 0 {
            return;
        }
        let Some(window) = spec.within() else {
            self.0 = Kept::Count(self.count(spec, now).saturating_add(1));
            return;
        };
        let mut times = match std::mem::take(&mut self.0) {
            Kept::Times(times) => times,
            Kept::Count(_) => Vec::new(),
        };
        let place = times.partition_point(|time| *time <= at.millis());
        times.insert(place, at.millis());
        prune(&mut times, window, spec.keep(), now);
        if !times.is_empty() {
            self.0 = Kept::Times(times);
        }
    }

    /// How many timestamps are kept.
    pub fn kept(&self) -> usize {
        match &self.0 {
            Kept::Count(_) => 0,
            Kept::Times(times) => times.len(),
        }
    }

    /// How many events count at `now`: for a windowed leaf those of now - window to now, both included. Exact below
    /// `spec.keep()`; from there on only known to be at least that many.
    pub fn count(&self, spec: &LeafSpec, now: Timestamp) -> u64 {
        match (spec.within(), &self.0) {
            (None, Kept::Count(count)) => *count,
            (Some(window), Kept::Times(times)) => {
                let (left, entered) = bounds(times, window, now);
                length(left, entered)
            }
            (None, Kept::Times(_)) | (Some(_), Kept::Count(_)) => 0,
        }
    }

    /// The first instant after `now` at which `test` of the count differs from what it is at `now`, if nothing else
    /// arrives.
    pub(super) fn flips_at(
        &self,
        spec: &LeafSpec,
        now: Timestamp,
        test: &dyn Fn(u64) -> bool,
    ) -> Option<Timestamp> {
        let (Some(window), Kept::Times(times)) = (spec.within(), &self.0) else { return None };
        let (mut left, mut entered) = bounds(times, window, now);
        let holds = test(length(left, entered));
        // An event is still counted when it is exactly `window` old, and no longer a millisecond after.
        let leaves_at = |time: &i64| time.saturating_add(window.millis()).saturating_add(1);
        loop {
            // The oldest one leaves no earlier than it enters, so `left` never overtakes `entered`.
            let next_leaving = times.get(left).map(leaves_at)?;
            let at = times.get(entered).map_or(next_leaving, |entering| next_leaving.min(*entering));
            entered += times[entered..].iter().take_while(|time| **time <= at).count();
            left += times[left..].iter().take_while(|time| leaves_at(time) <= at).count();
            if test(length(left, entered)) != holds {
                // Beyond the last representable instant nothing happens.
                return Some(Timestamp::from_millis(at)).filter(|instant| instant.millis() == at);
            }
        }
    }
}

/// The range of `times` inside the window at `now`: first index in it, first index after it.
fn bounds(times: &[i64], window: Span, now: Timestamp) -> (usize, usize) {
    let from = now.millis().saturating_sub(window.millis());
    (times.partition_point(|time| *time < from), times.partition_point(|time| *time <= now.millis()))
}

fn length(left: usize, entered: usize) -> u64 {
    u64::try_from(entered.saturating_sub(left)).unwrap_or(u64::MAX)
}

/// Forgets what left the window, what is older than the newest `keep`, and the farthest of too distant a future.
///
/// An event dropped for `keep` has `keep` newer ones that stay in the window longer than it would: as long as it would
/// be counted there are at least `keep`, which is more than any number the count is compared with.
fn prune(times: &mut Vec<i64>, window: Span, keep: u32, now: Timestamp) {
    let (left, entered) = bounds(times, window, now);
    times.truncate(entered.saturating_add(MAX_FUTURE));
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    times.drain(..left.max(entered.saturating_sub(keep)));
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let times = match self {
            Self::Count(count) => return serializer.serialize_u64(*count),
            Self::Times(times) => times,
        };
        let mut array = serializer.serialize_seq(Some(times.len()))?;
        let mut previous = 0;
        for time in times {
            array.serialize_element(&time.abs_diff(previous))?;
            previous = *time;
        }
        array.end()
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeptVisitor)
    }
}

struct KeptVisitor;

impl<'de> Visitor<'de> for KeptVisitor {
    type Value = Kept;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count or an array of timestamp differences")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Kept, E> {
        Ok(Kept::Count(count))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Kept, A::Error> {
        let mut times = Vec::with_capacity(array.size_hint().unwrap_or(0).min(2 * MAX_FUTURE));
        let mut previous = 0_i64;
        while let Some(difference) = array.next_element::<u64>()? {
            previous = previous.saturating_add_unsigned(difference);
            times.push(previous);
        }
        Ok(if times.is_empty() { Kept::default() } else { Kept::Times(times) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const NOW: i64 = 1_769_817_600_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn windowed(keep: u32) -> LeafSpec {
        LeafSpec::parse("event('A').within(7 days).count()", Some(keep)).unwrap()
    }

    fn times(state: &LeafState) -> Vec<i64> {
        match &state.0 {
            Kept::Times(times) => times.clone(),
            Kept::Count(_) => Vec::new(),
        }
    }

    #[test]
    fn a_windowed_leaf_keeps_only_what_can_matter() {
        let spec = windowed(2);
        let mut state = LeafState::default();
        for ms in [NOW - 8 * DAY, NOW - 3 * DAY, NOW + DAY, NOW - DAY, NOW - 2 * DAY, NOW - 7 * DAY, -5] {
            state.add(&spec, at(ms), at(NOW));
        }
        assert_eq!(times(&state), [NOW - 2 * DAY, NOW - DAY, NOW + DAY]);
        assert_eq!(state.count(&spec, at(NOW)), 2);
        assert_eq!(state.count(&spec, at(NOW + DAY)), 3);
        assert_eq!(state.count(&spec, at(NOW + 5 * DAY)), 3);
        assert_eq!(state.count(&spec, at(NOW + 5 * DAY + 1)), 2);
        assert_eq!(state.flips_at(&spec, at(NOW), &|count| count >= 1), Some(at(NOW + 8 * DAY + 1)));
        assert_eq!(state.flips_at(&spec, at(NOW), &|count| count >= 3), Some(at(NOW + DAY)));
        assert_eq!(state.flips_at(&spec, at(NOW), &|count| count >= 4), None);
    }

    #[test]
    fn the_far_future_is_bounded_and_the_past_unaffected_by_it() {
        let spec = windowed(1);
        let mut state = LeafState::default();
        state.add(&spec, at(NOW), at(NOW));
        for step in (1..=1200).rev() {
            state.add(&spec, at(NOW + step * DAY), at(NOW));
        }
        assert_eq!(times(&state).len(), 1 + MAX_FUTURE);
        assert_eq!(times(&state).last(), Some(&(NOW + 1000 * DAY)));
    }

    #[test]
    fn states_are_stored_compactly() {
        let spec = windowed(101);
        let mut state = LeafState::default();
        let empty = rmp_serde::to_vec(&state).unwrap();
        assert_eq!(empty, [0]);
        assert_eq!(rmp_serde::from_slice::<LeafState>(&empty).unwrap(), state);
        for step in 0..100 {
            state.add(&spec, at(NOW - step * 3_600_000), at(NOW));
        }
        let packed = rmp_serde::to_vec(&state).unwrap();
        assert!(packed.len() <= 3 + 9 + 99 * 5, "{} bytes", packed.len());
        assert_eq!(rmp_serde::from_slice::<LeafState>(&packed).unwrap(), state);
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<LeafState>(&json).unwrap(), state);
    }

    #[test]
    fn an_unwindowed_leaf_counts_everything_since_1970() {
        let spec = LeafSpec::parse("event('A').count()", Some(2)).unwrap();
        let mut state = LeafState::default();
        for ms in [0, -1, NOW, NOW + 400 * DAY] {
            state.add(&spec, at(ms), at(NOW));
        }
        assert_eq!(state.count(&spec, at(NOW)), 3);
        assert_eq!(rmp_serde::to_vec(&state).unwrap(), [3]);
    }

    #[test]
    fn the_end_of_time_is_no_flip() {
        let spec = windowed(2);
        let end = at(i64::MAX);
        let mut state = LeafState::default();
        state.add(&spec, end, end);
        assert_eq!(state.count(&spec, end), 1);
        assert_eq!(state.flips_at(&spec, end, &|count| count >= 1), None);
    }
}
