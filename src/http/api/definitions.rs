//! `/api/{sources,teams,flows,destinations,audiences,traits}` and `/api/apply`: what the people who run stagepost tell it to do.
//!
//! The six kinds have the same calls; they differ only in their reading and showing, which the domain does.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use super::body::Body;
use super::destinations;
use super::endpoint::Endpoint;
use super::params::{NoParams, Params};
use super::state::ApiState;
use crate::domain::definition::render::Shown;
use crate::domain::definition::{
    Computation, Definition, Destination, Kind, Problem, Team, document, render,
};
use crate::domain::ids::{Desk, UserKey};
use crate::domain::people::Scope;
use crate::engine::{ApplyOptions, ApplyReport, Counts, Engine, EngineError};
use crate::http::caller::Caller;
use crate::http::problem::{ApiProblem, Code};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = vec![Endpoint::at("/api/apply").post(Scope::Define, apply)];
    for kind in Kind::ALL {
        let (all, single) = paths(kind);
        let scope = scope(kind);
        let list_all = move |state: web::Data<ApiState>, caller: Caller, _: NoParams| async move {
            list(&state, &caller, kind).await
        };
        let get = move |state: web::Data<ApiState>, caller: Caller, key: web::Path<String>, _: NoParams| async move {
            get(&state.engine, &caller, kind, &key).await
        };
        let put = move |state: web::Data<ApiState>,
                        caller: Caller,
                        key: web::Path<String>,
                        request: HttpRequest,
                        body: Body| async move {
            put(&state.engine, &caller, (kind, &key), &request, &body).await
        };
        let delete = move |state: web::Data<ApiState>,
                           caller: Caller,
                           key: web::Path<String>,
                           request: HttpRequest| async move {
            delete(&state.engine, &caller, (kind, &key), &request).await
        };
        let mut collection = Endpoint::at(all).get(list_all);
        if matches!(kind, Kind::Audience | Kind::Trait) {
            // Only a computation's key comes from its name; the others are put where their key says.
            let create = move |state: web::Data<ApiState>,
                               caller: Caller,
                               request: HttpRequest,
                               body: Body| async move {
                create(&state.engine, &caller, kind, &request, &body).await
            };
            collection = collection.post(scope, create);
        }
        endpoints.push(collection);
        endpoints.push(Endpoint::at(single).get(get).put(scope, put).delete(scope, delete));
    }
    endpoints
}

/// What whoever defines one has to be allowed.
fn scope(kind: Kind) -> Scope {
    match kind {
        Kind::Audience | Kind::Trait => Scope::Audiences,
        Kind::Source | Kind::Team | Kind::Flow | Kind::Destination => Scope::Define,
    }
}

fn paths(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Source => ("/api/sources", "/api/sources/{key}"),
        Kind::Team => ("/api/teams", "/api/teams/{key}"),
        Kind::Flow => ("/api/flows", "/api/flows/{name}"),
        Kind::Destination => ("/api/destinations", "/api/destinations/{key}"),
        Kind::Audience => ("/api/audiences", "/api/audiences/{key}"),
        Kind::Trait => ("/api/traits", "/api/traits/{key}"),
    }
}

async fn list(state: &ApiState, caller: &Caller, kind: Kind) -> Answer {
    let engine = &state.engine;
    let (definitions, counts) = (engine.definitions(), counts(engine, kind).await?);
    let rows: Vec<Value> = match kind {
        Kind::Source => {
            let shows_keys = caller.may(Scope::Define);
            definitions.sources.values().map(|source| render::source(source, shows_keys)).collect()
        }
        Kind::Team => definitions.teams.values().map(|team| render::team(team)).collect(),
        Kind::Flow => {
            let unknown = engine.unknown_flows().await?;
            let unknown = unknown.iter().map(|name| json!({ "name": name, "configured": false }));
            definitions.flows.values().map(|flow| render::flow(flow)).chain(unknown).collect()
        }
        Kind::Destination => {
            definitions.destinations.values().map(|it| with_health(engine, it, &counts)).collect()
        }
        Kind::Audience => definitions
            .audiences
            .values()
            .map(|it| render::computation(it, &beside(engine, it, &counts)))
            .collect(),
        Kind::Trait => definitions
            .traits
            .values()
            .map(|it| render::computation(it, &beside(engine, it, &counts)))
            .collect(),
    };
    Ok(HttpResponse::Ok().json(json!({ plural(kind): rows })))
}

async fn get(engine: &Engine, caller: &Caller, kind: Kind, key: &str) -> Answer {
    Ok(HttpResponse::Ok().json(show(engine, caller, kind, key).await?))
}

async fn put(
    engine: &Engine,
    caller: &Caller,
    (kind, key): (Kind, &str),
    request: &HttpRequest,
    body: &Body,
) -> Answer {
    let params = Params::read(request, &["literal"])?;
    let wanted = read_one(kind, Some(key), &written(body, &params)?)?;
    let report = apply_one(&engine.acting(caller.by()), wanted).await?;
    let shown = show(engine, caller, kind, key).await?;
    let mut answer = if report.created.is_empty() { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(answer.json(shown))
}

async fn delete(
    engine: &Engine,
    caller: &Caller,
    (kind, key): (Kind, &str),
    request: &HttpRequest,
) -> Answer {
    // Only an audience has members to be told that they are out.
    let known: &[&str] = if kind == Kind::Audience { &["exit"] } else { &[] };
    let params = Params::read(request, known)?;
    let exit = kind == Kind::Audience && params.flag("exit")?;
    engine.acting(caller.by()).remove(kind, key, exit).await?;
    if !exit {
        return Ok(HttpResponse::NoContent().finish());
    }
    Ok(match show(engine, caller, kind, key).await {
        Ok(leaving) => HttpResponse::Accepted().json(leaving),
        Err(_) => HttpResponse::NoContent().finish(),
    })
}

async fn create(engine: &Engine, caller: &Caller, kind: Kind, request: &HttpRequest, body: &Body) -> Answer {
    let params = Params::read(request, &["literal"])?;
    let wanted = read_one(kind, None, &written(body, &params)?)?;
    let key = wanted.key().to_owned();
    let plural = plural(kind);
    if engine.definitions().get(kind, &key).is_some() {
        let what = kind.as_str();
        let detail =
            format!("there is {} {what} `{key}` already; PUT /api/{plural}/{key} changes it", article(what));
        return Err(ApiProblem::new(Code::Conflict, detail));
    }
    apply_one(&engine.acting(caller.by()), wanted).await?;
    let shown = show(engine, caller, kind, &key).await?;
    Ok(HttpResponse::Created().insert_header(("Location", format!("/api/{plural}/{key}"))).json(shown))
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

async fn apply(state: web::Data<ApiState>, caller: Caller, request: HttpRequest, body: Body) -> Answer {
    let params = Params::read(&request, &["dry_run", "prune", "literal"])?;
    let options = ApplyOptions { prune: params.flag("prune")?, dry_run: params.flag("dry_run")? };
    let wanted = document::read(&written(&body, &params)?)
        .map_err(|problems| ApiProblem::fields(Code::InvalidDefinition, problems))?;
    let report = state.engine.acting(caller.by()).apply(wanted, options).await?;
    Ok(HttpResponse::Ok().json(json!({
        "created": report.created,
        "changed": report.changed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "dryRun": options.dry_run,
    })))
}

/// Applies one definition. Fields that are wrong are named as in its own body, not as in a document.
pub(in crate::http) async fn apply_one(
    engine: &Engine,
    wanted: Definition,
) -> Result<ApplyReport, ApiProblem> {
    let place = format!("{}[0]", wanted.kind().as_str());
    engine.apply(vec![wanted], ApplyOptions::default()).await.map_err(|error| match error {
        EngineError::Invalid(problems) => {
            let problems = problems.into_iter().map(|problem| without_place(problem, &place)).collect();
            EngineError::Invalid(problems).into()
        }
        other => other.into(),
    })
}

fn without_place(problem: Problem, place: &str) -> Problem {
    match problem.field.strip_prefix(place) {
        Some(rest) => Problem::new(rest.trim_start_matches('.'), problem.message),
        None => problem,
    }
}

/// What was written, in which no variable of a file was left over; unless the caller says that its texts are literal.
fn written(body: &Body, params: &Params) -> Result<Value, ApiProblem> {
    let written = body.json()?;
    let problems = if params.flag("literal")? { Vec::new() } else { document::unreplaced(&written) };
    if problems.is_empty() { Ok(written) } else { Err(ApiProblem::fields(Code::InvalidDefinition, problems)) }
}

/// Reads one definition as it is put.
pub(in crate::http) fn read_one(
    kind: Kind,
    key: Option<&str>,
    body: &Value,
) -> Result<Definition, ApiProblem> {
    document::read_one(kind, key, body)
        .map_err(|problems| ApiProblem::fields(Code::InvalidDefinition, problems))
}

/// One definition as it is in force, or that there is none.
async fn show(engine: &Engine, caller: &Caller, kind: Kind, key: &str) -> Result<Value, ApiProblem> {
    let definitions = engine.definitions();
    if let Some(found) = definitions.get(kind, key) {
        let counts = counts(engine, kind).await?;
        if let Definition::Destination(destination) = &found {
            return Ok(with_health(engine, destination, &counts));
        }
        if let Definition::Team(team) = &found {
            return with_desk(engine, team).await;
        }
        let shown = found.computation().map(|it| beside(engine, it, &counts)).unwrap_or_default();
        let shown = Shown { write_keys: caller.may(Scope::Define), ..shown };
        return Ok(render::definition(&found, &shown));
    }
    if kind == Kind::Flow && engine.unknown_flows().await?.iter().any(|name| name == key) {
        return Ok(json!({ "name": key, "configured": false }));
    }
    Err(ApiProblem::not_found(kind.as_str(), key))
}

/// A team, with when its next summary is due and who wants none any more.
async fn with_desk(engine: &Engine, team: &Team) -> Result<Value, ApiProblem> {
    let mut shown = render::team(team);
    let profile = engine.profile(&UserKey::desk(&Desk::Team(&team.key))).await?;
    let Some(profile) = profile else { return Ok(shown) };
    if let Some(next) = profile.wake_at {
        shown["nextSummaryAt"] = json!(next);
    }
    if let Some(desk) = profile.desk.filter(|desk| !desk.unsubscribed.is_empty()) {
        shown["unsubscribed"] = json!(desk.unsubscribed);
    }
    Ok(shown)
}

/// A destination, with how it fares and what stands in its queue.
fn with_health(engine: &Engine, destination: &Destination, counts: &Counts) -> Value {
    let mut shown = render::destination(destination);
    shown["health"] = destinations::shown(engine.healths().get(&destination.key));
    shown["queue"] = destinations::queue(counts, &destination.key);
    shown
}

/// What is shown beside a computation.
pub(in crate::http) fn beside(engine: &Engine, computation: &Computation, counts: &Counts) -> Shown {
    let size = counts.members.get(&computation.id).copied().unwrap_or(0);
    let backfills = engine.backfills();
    let backfill = backfills.iter().find(|it| it.computations.iter().any(|of| of.id == computation.id));
    let progress = backfill.map(|it| {
        json!({
            "phase": it.phase_name(),
            "eventsRead": it.events_read,
            "eventsTotal": it.events_total,
            "profilesDone": it.profiles_done,
            "profilesTotal": it.profiles_total,
            "startedAt": it.started_at,
        })
    });
    Shown { size, progress, ..Shown::default() }
}

/// Only audiences and destinations show counts.
async fn counts(engine: &Engine, kind: Kind) -> Result<Counts, EngineError> {
    match kind {
        Kind::Audience | Kind::Destination => engine.counts().await,
        Kind::Source | Kind::Team | Kind::Flow | Kind::Trait => Ok(Counts::default()),
    }
}

/// The name of the list in answers.
fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Source => "sources",
        Kind::Team => "teams",
        Kind::Flow => "flows",
        Kind::Destination => "destinations",
        Kind::Audience => "audiences",
        Kind::Trait => "traits",
    }
}
