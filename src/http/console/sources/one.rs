//! One source: what came from it, its write key, and what to type where. A write key is shown on the answer to its making, and
//! until something came with it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{ResponseError as _, web};
use serde_json::{Value, json};

use super::super::chart::{self, Axis, Series};
use super::super::form::Form;
use super::super::page::{Answer, Page, Refusal};
use super::super::render::segment;
use super::super::see;
use super::super::texts::{filled, text};
use super::super::visit::Visit;
use super::{is_signed, last_events, lines, points};
use crate::domain::definition::{Source, render};
use crate::domain::ingest::Code;
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::engine::EngineError;
use crate::http::api::write_keys;

/// How many refused posts are shown.
const REFUSED: usize = 5;

pub(super) async fn show(visit: Visit, key: web::Path<String>) -> Answer {
    let source = find(&visit, &key)?;
    page(&visit, &source, false).await
}

/// The page of a source whose write key was made just now, and is shown this once.
pub(super) async fn made(visit: &Visit, key: &str) -> Answer {
    let source = find(visit, key)?;
    page(visit, &source, true).await
}

fn find(visit: &Visit, key: &str) -> Result<Arc<Source>, Refusal> {
    let source = visit.engine().definitions().sources.get(key).cloned();
    source.ok_or_else(|| Refusal::not_found(visit, "source"))
}

/// The page of a source; with its write key only where that was made just now, or nothing came with it yet.
async fn page(visit: &Visit, source: &Source, is_made: bool) -> Answer {
    let context = context(visit, source, is_made).await.map_err(|error| Refusal::of(visit, error))?;
    Ok(visit.page("source.html", context))
}

/// The page of a source as it is, and why nothing was done to it.
async fn not_done(visit: &Visit, source: &Source, why: String) -> Answer {
    let mut context = context(visit, source, false).await.map_err(|error| Refusal::of(visit, error))?;
    context["problem"] = why.into();
    Ok(Page::new("source.html", context).status(StatusCode::CONFLICT).of(visit))
}

async fn context(visit: &Visit, source: &Source, is_made: bool) -> Result<Value, EngineError> {
    let own = [source.key.as_str()];
    let counts = async |axis: &Axis| {
        let points = points(visit, &own, axis).await?;
        Ok::<_, EngineError>(axis.counts(points.iter().flatten()))
    };
    let in_hour: u64 = counts(&Axis::last_hour(visit.now)).await?.iter().sum();
    let day = Axis::last_day(visit.now);
    let counts = counts(&day).await?;
    let in_day: u64 = counts.iter().sum();
    let series = [Series::new(source.key.clone(), counts)];
    let shown = render::source(source, false);
    let last = last_events(visit, &own).await?.pop().flatten();
    // As long as nothing came with it, somebody still has to copy it.
    let is_unused = last.is_none() && visit.caller.may(Scope::Define);
    let write_key = (is_made || is_unused).then_some(source.write_key.as_str());
    Ok(json!({
        "key": source.key,
        "kind": source.kind.as_str(),
        "problem": null,
        "masked": shown["write_key"],
        "write_key": write_key,
        "is_made": is_made,
        "previous_until": source.valid_previous(visit.now).map(|previous| previous.until),
        "days": limits::WRITE_KEY_CHANGE_OVER.millis() / 86_400_000,
        "properties": source.properties,
        "created_at": source.created_at,
        "updated_at": source.updated_at,
        "last": last,
        "in_hour": in_hour,
        "in_day": in_day,
        "chart": chart::columns(&text("sources.accepted"), &text("overview.per_hour"), &day, &series),
        "signed": is_signed(source),
        "tokens": source.twilio_auth_tokens.len(),
        "refused": refused(visit, source),
        "unsigned": Code::BadSignature.as_str(),
        "to_copy": lines::of(source.kind, visit.state.public_url.trim_end_matches('/'), write_key),
    }))
}

/// The newest posts that were refused, of those that are remembered.
fn refused(visit: &Visit, source: &Source) -> Vec<Value> {
    let all = visit.engine().debugger().rejections(usize::MAX);
    let own = all.iter().filter(|it| it.source.as_deref() == Some(&source.key)).take(REFUSED);
    own.map(|it| json!({ "id": it.id(), "at": it.at, "code": it.code, "message": it.message })).collect()
}

/// Makes another write key in place of the one that was on the page, and shows it. Not done twice by loading the page anew: while
/// the key before may be used, there is no other one.
pub(super) async fn rotate(visit: Visit, key: web::Path<String>, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::Define)?;
    let source = find(&visit, &key)?;
    if render::source(&source, false)["write_key"] != fields.text("seen") {
        return not_done(&visit, &source, text("source.other_key")).await;
    }
    let engine = visit.engine().acting(visit.caller.by());
    match write_keys::rotated(&engine, &key).await {
        Ok(rotated) => page(&visit, &rotated, true).await,
        Err(problem) if problem.status_code() == StatusCode::CONFLICT => {
            let why = filled("journey.not_done", &[("why", &problem.in_words())]);
            let source = find(&visit, &key)?;
            not_done(&visit, &source, why).await
        }
        Err(problem) => Err(Refusal::of(&visit, problem)),
    }
}

pub(super) async fn end_previous(visit: Visit, key: web::Path<String>, form: Form) -> Answer {
    form.admitted(&visit, Scope::Define)?;
    let engine = visit.engine().acting(visit.caller.by());
    write_keys::previous_ended(&engine, &key).await.map_err(|problem| Refusal::of(&visit, problem))?;
    Ok(see(&format!("/console/sources/{}?said=previous_key_ended", segment(&key))))
}
