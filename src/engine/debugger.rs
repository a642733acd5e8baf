//! The debugger's feed: what was accepted and what was refused, as it happens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::domain::event::Event;
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// A post, or one item of a batch, that was refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
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

/// One line of the feed.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// An event that was stored.
    Accepted(Arc<Event>),
    /// A post that was refused.
    Rejected(Arc<Rejection>),
}

/// Remembers the newest refusals and tells whoever listens.
#[derive(Debug)]
pub struct Debugger {
    rejected: Mutex<VecDeque<Arc<Rejection>>>,
    feed: broadcast::Sender<FeedItem>,
}

impl Default for Debugger {
    fn default() -> Self {
        Self { rejected: Mutex::new(VecDeque::new()), feed: broadcast::channel(1024).0 }
    }
}

impl Debugger {
    /// Notes a refusal; the oldest of more than `limits::REJECTED_KEPT` is forgotten.
    pub fn reject(&self, rejection: Rejection) {
        let rejection = Arc::new(rejection);
        {
            let mut kept = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= limits::REJECTED_KEPT {
                kept.pop_front();
            }
            kept.push_back(Arc::clone(&rejection));
        }
        // Nobody listening is no error.
        let _ = self.feed.send(FeedItem::Rejected(rejection));
    }

    /// The newest refusals, newest first, at most `limit`.
    pub fn rejections(&self, limit: usize) -> Vec<Arc<Rejection>> {
        let kept = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().take(limit).cloned().collect()
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

    /// Listens from now on. A listener that falls more than 1,024 lines behind loses the oldest and is told how many.
    pub fn listen(&self) -> broadcast::Receiver<FeedItem> {
        self.feed.subscribe()
    }
}
