//! What is remembered of Twilio between attempts, in memory: nothing is lost with it that Twilio would not tell again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::DeliveryId;
use crate::domain::time::{Span, Timestamp};

/// How long it is believed that a recipient wants no messages. Twilio keeps its own list, which holds whatever we remember; he may
/// have changed his mind meanwhile.
const OPTED_OUT_FOR: Span = Span::from_days(1);
/// Numbers that are remembered at most.
const MAX_NUMBERS: usize = 10_000;
/// SIDs that are remembered at most, with the deliveries that they came of.
const MAX_SIDS: usize = 10_000;

/// Shared by every attempt of the process.
#[derive(Default)]
pub(in crate::delivery) struct Memory {
    /// By account, sender and recipient.
    opted_out: Mutex<HashMap<[String; 3], Timestamp>>,
    made: Mutex<VecDeque<(String, DeliveryId)>>,
}

impl Memory {
    /// Notes that a recipient wants no messages of that sender.
    pub fn note_opted_out(&self, whom: [String; 3], now: Timestamp) {
        let mut known = lock(&self.opted_out);
        known.retain(|_, at| is_recent(*at, now));
        if known.len() < MAX_NUMBERS {
            known.insert(whom, now);
        }
    }

    /// Whether he said so lately.
    pub fn has_opted_out(&self, whom: &[String; 3], now: Timestamp) -> bool {
        lock(&self.opted_out).get(whom).is_some_and(|at| is_recent(*at, now))
    }

    /// Notes what a delivery became.
    pub fn note_made(&self, sid: &str, delivery: DeliveryId) {
        let mut made = lock(&self.made);
        if made.len() >= MAX_SIDS {
            made.pop_front();
        }
        made.push_back((sid.to_owned(), delivery));
    }

    /// Whether that is known to be of another delivery.
    pub fn is_of_another(&self, sid: &str, delivery: DeliveryId) -> bool {
        lock(&self.made).iter().any(|(known, owner)| known == sid && *owner != delivery)
    }
}

fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now < at.plus(OPTED_OUT_FOR)
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nobody panics while holding it; if one did, it would still be whole.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::IdSource;

    #[test]
    fn an_opt_out_is_believed_for_a_day() {
        let (memory, at) = (Memory::default(), Timestamp::from_millis(1_790_000_000_000));
        let whom = |to: &str| ["AC1".to_owned(), "+1".to_owned(), to.to_owned()];
        memory.note_opted_out(whom("+2"), at);
        assert!(memory.has_opted_out(&whom("+2"), at.plus(Span::from_hours(23))));
        assert!(!memory.has_opted_out(&whom("+3"), at));
        assert!(!memory.has_opted_out(&whom("+2"), at.plus(Span::from_days(1))));
    }

    #[test]
    fn what_was_made_for_one_is_not_anothers() {
        let memory = Memory::default();
        let mut ids = IdSource::new([1; 32]);
        let (one, other) = (ids.delivery(Timestamp::from_millis(1)), ids.delivery(Timestamp::from_millis(1)));
        memory.note_made("CA1", one);
        assert!(memory.is_of_another("CA1", other));
        assert!(!memory.is_of_another("CA1", one) && !memory.is_of_another("CA2", other));
        (0..MAX_SIDS).for_each(|_| memory.note_made("CA3", one));
        assert!(!memory.is_of_another("CA1", other), "the oldest are forgotten");
    }
}
