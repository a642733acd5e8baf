//! The debugger's feed as server-sent events: `GET /api/events/stream`, and the console's own.
//!
//! Each line bears its place in the feed as its id, so whoever comes back with `Last-Event-ID` goes on where he was; what can't be
//! told him any more is said to be missing.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::Instant;

use super::params::{Params, invalid};
use super::state::ApiState;
use super::{Answer, events, feed};
use crate::domain::ids::EventId;
use crate::domain::limits;
use crate::engine::{FeedFilter, FeedItem, FeedPlace};
use crate::http::problem::{ApiProblem, Code};

/// After how long without a line a comment is sent, so that nobody in between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After how long a stream ends, so that who listens comes back and is asked again who he is: he may not be admitted any more.
const LASTING: Duration = Duration::from_secs(5 * 60);

/// What somebody wants to hear.
pub(in crate::http) struct Wish {
    /// Which lines.
    pub wanted: FeedFilter,
    /// Where he left off; `None` begins with what comes from now on.
    pub after: Option<FeedPlace>,
    /// What a line says.
    pub show: fn(&FeedItem) -> Value,
}

pub(super) async fn listen(state: web::Data<ApiState>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &[&events::FILTER[..], &["after"]].concat())?;
    let after = place(&request, params.text("after"))
        .map_err(|text| invalid("after", format!("`{text}` is not the id of a line of this stream")))?;
    open(&state, Wish { wanted: events::wanted(&params)?, after, show: feed::show }).await
}

/// Where a listener left off: what his browser says when it connects again, else what the address says (`after`).
///
/// # Errors
/// The text, where it is no place.
pub(in crate::http) fn place(
    request: &HttpRequest,
    after: Option<&str>,
) -> Result<Option<FeedPlace>, String> {
    let header = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let text = header.filter(|text| !text.is_empty()).or(after);
    text.map(|text| text.parse().map_err(|_| text.chars().take(100).collect())).transpose()
}

/// The stream itself.
///
/// # Errors
/// Too many listen already, or the store can't be read.
pub(in crate::http) async fn open(state: &ApiState, wish: Wish) -> Answer {
    let permit = Arc::clone(&state.listeners).try_acquire_owned().map_err(|_| {
        let detail = format!("there are {} listeners already", limits::MAX_LISTENERS);
        ApiProblem::new(Code::Busy, detail)
    })?;
    let engine = &state.engine;
    // First he listens, then what he missed is looked for: in between nothing gets lost.
    let (feed, end) = (engine.debugger().listen(), engine.feed_end());
    let backlog = match wish.after {
        Some(place) => {
            let _turn = state.search_turn().await?;
            engine.feed_since(place, &wish.wanted).await?
        }
        None => Default::default(),
    };
    let listener = Listener {
        feed,
        place: wish.after.unwrap_or(end),
        missed: backlog.missed,
        backlog: backlog.items.into(),
        told: HashSet::new(),
        wanted: wish.wanted,
        show: wish.show,
        until: Instant::now() + LASTING,
        quiet_until: Instant::now() + KEEP_ALIVE,
        stopping: state.stopping(),
        _permit: permit,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies that hold answers back until they are whole would hold this one back for ever.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(lines(listener)))
}

struct Listener {
    feed: broadcast::Receiver<FeedItem>,
    /// How far he has come.
    place: FeedPlace,
    /// Whether something is gone that he was not told of.
    missed: bool,
    /// What he missed and is told of first.
    backlog: VecDeque<FeedItem>,
    /// The events of that, which the feed may bring again.
    told: HashSet<EventId>,
    wanted: FeedFilter,
    show: fn(&FeedItem) -> Value,
    /// When it ends.
    until: Instant,
    quiet_until: Instant,
    stopping: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

fn lines(listener: Listener) -> impl Stream<Item = Result<Bytes, Infallible>> + 'static {
    let greeting = format!(": connected\nretry: 3000\nid: {}\n\n", listener.place);
    stream::unfold((Some(Bytes::from(greeting)), listener), |(greeting, mut listener)| async move {
        let line = match greeting {
            Some(greeting) => greeting,
            None => listener.next().await?,
        };
        Some((Ok(line), (None, listener)))
    })
}

impl Listener {
    /// The next line; `None` when it ends.
    async fn next(&mut self) -> Option<Bytes> {
        if self.until <= Instant::now() {
            return None;
        }
        if std::mem::take(&mut self.missed) {
            return Some(self.line("lag", &json!({ "missed": null })));
        }
        if let Some(item) = self.backlog.pop_front() {
            if let FeedItem::Accepted(event) = &item {
                self.told.insert(event.id);
            }
            return Some(self.tell(&item));
        }
        loop {
            let item = tokio::select! {
                // In this order: where there is always something to tell, the end comes all the same.
                biased;
                () = tokio::time::sleep_until(self.until) => return None,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                item = tokio::time::timeout_at(self.quiet_until, self.feed.recv()) => item,
            };
            match item {
                // With the place, which moves on also where nothing is wanted of what comes.
                Err(_) => {
                    self.quiet_until = Instant::now() + KEEP_ALIVE;
                    return Some(Bytes::from(format!(": keep-alive\nid: {}\n\n", self.place)));
                }
                Ok(Ok(item)) if self.is_news(&item) => return Some(self.tell(&item)),
                Ok(Ok(item)) => self.place.reach(&item),
                Ok(Err(RecvError::Lagged(missed))) => {
                    return Some(self.line("lag", &json!({ "missed": missed })));
                }
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }

    /// Whether he wants it, and was not told of it from the backlog.
    fn is_news(&self, item: &FeedItem) -> bool {
        let is_told = match item {
            FeedItem::Accepted(event) => self.told.contains(&event.id),
            FeedItem::Rejected(rejection) => rejection.number <= self.place.refusal,
        };
        !is_told && self.wanted.accepts(item)
    }

    fn tell(&mut self, item: &FeedItem) -> Bytes {
        self.place.reach(item);
        let name = match item {
            FeedItem::Accepted(_) => "accepted",
            FeedItem::Rejected(_) => "rejected",
        };
        self.line(name, &(self.show)(item))
    }

    fn line(&mut self, event: &str, data: &Value) -> Bytes {
        self.quiet_until = Instant::now() + KEEP_ALIVE;
        line(event, self.place, data)
    }
}

/// JSON has no line breaks of its own, so it is one `data` line.
fn line(event: &str, place: FeedPlace, data: &Value) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\nid: {place}\n\n"))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::domain::time::Timestamp;
    use crate::engine::{Debugger, EventFilter, Rejection};

    fn rejection(source: &str) -> Rejection {
        Rejection {
            number: 0,
            at: Timestamp::from_millis(1),
            source: Some(source.to_owned()),
            code: "missing_field".to_owned(),
            field: Some("userID".to_owned()),
            message: "is missing".to_owned(),
            body: String::new(),
        }
    }

    fn start() -> FeedPlace {
        FeedPlace { event: EventId::from_bytes([0; 16]), refusal: 0 }
    }

    fn listener(debugger: &Debugger, stopping: watch::Receiver<bool>, permits: &Arc<Semaphore>) -> Listener {
        let filter = EventFilter { source: Some("web".to_owned()), ..EventFilter::default() };
        Listener {
            feed: debugger.listen(),
            place: start(),
            missed: false,
            backlog: VecDeque::new(),
            told: HashSet::new(),
            wanted: FeedFilter { events: true, refusals: true, filter },
            show: feed::show,
            until: Instant::now() + LASTING,
            quiet_until: Instant::now() + KEEP_ALIVE,
            stopping,
            _permit: Arc::clone(permits).try_acquire_owned().unwrap(),
        }
    }

    #[tokio::test]
    async fn a_listener_is_greeted_told_and_let_go() {
        let (debugger, stop) = (Debugger::default(), watch::Sender::new(false));
        let permits = Arc::new(Semaphore::new(1));
        let listener = listener(&debugger, stop.subscribe(), &permits);
        debugger.reject(rejection("another"));
        debugger.reject(rejection("web"));
        let mut lines = Box::pin(lines(listener));
        assert!(lines.next().await.unwrap().unwrap().starts_with(b": connected"));
        let told = lines.next().await.unwrap().unwrap();
        assert!(told.starts_with(b"event: rejected\ndata: {"), "{told:?}");
        let told = String::from_utf8(told.to_vec()).unwrap();
        assert!(told.contains("\"source\":\"web\"") && told.ends_with("-1001\n\n"), "{told}");
        stop.send_replace(true);
        assert!(lines.next().await.is_none());
        drop(lines);
        assert_eq!(permits.available_permits(), 1, "the place is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_how_far_it_is_and_ends_in_time() {
        let (debugger, stop) = (Debugger::default(), watch::Sender::new(false));
        let permits = Arc::new(Semaphore::new(1));
        let mut listener = listener(&debugger, stop.subscribe(), &permits);
        listener.until = Instant::now() + 2 * KEEP_ALIVE;
        debugger.reject(rejection("another"));
        let alive = String::from_utf8(listener.next().await.unwrap().to_vec()).unwrap();
        assert!(alive.starts_with(": keep-alive\nid: evt_") && alive.ends_with("-1000\n\n"), "{alive}");
        assert!(listener.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_stream_ends_in_time() {
        let (debugger, stop) = (Debugger::default(), watch::Sender::new(false));
        let permits = Arc::new(Semaphore::new(1));
        let mut listener = listener(&debugger, stop.subscribe(), &permits);
        debugger.reject(rejection("web"));
        debugger.reject(rejection("web"));
        assert!(listener.next().await.unwrap().starts_with(b"event: rejected"));
        tokio::time::advance(LASTING).await;
        assert!(listener.next().await.is_none(), "whatever there is to tell");
    }

    #[test]
    fn a_line_is_one_server_sent_event() {
        let text = line("rejected", start(), &json!({ "message": "two\nlines" }));
        let id = start();
        assert_eq!(text, format!("event: rejected\ndata: {{\"message\":\"two\\nlines\"}}\nid: {id}\n\n"));
    }
}
