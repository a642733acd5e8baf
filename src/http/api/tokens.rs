//! `/api/tokens`: tokens of the API, each with what it may do.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use super::body::{Body, Members};
use super::endpoint::Endpoint;
use super::params::NoParams;
use super::people::{MAX_TEXT, checked, lacks, required};
use super::state::ApiState;
use crate::domain::ids::TokenId;
use crate::domain::people::{ApiToken, Scope, check_name};
use crate::domain::time::Timestamp;
use crate::engine::NewToken;
use crate::http::caller::Caller;
use crate::http::problem::{ApiProblem, Code};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/tokens").get_as(Scope::People, list).post(Scope::People, make),
        Endpoint::at("/api/tokens/{id}").delete(Scope::People, revoke),
    ]
}

async fn list(state: web::Data<ApiState>, _: NoParams) -> Answer {
    let tokens: Vec<Value> = state.engine.tokens().await?.iter().map(ApiToken::shown).collect();
    Ok(HttpResponse::Ok().json(json!({ "tokens": tokens })))
}

async fn make(state: web::Data<ApiState>, caller: Caller, _: NoParams, body: Body) -> Answer {
    let words = body.object(&["name", "scopes", "expiresAt"])?;
    let mut problems = Vec::new();
    let name = required("name", checked(&words, "name", check_name)?, &mut problems);
    let scopes = required("scopes", scopes(&words)?, &mut problems);
    let (Some(name), Some(scopes)) = (name, scopes) else {
        return Err(ApiProblem::fields(Code::InvalidBody, problems));
    };
    let expires_at = expiry(&words, state.engine.clock().now())?;
    if let Some(scope) = scopes.iter().find(|scope| !caller.may(**scope)) {
        return Err(lacks(*scope));
    }
    let wanted = NewToken { name, scopes, expires_at };
    let (made, secret) = state.engine.acting(caller.by()).make_token(wanted).await?;
    let mut shown = made.shown();
    shown["token"] = secret.into();
    Ok(HttpResponse::Created().json(shown))
}

async fn revoke(state: web::Data<ApiState>, caller: Caller, id: web::Path<String>, _: NoParams) -> Answer {
    let id: TokenId = id.parse().map_err(|_| ApiProblem::not_found("token", &id))?;
    state.engine.acting(caller.by()).revoke_token(id).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn scopes(words: &Members) -> Result<Option<Vec<Scope>>, ApiProblem> {
    let names = Scope::ALL.map(Scope::as_str).join(", ");
    let refused = || {
        let message = format!("has to be a list of at least one of {names}");
        ApiProblem::field(Code::InvalidBody, "scopes", message)
    };
    let Some(wanted) = words.get("scopes") else { return Ok(None) };
    let wanted = wanted.as_array().filter(|wanted| !wanted.is_empty()).ok_or_else(refused)?;
    let named = |name: &Value| Scope::ALL.into_iter().find(|scope| Some(scope.as_str()) == name.as_str());
    let wanted: Option<Vec<Scope>> = wanted.iter().map(named).collect();
    let mut wanted = wanted.ok_or_else(refused)?;
    wanted.sort_unstable();
    wanted.dedup();
    Ok(Some(wanted))
}

fn expiry(words: &Members, now: Timestamp) -> Result<Option<Timestamp>, ApiProblem> {
    let Some(text) = words.text("expiresAt", MAX_TEXT)? else { return Ok(None) };
    let end = Timestamp::parse_lenient(text).filter(|end| *end > now);
    let message = "is not an instant after now such as 2030-01-01T00:00:00Z";
    end.map(Some).ok_or_else(|| ApiProblem::field(Code::InvalidBody, "expiresAt", message))
}
