//! What a request carries in its `Authorization` header.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use super::tokens::Grant;
use crate::delivery::destinations::Network;
use crate::delivery::sender::Verdict;
use crate::domain::definition::Auth;

/// The value of the header for one request.
#[derive(Default)]
pub(super) struct Authorization {
    /// A token that was asked for; `None` where the request has what it needs already.
    pub value: Option<HeaderValue>,
    /// The token's number, if it was there before this request needed it.
    from_before: Option<u64>,
}

/// The header that a setting alone makes; `None` where a token has to be asked for.
pub(super) fn fixed(auth: &Auth) -> Option<Result<HeaderValue, String>> {
    match auth {
        Auth::Bearer { token } => Some(header(&format!("Bearer {token}"))),
        Auth::Basic { user, password } => Some(header(&basic(user, password))),
        Auth::OAuth2 { .. } => None,
    }
}

/// `Basic` and both in base64.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A header that nobody is to see.
///
/// # Errors
/// It can't be sent; its value is not shown.
pub(super) fn header(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| "the destination's `auth` holds characters that no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Asks for what a destination's requests need.
pub(super) struct Asker<'a> {
    pub network: &'a Network,
    /// The destination's key.
    pub key: &'a str,
    /// When the attempt's time is over.
    pub deadline: Instant,
}

impl Asker<'_> {
    /// A token, where `auth` wants one.
    ///
    /// # Errors
    /// What became of asking for it; always worth another try, as a wrong setting can be put right.
    pub(super) async fn authorize(&self, auth: Option<&Auth>) -> Result<Authorization, Verdict> {
        let Some(Auth::OAuth2 { token_url, client_id, client_secret, scope, audience }) = auth else {
            return Ok(Authorization::default());
        };
        let grant = Grant {
            token_url: token_url.clone(),
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
            scope: scope.clone(),
            audience: audience.clone(),
        };
        let network = self.network;
        let lent = network.tokens.lend(network, self.key, grant, self.deadline).await?;
        let from_before = (!lent.is_new).then_some(lent.number);
        Ok(Authorization { value: Some(lent.header), from_before })
    }

    /// The receiver did not take the token: it is not used again. Answers whether a new one may help, as this one was not new.
    pub(super) async fn give_up(&self, authorization: &Authorization) -> bool {
        match authorization.from_before {
            Some(number) => {
                self.network.tokens.forget(self.key, number).await;
                true
            }
            None => false,
        }
    }
}
