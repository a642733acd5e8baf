//! Webhook actions: one HTTP request per event, or per batch of events, made by mappings.

use serde::{Deserialize, Serialize};

use super::Signing;
use crate::domain::mapping::Mapping;
use crate::domain::time::Span;

/// How an event becomes a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Comes to an http or https URL.
    pub url: Mapping,
    /// Comes to `POST`, `PUT` or `PATCH`.
    pub method: Mapping,
    /// Comes to an object of texts.
    pub headers: Mapping,
    /// Comes to the body, any JSON; a missing value means an empty body.
    pub data: Mapping,
    /// How requests are signed.
    #[serde(flatten)]
    pub signing: Signing,
    /// Whether bodies are compressed.
    #[serde(default)]
    pub gzip: bool,
    /// Who says that we may.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Whether several events go into one request.
    #[serde(default)]
    pub batch: Option<Batch>,
    /// Paths (`email`, `user.id`) in the data without which nothing is sent: the delivery fails for good.
    #[serde(default)]
    pub required: Vec<String>,
    /// Paths in the data whose absence is said with the attempt, which is made all the same.
    #[serde(default)]
    pub expected: Vec<String>,
}

/// What a request carries in its `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    /// `Bearer <token>`.
    Bearer {
        /// The token; a secret.
        token: String,
    },
    /// `Basic <base64 of user:password>`.
    Basic {
        /// The user name.
        user: String,
        /// A secret.
        password: String,
    },
    /// `Bearer <token>` with a token that is asked for by client credentials (RFC 6749, 4.4).
    #[serde(rename = "oauth2")]
    OAuth2 {
        /// Where tokens are handed out.
        token_url: String,
        /// Who we are there.
        client_id: String,
        /// A secret.
        client_secret: String,
        /// What the token is asked for, if it has to be said.
        #[serde(default)]
        scope: Option<String>,
        /// Whom the token is for, if it has to be said.
        #[serde(default)]
        audience: Option<String>,
    },
}

/// How many events go into one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// At most so many; at least 1.
    pub size: u32,
    /// How long the first of them may wait for others.
    pub wait: Span,
    /// What has to be equal of events that go together: `url`, `method`, `headers`, or a path in the event (`$.type`). What
    /// is not named is taken from the first of them.
    pub keys: Vec<String>,
}
