//! The debugger's lines as JSON, and how stored events and refusals become one list.
//!
//! Events are kept in the store, refusals only in memory. A page of both is merged by time, newest first; its cursor
//! holds where each of the two goes on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::engine::{FeedItem, Rejection};

/// A line of the feed.
pub(super) fn show(item: &FeedItem) -> Value {
    match item {
        FeedItem::Accepted(event) => accepted(event),
        FeedItem::Rejected(rejection) => rejected(rejection),
    }
}

/// An event that was accepted, as its Segment JSON with what stagepost knows of it.
pub(super) fn accepted(event: &Event) -> Value {
    let mut shown = event.to_json();
    shown.insert("accepted".to_owned(), true.into());
    shown.insert("eventId".to_owned(), event.id.to_string().into());
    shown.insert("source".to_owned(), event.source.clone().into());
    Value::Object(shown)
}

/// A post that was refused, with the reason.
pub(super) fn rejected(rejection: &Rejection) -> Value {
    json!({
        "rejected": true,
        "id": rejection.id(),
        "at": rejection.at,
        "source": rejection.source,
        "code": rejection.code,
        "field": rejection.field,
        "message": rejection.message,
        "body": rejection.body,
    })
}

/// Where a merged list goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Cursor {
    /// In the store.
    pub events: Events,
    /// Among the refusals: those older than this, and of those at the very time all but the first so many.
    pub refused_before: Option<(Timestamp, usize)>,
}

/// Where the stored part of a merged list goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::http) enum Events {
    /// At the newest.
    #[default]
    Start,
    /// At this cursor of the store.
    At(String),
    /// Nowhere; all were shown.
    End,
}

impl Cursor {
    /// As callers see it.
    pub fn encode(&self) -> String {
        let (events, end) = match &self.events {
            Events::Start => (None, false),
            Events::At(cursor) => (Some(cursor), false),
            Events::End => (None, true),
        };
        let refused = self.refused_before.map(|(at, skip)| (at.millis(), skip));
        URL_SAFE_NO_PAD.encode(json!([events, end, refused]).to_string())
    }

    /// The inverse of [`Self::encode`].
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        type Parts = (Option<String>, bool, Option<(i64, usize)>);
        let (events, end, refused): Parts = serde_json::from_slice(&bytes).ok()?;
        let events = match (events, end) {
            (_, true) => Events::End,
            (Some(cursor), false) => Events::At(cursor),
            (None, false) => Events::Start,
        };
        let refused_before = refused.map(|(ms, skip)| (Timestamp::from_millis(ms), skip));
        Some(Self { events, refused_before })
    }

    /// The refusals, newest first, that are still to be shown.
    pub fn still_to_show<T: AsRef<Rejection>>(&self, newest_first: Vec<T>) -> Vec<T> {
        let Some((before, skip)) = self.refused_before else { return newest_first };
        let mut passed = 0;
        let to_show = |rejection: &T| {
            let at = rejection.as_ref().at;
            if at == before {
                passed += 1;
            }
            at < before || (at == before && passed > skip)
        };
        newest_first.into_iter().filter(to_show).collect()
    }

    /// `refused_before` once the refusals shown now, newest first, were shown too.
    pub fn after<T: AsRef<Rejection>>(&self, shown: &[T]) -> Option<(Timestamp, usize)> {
        let Some(last) = shown.last().map(|rejection| rejection.as_ref().at) else {
            return self.refused_before;
        };
        let of_now = shown.iter().rev().take_while(|rejection| rejection.as_ref().at == last).count();
        let of_before = self.refused_before.filter(|(at, _)| *at == last).map_or(0, |(_, skip)| skip);
        Some((last, of_before + of_now))
    }
}

/// How many of the `events` and of the `refused` (their times, each newest first) make up the first `limit` lines of
/// the two merged by time.
pub(super) fn split(events: &[Timestamp], refused: &[Timestamp], limit: usize) -> (usize, usize) {
    let (mut event, mut refusal) = (0, 0);
    while event + refusal < limit {
        match (events.get(event), refused.get(refusal)) {
            (Some(accepted_at), Some(refused_at)) if accepted_at >= refused_at => event += 1,
            (_, Some(_)) => refusal += 1,
            (Some(_), None) => event += 1,
            (None, None) => break,
        }
    }
    (event, refusal)
}

/// Merges lines by time, newest first; both sides are in that order already.
pub(super) fn merge<T>(events: Vec<(Timestamp, T)>, refused: Vec<(Timestamp, T)>) -> Vec<T> {
    let mut lines: Vec<_> = events.into_iter().chain(refused).collect();
    // The sort is stable: within one millisecond, accepted before refused, as `split` counts them.
    lines.sort_by(|(left, _), (right, _)| right.cmp(left));
    lines.into_iter().map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn refusals(times: &[i64]) -> Vec<Arc<Rejection>> {
        let one = |(n, ms): (usize, &i64)| {
            Arc::new(Rejection {
                number: 0,
                at: at(*ms),
                source: None,
                code: n.to_string(),
                field: None,
                message: String::new(),
                body: String::new(),
            })
        };
        times.iter().enumerate().map(one).collect()
    }

    #[test]
    fn cursors_round_trip() {
        for cursor in [
            Cursor::default(),
            Cursor { events: Events::End, refused_before: Some((at(5), 2)) },
            Cursor { events: Events::At("x/y".to_owned()), refused_before: None },
        ] {
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
        for text in ["", "x", "e30", "%%"] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }

    #[test]
    fn refusals_are_walked_without_gap_or_repetition() {
        let all = refusals(&[9, 7, 7, 7, 3, 1]);
        for step in 1..=all.len() {
            let (mut cursor, mut seen) = (Cursor::default(), Vec::new());
            loop {
                let shown: Vec<_> = cursor.still_to_show(all.clone()).into_iter().take(step).collect();
                if shown.is_empty() {
                    break;
                }
                cursor.refused_before = cursor.after(&shown);
                seen.extend(shown.iter().map(|rejection| rejection.code.clone()));
            }
            assert_eq!(seen, ["0", "1", "2", "3", "4", "5"], "in steps of {step}");
        }
    }

    #[test]
    fn the_two_are_merged_by_time() {
        let times = |all: &[i64]| all.iter().map(|ms| at(*ms)).collect::<Vec<_>>();
        assert_eq!(split(&times(&[9, 5, 1]), &times(&[7, 5]), 3), (2, 1));
        assert_eq!(split(&times(&[9, 5, 1]), &times(&[7, 5]), 100), (3, 2));
        assert_eq!(split(&times(&[1]), &times(&[9, 8, 7]), 2), (0, 2));
        assert_eq!(split(&[], &[], 2), (0, 0));
        let lines =
            |all: &[i64], name: &'static str| all.iter().map(|ms| (at(*ms), name)).collect::<Vec<_>>();
        assert_eq!(merge(lines(&[9, 5], "a"), lines(&[7, 5], "r")), ["a", "r", "a", "r"]);
    }
}
