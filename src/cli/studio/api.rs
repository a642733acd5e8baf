//! Twilio's Studio API, as far as it takes to fetch, check and save a flow.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;
use url::Url;

use super::failure::Failure;
use crate::cli::lookup;
use crate::delivery::http_client::{Answer, HttpClient, HttpError, Request, basic};
use crate::domain::address_policy::{self, AddressPolicy};
use crate::domain::definition::Problem;
use crate::domain::limits::MAX_STUDIO_FLOW_BYTES;
use crate::domain::studio_flow::StudioFlow;

/// How long Twilio may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client for one account.
pub(super) struct StudioApi {
    client: HttpClient,
    runtime: Runtime,
    base: String,
    authorization: HeaderValue,
}

/// A flow as Twilio has it.
#[derive(Debug, Deserialize)]
pub(super) struct Fetched {
    pub definition: Value,
    #[serde(default)]
    pub friendly_name: String,
}

/// A flow that Twilio saved.
#[derive(Debug, Deserialize)]
pub(super) struct Saved {
    pub revision: u64,
    pub status: String,
}

/// The errors that Twilio found in a flow.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    valid: Option<bool>,
    code: Option<i64>,
    message: String,
    details: Option<Details>,
    errors: Vec<Flaw>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    errors: Vec<Flaw>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Flaw {
    property_path: String,
    message: String,
}

impl StudioApi {
    /// A client with the credentials of the environment.
    pub fn new(base: &str, environment: &[(String, String)]) -> Result<Self, Failure> {
        let url = Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if url.is_none_or(|url| url.host().is_none()) {
            let message =
                format!("--studio-base-url `{base}` is not a URL such as https://studio.twilio.com");
            return Err(Failure::Refused(message));
        }
        let allowed = lookup(environment, address_policy::SETTING).unwrap_or_default();
        let policy = AddressPolicy::parse(&allowed).map_err(Failure::Refused)?;
        let client = HttpClient::new(policy).map_err(Failure::NotTried)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::NotTried(format!("can't start: {error}")))?;
        let authorization = credentials(environment)?;
        Ok(Self { client, runtime, base: base.trim_end_matches('/').to_owned(), authorization })
    }

    /// The newest revision of a flow.
    pub fn fetch(&self, sid: &str) -> Result<Fetched, Failure> {
        let answer = self.send(Method::GET, &format!("v2/Flows/{sid}"), &[])?;
        match answer.status {
            200 => parse(&answer),
            404 => Err(Failure::Refused(format!("there is no flow {sid} in this account"))),
            _ => Err(self.refused("fetching the flow", &answer, None)),
        }
    }

    /// Asks whether Studio would take `flow`; saves nothing.
    pub fn validate(&self, friendly_name: &str, status: &str, flow: &StudioFlow) -> Result<(), Failure> {
        let definition = definition(flow);
        let fields = [("FriendlyName", friendly_name), ("Status", status), ("Definition", &definition)];
        let answer = self.send(Method::POST, "v2/Flows/Validate", &fields)?;
        if answer.status == 200 && parse::<Refusal>(&answer)?.valid == Some(true) {
            return Ok(());
        }
        Err(self.refused("checking the flow", &answer, Some(flow)))
    }

    /// Makes `flow` the newest revision of the flow `sid`.
    pub fn update(&self, sid: &str, status: &str, flow: &StudioFlow, commit: &str) -> Result<Saved, Failure> {
        let definition = definition(flow);
        let fields = [("Status", status), ("Definition", &definition), ("CommitMessage", commit)];
        let answer = self.send(Method::POST, &format!("v2/Flows/{sid}"), &fields)?;
        if (200..300).contains(&answer.status) {
            return parse(&answer);
        }
        Err(self.refused("saving the flow", &answer, Some(flow)))
    }

    fn send(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Result<Answer, Failure> {
        let url = format!("{}/{path}", self.base);
        let url = url.parse().map_err(|error| Failure::Refused(format!("{url}: {error}")))?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        let mut body = String::new();
        if method == Method::POST {
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded;charset=utf-8"),
            );
            body = form_urlencoded::Serializer::new(body).extend_pairs(form).finish();
        }
        let saves = method == Method::POST && !path.ends_with("/Validate");
        let request = Request {
            method,
            url,
            headers,
            body: body.into(),
            timeout: TIMEOUT,
            keep: MAX_STUDIO_FLOW_BYTES,
            // A flow is needed as it is; messages of errors are Twilio's own.
            secrets: None,
        };
        self.runtime.block_on(self.client.send(request)).map_err(|error| self.not_reached(&error, saves))
    }

    fn not_reached(&self, error: &HttpError, saves: bool) -> Failure {
        let unsure = if saves && error.may_have_left() {
            "; the flow may have been saved all the same: look at its revisions in the console"
        } else {
            ""
        };
        Failure::NotTried(format!("{} is not reached: {error}{unsure}", self.base))
    }

    /// Why an answer is no success.
    fn refused(&self, what: &str, answer: &Answer, flow: Option<&StudioFlow>) -> Failure {
        let base = &self.base;
        let status = answer.status;
        let said: Refusal = serde_json::from_str(&answer.snippet).unwrap_or_default();
        match status {
            401 | 403 => {
                return Failure::NotTried(format!(
                    "{base} does not accept these credentials ({status}): {}",
                    said.message
                ));
            }
            429 => {
                return Failure::NotTried(format!(
                    "{base} has too many calls of this account (429): try again in a minute"
                ));
            }
            500.. => return Failure::NotTried(format!("{what}: {base} answered {status}: {}", said.message)),
            _ => {}
        }
        let flaws: Vec<Flaw> =
            said.details.unwrap_or_default().errors.into_iter().chain(said.errors).collect();
        match flow {
            Some(flow) if !flaws.is_empty() => {
                let shown = flaws.iter().map(|flaw| flow.problem_at(&flaw.property_path, &flaw.message));
                let problems: Vec<Problem> = shown.collect();
                Failure::problems("Twilio", problems)
            }
            _ => {
                let code = said.code.map(|code| format!(", error {code}")).unwrap_or_default();
                Failure::Refused(format!("{what}: {base} answered {status}{code}: {}", said.message))
            }
        }
    }
}

/// The `Authorization` header: an API key where there is one, or else the account's token.
fn credentials(environment: &[(String, String)]) -> Result<HeaderValue, Failure> {
    let pair = |user: &str, password: &str| {
        let value = |name: &str| lookup(environment, name).filter(|value| !value.is_empty());
        Some((value(user)?, value(password)?))
    };
    let (user, password) = pair("TWILIO_API_KEY", "TWILIO_API_SECRET")
        .or_else(|| pair("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"))
        .ok_or_else(|| {
            Failure::NotTried(
                "Twilio's credentials are needed: set TWILIO_API_KEY and TWILIO_API_SECRET, or TWILIO_ACCOUNT_SID and \
                 TWILIO_AUTH_TOKEN"
                    .to_owned(),
            )
        })?;
    basic(&user, &password).map_err(|why| Failure::NotTried(format!("Twilio can't be asked: {why}")))
}

/// The whole definition as Twilio takes it: JSON in one field of a form.
fn definition(flow: &StudioFlow) -> String {
    Value::Object(flow.document().clone()).to_string()
}

fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    if let Some(why) = &answer.broken_off {
        return Err(Failure::NotTried(format!("Twilio's answer did not come whole: {why}")));
    }
    serde_json::from_str(&answer.snippet)
        .map_err(|error| Failure::NotTried(format!("Twilio's answer can't be read: {error}")))
}
