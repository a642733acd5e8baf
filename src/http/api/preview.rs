//! `POST /api/audiences/preview`: whom a query would have now, and why. Nothing is stored.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::Answer;
use super::body::Body;
use super::params::NoParams;
use super::state::ApiState;
use crate::domain::query::{Finding, MAX_QUERY_BYTES, Query, Tally, Target};
use crate::engine::{Preview, Question, Sample};
use crate::http::problem::{ApiProblem, Code};
use crate::http::profile_view;

/// Longest word for a target.
const MAX_TARGET_BYTES: usize = 16;

pub(super) async fn preview(state: web::Data<ApiState>, _: NoParams, body: Body) -> Answer {
    let body = body.object(&["query", "target", "include_anonymous"])?;
    let Some(text) = body.text("query", MAX_QUERY_BYTES)? else {
        return Err(ApiProblem::field(Code::InvalidBody, "query", "is missing"));
    };
    let query = read(text)?;
    let target = match body.text("target", MAX_TARGET_BYTES)? {
        None => query.target(),
        Some("users") if query.target() == Target::Users => Target::Users,
        Some("accounts") => Target::Accounts,
        Some(_) => {
            let message = "is users or accounts; a query with ANY or ALL is about accounts";
            return Err(ApiProblem::field(Code::InvalidBody, "target", message));
        }
    };
    let include_anonymous = body.flag("include_anonymous")?;
    let found = ask(&state, Question { query, target, include_anonymous }).await?;
    let names: Vec<_> = found.sample.iter().map(|sample| profile_view::name(&sample.user)).collect();
    Ok(HttpResponse::Ok().json(json!({
        "count": found.count,
        "sample": names,
        "why": found.sample.iter().map(why).collect::<Vec<_>>(),
        "complete": found.complete,
        "tookMs": found.took_ms,
    })))
}

/// Asks who would be in; only a few previews are made at a time.
pub(in crate::http) async fn ask(state: &ApiState, question: Question) -> Result<Preview, ApiProblem> {
    let _permit = state
        .previews
        .try_acquire()
        .map_err(|_| ApiProblem::new(Code::Busy, "other previews are under way; try again in a moment"))?;
    Ok(state.engine.preview(question).await?)
}

/// An audience's query, or a computed trait's: that can be tried as well. Of the two errors, the one that came further tells
/// more about what was meant.
fn read(text: &str) -> Result<Query, ApiProblem> {
    let condition = match Query::parse(text) {
        Ok(query) => return Ok(query),
        Err(error) => error,
    };
    Query::parse_value(text).map_err(|value| {
        let error = if value.offset > condition.offset { value } else { condition };
        ApiProblem::query(&error, text)
    })
}

/// One of the sample, with what made him one.
fn why(sample: &Sample) -> Value {
    let leaves: Vec<_> =
        sample.leaves.iter().map(|(leaf, value)| json!({ "leaf": leaf, "value": value })).collect();
    let mut shown = profile_view::who(&sample.user);
    shown.insert("value".into(), sample.value.clone());
    if !sample.conditions.is_empty() {
        shown.insert("conditions".into(), sample.conditions.iter().map(condition).collect());
    }
    shown.insert("leaves".into(), leaves.into());
    shown.insert("traits".into(), sample.traits.iter().cloned().collect::<Map<_, _>>().into());
    if !sample.parts.is_empty() {
        let part =
            |(part, tally): &(String, Tally)| json!({ "part": part, "yes": tally.yes, "all": tally.all });
        shown.insert("parts".into(), sample.parts.iter().map(part).collect());
    }
    Value::Object(shown)
}

/// One condition of the query, and what it says of somebody.
fn condition(finding: &Finding) -> Value {
    json!({ "condition": finding.condition, "value": finding.value, "holds": finding.holds })
}
