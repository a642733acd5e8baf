//! What an audience has beside its definition: its members, a first try of its query, and making one by its name.

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{Stream, stream};
use serde_json::{Map, Value, json};

use super::body::Body;
use super::endpoint::Endpoint;
use super::params::{NoParams, Params};
use super::state::ApiState;
use super::{Answer, csv, listed};
use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::query::{MAX_QUERY_BYTES, Query, Target};
use crate::engine::{Engine, EngineError, Member, Question, Sample};
use crate::http::problem::{ApiProblem, Code};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        // An audience may have the key `preview`; it can't be posted to.
        Endpoint::at("/api/audiences/preview").post(preview).yielding(),
        Endpoint::at("/api/audiences/{key}/members").get(members),
        Endpoint::at("/api/audiences/{key}/members.csv").get(members_csv),
    ]
}

async fn preview(state: web::Data<ApiState>, _: NoParams, body: Body) -> Answer {
    let body = body.object(&["query", "target", "include_anonymous"])?;
    let Some(text) = body.text("query", MAX_QUERY_BYTES)? else {
        return Err(ApiProblem::field(Code::InvalidBody, "query", "is missing"));
    };
    // A computed trait can be tried as well: whose it is, and with which values.
    let query = Query::parse(text).or_else(|error| Query::parse_value(text).map_err(|_| error));
    let query = query.map_err(|error| ApiProblem::query(&error, text))?;
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
    let _permit = state
        .previews
        .try_acquire()
        .map_err(|_| ApiProblem::new(Code::Busy, "other previews are under way; try again in a moment"))?;
    let found = state.engine.preview(Question { query, target, include_anonymous }).await?;
    let sample: Vec<_> = found.sample.iter().map(|sample| name(&sample.user)).collect();
    let why: Vec<_> = found.sample.iter().map(why).collect();
    Ok(HttpResponse::Ok().json(json!({
        "count": found.count,
        "sample": sample,
        "why": why,
        "complete": found.complete,
        "tookMs": found.took_ms,
    })))
}

/// Longest word for a target.
const MAX_TARGET_BYTES: usize = 16;

/// One of the sample, with what made him one.
fn why(sample: &Sample) -> Value {
    let leaves: Vec<_> =
        sample.leaves.iter().map(|(leaf, value)| json!({ "leaf": leaf, "value": value })).collect();
    let traits: Map<String, Value> = sample.traits.iter().cloned().collect();
    json!({ "userId": name(&sample.user), "value": sample.value, "leaves": leaves, "traits": traits })
}

async fn members(state: web::Data<ApiState>, key: web::Path<String>, request: HttpRequest) -> Answer {
    let page = Params::read(&request, &["limit", "cursor"])?.page()?;
    let id = audience_id(&state.engine, &key)?;
    let page = state.engine.members(&id, &page).await?.map(|member| render(&member));
    Ok(HttpResponse::Ok().json(listed("members", page.rows, page.cursor)))
}

fn render(member: &Member) -> Value {
    let mut shown = json!({ "userId": member.user.user_id(), "since": member.since });
    if let Some(anonymous) = member.user.anonymous_id() {
        shown["anonymousId"] = anonymous.into();
    }
    if let Some(group) = member.user.group_id() {
        shown["groupId"] = group.into();
    }
    shown
}

async fn members_csv(state: web::Data<ApiState>, key: web::Path<String>, _: NoParams) -> Answer {
    let id = audience_id(&state.engine, &key)?;
    // The first page is read before anything is answered, so that what fails at once is a proper error.
    let first = state.engine.members(&id, &PageRequest { limit: limits::MAX_PAGE, cursor: None }).await?;
    let rows = csv_pages(state.engine.clone(), id, first);
    // A key has no character that would need quoting here.
    let file = format!("attachment; filename=\"{key}.csv\"");
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", file))
        .streaming(rows))
}

/// The file, a page at a time: memory does not grow with the audience. An error ends the connection in the middle, so
/// that nobody takes a part for the whole.
fn csv_pages(
    engine: Engine,
    id: String,
    first: Page<Member>,
) -> impl Stream<Item = Result<Bytes, EngineError>> + 'static {
    struct Reading {
        page: Option<Page<Member>>,
        cursor: Option<String>,
        header: bool,
    }
    let start = Reading { page: Some(first), cursor: None, header: true };
    stream::try_unfold((engine, id, start), |(engine, id, mut reading)| async move {
        let page = match (reading.page.take(), reading.cursor.take()) {
            (Some(page), _) => page,
            (None, Some(cursor)) => {
                engine.members(&id, &PageRequest { limit: limits::MAX_PAGE, cursor: Some(cursor) }).await?
            }
            (None, None) => return Ok(None),
        };
        let mut text = String::new();
        if std::mem::take(&mut reading.header) {
            text.push_str("user_id,since\n");
        }
        for member in &page.rows {
            csv::row(&mut text, &[&name(&member.user), &member.since.to_rfc3339()]);
        }
        reading.cursor = page.cursor;
        Ok(Some((Bytes::from(text), (engine, id, reading))))
    })
}

/// A user in one word: his id, or for somebody without one `anonymous:<anonymousId>`.
fn name(user: &UserKey) -> String {
    match (user.user_id().or(user.group_id()), user.anonymous_id()) {
        (Some(id), _) => id.to_owned(),
        (None, anonymous) => format!("anonymous:{}", anonymous.unwrap_or_default()),
    }
}

fn audience_id(engine: &Engine, key: &str) -> Result<String, ApiProblem> {
    let definitions = engine.definitions();
    let audience = definitions.audiences.get(key).ok_or_else(|| ApiProblem::not_found("audience", key))?;
    Ok(audience.id.clone())
}
