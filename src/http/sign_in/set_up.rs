//! The first admin: whoever has the link that the server prints at its start.

use actix_web::HttpRequest;
use actix_web::cookie::Cookie;
use subtle::ConstantTimeEq as _;

use super::{Refused, VIA, begin};
use crate::engine::{By, EngineError, NewPerson, secret_hash};
use crate::http::api::ApiState;

/// The token of the link for the set-up: made at each start, and known to this process alone, as its hash.
#[derive(Clone, Debug)]
pub struct SetUpLink {
    hash: String,
}

impl SetUpLink {
    /// The link with that token.
    pub fn new(token: &str) -> Self {
        Self { hash: secret_hash(token) }
    }

    fn fits(&self, token: &str) -> bool {
        bool::from(self.hash.as_bytes().ct_eq(secret_hash(token).as_bytes()))
    }
}

/// Whether the link with that token leads to the set-up: it is the one that was printed, and there is no admin yet.
///
/// # Errors
/// When the store can't be read.
pub async fn can_set_up(state: &ApiState, token: &str) -> Result<bool, EngineError> {
    let fits = state.set_up.as_ref().is_some_and(|link| link.fits(token));
    Ok(fits && !state.engine.is_set_up().await?)
}

/// Admits the first admin, and signs him in.
///
/// # Errors
/// [`Refused::NoSetUp`] where [`can_set_up`] is not so; [`EngineError::Invalid`] for the password.
pub async fn set_up(
    request: &HttpRequest,
    state: &ApiState,
    token: &str,
    person: NewPerson,
) -> Result<Cookie<'static>, Refused> {
    if !can_set_up(state, token).await? {
        return Err(Refused::NoSetUp);
    }
    let engine = state.engine.acting(By::new(person.email.clone(), VIA));
    let person = match engine.set_up(person).await {
        // Somebody was faster; or somebody who is no admin has that address, and then the link still leads here.
        Err(EngineError::Staff(_)) if state.engine.is_set_up().await? => return Err(Refused::NoSetUp),
        person => person?,
    };
    begin(request, state, &person).await
}
