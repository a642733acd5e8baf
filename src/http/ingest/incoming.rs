//! One request on its way in: its source, its events, the engine.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web;
use metrics::counter;

use super::auth::Basic;
use super::refusal::{Refusal, of_engine};
use super::{IngestConfig, WorkerIds};
use crate::clock::entropy;
use crate::domain::definition::{Source, SourceKind};
use crate::domain::event::Event;
use crate::domain::ids::IdSource;
use crate::domain::ingest::{Arrival, Code, IngestError, form};
use crate::domain::limits::MAX_EVENT_BYTES;
use crate::domain::time::Timestamp;
use crate::engine::{Accepted, Engine, Posted};

/// A request and what it is answered with.
pub(in crate::http) struct Incoming<'a> {
    pub request: &'a HttpRequest,
    pub engine: &'a Engine,
    /// When it arrived.
    pub now: Timestamp,
}

impl<'a> Incoming<'a> {
    pub(in crate::http) fn new(request: &'a HttpRequest, engine: &'a Engine) -> Self {
        Self { request, engine, now: engine.clock().now() }
    }

    /// The settings of ingest.
    pub(super) fn config(&self) -> Option<&IngestConfig> {
        self.request.app_data::<web::Data<IngestConfig>>().map(|config| &***config)
    }

    /// Where the request was sent, as it says itself.
    pub(super) fn host(&self) -> Option<&str> {
        let header = self.request.headers().get(actix_web::http::header::HOST);
        let host = header.and_then(|host| host.to_str().ok());
        host.or_else(|| self.request.uri().authority().map(|authority| authority.as_str()))
    }

    /// The Basic authorization.
    ///
    /// # Errors
    /// `invalid_write_key` where it cannot be decoded.
    pub(super) fn basic(&self) -> Result<Option<Basic>, IngestError> {
        Basic::of(self.request.headers())
    }

    /// The source of that kind with that write key.
    ///
    /// # Errors
    /// `missing_write_key`, `invalid_write_key`.
    pub(super) fn source(&self, key: Option<&str>, kind: SourceKind) -> Result<Arc<Source>, IngestError> {
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            let message = match kind {
                SourceKind::Http => {
                    "no write key: send it as the user of a Basic authorization, or as `writeKey` in the body"
                }
                SourceKind::Studio => {
                    "no write key: put it into the path, /studio/<write key>, or send it as the user of a Basic \
                     authorization"
                }
                SourceKind::EventStreams => {
                    "no write key: put it into the path, /events/<write key>, or send it as the user of a Basic \
                     authorization"
                }
            };
            return Err(IngestError::at(Code::MissingWriteKey, "writeKey", message));
        };
        let definitions = self.engine.definitions();
        let wrong = |message: &str| IngestError::at(Code::InvalidWriteKey, "writeKey", message);
        let source = definitions
            .source_by_write_key(key, self.now)
            .ok_or_else(|| wrong("no source has this write key"))?;
        if source.kind == kind {
            return Ok(Arc::clone(source));
        }
        Err(wrong(match source.kind {
            SourceKind::Studio => {
                "this write key belongs to a studio source: post stages to /studio/<write key>"
            }
            SourceKind::Http => {
                "this write key belongs to an http source: post calls to /v1/track and the like"
            }
            SourceKind::EventStreams => {
                "this write key belongs to an event_streams source: let the sink post to /events/<write key>"
            }
        }))
    }

    /// The same, by the key in the path, or else the user of the Basic authorization.
    ///
    /// # Errors
    /// `missing_write_key`, `invalid_write_key`.
    pub(super) fn source_at(
        &self,
        path_key: Option<&str>,
        kind: SourceKind,
    ) -> Result<Arc<Source>, IngestError> {
        if let Some(key) = path_key {
            let wrong =
                |_| IngestError::at(Code::InvalidWriteKey, "writeKey", "no source has this write key");
            let key = form::percent_decoded(key).map_err(wrong)?;
            return self.source(Some(&key), kind);
        }
        let basic = self.basic()?;
        self.source(basic.as_ref().and_then(|basic| basic.write_key()), kind)
    }

    /// Reads with what makes ids on this worker.
    pub(super) fn arrival<T>(&self, source: &Source, read: impl FnOnce(&mut Arrival<'_>) -> T) -> T {
        let now = self.now;
        match self.request.app_data::<WorkerIds>().and_then(|ids| ids.0.try_borrow_mut().ok()) {
            Some(mut ids) => read(&mut Arrival { source, now, ids: &mut ids }),
            // Never so in an app that `configure` made; a fresh source is as good, only slower.
            None => read(&mut Arrival { source, now, ids: &mut IdSource::new(entropy()) }),
        }
    }

    /// Hands events in; returns once they are on disk.
    ///
    /// # Errors
    /// `busy`, `unavailable`.
    pub(super) async fn ingest(
        &self,
        source: &Source,
        events: Vec<Event>,
        body: Body<'_>,
    ) -> Result<Vec<Accepted>, Refusal> {
        let accepted = self.engine.ingest(events).await;
        let accepted = accepted.map_err(|error| Refusal::of(of_engine(error), &source.key, body.whole))?;
        let count = u64::try_from(accepted.len()).unwrap_or(u64::MAX);
        counter!("stagepost_ingest_events_total", "source" => source.key.clone()).increment(count);
        self.remember(source, &accepted, body);
        Ok(accepted)
    }

    /// Lets the debugger know how they were posted.
    fn remember(&self, source: &Source, accepted: &[Accepted], body: Body<'_>) {
        let posted = |text: &[u8]| {
            let (text, is_whole) =
                (text.get(..MAX_EVENT_BYTES).unwrap_or(text), text.len() <= MAX_EVENT_BYTES);
            let text = without_key(String::from_utf8_lossy(text).into_owned(), source);
            Arc::new(Posted { at: self.now, text, is_whole })
        };
        let whole = body.items.is_empty().then(|| posted(body.whole));
        for (place, accepted) in accepted.iter().enumerate().filter(|(_, accepted)| !accepted.duplicate) {
            let item = || body.items.get(place).map(|item| posted(item.as_bytes()));
            if let Some(posted) = whole.clone().or_else(item) {
                self.engine.debugger().keep_posted(&source.key, &accepted.message_id, posted);
            }
        }
    }
}

/// What was posted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'b> {
    /// All of it.
    pub whole: &'b [u8],
    /// The part of each event, where it is a batch that can be cut up.
    pub items: &'b [&'b str],
}

impl<'b> Body<'b> {
    /// A body that can't be cut up, or needs not be.
    pub fn whole(whole: &'b [u8]) -> Self {
        Self { whole, items: &[] }
    }
}

/// What is shown of a post, without what lets others post: whoever may read is not to have it.
pub(super) fn without_key(text: String, source: &Source) -> String {
    source
        .write_keys()
        .fold(text, |text, key| if text.contains(key) { text.replace(key, "[write key]") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_key_is_not_shown() {
        let at = Timestamp::from_millis(0);
        let source = Source {
            key: "web".to_owned(),
            kind: SourceKind::Http,
            write_key: "wk_12345678".to_owned(),
            previous_write_key: None,
            twilio_auth_tokens: Vec::new(),
            properties: None,
            created_at: at,
            updated_at: at,
        };
        let text = r#"{"writeKey":"wk_12345678","userId":"u"}"#.to_owned();
        assert_eq!(without_key(text, &source), r#"{"writeKey":"[write key]","userId":"u"}"#);
    }
}
