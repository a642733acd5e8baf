//! One source: what came from it, its write key, and what to type where. A write key is shown once: on the answer to its making.

use actix_web::web;
use serde_json::{Value, json};

use super::super::chart::{self, Axis, Series};
use super::super::form::Form;
use super::super::page::{Answer, Refusal};
use super::super::render::segment;
use super::super::see;
use super::super::texts::text;
use super::super::visit::Visit;
use super::{is_signed, last_events, lines, points};
use crate::domain::definition::{Source, render};
use crate::domain::figures::Grain;
use crate::domain::ingest::Code;
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::engine::EngineError;
use crate::http::api::write_keys;

/// How many refused posts are shown.
const REFUSED: usize = 5;

pub(super) async fn show(visit: Visit, key: web::Path<String>) -> Answer {
    page(&visit, &key, false).await
}

/// The page of a source; with its write key only where that was made just now.
pub(super) async fn page(visit: &Visit, key: &str, shows_key: bool) -> Answer {
    let source = visit.engine().definitions().sources.get(key).cloned();
    let source = source.ok_or_else(|| Refusal::not_found(visit, "source"))?;
    let context = context(visit, &source, shows_key).await.map_err(|error| Refusal::of(visit, error))?;
    Ok(visit.page("source.html", context))
}

async fn context(visit: &Visit, source: &Source, shows_key: bool) -> Result<Value, EngineError> {
    let own = [source.key.as_str()];
    let counts = async |axis: &Axis| {
        let points = points(visit, &own, axis).await?;
        Ok::<_, EngineError>(axis.counts(points.iter().flatten()))
    };
    let in_hour: u64 = counts(&Axis::newest(Grain::Minute, 60, visit.now)).await?.iter().sum();
    let day = Axis::newest(Grain::Hour, 24, visit.now);
    let counts = counts(&day).await?;
    let in_day: u64 = counts.iter().sum();
    let series = [Series::new(source.key.clone(), counts)];
    let shown = render::source(source, false);
    let write_key = shows_key.then_some(source.write_key.as_str());
    Ok(json!({
        "key": source.key,
        "kind": source.kind.as_str(),
        "masked": shown["write_key"],
        "write_key": write_key,
        "previous_until": source.valid_previous(visit.now).map(|previous| previous.until),
        "days": limits::WRITE_KEY_CHANGE_OVER.millis() / 86_400_000,
        "properties": source.properties,
        "created_at": source.created_at,
        "updated_at": source.updated_at,
        "last": last_events(visit, &own).await?.pop().flatten(),
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

/// Makes another write key and shows it. Not done twice by loading the page anew: while the key before may be used, there is no
/// other one.
pub(super) async fn rotate(visit: Visit, key: web::Path<String>, form: Form) -> Answer {
    form.admitted(&visit, Scope::Define)?;
    let engine = visit.engine().acting(visit.caller.by());
    write_keys::rotated(&engine, &key).await.map_err(|problem| Refusal::of(&visit, problem))?;
    page(&visit, &key, true).await
}

pub(super) async fn end_previous(visit: Visit, key: web::Path<String>, form: Form) -> Answer {
    form.admitted(&visit, Scope::Define)?;
    let engine = visit.engine().acting(visit.caller.by());
    write_keys::previous_ended(&engine, &key).await.map_err(|problem| Refusal::of(&visit, problem))?;
    Ok(see(&format!("/console/sources/{}?said=previous_key_ended", segment(&key))))
}
