//! Sources: where events come from, their write keys, and what has to be typed into what posts there.

mod edit;
mod lines;
mod one;

use actix_web::web;
use serde_json::{Value, json};

use super::back;
use super::chart::{self, Axis};
use super::page::{Answer, Refusal};
use super::texts::text;
use super::visit::Visit;
use crate::domain::definition::Source;
use crate::domain::figures::{Family, FigurePoint, Grain};
use crate::domain::time::Timestamp;
use crate::engine::EngineError;

/// Rows of a page.
const ROWS: usize = 50;
/// How many days back it is looked for the last event.
const DAYS: usize = 30;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/sources").route(web::get().to(list)))
        .service(
            web::resource("/sources/new").route(web::get().to(edit::new)).route(web::post().to(edit::make)),
        )
        .service(web::resource("/sources/{key}").route(web::get().to(one::show)))
        .service(
            web::resource("/sources/{key}/edit")
                .route(web::get().to(edit::show))
                .route(web::post().to(edit::change)),
        )
        .service(
            web::resource("/sources/{key}/rotate")
                .route(web::get().to(back::to_page))
                .route(web::post().to(one::rotate)),
        )
        .service(web::resource("/sources/{key}/end-previous").route(web::post().to(one::end_previous)));
}

async fn list(visit: Visit) -> Answer {
    let context = listed(&visit).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("sources.html", context))
}

async fn listed(visit: &Visit) -> Result<Value, EngineError> {
    let day = Axis::last_day(visit.now);
    let definitions = visit.engine().definitions();
    let all = definitions.sources.iter().map(|(key, source)| (key.as_str(), source));
    let (shown, next) = visit.rows(all, ROWS);
    let keys: Vec<&str> = shown.iter().map(|(key, _)| *key).collect();
    let accepted = points(visit, &keys, &day).await?;
    let last = last_events(visit, &keys).await?;
    let mut rows = Vec::new();
    for (((_, source), points), last) in shown.into_iter().zip(&accepted).zip(last) {
        let counts = day.counts(points);
        let sum: u64 = counts.iter().sum();
        rows.push(json!({
            "key": source.key,
            "kind": source.kind.as_str(),
            "accepted": sum,
            "spark": chart::spark(format!("{}: {sum}", text("sources.accepted_day")), &counts),
            "last": last,
            "signed": is_signed(source),
            "previous_until": source.valid_previous(visit.now).map(|previous| previous.until),
        }));
    }
    Ok(json!({ "rows": rows, "next": next }))
}

/// Whether posts have to be signed; `None` where nobody signs.
fn is_signed(source: &Source) -> Option<bool> {
    lines::can_be_signed(source.kind).then_some(!source.twilio_auth_tokens.is_empty())
}

/// What was taken in from each source.
async fn points(visit: &Visit, sources: &[&str], axis: &Axis) -> Result<Vec<Vec<FigurePoint>>, EngineError> {
    let wanted: Vec<_> = sources.iter().map(|source| (Family::Accepted, *source)).collect();
    visit.engine().figures_of(&wanted, axis.grain(), axis.from(), axis.to()).await
}

/// When the last event of each source was taken in, to the minute in the last hour, then to the hour.
async fn last_events(visit: &Visit, sources: &[&str]) -> Result<Vec<Option<Timestamp>>, EngineError> {
    let mut last = vec![None; sources.len()];
    for (grain, count) in [(Grain::Minute, 60), (Grain::Hour, 24), (Grain::Hour, 24 * DAYS)] {
        let missing: Vec<usize> = (0..sources.len()).filter(|place| last[*place].is_none()).collect();
        let of: Vec<&str> = missing.iter().map(|place| sources[*place]).collect();
        let found = points(visit, &of, &Axis::newest(grain, count, visit.now)).await?;
        for (place, points) in missing.into_iter().zip(found) {
            last[place] = points.iter().map(|point| point.start).max();
        }
    }
    Ok(last)
}
