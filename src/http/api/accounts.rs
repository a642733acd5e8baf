//! `GET /api/accounts/{groupId}`: everything known of one account.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::Answer;
use super::endpoint::Endpoint;
use super::params::NoParams;
use super::state::ApiState;
use crate::domain::ids::UserKey;
use crate::http::problem::ApiProblem;
use crate::http::profile_view;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/accounts/{groupId}").get(one)]
}

async fn one(state: web::Data<ApiState>, id: web::Path<String>, _: NoParams) -> Answer {
    let account = state.engine.profile(&UserKey::group(&id)).await?;
    let account = account.ok_or_else(|| ApiProblem::not_found("account", &id))?;
    let mut shown: Map<String, Value> = profile_view::who(&account.key);
    shown.extend(profile_view::facts(&account, &state.engine.definitions()));
    shown.insert("users".into(), account.users.known.into());
    shown.insert("createdAt".into(), json!(account.created_at));
    shown.insert("updatedAt".into(), json!(account.updated_at));
    Ok(HttpResponse::Ok().json(shown))
}
