//! Who asks for a page.

use actix_web::HttpRequest;
use actix_web::http::header;

use super::api::{ApiState, Verdict, basic};
use super::caller::{Caller, CallerSession};
use crate::domain::people::{Role, Scope};
use crate::engine::EngineError;

/// Who asks, where that is known.
pub(in crate::http) async fn caller_of(
    request: &HttpRequest,
    state: &ApiState,
) -> Result<Option<Caller>, EngineError> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(basic) else { return Ok(None) };
    let from = request.peer_addr().map(|address| address.ip());
    let right = state.guard.check(&state.engine, &token, from).await? == Verdict::Right;
    Ok(right.then(|| Caller {
        name: "admin token".to_owned(),
        scopes: Scope::ALL.to_vec(),
        session: Some(CallerSession {
            person: String::new(),
            shown: "admin".to_owned(),
            role: Role::Admin.as_str(),
            csrf: "x".to_owned(),
        }),
    }))
}

/// Whether a form's token is that of the caller's session.
pub(in crate::http) fn verify(caller: &Caller, token: &str) -> bool {
    caller.session.as_ref().is_some_and(|session| session.csrf == token)
}
