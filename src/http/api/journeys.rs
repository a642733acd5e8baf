//! `/api/journeys`: what became of whom, and an operator's word on it.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::body::{Body, Members};
use super::endpoint::Endpoint;
use super::params::{NoParams, Params};
use super::state::ApiState;
use super::{Answer, listed};
use crate::domain::definition::{Channel, Flow, Team};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::ids::{DeliveryId, JourneyId};
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus, Ladder, NextLevel, Note};
use crate::domain::limits;
use crate::domain::page::Order;
use crate::domain::people::Scope;
use crate::domain::time::{Span, SpanError, Timestamp};
use crate::engine::{By, Engine, EngineError, Operation};
use crate::http::caller::Caller;
use crate::http::problem::{ApiProblem, Code};

/// Who spoke, where he does not say.
const BY_DEFAULT: &str = "api";
/// Longest text of a time, in characters.
const MAX_TIME: usize = 64;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/journeys").get(list),
        Endpoint::at("/api/journeys/{id}").get(one),
        Endpoint::at("/api/journeys/{id}/acknowledge").post(Scope::Operate, acknowledge),
        Endpoint::at("/api/journeys/{id}/resolve").post(Scope::Operate, resolve),
        Endpoint::at("/api/journeys/{id}/snooze").post(Scope::Operate, snooze),
    ]
}

async fn list(state: web::Data<ApiState>, request: HttpRequest) -> Answer {
    let params =
        Params::read(&request, &["flow", "stage", "status", "userId", "from", "to", "limit", "cursor"])?;
    let (from, to) = params.range()?;
    let names = JourneyStatus::ALL.map(JourneyStatus::as_str);
    let filter = JourneyFilter {
        flow: params.owned("flow"),
        stage: params.owned("stage"),
        status: params.choice("status", &names, JourneyStatus::from_name)?,
        user: params.user(),
        from,
        to,
        order: Order::NewestFirst,
        looks: None,
    };
    let page = state.engine.journeys(&filter, &params.page()?).await?;
    let rows = show_all(&state.engine, &page.rows).await?;
    Ok(HttpResponse::Ok().json(listed("journeys", rows, page.cursor)))
}

async fn one(state: web::Data<ApiState>, id: web::Path<String>, _: NoParams) -> Answer {
    let found = state.engine.journey(parse_id(&id)?).await?;
    let journey = found.ok_or_else(|| ApiProblem::not_found("journey", &id))?;
    Ok(HttpResponse::Ok().json(show(&state.engine, &journey).await?))
}

async fn acknowledge(
    state: web::Data<ApiState>,
    caller: Caller,
    id: web::Path<String>,
    _: NoParams,
    body: Body,
) -> Answer {
    let words = body.optional_object(&["by", "reason"])?;
    operate(&state.engine, &caller, &id, Operation::Acknowledge { told_at: None }, &words).await
}

async fn resolve(
    state: web::Data<ApiState>,
    caller: Caller,
    id: web::Path<String>,
    _: NoParams,
    body: Body,
) -> Answer {
    let words = body.optional_object(&["by", "reason"])?;
    operate(&state.engine, &caller, &id, Operation::Resolve, &words).await
}

async fn snooze(
    state: web::Data<ApiState>,
    caller: Caller,
    id: web::Path<String>,
    _: NoParams,
    body: Body,
) -> Answer {
    let words = body.object(&["for", "until", "by", "reason"])?;
    let until = snoozed_until(&words, state.engine.clock().now())?;
    operate(&state.engine, &caller, &id, Operation::Snooze { until, told_at: None }, &words).await
}

/// Until when: `{"for": "1h"}` or `{"until": "2026-11-22T09:00:00Z"}`.
fn snoozed_until(words: &Members, now: Timestamp) -> Result<Timestamp, ApiProblem> {
    let refuse = |field: &str, message: String| ApiProblem::field(Code::InvalidBody, field, message);
    let (length, until) = (words.text("for", MAX_TIME)?, words.text("until", MAX_TIME)?);
    let (field, until) = match (length, until) {
        (Some(length), None) => {
            let length: Span = length.parse().map_err(|error: SpanError| refuse("for", error.to_string()))?;
            ("for", now.plus(length))
        }
        (None, Some(until)) => {
            let until = Timestamp::parse_lenient(until);
            (
                "until",
                until.ok_or_else(|| {
                    refuse("until", "is not an instant such as 2026-11-22T09:00:00Z".into())
                })?,
            )
        }
        _ => return Err(refuse("for", "give one of `for` (\"1h\") and `until` (an instant)".to_owned())),
    };
    if until <= now || until > now.plus(limits::MAX_SNOOZE) {
        return Err(refuse(field, format!("must end after now and within {}", limits::MAX_SNOOZE)));
    }
    Ok(until)
}

async fn operate(
    engine: &Engine,
    caller: &Caller,
    id: &str,
    operation: Operation,
    words: &Members,
) -> Answer {
    let who = caller.noted(words.text("by", limits::MAX_BY)?, BY_DEFAULT);
    let reason = words.text("reason", limits::MAX_REASON)?.unwrap_or_default();
    let by = By { who, reason: reason.to_owned(), via: caller.via() };
    let journey = engine.acting(caller.by()).operate(parse_id(id)?, operation, by).await?;
    Ok(HttpResponse::Ok().json(show(engine, &journey).await?))
}

/// A text that is no id names no journey.
fn parse_id(id: &str) -> Result<JourneyId, ApiProblem> {
    id.parse().map_err(|_| ApiProblem::not_found("journey", id))
}

/// Journeys as the API shows them: each escalation with the status that its delivery has now.
pub(in crate::http) async fn show_all(
    engine: &Engine,
    journeys: &[Journey],
) -> Result<Vec<Value>, EngineError> {
    let marks = journeys.iter().flat_map(|journey| &journey.escalations);
    let ids: Vec<DeliveryId> = marks.map(|mark| mark.delivery_id).collect();
    let statuses = engine.delivery_statuses(&ids).await?;
    Ok(journeys.iter().map(|journey| render(journey, &statuses)).collect())
}

/// One journey as the API shows it alone: also what its ladder does next, and when it is given up.
async fn show(engine: &Engine, journey: &Journey) -> Result<Value, EngineError> {
    let mut shown = show_all(engine, std::slice::from_ref(journey)).await?.remove(0);
    let definitions = engine.definitions();
    let flow = definitions.flows.get(&journey.flow).map(Arc::as_ref);
    let team = flow.and_then(|flow| definitions.teams.get(flow.team.as_ref()?)).map(Arc::as_ref);
    let (next_level, expires_at) = ahead(journey, flow, team, engine.clock().now());
    shown["nextLevel"] = next_level;
    shown["expiresAt"] = json!(journey.status.is_open().then_some(expires_at));
    Ok(shown)
}

/// What time alone brings a journey of that flow and team: its next level, null where none fires, and when it is given up.
pub(in crate::http) fn ahead(
    journey: &Journey,
    flow: Option<&Flow>,
    team: Option<&Team>,
    now: Timestamp,
) -> (Value, Timestamp) {
    let expires_at = journey.expires_at(flow, team);
    let ladder = flow.map(|flow| Ladder::new(journey, flow, team, now));
    // One that is planned for later than that never fires.
    let next = ladder.and_then(|ladder| ladder.next_level()).filter(|next| next.at < expires_at);
    (next.as_ref().map(next_level).into(), expires_at)
}

fn next_level(next: &NextLevel<'_>) -> Value {
    let channels: Vec<_> = next.actions.iter().map(Channel::as_str).collect();
    json!({ "level": next.number, "again": next.again, "at": next.at, "channels": channels })
}

fn render(journey: &Journey, statuses: &HashMap<DeliveryId, DeliveryStatus>) -> Value {
    let escalations: Vec<_> = journey
        .escalations
        .iter()
        .map(|escalation| {
            let status = statuses.get(&escalation.delivery_id).copied().map(DeliveryStatus::as_str);
            json!({
                "level": escalation.level,
                "again": escalation.again,
                "stage": escalation.stage,
                "channel": escalation.channel,
                "at": escalation.at,
                "deliveryId": escalation.delivery_id,
                "status": status,
                "receipt": escalation.receipt.as_ref().map(|receipt| {
                    json!({ "status": receipt.status, "reached": receipt.reached, "at": receipt.at })
                }),
            })
        })
        .collect();
    let steps: Vec<_> = journey
        .steps
        .iter()
        .map(|step| {
            json!({
                "stage": step.stage,
                "at": step.at,
                "receivedAt": step.received_at,
                "messageId": step.message_id,
            })
        })
        .collect();
    let acknowledgements = journey.acknowledged.iter();
    let acknowledgements: Vec<_> = acknowledgements
        .map(|known| word(&known.note, json!({ "stage": known.stage, "stageAt": known.stage_at })))
        .collect();
    let snoozes = journey.snoozes.iter().map(|known| {
        let of = json!({ "stage": known.stage, "stageAt": known.stage_at, "until": known.until });
        word(&known.note, of)
    });
    let snoozes: Vec<_> = snoozes.collect();
    json!({
        "id": journey.id,
        "userId": journey.user.user_id(),
        "anonymousId": journey.user.anonymous_id(),
        "phoneNumber": journey.phone_number,
        "flow": journey.flow,
        "stage": journey.stage,
        "status": journey.status.as_str(),
        "executionSid": journey.execution_sid,
        "startedAt": journey.started_at,
        "updatedAt": journey.updated_at,
        "endedAt": journey.ended_at,
        "steps": steps,
        "stepsLeftOut": journey.steps_left_out,
        "escalations": escalations,
        "acknowledged": journey.acknowledged.last().map(|known| word(&known.note, json!({}))),
        "acknowledgements": acknowledgements,
        "snoozes": snoozes,
        "died": journey.died.as_ref().map(|death| json!({ "at": death.at, "reason": death.reason })),
        "resolved": journey.resolved.as_ref().map(|note| word(note, json!({}))),
    })
}

/// An operator's word, beside what it is of.
fn word(note: &Note, mut of: Value) -> Value {
    of["by"] = json!(note.by);
    of["reason"] = json!(note.reason);
    of["at"] = json!(note.at);
    of["via"] = json!(note.via);
    of
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::journey::{Escalation, Step};
    use crate::domain::test_journeys;

    #[test]
    fn a_journey_is_shown_with_the_status_of_its_deliveries() {
        let at = Timestamp::from_millis(1_790_000_000_000);
        let delivery_id = DeliveryId::floor(at);
        let journey = Journey {
            steps: vec![Step {
                stage: "no_reply".to_owned(),
                at,
                received_at: at,
                message_id: "m".to_owned(),
            }],
            escalations: vec![Escalation {
                again: 0,
                moved_by: 0,
                receipt: None,
                key: crate::domain::definition::LevelKey { after: Span::from_secs(1800), twin: 0 },
                stage: "no_reply".to_owned(),
                level: 1,
                channel: "email".to_owned(),
                at,
                delivery_id,
            }],
            ..test_journeys::journey("f", "no_reply", at)
        };
        let shown = render(&journey, &HashMap::from([(delivery_id, DeliveryStatus::Delivered)]));
        assert_eq!(shown["userId"], "u1");
        assert_eq!(shown["executionSid"], Value::Null);
        assert_eq!(shown["steps"][0]["receivedAt"], at.to_rfc3339());
        assert_eq!(shown["escalations"][0]["status"], "delivered");
        assert_eq!(shown["escalations"][0]["deliveryId"], delivery_id.to_string());
        assert_eq!(render(&journey, &HashMap::new())["escalations"][0]["status"], Value::Null);
    }
}
