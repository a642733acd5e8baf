//! How the newest events looked when they were posted: in memory only, bounded in number and bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::event::Event;
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// What was posted, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// When it arrived.
    pub at: Timestamp,
    /// The event's own part of it: the body, the query, or one item of a batch. Write keys are taken out.
    pub text: String,
    /// Whether that is all of it.
    pub is_whole: bool,
}

/// Source and message id: an event gets its own id only when it is written.
type Name = Arc<str>;

/// The newest ones.
#[derive(Debug, Default)]
pub(super) struct PostedEvents {
    by_name: HashMap<Name, Arc<Posted>>,
    oldest_first: VecDeque<(Name, Arc<Posted>)>,
    bytes: usize,
}

fn name(source: &str, message_id: &str) -> String {
    format!("{source}\0{message_id}")
}

impl PostedEvents {
    pub fn keep(&mut self, source: &str, message_id: &str, posted: Arc<Posted>) {
        let name: Name = name(source, message_id).into();
        self.bytes += posted.text.len();
        self.by_name.insert(Arc::clone(&name), Arc::clone(&posted));
        self.oldest_first.push_back((name, posted));
        while self.oldest_first.len() > limits::POSTED_KEPT || self.bytes > limits::POSTED_BYTES {
            let Some((name, oldest)) = self.oldest_first.pop_front() else { break };
            self.bytes -= oldest.text.len();
            // Another one may have come under the same name since.
            if self.by_name.get(&name).is_some_and(|kept| Arc::ptr_eq(kept, &oldest)) {
                self.by_name.remove(&name);
            }
        }
    }

    pub fn find(&self, event: &Event) -> Option<Arc<Posted>> {
        let posted = self.by_name.get(name(&event.source, &event.message_id).as_str())?;
        // A message id may be used again once nobody remembers it; then this is another event.
        (posted.at == event.received_at).then(|| Arc::clone(posted))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::domain::event::Call;
    use crate::domain::ids::EventId;

    fn posted(ms: i64, bytes: usize) -> Arc<Posted> {
        Arc::new(Posted { at: Timestamp::from_millis(ms), text: "x".repeat(bytes), is_whole: true })
    }

    fn event(message_id: &str, ms: i64) -> Event {
        let at = Timestamp::from_millis(ms);
        Event {
            id: EventId::floor(at),
            message_id: message_id.to_owned(),
            dedupe: true,
            source: "web".to_owned(),
            user_id: Some("u1".to_owned()),
            anonymous_id: None,
            call: Call::Identify { traits: Map::new() },
            context: Map::new(),
            integrations: Map::new(),
            extra: Map::new(),
            channel: "server".to_owned(),
            timestamp: at,
            original_timestamp: at,
            sent_at: None,
            received_at: at,
        }
    }

    #[test]
    fn the_newest_are_kept_within_both_bounds() {
        let mut kept = PostedEvents::default();
        for number in 0..limits::POSTED_KEPT + 2 {
            kept.keep("web", &format!("m{number}"), posted(1, 10));
        }
        assert!(kept.find(&event("m1", 1)).is_none());
        assert!(kept.find(&event("m2", 1)).is_some());
        assert_eq!((kept.bytes, kept.by_name.len()), (limits::POSTED_KEPT * 10, limits::POSTED_KEPT));
        kept.keep("web", "large", posted(1, limits::POSTED_BYTES));
        assert_eq!((kept.bytes, kept.by_name.len()), (limits::POSTED_BYTES, 1));
        kept.keep("web", "next", posted(1, 1));
        assert!(kept.find(&event("large", 1)).is_none() && kept.find(&event("next", 1)).is_some());
    }

    #[test]
    fn a_message_id_that_is_used_again_is_another_event() {
        let mut kept = PostedEvents::default();
        kept.keep("web", "m", posted(1, 1));
        kept.keep("web", "m", posted(2, 2));
        assert!(kept.find(&event("m", 1)).is_none());
        assert_eq!(kept.find(&event("m", 2)).unwrap().text, "xx");
        for _ in 0..limits::POSTED_KEPT - 1 {
            kept.keep("web", "other", posted(3, 1));
        }
        assert!(kept.find(&event("m", 2)).is_some(), "only the older of the two was let go");
    }
}
