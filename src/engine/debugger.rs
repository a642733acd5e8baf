//! The debugger's feed: what was accepted and what was refused, as it happens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use super::posted::{Posted, PostedEvents};
use crate::domain::event::Event;
use crate::domain::figures::{self, Counted, Family};
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// A post, or one item of a batch, that was refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Its number, given by the debugger: higher than that of any before it, in this process and the ones before.
    #[serde(skip)]
    pub number: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// Key of the source, where its write key was known.
    pub source: Option<String>,
    /// The error's code: `missing_field`, `malformed_json`, …
    pub code: String,
    /// The field that is wrong, where one is.
    pub field: Option<String>,
    /// What is wrong, in words.
    pub message: String,
    /// The beginning of what was posted, as text.
    pub body: String,
}

impl Rejection {
    /// How its id begins.
    pub const PREFIX: &'static str = "rej_";

    /// The name under which it is shown: `rej_` and its number.
    pub fn id(&self) -> String {
        format!("{}{}", Self::PREFIX, self.number)
    }
}

/// One line of the feed.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// An event that was stored.
    Accepted(Arc<Event>),
    /// A post that was refused.
    Rejected(Arc<Rejection>),
}

/// Remembers the newest refusals, and how the newest events were posted, and tells whoever listens.
#[derive(Debug)]
pub struct Debugger {
    refused: Mutex<Refused>,
    posted: Mutex<PostedEvents>,
    feed: broadcast::Sender<FeedItem>,
}

#[derive(Debug, Default)]
struct Refused {
    kept: VecDeque<Arc<Rejection>>,
    /// The number of the newest.
    newest: u64,
    /// The number of the newest that is no longer kept.
    forgotten: u64,
    /// How many there were since that was written last.
    counted: Counted,
}

impl Refused {
    fn count(&mut self, rejection: &Rejection) {
        // Nearly always these are a handful: sources and codes are ours.
        if self.counted.len() < limits::MAX_REFUSAL_COUNTS {
            let source = rejection.source.as_deref().unwrap_or_default();
            let code = rejection.code.as_str();
            figures::count_at(&mut self.counted, rejection.at, Family::Refused, source, code);
        }
    }
}

impl Default for Debugger {
    fn default() -> Self {
        Self {
            refused: Mutex::default(),
            posted: Mutex::default(),
            feed: broadcast::channel(limits::FEED_LINES).0,
        }
    }
}

impl Debugger {
    /// Notes a refusal and gives it its number; the oldest of more than `limits::REJECTED_KEPT` is forgotten.
    pub fn reject(&self, mut rejection: Rejection) {
        let mut refused = self.refused();
        refused.count(&rejection);
        // Microseconds, so that numbers go on rising after a restart.
        let by_time = rejection.at.millis().max(0).unsigned_abs().saturating_mul(1000);
        refused.newest = by_time.max(refused.newest.saturating_add(1));
        rejection.number = refused.newest;
        if refused.kept.len() >= limits::REJECTED_KEPT
            && let Some(oldest) = refused.kept.pop_front()
        {
            refused.forgotten = oldest.number;
        }
        let rejection = Arc::new(rejection);
        refused.kept.push_back(Arc::clone(&rejection));
        // Told while nobody else can note one: listeners hear of them in the order of their numbers. Nobody listening is no error.
        let _ = self.feed.send(FeedItem::Rejected(rejection));
    }

    /// Hands out, once, how many posts were refused and not counted in the store yet.
    pub(super) fn take_counted(&self) -> Counted {
        std::mem::take(&mut self.refused().counted)
    }

    /// Takes that back: it could not be written.
    pub(super) fn give_back(&self, counted: Counted) {
        let mut refused = self.refused();
        for (figure, change) in counted {
            *refused.counted.entry(figure).or_default() += change;
        }
    }

    /// The newest refusals, newest first, at most `limit`.
    pub fn rejections(&self, limit: usize) -> Vec<Arc<Rejection>> {
        self.refused().kept.iter().rev().take(limit).cloned().collect()
    }

    /// The refusal with that number, while it is remembered.
    pub fn rejection(&self, number: u64) -> Option<Arc<Rejection>> {
        self.refused().kept.iter().rev().find(|kept| kept.number == number).cloned()
    }

    /// The number of the newest refusal.
    pub(super) fn newest_rejection(&self) -> u64 {
        self.refused().newest
    }

    /// The refusals after that number, oldest first, and whether some of them are forgotten already.
    pub(super) fn rejections_after(&self, number: u64) -> (Vec<Arc<Rejection>>, bool) {
        let refused = self.refused();
        let later = refused.kept.iter().filter(|kept| kept.number > number).cloned().collect();
        (later, refused.forgotten > number)
    }

    /// Keeps how an event was posted that was accepted under that message id. Of more than `limits::POSTED_KEPT`, or
    /// `limits::POSTED_BYTES` of them, the oldest are forgotten.
    pub fn keep_posted(&self, source: &str, message_id: &str, posted: Arc<Posted>) {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).keep(source, message_id, posted);
    }

    /// How that event was posted, while that is remembered.
    pub fn posted(&self, event: &Event) -> Option<Arc<Posted>> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).find(event)
    }

    /// Whether anybody listens.
    pub(super) fn has_listeners(&self) -> bool {
        self.feed.receiver_count() > 0
    }

    /// Tells listeners of accepted events.
    pub(super) fn accepted(&self, events: Vec<Event>) {
        for event in events {
            // That the last one left meanwhile is no error.
            let _ = self.feed.send(FeedItem::Accepted(Arc::new(event)));
        }
    }

    /// Listens from now on. A listener that falls more than `limits::FEED_LINES` lines behind loses the oldest and is told how many.
    pub fn listen(&self) -> broadcast::Receiver<FeedItem> {
        self.feed.subscribe()
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(debugger: &Debugger, ms: i64) {
        debugger.reject(Rejection {
            number: 0,
            at: Timestamp::from_millis(ms),
            source: None,
            code: ms.to_string(),
            field: None,
            message: String::new(),
            body: String::new(),
        });
    }

    #[test]
    fn refusals_have_numbers_that_rise() {
        let debugger = Debugger::default();
        [5, 5, 3].into_iter().for_each(|ms| refuse(&debugger, ms));
        let numbers: Vec<_> = debugger.rejections(9).iter().map(|kept| kept.number).collect();
        assert_eq!(numbers, [5002, 5001, 5000]);
        assert_eq!(debugger.rejection(5001).unwrap().id(), "rej_5001");
        assert!(debugger.rejection(1).is_none());
        let (later, are_forgotten) = debugger.rejections_after(5000);
        assert_eq!((later.len(), later[0].number, are_forgotten), (2, 5001, false));
    }

    #[test]
    fn what_is_forgotten_is_known_to_be() {
        let debugger = Debugger::default();
        for ms in 1..=i64::try_from(limits::REJECTED_KEPT).unwrap() + 2 {
            refuse(&debugger, ms);
        }
        assert_eq!(debugger.rejections(usize::MAX).len(), limits::REJECTED_KEPT);
        assert!(debugger.rejections_after(1000).1);
        assert!(!debugger.rejections_after(2000).1);
    }
}
