//! A refused request: what is answered, counted and shown in the debugger.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{ConnectionType, StatusCode};
use metrics::counter;
use serde_json::{Map, Value};

use super::incoming::without_key;
use crate::domain::ingest::{Code, IngestError};
use crate::domain::limits::{REJECTED_BODY_BYTES, RETRY_AFTER_SECS};
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError, Rejection};
use crate::http::reply;

/// Why a request is refused, whose it was and how it began.
#[derive(Debug)]
pub(in crate::http) struct Refusal {
    pub error: IngestError,
    pub source: Option<String>,
    pub body: String,
}

impl Refusal {
    /// Of a request whose source is known.
    pub(super) fn of(error: IngestError, source: &str, body: &[u8]) -> Self {
        Self { error, source: Some(source.to_owned()), body: snippet(body) }
    }

    /// Of a request whose source is not known.
    pub(in crate::http) fn unknown(error: IngestError, body: &[u8]) -> Self {
        Self { error, source: None, body: snippet(body) }
    }

    /// Counts it, shows it in the debugger and answers it.
    pub(in crate::http) fn answer(self, engine: &Engine, now: Timestamp) -> HttpResponse {
        let response = error_response(&self.error);
        self.note(engine, now);
        response
    }

    /// The same, asking for a Basic authorization: some clients send the user of a URL only then.
    pub(super) fn ask_for_key(self, engine: &Engine, now: Timestamp) -> HttpResponse {
        let mut response = self.answer(engine, now);
        let basic = HeaderValue::from_static("Basic realm=\"stagepost\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, basic);
        response
    }

    /// Counts it and shows it in the debugger.
    pub(in crate::http) fn note(self, engine: &Engine, now: Timestamp) {
        count(&self.error);
        let definitions = engine.definitions();
        let body = definitions.sources.values().fold(self.body, |body, source| without_key(body, source));
        engine.debugger().reject(Rejection {
            number: 0,
            at: now,
            source: self.source,
            code: self.error.code.as_str().to_owned(),
            field: self.error.field,
            message: self.error.message,
            body,
        });
    }
}

/// Counts a refusal.
pub(super) fn count(error: &IngestError) {
    counter!("stagepost_ingest_rejected_total", "code" => error.code.as_str()).increment(1);
}

/// The beginning of what was posted, as text.
pub(super) fn snippet(body: &[u8]) -> String {
    let start = &body[..body.len().min(REJECTED_BODY_BYTES)];
    let mut text = String::from_utf8_lossy(start).into_owned();
    // What stands for bytes that are no text is longer than they are.
    text.truncate(text.floor_char_boundary(REJECTED_BODY_BYTES));
    text
}

/// What the engine's refusal means to a sender.
pub(in crate::http) fn of_engine(error: EngineError) -> IngestError {
    match error {
        EngineError::Busy => IngestError::new(Code::Busy, error.to_string()),
        EngineError::Unavailable(_)
        | EngineError::NotFound { .. }
        | EngineError::Conflict(_)
        | EngineError::Staff(_)
        | EngineError::Invalid(_)
        | EngineError::Store(_) => IngestError::new(Code::Unavailable, error.to_string()),
    }
}

/// `{"code":…,"field":…,"message":…}`, as answers and lists of rejected items show it.
pub(super) fn describe(error: &IngestError, into: &mut Map<String, Value>) {
    into.insert("code".to_owned(), error.code.as_str().into());
    if let Some(field) = &error.field {
        into.insert("field".to_owned(), field.as_str().into());
    }
    into.insert("message".to_owned(), error.message.as_str().into());
}

/// The answer to a refused request.
fn error_response(error: &IngestError) -> HttpResponse {
    let mut body = Map::new();
    body.insert("success".to_owned(), false.into());
    describe(error, &mut body);
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = reply::json(status, Value::Object(body).to_string());
    let headers = response.headers_mut();
    if matches!(error.code, Code::Busy | Code::Unavailable) {
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
    }
    if error.code == Code::Busy {
        headers.insert(HeaderName::from_static("x-ratelimit-reset"), HeaderValue::from(RETRY_AFTER_SECS));
    }
    // A part of the body may be unread, and would be taken for the next request.
    if matches!(
        error.code,
        Code::BodyTimeout | Code::IncompleteBody | Code::BodyTooLarge | Code::EventTooLarge
    ) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;

    #[test]
    fn the_contract_of_answers() {
        let error = IngestError::at(Code::MissingField, "userID", "`userID` is missing or empty");
        let response = error_response(&error);
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers().get("content-type").unwrap(), "application/json");
        let body = response.into_body().try_into_bytes().unwrap();
        let wanted = r#"{"success":false,"code":"missing_field","field":"userID","message":"`userID` is missing or empty"}"#;
        assert_eq!(body, wanted.as_bytes());
        for code in [Code::Busy, Code::Unavailable] {
            let response = error_response(&IngestError::new(code, "later"));
            assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
        }
        assert_eq!(of_engine(EngineError::Busy).code.status(), 429);
        assert_eq!(of_engine(EngineError::Unavailable("x".into())).code.status(), 503);
    }

    #[test]
    fn snippets_are_bounded_text() {
        assert_eq!(snippet(b"a\xffb"), "a\u{fffd}b");
        assert!(snippet(&[0xff; 100_000]).len() <= REJECTED_BODY_BYTES);
        assert_eq!(snippet("é".repeat(5000).as_bytes()).chars().count(), 1024);
    }
}
