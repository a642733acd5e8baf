//! Pages as they are answered, with headers that let them load, embed and tell nothing else; and what is shown instead of one.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use super::visit::Visit;
use super::{frame, render, texts};
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::engine::EngineError;
use crate::http::problem::{ApiProblem, Code};

/// What a page's handler answers.
pub(super) type Answer = Result<HttpResponse, Refusal>;

/// Styles, scripts and pictures of this server, and nothing else; no script and no style inside of pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page before it is written out.
pub(super) struct Page {
    status: StatusCode,
    template: &'static str,
    context: Map<String, Value>,
}

impl Page {
    /// The page made of `templates/console/<template>`; `context` is an object.
    pub fn new(template: &'static str, context: Value) -> Self {
        let context = context.as_object().cloned().unwrap_or_default();
        Self { status: StatusCode::OK, template, context }
    }

    /// The same with another status: a form that was not right is shown again with 422.
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The answer to that visit.
    pub fn of(mut self, visit: &Visit) -> HttpResponse {
        self.context.insert("page".to_owned(), frame::of_visit(visit));
        self.answer()
    }

    /// The answer to somebody who has not signed in.
    pub fn of_stranger(mut self, request: &HttpRequest) -> HttpResponse {
        self.context.insert("page".to_owned(), frame::of_stranger(request));
        self.answer()
    }

    fn answer(self) -> HttpResponse {
        let (status, html) = match render::render(self.template, Value::Object(self.context)) {
            Ok(html) => (self.status, html),
            Err(error) => {
                tracing::error!(template = self.template, %error, "a page could not be made");
                (StatusCode::INTERNAL_SERVER_ERROR, texts::text("wrong.page_failed"))
            }
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((CONTENT_TYPE, "text/html; charset=utf-8"));
        for (name, value) in headers() {
            response.insert_header((name, value));
        }
        response.body(html)
    }
}

/// What every page bears.
fn headers() -> [(actix_web::http::header::HeaderName, &'static str); 5] {
    [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
    ]
}

/// Instead of a page: why there is none.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    title: String,
    text: String,
    /// What the frame says of who asked; `None` while that is not known.
    frame: Option<Box<Value>>,
    /// Where to go instead.
    place: Option<String>,
}

impl Refusal {
    fn new(visit: Option<&Visit>, status: StatusCode, title: String, text: String) -> Self {
        Self { status, title, text, frame: visit.map(|visit| Box::new(frame::of_visit(visit))), place: None }
    }

    /// There is no such `what` (a name of `texts.toml`, `things`).
    pub fn not_found(visit: &Visit, what: &str) -> Self {
        let what = texts::text(&format!("things.{what}"));
        let text = texts::filled("wrong.not_found", &[("what", &what)]);
        Self::new(Some(visit), StatusCode::NOT_FOUND, texts::text("wrong.not_found_title"), text)
    }

    /// He may not do that.
    pub fn forbidden(visit: &Visit, scope: Scope) -> Self {
        let scope = texts::text(&format!("scopes.{}", scope.as_str()));
        let text = texts::filled("wrong.forbidden", &[("who", &visit.caller.name), ("scope", &scope)]);
        Self::new(Some(visit), StatusCode::FORBIDDEN, texts::text("wrong.forbidden_title"), text)
    }

    /// What was sent is not as it should be, and there is no form to show it in.
    pub fn invalid(visit: &Visit, text: String) -> Self {
        Self::new(Some(visit), StatusCode::BAD_REQUEST, texts::text("wrong.invalid_title"), text)
    }

    /// What the API would have said.
    pub fn of(visit: &Visit, problem: impl Into<ApiProblem>) -> Self {
        let problem = problem.into();
        Self::new(Some(visit), problem.status_code(), title(&problem), in_words(&problem))
    }

    /// A form that could not be read.
    pub fn unreadable(error: &actix_web::Error) -> Self {
        let status = error.as_response_error().status_code();
        let text = texts::filled("wrong.unreadable", &[("why", &error.to_string())]);
        Self::new(None, status, texts::text("wrong.invalid_title"), text)
    }

    /// Somebody who has not signed in is to do so, and comes back here then: unless he sent a form, which is not sent again.
    pub fn sign_in(request: &HttpRequest) -> Self {
        let back = request.uri().path_and_query().filter(|_| request.method().is_safe());
        let back = back.map_or(super::PREFIX, |place| place.as_str());
        let back: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
        let mut refusal = Self::new(None, StatusCode::SEE_OTHER, String::new(), String::new());
        refusal.place = Some(format!("/console/sign-in?back={back}"));
        refusal
    }
}

fn title(problem: &ApiProblem) -> String {
    texts::text(&format!("problems.{}", problem.code().as_str()))
}

/// What went wrong. Where it says nothing of what was sent, there are words for it; the rest is what the API says, in English.
pub(super) fn in_words(problem: &ApiProblem) -> String {
    match problem.code() {
        code @ (Code::Busy | Code::Unavailable | Code::Internal) => {
            texts::text(&format!("problem_texts.{}", code.as_str()))
        }
        Code::Unauthorized
        | Code::Forbidden
        | Code::TooManyAttempts
        | Code::NotFound
        | Code::MethodNotAllowed
        | Code::MalformedJson
        | Code::InvalidBody
        | Code::InvalidParameter
        | Code::InvalidDefinition
        | Code::InvalidQuery
        | Code::NotAvailable
        | Code::Conflict
        | Code::TooLarge => problem.in_words(),
    }
}

/// While it is not known who asks.
impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let problem = ApiProblem::from(error);
        Self::new(None, problem.status_code(), title(&problem), in_words(&problem))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.text)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        if let Some(place) = &self.place {
            let mut response = HttpResponse::build(self.status);
            return response
                .insert_header((LOCATION, place.as_str()))
                .insert_header((CACHE_CONTROL, "no-store"))
                .finish();
        }
        let template = if self.frame.is_some() { "message.html" } else { "message_alone.html" };
        let mut page =
            Page::new(template, json!({ "title": self.title, "text": self.text })).status(self.status);
        page.context
            .insert("page".to_owned(), self.frame.as_deref().cloned().unwrap_or_else(frame::of_nobody));
        let mut response = page.answer();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, limits::RETRY_AFTER_SECS.into());
        }
        response
    }
}
