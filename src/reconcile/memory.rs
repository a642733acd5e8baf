//! Which runs were looked up, so that nothing is asked again every time.

use std::collections::{HashMap, VecDeque};

use crate::domain::time::{Span, Timestamp};

/// Most runs that are remembered; the one that was first looked up longest ago is forgotten.
const MOST: usize = 50_000;
/// A run that goes on is looked up again after this, at first.
const AGAIN: Span = Span::from_secs(10 * 60);
/// And at least this often in the end.
const LATEST: Span = Span::from_hours(6);

/// When a run is to be looked up again.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// `None`: never.
    next: Option<Timestamp>,
    wait: Span,
}

/// What was looked up.
#[derive(Debug, Default)]
pub(super) struct Memory {
    looks: HashMap<String, Look>,
    order: VecDeque<String>,
}

impl Memory {
    /// Whether a run may be looked up now.
    pub fn is_due(&self, execution_sid: &str, now: Timestamp) -> bool {
        self.looks.get(execution_sid).is_none_or(|look| look.next.is_some_and(|next| next <= now))
    }

    /// It was looked up and goes on: the next time is later each time.
    pub fn goes_on(&mut self, execution_sid: &str, now: Timestamp) {
        let before = self.looks.get(execution_sid).map(|look| look.wait);
        let wait =
            before.map_or(AGAIN, |wait| Span::from_millis(wait.millis().saturating_mul(2)).min(LATEST));
        self.put(execution_sid, Look { next: Some(now.plus(wait)), wait });
    }

    /// There is nothing more to be found.
    pub fn is_done(&mut self, execution_sid: &str) {
        self.put(execution_sid, Look { next: None, wait: AGAIN });
    }

    fn put(&mut self, execution_sid: &str, look: Look) {
        if self.looks.insert(execution_sid.to_owned(), look).is_some() {
            return;
        }
        self.order.push_back(execution_sid.to_owned());
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.looks.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_is_looked_up_less_and_less() {
        let (mut memory, mut now) = (Memory::default(), Timestamp::default());
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(memory.is_due("FN1", now));
            memory.goes_on("FN1", now);
            let next = memory.looks["FN1"].next.unwrap();
            waits.push(next.millis_since(now) / 60_000);
            assert!(!memory.is_due("FN1", next.minus(Span::from_millis(1))));
            now = next;
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 360, 360]);
        memory.is_done("FN1");
        assert!(!memory.is_due("FN1", now.plus(LATEST)));
    }

    #[test]
    fn it_remembers_so_many_and_no_more() {
        let mut memory = Memory::default();
        for number in 0..=MOST {
            memory.is_done(&number.to_string());
            memory.is_done(&number.to_string());
        }
        assert_eq!((memory.looks.len(), memory.order.len()), (MOST, MOST));
        assert!(memory.is_due("0", Timestamp::default()) && !memory.is_due("1", Timestamp::default()));
    }
}
