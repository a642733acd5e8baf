//! Pages as they are answered: made from `templates/act/`, with headers that let them load, embed and tell nothing.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::delivery::templates::Templates;
use crate::domain::limits;

/// The style of every page, which stands in it whole.
const STYLE: &str = include_str!("../../../templates/act/style.css");

/// Nothing but that style, and forms that go to this server.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// A page before it is written out.
#[derive(Debug)]
pub(super) struct Page {
    status: StatusCode,
    template: &'static str,
    context: Map<String, Value>,
}

impl Page {
    /// A page from `templates/act/<template>`.
    pub fn new(status: StatusCode, template: &'static str, context: Value) -> Self {
        let context = match context {
            Value::Object(context) => context,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Map::new()
            }
        };
        Self { status, template, context }
    }

    /// A page that says what is wrong.
    pub fn problem(status: StatusCode, title: &str, text: &str) -> Self {
        Self::new(status, "message.html", json!({ "title": title, "text": text, "kind": "bad" }))
    }

    /// A page that says what was done.
    pub fn done(title: &str, text: &str) -> Self {
        Self::new(StatusCode::OK, "message.html", json!({ "title": title, "text": text, "kind": "good" }))
    }

    /// The server takes nothing just now.
    pub fn unavailable() -> Self {
        let text = "Nothing was done. Try again in a moment.";
        Self::problem(StatusCode::SERVICE_UNAVAILABLE, "The server can't do that just now", text)
    }

    /// The answer.
    pub fn into_response(mut self) -> HttpResponse {
        self.context.insert("style".to_owned(), STYLE.into());
        let (status, html) = match Templates::render_page(self.template, &self.context) {
            Ok(html) => (self.status, html),
            Err(error) => {
                tracing::error!(template = self.template, %error, "a page could not be made");
                (StatusCode::INTERNAL_SERVER_ERROR, String::new())
            }
        };
        let mut response = HttpResponse::build(status);
        response
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((X_FRAME_OPTIONS, "DENY"))
            .insert_header(("X-Robots-Tag", "noindex, nofollow"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, limits::RETRY_AFTER_SECS.to_string()));
        }
        response.body(html)
    }
}
