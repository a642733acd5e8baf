//! `/api/deliveries`: everything that left or is to leave, and putting it back into the queue.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::params::{NoParams, Params};
use super::state::ApiState;
use super::{Answer, listed};
use crate::domain::delivery::{Cause, Delivery, DeliveryFilter, DeliveryStatus, Payload, Receipt};
use crate::domain::ids::DeliveryId;
use crate::domain::people::Scope;
use crate::http::caller::Caller;
use crate::http::problem::ApiProblem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/deliveries").get(list),
        Endpoint::at("/api/deliveries/{id}").get(one),
        Endpoint::at("/api/deliveries/{id}/replay").post(Scope::Operate, replay),
    ]
}

async fn list(state: web::Data<ApiState>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &[&FILTER[..], &["limit", "cursor"]].concat())?;
    let filter = filter(&params, &DeliveryStatus::ALL)?;
    let page = state.engine.deliveries(&filter, &params.page()?).await?.map(|delivery| summary(&delivery));
    Ok(HttpResponse::Ok().json(listed("deliveries", page.rows, page.cursor)))
}

/// The parameters that say which deliveries are meant.
pub(super) const FILTER: [&str; 7] = ["destination", "status", "userId", "since", "until", "httpStatus", "q"];

/// Which deliveries the parameters mean; the status is one of `statuses`.
pub(super) fn filter(params: &Params, statuses: &[DeliveryStatus]) -> Result<DeliveryFilter, ApiProblem> {
    let names: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    let read = |name: &str| DeliveryStatus::from_name(name).filter(|status| statuses.contains(status));
    Ok(DeliveryFilter {
        destination: params.owned("destination"),
        status: params.choice("status", &names, read)?,
        user: params.user(),
        since: params.time("since")?,
        until: params.time("until")?,
        http_status: params.number("httpStatus", 100, 999)?,
        text: params.owned("q"),
        looks: None,
    })
}

async fn one(state: web::Data<ApiState>, id: web::Path<String>, _: NoParams) -> Answer {
    let found = state.engine.delivery(parse_id(&id)?).await?;
    let delivery = found.ok_or_else(|| ApiProblem::not_found("delivery", &id))?;
    Ok(HttpResponse::Ok().json(whole(&delivery)))
}

async fn replay(state: web::Data<ApiState>, caller: Caller, id: web::Path<String>, _: NoParams) -> Answer {
    state.engine.acting(caller.by()).replay_one(parse_id(&id)?).await?;
    Ok(HttpResponse::Accepted().json(json!({ "replayed": 1 })))
}

/// A text that is no id names no delivery.
fn parse_id(id: &str) -> Result<DeliveryId, ApiProblem> {
    id.parse().map_err(|_| ApiProblem::not_found("delivery", id))
}

/// A delivery as lists show it: with the newest attempt only, without what is sent.
pub(in crate::http) fn summary(delivery: &Delivery) -> Value {
    let waits = delivery.status == DeliveryStatus::Pending;
    json!({
        "id": delivery.id,
        "destination": delivery.destination,
        "userId": delivery.user.user_id(),
        "anonymousId": delivery.user.anonymous_id(),
        "messageId": delivery.message_id,
        "kind": kind(&delivery.payload),
        "cause": cause(&delivery.cause),
        "status": delivery.status.as_str(),
        "createdAt": delivery.created_at,
        "updatedAt": delivery.updated_at,
        "nextAttemptAt": waits.then_some(delivery.next_attempt_at),
        "tries": delivery.tries,
        "replays": delivery.replays,
        "reason": delivery.reason,
        "supersededBy": delivery.superseded_by,
        "lastAttempt": delivery.attempts.last(),
        "receipt": delivery.receipt.as_ref().map(receipt),
    })
}

/// What became of it at its receiver.
fn receipt(receipt: &Receipt) -> Value {
    let Receipt { sid, status, reached, error_code, at } = receipt;
    json!({ "sid": sid, "status": status, "reached": reached, "errorCode": error_code, "at": at })
}

/// A delivery with all its attempts and what is sent.
pub(in crate::http) fn whole(delivery: &Delivery) -> Value {
    let mut shown = summary(delivery);
    shown["attempts"] = json!(delivery.attempts);
    shown["payload"] = match &delivery.payload {
        Payload::Call(call) => json!(call),
        Payload::Email { template, to, context } => {
            json!({ "template": template, "to": to, "context": context })
        }
        Payload::Twilio { request, context } => json!({ "request": request, "context": context }),
    };
    shown
}

/// What sort of thing is sent.
fn kind(payload: &Payload) -> &'static str {
    match payload {
        Payload::Twilio { .. } => "twilio",
        Payload::Call(_) => "call",
        Payload::Email { .. } => "email",
    }
}

/// Why it exists.
fn cause(cause: &Cause) -> Value {
    match cause {
        Cause::Event(id) => json!({ "type": "event", "eventId": id }),
        Cause::Time => json!({ "type": "time" }),
        Cause::Stall(id) => json!({ "type": "stall", "journeyId": id }),
        Cause::Digest(stalls) => {
            let journeys: Vec<_> = stalls.iter().map(|(journey, _)| journey).collect();
            json!({ "type": "digest", "journeyIds": journeys })
        }
        Cause::Backfill => json!({ "type": "backfill" }),
        Cause::Deletion => json!({ "type": "deletion" }),
        Cause::Merge => json!({ "type": "merge" }),
        Cause::Health => json!({ "type": "health" }),
        Cause::Operator => json!({ "type": "operator" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::Attempt;
    use crate::domain::ids::UserKey;
    use crate::domain::time::Timestamp;

    #[test]
    fn one_delivery_has_its_attempts_and_its_payload() {
        let at = Timestamp::from_millis(1_790_000_000_000);
        let delivery = Delivery {
            id: DeliveryId::floor(at),
            destination: "crm".to_owned(),
            user: UserKey::user("u1"),
            message_id: "personas_1".to_owned(),
            cause: Cause::Time,
            payload: Payload::Call(serde_json::Map::from_iter([("type".to_owned(), "identify".into())])),
            status: DeliveryStatus::Dead,
            created_at: at,
            updated_at: at,
            next_attempt_at: at,
            retry_from: at,
            tries: 1,
            replays: 0,
            replayed_at: None,
            withdrawn: false,
            reason: None,
            superseded_by: None,
            receipt: None,
            attempts: vec![Attempt {
                at,
                status: "retry".to_owned(),
                http_status: Some(500),
                duration_ms: 12,
                response_snippet: Some("no".to_owned()),
                error: None,
            }],
        };
        let shown = whole(&delivery);
        assert_eq!(shown["attempts"][0]["httpStatus"], 500);
        assert_eq!(shown["attempts"][0]["durationMs"], 12);
        assert_eq!(shown["attempts"][0]["error"], Value::Null);
        assert_eq!(shown["payload"]["type"], "identify");
        assert_eq!(shown["nextAttemptAt"], Value::Null, "a dead letter waits for nothing");
        assert!(summary(&delivery).get("payload").is_none());
    }
}
