//! One event: how it was posted, how it is stored, and what it caused; or one post that was refused, and why.

use std::sync::Arc;

use actix_web::web;
use serde_json::{Map, Value, json};

use super::rows;
use crate::domain::definition::Definitions;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Call, Event};
use crate::domain::limits;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;
use crate::engine::{Consequences, FeedItem, Posted, Rejection};
use crate::http::api::deliveries;
use crate::http::console::page::{Answer, Refusal};
use crate::http::console::visit::Visit;
use crate::http::profile_view;

pub(super) async fn page(visit: Visit, id: web::Path<String>) -> Answer {
    if let Some(number) = id.strip_prefix(Rejection::PREFIX) {
        let found = number.parse().ok().and_then(|number| visit.engine().debugger().rejection(number));
        let rejection = found.ok_or_else(|| Refusal::not_found(&visit, "refused"))?;
        return Ok(visit.page("refused.html", refused(&rejection)));
    }
    let Ok(id) = id.parse() else { return Err(Refusal::not_found(&visit, "event")) };
    let failed = |error| Refusal::of(&visit, error);
    let event = visit.engine().event(id).await.map_err(failed)?;
    let event = event.ok_or_else(|| Refusal::not_found(&visit, "event"))?;
    let caused = visit.engine().consequences(&event).await.map_err(failed)?;
    let context = json!({
        "row": rows::accepted(&event),
        "event": facts(&event),
        "stored": indented(&Value::Object(event.to_json())),
        "posted": visit.engine().debugger().posted(&event).map(|posted| self::posted(&posted)),
        "posted_kept": limits::POSTED_KEPT,
        "caused": self::caused(&event, &caused, &visit.engine().definitions()),
    });
    Ok(visit.page("event.html", context))
}

fn refused(rejection: &Arc<Rejection>) -> Value {
    json!({
        "row": rows::row(&FeedItem::Rejected(Arc::clone(rejection))),
        "code": rejection.code,
        "field": rejection.field,
        "message": rejection.message,
        "body": rejection.body,
        "pretty": readable(&rejection.body),
        "may_be_cut": rejection.body.len() + 4 > limits::REJECTED_BODY_BYTES,
        "body_bytes": limits::REJECTED_BODY_BYTES,
        "kept": limits::REJECTED_KEPT,
    })
}

/// What stands beside the event itself. The clock of the sender may be off: by how much is in the two times it gave.
fn facts(event: &Event) -> Value {
    let skew = event.timestamp.millis_since(event.original_timestamp);
    json!({
        "id": event.id,
        "message_id": event.message_id,
        "source": event.source,
        "channel": event.channel,
        "timestamp": event.timestamp,
        "original_timestamp": event.original_timestamp,
        "sent_at": event.sent_at,
        "received_at": event.received_at,
        "written_at": event.id.made_at(),
        "is_corrected": skew != 0,
        "user_id": event.user_id,
        "anonymous_id": event.anonymous_id,
    })
}

fn posted(posted: &Posted) -> Value {
    json!({ "text": posted.text, "pretty": readable(&posted.text), "is_whole": posted.is_whole })
}

/// JSON with its members in their order, which a template's values would not keep.
fn indented(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A text that is JSON, laid out; `None` for any other.
fn readable(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    (value.is_object() || value.is_array()).then(|| indented(&value))
}

fn caused(event: &Event, caused: &Consequences, definitions: &Definitions) -> Value {
    let at = event.id.made_at();
    let journey = caused.journey.as_ref().map(|journey| {
        let step = journey.steps.iter().find(|step| step.message_id == event.message_id);
        json!({
            "id": journey.id,
            "flow": journey.flow,
            "status": journey.status.as_str(),
            "stage": step.map(|step| step.stage.as_str()),
            "is_first": journey.steps.first() == step,
        })
    });
    let profile = caused.profile.as_ref();
    let deliveries: Vec<Value> = caused.deliveries.iter().map(delivery).collect();
    let changes = profile.map(|profile| changes(profile, definitions, at)).unwrap_or_default();
    let traits = profile.map(|profile| traits(event, profile)).unwrap_or_default();
    json!({
        "journey": journey,
        "changes": changes,
        "traits": traits,
        "traits_left_out": traits_of(event).map_or(0, Map::len).saturating_sub(limits::MAX_TRAITS_PER_EVENT),
        "deliveries": deliveries,
        "are_all": caused.are_all,
        "looked_at": limits::CAUSED_LOOKED_AT,
        "nothing": journey.is_none() && changes.is_empty() && traits.is_empty() && deliveries.is_empty(),
    })
}

/// A delivery, and which computation it tells of; none where it is the event itself.
fn delivery(delivery: &Delivery) -> Value {
    let mut shown = deliveries::summary(delivery);
    shown["about"] = json!(delivery.topic().map(|(key, _)| key));
    shown
}

/// What became of computations in the instant in which the event was written: `{kind, key, name, member}` and `{kind, key, name, value}`.
fn changes(profile: &Profile, definitions: &Definitions, at: Timestamp) -> Vec<Value> {
    let memberships = profile_view::memberships(profile, definitions).filter_map(|(audience, membership)| {
        let (member, _) = membership.changes().find(|(_, changed)| *changed == at)?;
        Some(json!({ "kind": "audience", "key": audience.key, "name": audience.name, "member": member }))
    });
    let values = profile_view::computed(profile, definitions).filter(|(_, computed)| computed.since == at);
    let values = values.map(|(computed, value)| {
        json!({ "kind": "trait", "key": computed.key, "name": computed.name, "value": value.value })
    });
    memberships.chain(values).collect()
}

fn traits_of(event: &Event) -> Option<&Map<String, Value>> {
    match &event.call {
        Call::Identify { traits } => Some(traits),
        Call::Track { .. }
        | Call::Page { .. }
        | Call::Screen { .. }
        | Call::Group { .. }
        | Call::Alias { .. } => None,
    }
}

/// The traits that it set, and whether the profile has them from this event still.
fn traits(event: &Event, profile: &Profile) -> Vec<Value> {
    let set = traits_of(event).into_iter().flatten().take(limits::MAX_TRAITS_PER_EVENT);
    set.map(|(name, value)| {
        let known = profile.traits.get(name);
        let holds = known.is_some_and(|known| known.value == *value);
        json!({ "name": name, "value": value, "holds": holds, "now": known.map(|known| &known.value) })
    })
    .collect()
}
