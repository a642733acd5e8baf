//! What a list keeps of one event: `[streams, answers, slot…]`.
//!
//! `streams` are the streams that the event may be in, `answers` the tests that it answers by itself (bit n: the nth),
//! and then comes a value for each slot of the plan; nulls at the end are left out.

use serde_json::Value;

use crate::domain::query::moment::Moment;
use crate::domain::query::seen::Seen;
use crate::domain::time::Timestamp;

use super::plan::{Kept, Plan, Planned, Test};

/// One event of a list, read.
pub(super) struct Member<'e> {
    /// When it happened, in milliseconds since 1970.
    pub(super) at: i64,
    answers: u64,
    slots: &'e [Value],
}

impl<'e> Member<'e> {
    /// Reads what [`Plan::keep`] made, with the streams that the event may be in.
    pub(super) fn read(at: Timestamp, kept: &'e Value) -> Option<(Self, impl Iterator<Item = usize>)> {
        let [streams, answers, slots @ ..] = kept.as_array()?.as_slice() else { return None };
        let streams = streams.as_array()?.iter().filter_map(Value::as_u64);
        let streams = streams.filter_map(|stream| usize::try_from(stream).ok());
        Some((Self { at: at.millis(), answers: answers.as_u64()?, slots }, streams))
    }

    /// The answer to one of [`Plan::known`].
    pub(super) fn answer(&self, test: usize) -> bool {
        self.answers & bit(test) != 0
    }

    /// What it keeps in a slot; null if nothing.
    pub(super) fn slot(&self, slot: usize) -> &'e Value {
        self.slots.get(slot).unwrap_or(&Value::Null)
    }
}

/// There are at most 50 tests in a query.
fn bit(test: usize) -> u64 {
    u32::try_from(test).ok().and_then(|test| 1_u64.checked_shl(test)).unwrap_or(0)
}

impl Plan {
    /// What is kept of an event; `None` if it cannot be in any of the streams, whatever else happens.
    pub(in crate::domain::query) fn keep(&self, event: &Seen<'_>) -> Option<Value> {
        let answers = self.answers(event);
        let streams: Vec<usize> =
            (0..self.streams.len()).filter(|index| self.streams[*index].may_hold(event, answers)).collect();
        if streams.is_empty() {
            return None;
        }
        let mut kept = vec![Value::from(streams.clone()), Value::from(answers)];
        for slot in &self.slots {
            let wanted = slot.of.iter().any(|stream| streams.contains(stream));
            kept.push(if wanted { self.slot_value(&slot.what, event) } else { Value::Null });
        }
        while kept.last().is_some_and(Value::is_null) {
            kept.pop();
        }
        Some(Value::Array(kept))
    }

    fn answers(&self, event: &Seen<'_>) -> u64 {
        // None of these tests asks for the present instant.
        let moment = Moment::new(Timestamp::default());
        let mut answers = 0;
        for (index, known) in self.known.iter().enumerate() {
            let concerned = event.is_of(&self.streams[known.stream].stream);
            if concerned && event.passes(&known.comparison, &moment) {
                answers |= bit(index);
            }
        }
        answers
    }

    fn slot_value(&self, what: &Kept, event: &Seen<'_>) -> Value {
        match what {
            Kept::Field(field) => {
                let mut values = event.values(field);
                if field.path.is_many() { Value::Array(values) } else { values.pop().unwrap_or_default() }
            }
            Kept::Reduced(stream) => event.reduced(&self.streams[*stream].stream.reducer).unwrap_or_default(),
        }
    }
}

impl Planned {
    /// Whether the event can be in this stream, given what it answers by itself.
    fn may_hold(&self, event: &Seen<'_>, answers: u64) -> bool {
        let test = |test: &Test| match test {
            Test::Known(index) => Some(answers & bit(*index) != 0),
            Test::Common(_) | Test::Asked(_) => None,
        };
        event.is_of(&self.stream)
            && self.filter.as_ref().is_none_or(|filter| filter.known(&test) != Some(false))
            && (event.reduced(&self.stream.reducer).is_some() || self.stream.window.is_session())
    }
}
