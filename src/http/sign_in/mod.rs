//! Signing in to the console: sessions in cookies, what forms bring along, and the first admin.
//!
//! The pages are made elsewhere; they call this.

mod attempts;
mod cookie;
mod set_up;
mod site;
#[cfg(test)]
mod tests;

use actix_web::HttpRequest;
use actix_web::cookie::Cookie;
use actix_web::http::header::USER_AGENT;
use actix_web::rt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use self::attempts::Attempt;
pub use self::attempts::SignIns;
pub use self::cookie::is_secure;
pub use self::set_up::{SetUpLink, can_set_up, set_up};
use super::api::ApiState;
use super::caller::Caller;
use crate::domain::people::{Deed, Device, Person};
use crate::domain::time::Span;
use crate::engine::{By, EngineError, secret_hash, session_name};

/// What `console.js` sends where it fetches a page anew, that nobody asked for.
const BY_ITSELF: &str = "x-refresh";
/// By what it comes, for the audit log.
const VIA: &str = "console";

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody has that address and password, or he may not sign in.
    #[error("the address or the password is wrong")]
    Wrong,
    /// Too many wrong passwords, of that address or from that network; whether anybody has the address is not said.
    #[error("too many wrong passwords; come back in {} minutes", minutes(*.0))]
    Held(Span),
    /// The request was made by a page of another site.
    #[error("the request came from another site")]
    CrossSite,
    /// The link is not the one that the server printed, or the set-up is done.
    #[error("this link is not the one that the server printed at its last start, or the set-up is done")]
    NoSetUp,
    /// The engine could not.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Whole minutes, at least one.
fn minutes(span: Span) -> i64 {
    (span.millis() + 59_999) / 60_000
}

/// The person whose session the request's cookie is; `None` where it has none, or it is over.
/// What an open page asks for by itself does not keep a session: one that nobody uses ends all the same.
///
/// # Errors
/// When the store can't be read.
pub async fn caller_of(request: &HttpRequest, state: &ApiState) -> Result<Option<Caller>, EngineError> {
    let Some(secret) = cookie::secret(request, state) else { return Ok(None) };
    let session = state.engine.session(&secret, !is_of_itself(request)).await?;
    Ok(session.map(|(_, person)| Caller::person(&person, session_name(&secret_hash(&secret)), csrf(&secret))))
}

/// Whether an open page asks by itself: it listens, or looks whether a part of it has changed, which its script says.
fn is_of_itself(request: &HttpRequest) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    header("accept") == Some("text/event-stream") || header(BY_ITSELF).is_some()
}

/// Whether a form, or the header `X-CSRF-Token`, brought along what this caller's pages gave it.
pub fn verify(caller: &Caller, token: &str) -> bool {
    let expected = caller.session.as_ref().map(|session| session.csrf.as_bytes());
    expected.is_some_and(|expected| bool::from(expected.ct_eq(token.as_bytes())))
}

/// Lets in whoever has that address and password: answers the cookie of a new session; one that the request came with ends.
///
/// # Errors
/// See [`Refused`].
pub async fn sign_in(
    request: &HttpRequest,
    state: &ApiState,
    email: &str,
    password: &str,
) -> Result<Cookie<'static>, Refused> {
    site::refuse_others(request, &state.public_url)?;
    let (email, now) = (email.trim().to_lowercase(), state.engine.clock().now());
    let from = state.proxies.caller(request);
    let attempt = state.sign_ins.begin(from, &email, now).map_err(Refused::Held)?;
    match state.engine.person_with(&email, password).await {
        Ok(Some(person)) => {
            state.sign_ins.right(&attempt, true);
            begin(request, state, &person).await
        }
        Ok(None) => {
            tracing::info!(?from, "a sign-in was refused: wrong address or password");
            tell_wrong(request, state, &attempt);
            Err(Refused::Wrong)
        }
        Err(error) => {
            // It was not looked at.
            state.sign_ins.right(&attempt, false);
            Err(error.into())
        }
    }
}

/// Begins a session of a person: answers its cookie; a session that the request came with ends.
///
/// # Errors
/// [`Refused::Wrong`] when he is gone, or may not sign in.
pub async fn begin(
    request: &HttpRequest,
    state: &ApiState,
    person: &Person,
) -> Result<Cookie<'static>, Refused> {
    let engine = state.engine.acting(By::new(person.email.clone(), VIA));
    if let Some(before) = cookie::secret(request, state) {
        engine.end_session(&before).await?;
    }
    match engine.begin_session_on(person.id, device(request, state)).await {
        Ok(secret) => Ok(cookie::with(secret, request, state)),
        Err(EngineError::NotFound { .. }) => Err(Refused::Wrong),
        Err(error) => Err(error.into()),
    }
}

/// Sets the caller's own password, who says the present one: ends his sessions, and answers the cookie of a new one.
///
/// # Errors
/// See [`Refused`]; [`EngineError::Invalid`] for the new password.
pub async fn change_password(
    request: &HttpRequest,
    state: &ApiState,
    caller: &Caller,
    present: &str,
    new: &str,
) -> Result<Cookie<'static>, Refused> {
    let now = state.engine.clock().now();
    let from = state.proxies.caller(request);
    let attempt = state.sign_ins.begin(from, &caller.name, now).map_err(Refused::Held)?;
    let person = state.engine.person_with(&caller.name, present).await;
    let was_right = matches!(person, Ok(Some(_)));
    if was_right || person.is_err() {
        state.sign_ins.right(&attempt, was_right);
    }
    let Some(person) = person? else {
        tell_wrong(request, state, &attempt);
        return Err(Refused::Wrong);
    };
    state.engine.acting(caller.by()).set_password(person.id, new).await?;
    begin(request, state, &person).await
}

/// Ends the session that the request came with: answers the cookie that takes it from the browser.
///
/// # Errors
/// When it could not be written.
pub async fn sign_out(request: &HttpRequest, state: &ApiState) -> Result<Cookie<'static>, EngineError> {
    if let (Some(secret), Some(caller)) = (cookie::secret(request, state), caller_of(request, state).await?) {
        state.engine.acting(caller.by()).end_session(&secret).await?;
    }
    Ok(cookie::without(request, state))
}

/// Ends all sessions of the caller, this one included.
///
/// # Errors
/// When it could not be written.
pub async fn sign_out_everywhere(
    request: &HttpRequest,
    state: &ApiState,
    caller: &Caller,
) -> Result<Cookie<'static>, EngineError> {
    let id = caller.session.as_ref().and_then(|session| session.person.parse().ok());
    if let Some(id) = id {
        state.engine.acting(caller.by()).end_sessions(id).await?;
    }
    Ok(cookie::without(request, state))
}

/// What the forms of a session bring along: it follows from the session's secret, so that nothing need be kept.
fn csrf(secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(b"stagepost csrf");
    hex::encode(mac.finalize().into_bytes())
}

/// From where, and with what, the request comes.
fn device(request: &HttpRequest, state: &ApiState) -> Device {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let address = state.proxies.caller(request).map(|address| address.to_string());
    Device::new(address.unwrap_or_default(), user_agent.unwrap_or_default())
}

/// Tells the audit log of a wrong password, where somebody has that address: what is typed for nobody's may be anything, a password
/// too. The answer does not wait for it, or how long it takes would say whether there is such a person.
fn tell_wrong(request: &HttpRequest, state: &ApiState, attempt: &Attempt) {
    let Some(action) = attempt.told() else { return };
    let device = device(request, state);
    let who = if device.address.is_empty() { "somebody" } else { &device.address };
    let engine = state.engine.acting(By::new(who, VIA));
    let account = attempt.account().to_owned();
    rt::spawn(async move {
        let told = async {
            if engine.has_person(&account).await? {
                engine.tell(Deed::new(action, format!("person {account}")).to(device.audited())).await?;
            }
            Ok::<(), EngineError>(())
        };
        if let Err(error) = told.await {
            tracing::warn!(%error, "a wrong password could not be written into the audit log");
        }
    });
}
