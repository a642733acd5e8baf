//! Twilio: the account that calls, messages, Studio executions and tasks are asked for with.

use serde::{Deserialize, Serialize};

use crate::domain::time::Span;

/// Where each of Twilio's services is found, unless a definition says otherwise.
pub const TWILIO_API: &str = "https://api.twilio.com";
/// As [`TWILIO_API`], of Studio.
pub const TWILIO_STUDIO: &str = "https://studio.twilio.com";
/// As [`TWILIO_API`], of TaskRouter.
pub const TWILIO_TASKROUTER: &str = "https://taskrouter.twilio.com";

/// An account at Twilio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twilio {
    /// The account (`AC…`); stands in addresses also where an API key vouches for us.
    pub account_sid: String,
    /// The account's auth token, a secret: signs Twilio's callbacks, and vouches for us where there is no API key.
    #[serde(default)]
    pub auth_token: Option<String>,
    /// Further tokens that callbacks may be signed with, for the time of an exchange; secrets.
    #[serde(default)]
    pub auth_tokens: Vec<String>,
    /// What vouches for us in place of the auth token.
    #[serde(default)]
    pub api_key: Option<ApiKey>,
    /// The number that calls and messages are from.
    #[serde(default)]
    pub from: Option<String>,
    /// The service (`MG…`) that messages are sent by, in place of `from`.
    #[serde(default)]
    pub messaging_service_sid: Option<String>,
    /// The workspace (`WS…`) of tasks that name none.
    #[serde(default)]
    pub workspace_sid: Option<String>,
    /// Where each service is found; without a slash at the end.
    pub urls: TwilioUrls,
    /// Whether Studio is asked for what nobody told, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<Reconcile>,
}

/// How Studio is asked for what nobody told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconcile {
    /// How often.
    pub every: Span,
    /// How far back runs are looked for that nobody told of.
    pub window: Span,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self { every: Span::from_secs(5 * 60), window: Span::from_hours(1) }
    }
}

/// An API key of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its name (`SK…`).
    pub sid: String,
    /// A secret.
    pub secret: String,
}

/// Where Twilio's services are found; without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwilioUrls {
    /// Calls and messages.
    pub api: String,
    /// Executions of flows.
    pub studio: String,
    /// Tasks.
    pub taskrouter: String,
}

impl TwilioUrls {
    /// Each with the key that it is written under.
    pub fn named(&self) -> [(&'static str, &str); 3] {
        [
            ("api_base_url", &self.api),
            ("studio_base_url", &self.studio),
            ("taskrouter_base_url", &self.taskrouter),
        ]
    }

    /// Whether calls and messages go to Twilio itself, and not to what stands in for it.
    pub fn are_twilios(&self) -> bool {
        url::Url::parse(&self.api).is_ok_and(|url| {
            url.host_str().is_some_and(|host| host == "twilio.com" || host.ends_with(".twilio.com"))
        })
    }
}

impl Default for TwilioUrls {
    fn default() -> Self {
        Self {
            api: TWILIO_API.to_owned(),
            studio: TWILIO_STUDIO.to_owned(),
            taskrouter: TWILIO_TASKROUTER.to_owned(),
        }
    }
}

impl Twilio {
    /// Every token that a callback of the account may be signed with; empty where none is known.
    pub fn callback_tokens(&self) -> Vec<String> {
        self.auth_token.iter().chain(&self.auth_tokens).cloned().collect()
    }

    /// User and password of the Basic authorization; `None` where nothing vouches for us, which no definition lets be.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        match (&self.api_key, &self.auth_token) {
            (Some(key), _) => Some((&key.sid, &key.secret)),
            (None, Some(token)) => Some((&self.account_sid, token)),
            (None, None) => None,
        }
    }
}
