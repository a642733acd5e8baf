//! Requests to Twilio: forms in, JSON out, Basic authorization.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

use super::answer::{self, Refusal, Taken};
use crate::delivery::destinations::Network;
use crate::delivery::http_client::{Request, basic};
use crate::delivery::secrets::Secrets;
use crate::domain::definition::Twilio;

/// How many bytes of an answer are read: a list is longer than what is kept of an attempt.
const KEEP: usize = 1024 * 1024;

/// The fields of a form, or of a query, in their order.
pub(super) type Fields = Vec<(&'static str, String)>;

/// An account and the way to it.
#[derive(Clone, Copy)]
pub(in crate::delivery) struct Client<'a> {
    pub account: &'a Twilio,
    pub network: &'a Network,
    pub timeout: Duration,
    /// What must not be seen in what is kept of answers.
    pub secrets: &'a Secrets,
}

impl Client<'_> {
    /// Where what belongs to the account is found in the API of calls and messages.
    pub(super) fn account_url(&self, rest: &str) -> String {
        format!("{}/2010-04-01/Accounts/{}{rest}", self.account.urls.api, self.account.account_sid)
    }

    /// Makes something.
    pub(super) async fn post(&self, url: &str, form: &Fields) -> Result<Taken, Box<Refusal>> {
        let request = self.request(Method::POST, url, encoded(form)).map_err(Refusal::before_sending)?;
        answer::made(self.network.call(request).await, self.secrets, self.network.clock.now())
    }

    /// Reads something.
    pub(super) async fn get(&self, url: &str, query: &Fields) -> Result<Value, Box<Refusal>> {
        let request = self.reading(url, query).map_err(Refusal::before_sending)?;
        answer::read(self.network.call(request).await, self.secrets, self.network.clock.now())
    }

    /// The request that reads something.
    ///
    /// # Errors
    /// Why none can be made.
    pub(super) fn reading(&self, url: &str, query: &Fields) -> Result<Request, String> {
        let url = if query.is_empty() { url.to_owned() } else { format!("{url}?{}", encoded(query)) };
        self.request(Method::GET, &url, String::new())
    }

    fn request(&self, method: Method, url: &str, body: String) -> Result<Request, String> {
        let url = url.parse().map_err(|error| format!("Twilio's address is no URL: {error}"))?;
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, self.authorization()?);
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        // The whole answer is read here, and masked where it is kept.
        let (timeout, body) = (self.timeout, Bytes::from(body));
        Ok(Request { method, url, headers, body, timeout, keep: KEEP, secrets: None })
    }

    fn authorization(&self) -> Result<HeaderValue, String> {
        let (user, password) =
            self.account.credentials().ok_or_else(|| "no credentials are set for Twilio".to_owned())?;
        basic(user, password).map_err(|why| format!("Twilio can't be asked: {why}"))
    }
}

fn encoded(fields: &Fields) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
