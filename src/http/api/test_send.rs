//! `POST /api/destinations/{key}/test`: sends one call to a destination now, or only shows the request.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::Answer;
use super::body::{Body, Members};
use super::endpoint::Endpoint;
use super::params::Params;
use super::state::ApiState;
use crate::clock;
use crate::delivery::sample::{self, Sample};
use crate::delivery::sender::RealSender;
use crate::delivery::trial::{self, Trial};
use crate::domain::definition::{Destination, Source, SourceKind};
use crate::domain::delivery::EMAIL;
use crate::domain::event::Event;
use crate::domain::ids::{EventId, IdSource};
use crate::domain::ingest::segment::{self, CallType};
use crate::domain::ingest::{Arrival, IngestError};
use crate::domain::people::{Action, Deed, Scope};
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::http::caller::Caller;
use crate::http::problem::{ApiProblem, Code};

/// The types that there are samples of; the first is the one that is sent unless asked otherwise.
const TYPES: [&str; 6] = ["identify", "track", "page", "screen", "group", "alias"];
/// The members of the body; each says what to send, so there is at most one.
const WAYS: [&str; 3] = ["type", "event", "eventId"];
/// Longest text of `type` and `eventId`, in characters.
const LONGEST: usize = 64;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/destinations/{key}/test").post(Scope::Operate, test)]
}

async fn test(
    state: web::Data<ApiState>,
    caller: Caller,
    key: web::Path<String>,
    request: HttpRequest,
    body: Body,
) -> Answer {
    let dry_run = Params::read(&request, &["dry_run"])?.flag("dry_run")?;
    let wanted = body.optional_object(&WAYS)?;
    Ok(HttpResponse::Ok().json(try_wanted(&state, &caller, &key, &wanted, dry_run).await?))
}

/// Sends a sample of the type `wanted` now for that caller, or only makes its request; without a type, the first that the destination
/// is sent. Answers the attempt and what was sent, as the API shows them.
///
/// # Errors
/// There is no such destination or type, or nothing is sent just now.
pub(in crate::http) async fn try_out(
    state: &ApiState,
    caller: &Caller,
    key: &str,
    wanted: Option<&str>,
    dry_run: bool,
) -> Result<Value, ApiProblem> {
    let wanted = wanted.map(|name| ("type".to_owned(), name.into()));
    let wanted = Members::read(Value::Object(wanted.into_iter().collect()), &WAYS)?;
    try_wanted(state, caller, key, &wanted, dry_run).await
}

/// What `destination` would send of `wanted` (its `type` or `event`), whether or not it is defined; nothing is sent.
///
/// # Errors
/// There is no such sample, or nothing is sent just now.
pub(in crate::http) async fn map_out(
    state: &ApiState,
    destination: &Destination,
    wanted: Map<String, Value>,
) -> Result<Value, ApiProblem> {
    let wanted = Members::read(Value::Object(wanted), &WAYS)?;
    let sample = sample(&state.engine, destination, &wanted).await?;
    Ok(shown(&tester(state)?.test_of(destination, sample, true).await))
}

fn tester(state: &ApiState) -> Result<Arc<RealSender>, ApiProblem> {
    let tester = state.tester.as_ref().map(Arc::clone);
    tester.ok_or_else(|| ApiProblem::new(Code::Unavailable, "this server sends nothing just now"))
}

async fn try_wanted(
    state: &ApiState,
    caller: &Caller,
    key: &str,
    wanted: &Members,
    dry_run: bool,
) -> Result<Value, ApiProblem> {
    let definitions = state.engine.definitions();
    let destination = definitions.destinations.get(key).ok_or_else(|| unknown(key))?;
    let sample = sample(&state.engine, destination, wanted).await?;
    let trial = tester(state)?.test(key, sample, dry_run).await;
    let trial = trial.map_err(|refusal| ApiProblem::new(Code::Conflict, refusal))?;
    let shown = shown(&trial);
    if trial.sent {
        let outcome = json!({ "status": shown["status"], "httpStatus": shown["httpStatus"] });
        let deed = Deed::new(Action::Tested, format!("destination {key}")).to(outcome);
        if let Err(error) = state.engine.acting(caller.by()).tell(deed).await {
            // It was sent: what came of it is shown all the same.
            tracing::warn!(%error, key, "a test could not be written into the audit log");
        }
    }
    Ok(shown)
}

fn unknown(key: &str) -> ApiProblem {
    if key == EMAIL {
        ApiProblem::new(Code::Conflict, "mails have no test; only destinations that are defined have one")
    } else {
        ApiProblem::not_found("destination", key)
    }
}

/// What is to be sent.
async fn sample(engine: &Engine, destination: &Destination, wanted: &Members) -> Result<Sample, ApiProblem> {
    let given: Vec<&str> = WAYS.into_iter().filter(|name| wanted.get(name).is_some()).collect();
    if let [_, second, ..] = given.as_slice() {
        let problem = format!("only one of {} can be given", WAYS.join(", "));
        return Err(ApiProblem::field(Code::InvalidBody, *second, problem));
    }
    if let (Some(given), Some(_)) = (given.first(), destination.kind.twilio()) {
        let problem = "Twilio is sent no calls: its test reads the account, and takes nothing to send";
        return Err(ApiProblem::field(Code::InvalidBody, *given, problem));
    }
    let now = engine.clock().now();
    let mut ids = IdSource::new(clock::entropy());
    if let Some(event) = wanted.get("event") {
        return with_profile(engine, destination, given_event(event, &mut ids, now)?).await;
    }
    if let Some(id) = wanted.text("eventId", LONGEST)? {
        return with_profile(engine, destination, logged_event(engine, id).await?).await;
    }
    let mut of_type = |call_type| sample::call(call_type, &destination.key, &mut ids, now);
    let Some(name) = wanted.text("type", LONGEST)? else {
        // The first that the destination is sent; none, and the answer says why.
        let mut samples: Vec<Sample> =
            TYPES.into_iter().filter_map(CallType::by_name).map(&mut of_type).collect();
        let first = samples.iter().position(|sample| trial::is_sent(destination, sample)).unwrap_or_default();
        return Ok(samples.swap_remove(first));
    };
    let call_type = CallType::by_name(name).ok_or_else(|| {
        let problem = format!("`{name}` is not one of {}", TYPES.join(", "));
        ApiProblem::field(Code::InvalidBody, "type", problem)
    })?;
    Ok(of_type(call_type))
}

/// The same with what the destination is told of its user's profile.
async fn with_profile(
    engine: &Engine,
    destination: &Destination,
    mut sample: Sample,
) -> Result<Sample, ApiProblem> {
    let names = &destination.routing.profile_traits;
    if names.is_empty() {
        return Ok(sample);
    }
    if let Some(profile) = engine.profile(&sample.user).await? {
        let known =
            names.iter().filter_map(|name| Some((name.clone(), profile.trait_value(name)?.into_owned())));
        sample.traits = known.collect();
    }
    Ok(sample)
}

/// An event as a source would post it, held to the same rules.
fn given_event(event: &Value, ids: &mut IdSource, now: Timestamp) -> Result<Sample, ApiProblem> {
    let wrong = |field: &str, problem: &str| {
        let field = if field.is_empty() { "event".to_owned() } else { format!("event.{field}") };
        ApiProblem::field(Code::InvalidBody, field, problem)
    };
    let refused = |error: IngestError| wrong(error.field.as_deref().unwrap_or_default(), &error.message);
    let Value::Object(call) = event else {
        return Err(wrong("", "has to be an object: a call as sources post it"));
    };
    let name = call.get("type").and_then(Value::as_str).unwrap_or_default();
    let known = || format!("has to be one of {}", TYPES.join(", "));
    let call_type = CallType::by_name(name).ok_or_else(|| wrong("type", &known()))?;
    segment::check_size(event.to_string().len()).map_err(refused)?;
    let source = Source {
        key: "test".to_owned(),
        kind: SourceKind::Http,
        write_key: String::new(),
        previous_write_key: None,
        twilio_auth_tokens: Vec::new(),
        properties: None,
        created_at: now,
        updated_at: now,
    };
    let mut call = call.clone();
    segment::take_write_key(&mut call);
    let event =
        segment::event(call, call_type, &mut Arrival { source: &source, now, ids }).map_err(refused)?;
    Ok(Sample { source: None, ..as_sent(&event) })
}

async fn logged_event(engine: &Engine, id: &str) -> Result<Sample, ApiProblem> {
    let id: EventId = id
        .parse()
        .map_err(|_| ApiProblem::field(Code::InvalidBody, "eventId", "is not the id of an event"))?;
    let event = engine.event(id).await?.ok_or_else(|| ApiProblem::not_found("event", &id.to_string()))?;
    Ok(as_sent(&event))
}

fn as_sent(event: &Event) -> Sample {
    let source = Some(event.source.clone());
    Sample { user: event.user_key(), source, call: event.to_json(), traits: Map::new() }
}

/// The attempt as it would be kept, and what was sent.
fn shown(trial: &Trial) -> Value {
    let mut shown = match &trial.attempt {
        Some(attempt) => match json!(attempt) {
            Value::Object(members) => members,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Map::new()
            }
        },
        None => ["at", "status", "httpStatus", "durationMs", "responseSnippet", "error"]
            .map(|name| (name.to_owned(), Value::Null))
            .into_iter()
            .collect(),
    };
    shown.insert("sent".to_owned(), trial.sent.into());
    shown.insert("reason".to_owned(), trial.reason.clone().into());
    let request = match trial.requests.as_slice() {
        [] => Value::Null,
        [one] => json!(one),
        several => json!(several),
    };
    shown.insert("request".to_owned(), request);
    Value::Object(shown)
}
