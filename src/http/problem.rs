//! Errors of the management API as RFC 9457 `application/problem+json`.
//!
//! [`Code`] is the one table of what can go wrong; every error of a lower floor is mapped into it here.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::domain::definition::Problem;
use crate::domain::limits;
use crate::domain::query::QueryError;
use crate::engine::{EngineError, StoreError};

/// What can go wrong with a management call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No token, or a wrong one.
    Unauthorized,
    /// Known, but not to do that.
    Forbidden,
    /// Too many wrong tokens from one address.
    TooManyAttempts,
    /// No such path or thing.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The body is no JSON.
    MalformedJson,
    /// The body is JSON of a wrong shape.
    InvalidBody,
    /// A query parameter is unknown or has a value that it can't have.
    InvalidParameter,
    /// A definition is not valid.
    InvalidDefinition,
    /// An audience query is not valid.
    InvalidQuery,
    /// Known, but not in this version.
    NotAvailable,
    /// Does not fit the state of things.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// Too much to do just now.
    Busy,
    /// Stopping, or the store failed.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// Every code, for the documentation page.
    pub const ALL: [Self; 16] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::TooManyAttempts,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::MalformedJson,
        Self::InvalidBody,
        Self::InvalidParameter,
        Self::InvalidDefinition,
        Self::InvalidQuery,
        Self::NotAvailable,
        Self::Conflict,
        Self::TooLarge,
        Self::Busy,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Its name, its HTTP status and its title: the table itself.
    fn entry(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Unauthorized => {
                ("unauthorized", StatusCode::UNAUTHORIZED, "A valid token or session is needed")
            }
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The caller may not do that"),
            Self::TooManyAttempts => {
                ("too_many_attempts", StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens")
            }
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is no such thing"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "The path does not take this method")
            }
            Self::MalformedJson => ("malformed_json", StatusCode::BAD_REQUEST, "The body is not JSON"),
            Self::InvalidBody => ("invalid_body", StatusCode::BAD_REQUEST, "The body is not as it should be"),
            Self::InvalidParameter => {
                ("invalid_parameter", StatusCode::BAD_REQUEST, "A query parameter is not as it should be")
            }
            Self::InvalidDefinition => {
                ("invalid_definition", StatusCode::BAD_REQUEST, "A definition is not valid")
            }
            Self::InvalidQuery => ("invalid_query", StatusCode::BAD_REQUEST, "The query is not valid"),
            Self::NotAvailable => ("not_available", StatusCode::BAD_REQUEST, "Not available in this version"),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "It does not fit the present state"),
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too much to do just now"),
            Self::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "The server takes nothing now")
            }
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "A fault of the server"),
        }
    }

    /// The name in the answer.
    pub fn as_str(self) -> &'static str {
        self.entry().0
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        self.entry().1
    }

    /// One line that is the same each time.
    pub fn title(self) -> &'static str {
        self.entry().2
    }
}

/// One error answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiProblem {
    code: Code,
    detail: String,
    errors: Vec<Problem>,
    retry_after: Option<u64>,
    allow: Option<String>,
}

impl ApiProblem {
    /// An error with what happened this time, in words.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::Busy | Code::Unavailable => Some(limits::RETRY_AFTER_SECS),
            Code::TooManyAttempts
            | Code::Unauthorized
            | Code::Forbidden
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::MalformedJson
            | Code::InvalidBody
            | Code::InvalidParameter
            | Code::InvalidDefinition
            | Code::InvalidQuery
            | Code::NotAvailable
            | Code::Conflict
            | Code::TooLarge
            | Code::Internal => None,
        };
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after, allow: None }
    }

    /// An error about one field or parameter.
    pub fn field(code: Code, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(code, vec![Problem::new(field, message)])
    }

    /// An error about several fields; the detail is the first one's message.
    pub fn fields(code: Code, errors: Vec<Problem>) -> Self {
        let detail = match errors.as_slice() {
            [] => code.title().to_owned(),
            [first] if first.field.is_empty() => first.message.clone(),
            [first] => format!("{}: {}", first.field, first.message),
            [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.message, rest.len()),
        };
        Self { errors, ..Self::new(code, detail) }
    }

    /// There is no such thing.
    pub fn not_found(what: &str, key: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no {what} `{key}`"))
    }

    /// The path does not take the method; `allow` names those that it takes.
    pub fn method_not_allowed(method: &str, allow: String) -> Self {
        let detail = format!("{method} is not one of the methods of this path: {allow}");
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    /// A query that can't be read; the message shows the place.
    pub fn query(error: &QueryError, text: &str) -> Self {
        let message = format!("{error}\n{}", error.caret(text));
        Self {
            errors: vec![Problem::new("query", message)],
            ..Self::new(Code::InvalidQuery, error.to_string())
        }
    }

    /// The same, with how many seconds to wait before coming back.
    pub fn retry_after(self, secs: u64) -> Self {
        Self { retry_after: Some(secs), ..self }
    }

    /// What went wrong, in a line for itself and one for each field.
    pub fn in_words(&self) -> String {
        let fields = self.errors.iter().map(|error| match error.field.as_str() {
            "" => error.message.clone(),
            field => format!("{field}: {}", error.message),
        });
        let lines = [self.detail.clone()].into_iter().chain(fields).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The fields that are wrong.
    pub fn errors(&self) -> &[Problem] {
        &self.errors
    }
}

impl fmt::Display for ApiProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl ResponseError for ApiProblem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.code.status();
        let mut answer = HttpResponse::build(status);
        if self.code == Code::Unauthorized {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(secs) = self.retry_after {
            answer.insert_header((header::RETRY_AFTER, secs.to_string()));
        }
        if let Some(allow) = &self.allow {
            answer.insert_header((header::ALLOW, allow.as_str()));
        }
        let mut body = json!({
            "type": format!("/api/docs#{}", self.code.as_str()),
            "title": self.code.title(),
            "status": status.as_u16(),
            "detail": self.detail,
            "code": self.code.as_str(),
        });
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        answer.content_type("application/problem+json").body(body.to_string())
    }
}

impl From<EngineError> for ApiProblem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Busy => Self::new(Code::Busy, EngineError::Busy.to_string()),
            EngineError::Unavailable(_) => Self::new(Code::Unavailable, error.to_string()),
            EngineError::NotFound { .. } => Self::new(Code::NotFound, error.to_string()),
            EngineError::Conflict(detail) => Self::new(Code::Conflict, detail),
            EngineError::Staff(error) => Self::new(Code::Conflict, error.to_string()),
            EngineError::Invalid(problems) => Self::fields(Code::InvalidDefinition, problems),
            EngineError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cursor(_) => Self::field(Code::InvalidParameter, "cursor", error.to_string()),
            StoreError::Stopped(_) => {
                tracing::error!(%error, "the store takes nothing any more");
                Self::new(Code::Unavailable, "the store stopped after an error; the log says which")
            }
            // Whoever posted comes back: `Retry-After` says when.
            StoreError::Conflict(_) => Self::new(Code::Unavailable, error.to_string()),
            StoreError::Away { .. } => {
                tracing::debug!(%error, "a request found no database");
                Self::new(Code::Unavailable, "the database can't be reached just now; try again in a moment")
            }
            StoreError::Overloaded { .. } => {
                tracing::warn!(%error, "a request took the database too long");
                Self::new(Code::Unavailable, "the database takes too long just now; try again in a moment")
            }
            StoreError::Locked { .. }
            | StoreError::Unreadable { .. }
            | StoreError::Newer { .. }
            | StoreError::WrongKey { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Write { .. }
            | StoreError::Refused { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Unsound { .. } => {
                // Paths and keys are for the log, not for the answer.
                tracing::error!(%error, "the store could not do what it was asked");
                Self::new(Code::Internal, "the store could not do what it was asked; the log says why")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_error_has_its_status() {
        let cursor = EngineError::Store(StoreError::Cursor("x".to_owned()));
        for (error, status, code) in [
            (EngineError::Busy, 503, "busy"),
            (EngineError::Unavailable("it is stopping".to_owned()), 503, "unavailable"),
            (EngineError::NotFound { what: "flow", key: "f".to_owned() }, 404, "not_found"),
            (EngineError::Conflict("no".to_owned()), 409, "conflict"),
            (EngineError::Invalid(vec![Problem::new("key", "is missing")]), 400, "invalid_definition"),
            (cursor, 400, "invalid_parameter"),
            (StoreError::Stopped("disk".to_owned()).into(), 503, "unavailable"),
            (StoreError::Conflict("a profile").into(), 503, "unavailable"),
            (
                StoreError::Away { place: "postgres://db".to_owned(), detail: "refused".to_owned() }.into(),
                503,
                "unavailable",
            ),
            (
                StoreError::Overloaded { place: "postgres://db".to_owned(), detail: "slow".to_owned() }
                    .into(),
                503,
                "unavailable",
            ),
            (StoreError::TooLarge { key: "k".to_owned(), bytes: 1 }.into(), 500, "internal"),
        ] {
            let problem = ApiProblem::from(error);
            assert_eq!(problem.status_code().as_u16(), status, "{problem}");
            assert_eq!(problem.code().as_str(), code);
        }
    }

    #[test]
    fn the_answer_is_problem_json_with_its_headers() {
        let answer = ApiProblem::new(Code::Unauthorized, "no token").error_response();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers().get("www-authenticate").unwrap(), "Bearer");
        assert_eq!(answer.headers().get("content-type").unwrap(), "application/problem+json");
        let busy = ApiProblem::from(EngineError::Busy).error_response();
        assert_eq!(busy.headers().get("retry-after").unwrap(), "1");
        let wrong = ApiProblem::method_not_allowed("PUT", "GET, POST".to_owned()).error_response();
        assert_eq!(wrong.headers().get("allow").unwrap(), "GET, POST");
    }

    #[test]
    fn codes_are_unique() {
        let names: std::collections::BTreeSet<_> = Code::ALL.into_iter().map(Code::as_str).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn a_query_error_shows_its_place() {
        let text = "event('a').cont() >= 1";
        let error = crate::domain::query::Query::parse(text).unwrap_err();
        let problem = ApiProblem::query(&error, text);
        assert_eq!(problem.errors()[0].field, "query");
        assert!(problem.errors()[0].message.contains("line 1, column"), "{problem:?}");
        assert!(problem.errors()[0].message.ends_with('^'), "{problem:?}");
    }
}
