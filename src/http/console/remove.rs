//! Deleting sources, destinations, flows and teams: first what that comes to, then the deed. Audiences have a page of their own, made
//! of the same template.

use actix_web::web;
use serde::Serialize;
use serde_json::json;

use super::chart::Axis;
use super::flows;
use super::form::Form;
use super::page::{Answer, Refusal};
use super::render::segment;
use super::see;
use super::texts::{filled, text};
use super::visit::Visit;
use crate::domain::definition::{Definition, Kind, plan};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::figures::{Family, Grain};
use crate::domain::people::Scope;
use crate::engine::EngineError;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let ask = |kind: Kind| {
        move |visit: Visit, key: web::Path<String>| async move { page(&visit, kind, &key).await }
    };
    let remove = |kind: Kind| {
        move |visit: Visit, key: web::Path<String>, form: Form| async move {
            post(&visit, kind, &key, &form).await
        }
    };
    let [source, destination, flow, team] = [Kind::Source, Kind::Destination, Kind::Flow, Kind::Team];
    config
        .service(
            web::resource("/sources/{key}/delete")
                .route(web::get().to(ask(source)))
                .route(web::post().to(remove(source))),
        )
        .service(
            web::resource("/destinations/{key}/delete")
                .route(web::get().to(ask(destination)))
                .route(web::post().to(remove(destination))),
        )
        .service(
            web::resource("/flows/{name}/delete")
                .route(web::get().to(ask(flow)))
                .route(web::post().to(remove(flow))),
        )
        .service(
            web::resource("/teams/{key}/delete")
                .route(web::get().to(ask(team)))
                .route(web::post().to(remove(team))),
        );
}

/// What is asked before something goes, as `delete.html` shows it.
#[derive(Debug, Serialize)]
pub(super) struct Question {
    /// What stands above it: addresses and names.
    pub crumbs: Vec<[String; 2]>,
    /// Where one goes who would rather not.
    pub back: String,
    pub title: String,
    pub consequences: Vec<String>,
    /// It is being done already.
    pub is_leaving: bool,
    /// Why it can't be done, in the API's words.
    pub needed: Option<String>,
    /// What is on the button.
    pub submit: String,
}

impl Question {
    /// Whether a definition is to be deleted that people know as `name`.
    pub fn of(visit: &Visit, kind: Kind, key: &str, name: &str, consequences: Vec<String>) -> Self {
        let title = text(&format!("{}.title", section(kind)));
        let (list, back) = (list(kind), place(kind, key));
        let mut crumbs = vec![[list.clone(), title]];
        if back != list {
            crumbs.push([back.clone(), name.to_owned()]);
        }
        Self {
            crumbs,
            back,
            title: filled("remove.title", &[("name", name)]),
            consequences,
            is_leaving: false,
            needed: plan::needed_by(&visit.engine().definitions(), kind, key),
            submit: filled("remove.submit", &[("what", &text(&format!("things.{}", kind.as_str())))]),
        }
    }
}

async fn page(visit: &Visit, kind: Kind, key: &str) -> Answer {
    visit.needs(Scope::Define)?;
    let definition = found(visit, kind, key)?;
    let consequences = consequences(visit, &definition).await.map_err(|error| Refusal::of(visit, error))?;
    Ok(visit.page("delete.html", json!(Question::of(visit, kind, key, key, consequences))))
}

/// Does it; what still refers to it is told in the API's words.
async fn post(visit: &Visit, kind: Kind, key: &str, form: &Form) -> Answer {
    form.admitted(visit, Scope::Define)?;
    found(visit, kind, key)?;
    let removed = visit.engine().acting(visit.caller.by()).remove(kind, key, false).await;
    removed.map_err(|error| Refusal::of(visit, error))?;
    Ok(see(&format!("{}?said=removed", list(kind))))
}

fn found(visit: &Visit, kind: Kind, key: &str) -> Result<Definition, Refusal> {
    visit.engine().definitions().get(kind, key).ok_or_else(|| Refusal::not_found(visit, kind.as_str()))
}

/// The section of `texts.toml`, which is the part of addresses, too.
fn section(kind: Kind) -> &'static str {
    match kind {
        Kind::Source => "sources",
        Kind::Destination => "destinations",
        Kind::Flow => "flows",
        Kind::Team => "teams",
        Kind::Audience => "audiences",
        Kind::Trait => "traits",
    }
}

fn list(kind: Kind) -> String {
    format!("/console/{}", section(kind))
}

/// Where it is shown: teams have no page of their own.
fn place(kind: Kind, key: &str) -> String {
    match kind {
        Kind::Team => list(kind),
        Kind::Source | Kind::Destination | Kind::Flow | Kind::Audience | Kind::Trait => {
            format!("{}/{}", list(kind), segment(key))
        }
    }
}

/// What deleting it comes to.
async fn consequences(visit: &Visit, definition: &Definition) -> Result<Vec<String>, EngineError> {
    match definition {
        Definition::Source(source) => of_source(visit, &source.key).await,
        Definition::Destination(destination) => of_destination(visit, &destination.key).await,
        Definition::Flow(flow) => of_flow(visit, &flow.name).await,
        Definition::Team(team) => {
            let summary =
                team.summary.as_ref().map(|it| filled("remove.summary", &[("to", &it.to.join(", "))]));
            Ok(summary.into_iter().chain([text("remove.rota")]).collect())
        }
        // These are deleted on a page of their own.
        Definition::Audience(_) | Definition::Trait(_) => Ok(Vec::new()),
    }
}

async fn of_source(visit: &Visit, key: &str) -> Result<Vec<String>, EngineError> {
    let day = Axis::newest(Grain::Hour, 24, visit.now);
    let points = visit.engine().figures(Family::Accepted, key, day.grain(), day.from(), day.to()).await?;
    let taken_in: u64 = day.counts(&points).iter().sum();
    Ok(vec![
        counted("remove.posts_refused", taken_in),
        text("remove.events_stay"),
        text("remove.key_is_gone"),
    ])
}

async fn of_destination(visit: &Visit, key: &str) -> Result<Vec<String>, EngineError> {
    let counts = visit.engine().counts().await?;
    let of = |status: DeliveryStatus| {
        counts.deliveries.get(&(key.to_owned(), status.as_str())).copied().unwrap_or(0)
    };
    let (waiting, not_sent) =
        (of(DeliveryStatus::Pending), of(DeliveryStatus::Dead) + of(DeliveryStatus::Failed));
    let mut lines = vec![counted("remove.not_sent_any_more", waiting)];
    if not_sent > 0 {
        lines.push(counted("remove.not_replayed", not_sent));
    }
    lines.extend([text("remove.deliveries_stay"), text("remove.secrets_are_gone")]);
    Ok(lines)
}

async fn of_flow(visit: &Visit, name: &str) -> Result<Vec<String>, EngineError> {
    let standing = flows::standing_of(visit, &[name]).await?;
    let is_open = ["active", "stalled"];
    let open = standing.iter().flat_map(|of| is_open.map(|status| of[status].as_u64().unwrap_or(0))).sum();
    Ok(vec![
        counted("remove.nobody_is_told", open),
        text("remove.still_recorded"),
        text("remove.journeys_stay"),
    ])
}

fn counted(name: &str, count: u64) -> String {
    filled(name, &[("n", &count.to_string())])
}
