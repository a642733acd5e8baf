//! Studio's API, as far as it is asked: executions, their steps and contexts, flows.

use std::time::Duration;

use metrics::counter;
use serde_json::Value;
use url::{Position, Url};

use super::pace::Pace;
use crate::delivery::http_client::{Answer, HttpClient, HttpError, Request};
use crate::domain::definition::Definitions;
use crate::domain::ingest::execution::Step;
use crate::domain::ingest::recovery::address_of;
use crate::domain::time::{Span, Timestamp};
use crate::metrics::RECONCILE_REQUESTS;

/// The key of the destination whose account is asked.
const TWILIO: &str = "twilio";
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer that is read, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;
/// How often a request is tried.
const TRIES: u32 = 5;
/// Rows on a page.
const PAGE: usize = 100;
/// Most pages of one list: Studio ends a run after 1,000 steps.
const PAGES: usize = 20;

/// How Studio is asked, and how often.
#[derive(Clone)]
pub struct Access {
    /// Where it is found, without a slash at the end: `https://studio.twilio.com`.
    pub base_url: String,
    /// User of the Basic authorization: the account's SID, or an API key's.
    pub user: String,
    /// Its password, a secret.
    pub password: String,
    /// How often it is asked.
    pub every: Span,
    /// How far back runs are looked for that nobody told of.
    pub window: Span,
}

impl Access {
    /// That of the destination `twilio`, where it is one that looks back and is enabled.
    pub fn of(definitions: &Definitions) -> Option<Self> {
        let destination = definitions.destinations.get(TWILIO).filter(|destination| destination.enabled)?;
        let account = destination.kind.twilio()?;
        let (reconcile, (user, password)) = (account.reconcile?, account.credentials()?);
        Some(Self {
            base_url: account.urls.studio.clone(),
            user: user.to_owned(),
            password: password.to_owned(),
            every: reconcile.every,
            window: reconcile.window,
        })
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access({} at {})", self.user, self.base_url)
    }
}

/// Why Studio did not tell.
#[derive(Debug, thiserror::Error)]
pub enum StudioError {
    /// There is no such thing, or no more.
    #[error("Studio knows nothing at {0}")]
    NotFound(String),
    /// It does not know us.
    #[error(
        "Studio refuses the credentials ({0}): check account_sid, auth_token, api_key and api_secret of the destination `twilio`"
    )]
    Refused(u16),
    /// It could not be reached or was too busy, often enough: asking for something else is no better.
    #[error("Studio could not be asked: {0}")]
    Unavailable(String),
    /// This one thing can't be read.
    #[error("Studio's answer can't be used: {0}")]
    Failed(String),
    /// What was found could not be taken in.
    #[error("what was found could not be taken in: {0}")]
    Engine(#[from] crate::engine::EngineError),
}

/// An execution as Studio tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub sid: String,
    pub address: Option<String>,
    pub created_at: Timestamp,
    /// `None` while it goes on.
    pub ended_at: Option<Timestamp>,
    /// The flow's revision that it runs.
    pub revision: u64,
}

/// Whether it is the SID of an execution. Widgets may post any text as one: no other becomes part of an address.
pub(super) fn is_execution(sid: &str) -> bool {
    let digits = sid.strip_prefix("FN").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Studio, asked one thing after the other.
pub(super) struct Studio<'a> {
    pub http: &'a HttpClient,
    pub access: &'a Access,
    pub pace: &'a mut Pace,
}

impl Studio<'_> {
    /// The runs of a flow that began at or after `from`, newest first, as many as there are pages for.
    pub async fn executions(&mut self, flow: &str, from: Timestamp) -> Result<Vec<Listed>, StudioError> {
        let from = form_urlencoded::byte_serialize(from.to_rfc3339_seconds().as_bytes()).collect::<String>();
        let path = format!("/v2/Flows/{flow}/Executions?DateCreatedFrom={from}&PageSize={PAGE}");
        let rows = self.list(&path, "executions").await?;
        Ok(rows.iter().filter_map(execution).collect())
    }

    /// One run.
    pub async fn execution(&mut self, flow: &str, sid: &str) -> Result<Listed, StudioError> {
        let path = format!("/v2/Flows/{flow}/Executions/{sid}");
        let found = self.get(&self.url(&path)?).await?;
        execution(&found).ok_or_else(|| StudioError::Failed(format!("{path} is no execution")))
    }

    /// A run's steps, oldest first.
    pub async fn steps(&mut self, flow: &str, sid: &str) -> Result<Vec<Step>, StudioError> {
        let path = format!("/v2/Flows/{flow}/Executions/{sid}/Steps?PageSize={PAGE}");
        let rows = self.list(&path, "steps").await?;
        let mut steps: Vec<Step> = rows.iter().filter_map(step).collect();
        // The newest come first; those of the same second stay in their order.
        steps.reverse();
        steps.sort_by_key(|step| step.at);
        Ok(steps)
    }

    /// What a run's widgets know.
    pub async fn context(&mut self, flow: &str, sid: &str) -> Result<Value, StudioError> {
        let path = format!("/v2/Flows/{flow}/Executions/{sid}/Context");
        let mut found = self.get(&self.url(&path)?).await?;
        Ok(found.get_mut("context").map(Value::take).unwrap_or_default())
    }

    /// A flow's definition and revision.
    pub async fn flow(&mut self, flow: &str) -> Result<(Value, u64), StudioError> {
        let mut found = self.get(&self.url(&format!("/v2/Flows/{flow}"))?).await?;
        let revision = found.get("revision").and_then(Value::as_u64).unwrap_or_default();
        Ok((found.get_mut("definition").map(Value::take).unwrap_or_default(), revision))
    }

    /// All rows of a list. Its further pages are asked for at the same server, whatever name it has for itself: the credentials go
    /// with every request, and in front of it may stand a proxy.
    async fn list(&mut self, path: &str, key: &str) -> Result<Vec<Value>, StudioError> {
        let first = self.url(path)?;
        let (mut url, mut rows) = (first.clone(), Vec::new());
        for _ in 0..PAGES {
            let mut page = self.get(&url).await?;
            match page.get_mut(key).map(Value::take) {
                Some(Value::Array(more)) => rows.extend(more),
                _ => return Err(StudioError::Failed(format!("{path} has no `{key}`"))),
            }
            let next = page.pointer("/meta/next_page_url").and_then(Value::as_str);
            let Some(next) = next.and_then(|next| url.join(next).ok()) else { return Ok(rows) };
            url = if next.origin() == first.origin() {
                next
            } else {
                self.url(&next[Position::BeforePath..Position::AfterQuery])?
            };
        }
        Ok(rows)
    }

    fn url(&self, path: &str) -> Result<Url, StudioError> {
        let text = format!("{}{path}", self.access.base_url);
        text.parse().map_err(|error| StudioError::Failed(format!("its address is no URL: {error}")))
    }

    /// One request, tried again where it may help.
    async fn get(&mut self, url: &Url) -> Result<Value, StudioError> {
        let mut last = StudioError::Unavailable(String::new());
        for _ in 0..TRIES {
            self.pace.wait().await;
            let answer = self.http.send(self.request(url)?).await;
            let outcome = match &answer {
                Ok(answer) => answer.status.to_string(),
                Err(_) => "none".to_owned(),
            };
            counter!(RECONCILE_REQUESTS, "status" => outcome).increment(1);
            match answer {
                Ok(Answer { status: 200, snippet, broken_off: None, .. }) => {
                    self.pace.went_well();
                    return serde_json::from_str(&snippet)
                        .map_err(|error| StudioError::Failed(format!("an answer is no JSON: {error}")));
                }
                Ok(Answer { status: 404, .. }) => {
                    self.pace.went_well();
                    return Err(StudioError::NotFound(url.path().to_owned()));
                }
                Ok(Answer { status: status @ (401 | 403), .. }) => return Err(StudioError::Refused(status)),
                Ok(Answer { status, retry_after, .. }) if status == 429 || status >= 500 => {
                    last = StudioError::Unavailable(format!("it answered {status}"));
                    self.pace.went_badly(seconds(retry_after.as_deref()));
                }
                Ok(Answer { status: 200, .. }) => {
                    last = StudioError::Failed(format!("{} broke off, or is too large", url.path()));
                    self.pace.went_badly(None);
                }
                Ok(Answer { status, .. }) => {
                    return Err(StudioError::Failed(format!("it answered {status} at {}", url.path())));
                }
                Err(error @ (HttpError::Refused(_) | HttpError::Unsendable(_))) => {
                    return Err(StudioError::Unavailable(error.to_string()));
                }
                Err(error) => {
                    last = StudioError::Unavailable(error.to_string());
                    self.pace.went_badly(None);
                }
            }
        }
        Err(last)
    }

    fn request(&self, url: &Url) -> Result<Request, StudioError> {
        let credentials = (self.access.user.as_str(), self.access.password.as_str());
        Request::read_json(url.clone(), credentials, TIMEOUT, LARGEST).map_err(StudioError::Failed)
    }
}

fn seconds(retry_after: Option<&str>) -> Option<Duration> {
    retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs)
}

fn time(row: &Value, key: &str) -> Option<Timestamp> {
    row.get(key).and_then(Value::as_str).and_then(Timestamp::parse_lenient)
}

fn text(row: &Value, key: &str) -> Option<String> {
    row.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `None` for what has no SID of an execution, or no time.
fn execution(row: &Value) -> Option<Listed> {
    let created_at = time(row, "date_created")?;
    let has_ended = row.get("status").and_then(Value::as_str) == Some("ended");
    let version = row.get("flow_version");
    Some(Listed {
        sid: text(row, "sid").filter(|sid| is_execution(sid))?,
        address: text(row, "contact_channel_address").and_then(|address| address_of(&address)),
        created_at,
        ended_at: has_ended.then(|| time(row, "date_updated").unwrap_or(created_at)),
        revision: version.and_then(Value::as_u64).unwrap_or_default(),
    })
}

fn step(row: &Value) -> Option<Step> {
    let (from, to) = (text(row, "transitioned_from"), text(row, "transitioned_to"));
    Some(Step { id: text(row, "sid")?, from, event: text(row, "name"), to, at: time(row, "date_created")? })
}
