//! `GET /api/events/stream`: the debugger's feed as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::Answer;
use super::feed;
use super::params::NoParams;
use super::state::ApiState;
use crate::domain::limits;
use crate::engine::FeedItem;
use crate::http::problem::{ApiProblem, Code};

/// After how long without a line a comment is sent, so that nobody in between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn listen(state: web::Data<ApiState>, _: NoParams) -> Answer {
    let permit = Arc::clone(&state.listeners).try_acquire_owned().map_err(|_| {
        let detail = format!("there are {} listeners already", limits::MAX_LISTENERS);
        ApiProblem::new(Code::Busy, detail)
    })?;
    let listener =
        Listener { feed: state.engine.debugger().listen(), stopping: state.stopping(), _permit: permit };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        // Proxies that hold answers back until they are whole would hold this one back for ever.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(lines(listener)))
}

struct Listener {
    feed: broadcast::Receiver<FeedItem>,
    stopping: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

fn lines(listener: Listener) -> impl Stream<Item = Result<Bytes, Infallible>> + 'static {
    let greeting: Bytes = Bytes::from_static(b": connected\nretry: 3000\n\n");
    stream::unfold((Some(greeting), listener), |(greeting, mut listener)| async move {
        let line = match greeting {
            Some(greeting) => greeting,
            None => next(&mut listener).await?,
        };
        Some((Ok(line), (None, listener)))
    })
}

/// The next line; `None` when the server stops.
async fn next(listener: &mut Listener) -> Option<Bytes> {
    let item = tokio::select! {
        item = tokio::time::timeout(KEEP_ALIVE, listener.feed.recv()) => item,
        _ = listener.stopping.wait_for(|stopping| *stopping) => return None,
    };
    match item {
        Err(_) => Some(Bytes::from_static(b": keep-alive\n\n")),
        Ok(Ok(FeedItem::Accepted(event))) => Some(line("accepted", &feed::accepted(&event))),
        Ok(Ok(FeedItem::Rejected(rejection))) => Some(line("rejected", &feed::rejected(&rejection))),
        Ok(Err(RecvError::Lagged(missed))) => Some(line("lag", &json!({ "missed": missed }))),
        Ok(Err(RecvError::Closed)) => None,
    }
}

/// JSON has no line breaks of its own, so it is one `data` line.
fn line(event: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::domain::time::Timestamp;
    use crate::engine::{Debugger, Rejection};

    #[tokio::test]
    async fn a_listener_is_greeted_told_and_let_go() {
        let (debugger, stop) = (Debugger::default(), watch::Sender::new(false));
        let permits = Arc::new(Semaphore::new(1));
        let listener = Listener {
            feed: debugger.listen(),
            stopping: stop.subscribe(),
            _permit: Arc::clone(&permits).try_acquire_owned().unwrap(),
        };
        debugger.reject(Rejection {
            at: Timestamp::from_millis(0),
            source: None,
            code: "missing_field".to_owned(),
            field: Some("userID".to_owned()),
            message: "is missing".to_owned(),
            body: String::new(),
        });
        let mut lines = Box::pin(lines(listener));
        assert!(lines.next().await.unwrap().unwrap().starts_with(b": connected"));
        let told = lines.next().await.unwrap().unwrap();
        assert!(told.starts_with(b"event: rejected\ndata: {"), "{told:?}");
        stop.send_replace(true);
        assert!(lines.next().await.is_none());
        drop(lines);
        assert_eq!(permits.available_permits(), 1, "the place is free again");
    }

    #[test]
    fn a_line_is_one_server_sent_event() {
        let text = line("rejected", &json!({ "message": "two\nlines" }));
        assert_eq!(text, "event: rejected\ndata: {\"message\":\"two\\nlines\"}\n\n");
    }
}
