//! Errors in Segment's shape: `{"error":{"code":"…","message":"…"}}`.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::domain::limits;
use crate::engine::EngineError;
use crate::http::problem::{ApiProblem, Code};

/// One error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds until the caller may come back.
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// No token, or a wrong one.
    pub fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", message)
    }

    /// A token that may not read.
    pub fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "authentication_error", message)
    }

    /// Too many calls, or too many wrong tokens.
    pub fn too_many(message: &str, retry_after: u64) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        Self { retry_after: Some(retry_after), ..refusal }
    }

    /// A query parameter that is not as it should be.
    pub fn parameter(name: &str, message: &str) -> Self {
        let message = format!("The parameter `{name}` {message}.");
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// Something in the path that is not as it should be.
    pub fn validation(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", message)
    }

    /// No such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Nobody is known by that id.
    pub fn no_profile() -> Self {
        Self::not_found("Profile was not found.")
    }

    /// Anything but GET.
    pub fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "Only GET is taken here.")
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        // The table of what errors mean is that of the management API, and so is what is logged of them.
        let problem = ApiProblem::from(error);
        match problem.code() {
            Code::InvalidParameter => Self::parameter("next", "is not a cursor of this list"),
            Code::Busy => Self::too_many("Too much to do just now.", limits::RETRY_AFTER_SECS),
            code => Self::new(code.status(), "server_error", format!("{}.", code.title())),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"stagepost\""));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            answer.insert_header((header::ALLOW, "GET"));
        }
        if let Some(secs) = self.retry_after {
            answer.insert_header((header::RETRY_AFTER, secs.to_string()));
        }
        answer.json(json!({ "error": { "code": self.code, "message": self.message } }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::StoreError;

    #[test]
    fn engine_errors_have_their_status() {
        for (error, status, code) in [
            (EngineError::Busy, 429, "rate_limit_error"),
            (EngineError::Store(StoreError::Cursor("x".to_owned())), 400, "invalid_request_error"),
            (EngineError::Unavailable("it is stopping".to_owned()), 503, "server_error"),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!((refusal.status.as_u16(), refusal.code), (status, code), "{refusal}");
        }
        let answer = Refusal::from(EngineError::Busy).error_response();
        assert_eq!(answer.headers().get("retry-after").unwrap(), "1");
    }
}
