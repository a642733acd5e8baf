//! Sources: where events come from, their write keys, and what has to be typed into what posts there.

mod edit;
mod lines;
mod one;

use actix_web::web;
use serde_json::{Value, json};

use super::chart::{self, Axis};
use super::page::{Answer, Refusal};
use super::texts::text;
use super::visit::Visit;
use crate::domain::definition::Source;
use crate::domain::figures::{Family, FigurePoint, Grain};
use crate::domain::time::Timestamp;
use crate::engine::EngineError;

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
        .service(web::resource("/sources/{key}/rotate").route(web::post().to(one::rotate)))
        .service(web::resource("/sources/{key}/end-previous").route(web::post().to(one::end_previous)));
}

async fn list(visit: Visit) -> Answer {
    let rows = rows(&visit).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("sources.html", json!({ "rows": rows })))
}

async fn rows(visit: &Visit) -> Result<Vec<Value>, EngineError> {
    let day = Axis::newest(Grain::Hour, 24, visit.now);
    let definitions = visit.engine().definitions();
    let keys: Vec<&str> = definitions.sources.keys().map(String::as_str).collect();
    let accepted = points(visit, &keys, &day).await?;
    let last = last_events(visit, &keys).await?;
    let mut rows = Vec::new();
    for ((source, points), last) in definitions.sources.values().zip(&accepted).zip(last) {
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
    Ok(rows)
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
