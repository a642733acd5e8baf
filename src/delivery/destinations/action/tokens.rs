//! Access tokens by client credentials (RFC 6749, 4.4): asked for when they are needed, kept in memory until shortly before
//! their end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::authorization;
use crate::delivery::destinations::{Network, answer};
use crate::delivery::http_client::{Answer, HttpError, Request, shown};
use crate::delivery::sender::Verdict;
use crate::domain::health::Signal;
use crate::domain::limits::{
    MAX_DEFINITIONS, MAX_TOKEN_BYTES, MAX_TOKEN_LIFE, TOKEN_ANSWER_BYTES, TOKEN_LIFE, TOKEN_MARGIN,
};
use crate::domain::time::{Span, Timestamp};

/// What a token is asked for with.
#[derive(Clone, PartialEq)]
pub(super) struct Grant {
    pub token_url: String,
    pub client_id: String,
    pub client_secret: String,
    pub scope: Option<String>,
    pub audience: Option<String>,
}

/// A token for one request.
pub(super) struct Lent {
    pub header: HeaderValue,
    /// Tells it from the destination's other tokens.
    pub number: u64,
    /// Whether it was asked for just now.
    pub is_new: bool,
}

/// The tokens of all destinations.
#[derive(Default)]
pub(in crate::delivery) struct Tokens {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// One destination's token; who holds its lock asks for it, and the others wait.
struct Slot {
    grant: Grant,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// How many there were.
    count: u64,
    /// What went wrong last, and when: those who waited meanwhile need not ask again.
    failure: Option<(Instant, Verdict)>,
}

struct Token {
    header: HeaderValue,
    until: Timestamp,
}

impl Tokens {
    /// The token of the destination `key`; asks for one if there is none, or if its settings are others than before.
    ///
    /// # Errors
    /// What became of asking.
    pub(super) async fn lend(
        &self,
        network: &Network,
        key: &str,
        grant: Grant,
        deadline: Instant,
    ) -> Result<Lent, Verdict> {
        let place = grant.place();
        let late = || Verdict::retry(None, format!("{place} handed out no access token in time"));
        let asked = Instant::now();
        let slot = self.slot(key, grant);
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        let mut state = tokio::time::timeout(left(deadline), slot.state.lock()).await.map_err(|_| late())?;
        let now = network.clock.now();
        let number = state.count;
        if let Some(token) = state.token.as_ref().filter(|token| now < token.until) {
            return Ok(Lent { header: token.header.clone(), number, is_new: false });
        }
        if let Some((_, verdict)) = state.failure.as_ref().filter(|(at, _)| *at > asked) {
            return Err(verdict.clone());
        }
        let left = left(deadline);
        if left.is_zero() {
            return Err(late());
        }
        match slot.grant.ask(network, left, now).await {
            Ok(token) => {
                let header = token.header.clone();
                *state = State { token: Some(token), count: state.count + 1, failure: None };
                Ok(Lent { header, number: state.count, is_new: true })
            }
            Err(verdict) => {
                state.failure = Some((Instant::now(), verdict.clone()));
                Err(verdict)
            }
        }
    }

    /// The token with that number is of no use any more.
    pub(super) async fn forget(&self, key: &str, number: u64) {
        let slot = self.slots().get(key).cloned();
        if let Some(slot) = slot {
            let mut state = slot.state.lock().await;
            if state.count == number {
                state.token = None;
            }
        }
    }

    fn slot(&self, key: &str, grant: Grant) -> Arc<Slot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(key).filter(|slot| slot.grant == grant) {
            return Arc::clone(slot);
        }
        // Destinations come and go; their tokens are soon asked for again.
        if slots.len() >= MAX_DEFINITIONS {
            slots.clear();
        }
        let slot = Arc::new(Slot { grant, state: tokio::sync::Mutex::default() });
        slots.insert(key.to_owned(), Arc::clone(&slot));
        slot
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    /// Where tokens are handed out, for people.
    fn place(&self) -> String {
        self.token_url.parse().map_or_else(|_| "the token URL".to_owned(), |url| shown(&url))
    }

    /// Asks for a token. Whatever goes wrong is worth another try: a setting that is wrong can be put right, and must not cost the
    /// destination its queue meanwhile.
    async fn ask(&self, network: &Network, timeout: Duration, now: Timestamp) -> Result<Token, Verdict> {
        let refused = |after, why: String| {
            Verdict::retry(after, format!("{} handed out no access token: {why}", self.place()))
        };
        let request = self.request(timeout).map_err(|why| refused(None, why))?;
        let answer = network.http.send(request).await.map_err(|error| {
            let signal = match error {
                // A setting of ours, and no fault of the destination's.
                HttpError::Refused(_) => Signal::None,
                HttpError::Unsendable(_)
                | HttpError::Timeout(_)
                | HttpError::Certificate(_)
                | HttpError::Connect(_)
                | HttpError::Network(_) => Signal::Bad,
            };
            Verdict { signal, ..refused(None, error.to_string()) }
        })?;
        let after = answer::retry_after(&answer, now);
        read(answer, now).map_err(|why| refused(after, why))
    }

    fn request(&self, timeout: Duration) -> Result<Request, String> {
        let url: Url = self.token_url.parse().map_err(|error| format!("it is not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("only http and https URLs can be called".to_owned());
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", &self.scope), ("audience", &self.audience)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        // Both are form-encoded before they are joined (RFC 6749, 2.3.1).
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let credentials = authorization::basic(&encoded(&self.client_id), &encoded(&self.client_secret));
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(AUTHORIZATION, authorization::header(&credentials)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Ok(Request {
            method: Method::POST,
            url,
            headers,
            body: form.finish().into(),
            timeout,
            keep: TOKEN_ANSWER_BYTES,
            secrets: None,
        })
    }
}

/// The answer of a token endpoint (RFC 6749, 5.1 and 5.2).
#[derive(Deserialize)]
struct Fields {
    access_token: Option<String>,
    token_type: Option<String>,
    /// Seconds; some write them as a text.
    expires_in: Option<Value>,
    error: Option<String>,
}

fn read(answer: Answer, now: Timestamp) -> Result<Token, String> {
    let fields: Option<Fields> = serde_json::from_str(&answer.snippet).ok();
    let status = answer.status;
    if !(200..=299).contains(&status) {
        let code = fields.and_then(|fields| fields.error).filter(|code| is_error_code(code));
        return Err(match code {
            Some(code) => format!("answered {status}, {code}"),
            None => format!("answered {status}"),
        });
    }
    if let Some(why) = answer.broken_off {
        return Err(format!("answered {status}, but {why}"));
    }
    let fields = fields.ok_or_else(|| format!("answered {status}, but not with the JSON of a token"))?;
    let token = fields.access_token.filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| format!("answered {status} without `access_token`"))?;
    if let Some(kind) = fields.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        let kind: String = kind.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        return Err(format!("the token is of the type `{kind}`, and only `bearer` can be used"));
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(format!("the token is longer than {MAX_TOKEN_BYTES} bytes"));
    }
    let header = authorization::header(&format!("Bearer {token}"))
        .map_err(|_| "the token holds characters that no header can carry".to_owned())?;
    Ok(Token { header, until: now.plus(usable_for(fields.expires_in.as_ref())) })
}

/// One of the short codes of RFC 6749, such as `invalid_client`: safe to show.
fn is_error_code(code: &str) -> bool {
    !code.is_empty() && code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// How long a token may be used that lasts so many seconds.
fn usable_for(expires_in: Option<&Value>) -> Span {
    let seconds = match expires_in {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_f64(),
        None => None,
    };
    let Some(seconds) = seconds else { return TOKEN_LIFE };
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates, and it is bounded right after"
    )]
    let life = Span::from_secs((seconds as i64).clamp(0, MAX_TOKEN_LIFE.millis() / 1000));
    let margin = TOKEN_MARGIN.millis().min(life.millis() / 10);
    Span::from_millis(life.millis() - margin)
}
