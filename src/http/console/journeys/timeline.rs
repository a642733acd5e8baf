//! A journey from its beginning to what is still to come.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::inbox::note;
use super::shown::Rules;
use crate::domain::delivery::{Delivery, Payload, TwilioRequest};
use crate::domain::ids::DeliveryId;
use crate::domain::journey::{Escalation, Journey, JourneyStatus};
use crate::domain::time::Timestamp;

/// Newest marks of levels whose deliveries are looked at.
const MARKS: usize = 100;

/// The deliveries that a timeline tells of.
pub(super) fn deliveries_of(journey: &Journey) -> Vec<DeliveryId> {
    journey.escalations.iter().rev().take(MARKS).map(|mark| mark.delivery_id).collect()
}

/// What happened, oldest first.
pub(super) fn past(
    journey: &Journey,
    rules: &Rules,
    deliveries: &HashMap<DeliveryId, Delivery>,
) -> Vec<Value> {
    let mut items: Vec<(Timestamp, Value)> = Vec::new();
    for step in &journey.steps {
        let is_end = rules.flow.as_ref().is_some_and(|flow| flow.is_terminal(&step.stage));
        let told_at = (step.received_at != step.at).then_some(step.received_at);
        items.push((
            step.at,
            json!({
                "kind": "step", "class": if is_end { "good" } else { "info" }, "stage": step.stage,
                "told_at": told_at, "message": step.message_id,
            }),
        ));
    }
    items.extend(firings(&journey.escalations, deliveries));
    for known in &journey.acknowledged {
        items.push((known.note.at, json!({ "kind": "acknowledged", "class": "good", "note": note(&known.note), "stage": known.stage })));
    }
    for known in &journey.snoozes {
        let item = json!({ "kind": "snoozed", "class": "", "note": note(&known.note), "stage": known.stage, "until": known.until });
        items.push((known.note.at, item));
    }
    if let Some(died) = &journey.died {
        items.push((died.at, json!({ "kind": "died", "class": "bad", "reason": died.reason })));
    }
    items.extend(end(journey));
    // What happened at one instant stays in the order of cause and effect above.
    items.sort_by_key(|(at, _)| *at);
    items.into_iter().map(|(at, item)| at_time(at, item)).collect()
}

fn at_time(at: Timestamp, mut item: Value) -> Value {
    item["at"] = json!(at);
    item
}

/// One item for each firing of a level, with what it sent.
fn firings(marks: &[Escalation], deliveries: &HashMap<DeliveryId, Delivery>) -> Vec<(Timestamp, Value)> {
    let mut firings: Vec<(&Escalation, Vec<Value>)> = Vec::new();
    for mark in marks {
        let sent = sent(mark, deliveries.get(&mark.delivery_id));
        let same = |first: &Escalation| {
            (first.at, &first.stage, first.key, first.again) == (mark.at, &mark.stage, mark.key, mark.again)
        };
        match firings.last_mut() {
            Some((first, all)) if same(first) => all.push(sent),
            Some(_) | None => firings.push((mark, vec![sent])),
        }
    }
    let item = |(mark, sent): (&Escalation, Vec<Value>)| {
        let item = json!({
            "kind": "level", "class": "warn", "stage": mark.stage, "level": mark.level, "again": mark.again, "sent": sent,
        });
        (mark.at, item)
    };
    firings.into_iter().map(item).collect()
}

/// One thing that a level sent. Of one that is no longer kept there is only the mark.
fn sent(mark: &Escalation, delivery: Option<&Delivery>) -> Value {
    json!({
        "channel": mark.channel,
        "delivery": mark.delivery_id,
        "status": delivery.map(|delivery| delivery.status.as_str()),
        "to": delivery.map(to_whom).unwrap_or_default(),
        "reason": delivery.and_then(|delivery| delivery.reason.as_deref()),
        "attempts": delivery.map(|delivery| &delivery.attempts),
        "receipt": mark.receipt.as_ref().map(|receipt| {
            json!({ "status": receipt.status, "reached": receipt.reached, "at": receipt.at })
        }),
    })
}

/// To whom it goes, as far as that is somebody's address.
fn to_whom(delivery: &Delivery) -> Vec<&str> {
    match &delivery.payload {
        Payload::Email { to, .. } => to.iter().map(String::as_str).collect(),
        Payload::Twilio { request, .. } => match request {
            TwilioRequest::Call { to, .. }
            | TwilioRequest::Sms { to, .. }
            | TwilioRequest::StudioExecution { to, .. } => vec![to],
            TwilioRequest::Task { .. } => vec![&delivery.destination],
        },
        Payload::Call(_) => vec![&delivery.destination],
    }
}

/// How it ended, if it did in another way than by a stage.
fn end(journey: &Journey) -> Option<(Timestamp, Value)> {
    if let Some(resolved) = &journey.resolved {
        return Some((resolved.at, json!({ "kind": "resolved", "class": "good", "note": note(resolved) })));
    }
    let kind = match journey.status {
        JourneyStatus::Superseded => "superseded",
        JourneyStatus::Expired => "expired",
        JourneyStatus::Active
        | JourneyStatus::Stalled
        | JourneyStatus::Completed
        | JourneyStatus::Resolved => {
            return None;
        }
    };
    let class = if kind == "expired" { "bad" } else { "" };
    journey.ended_at.map(|at| (at, json!({ "kind": kind, "class": class })))
}

/// What time alone will bring if nothing is heard of it, soonest first.
pub(super) fn to_come(journey: &Journey, rules: &Rules, now: Timestamp) -> Vec<Value> {
    if !journey.status.is_open() {
        return Vec::new();
    }
    let (next, expires_at) = rules.ahead(journey, now);
    let mut items = vec![(expires_at, json!({ "kind": "expires" }))];
    if let Some(at) = next["at"].as_str().and_then(Timestamp::parse_lenient) {
        items.push((at, json!({ "kind": "next_level", "next": next })));
    }
    if let Some(snooze) = journey.snooze_of_stall().filter(|snooze| snooze.until > now) {
        items.push((snooze.until, json!({ "kind": "snooze_ends", "note": note(&snooze.note) })));
    }
    items.sort_by_key(|(at, _)| *at);
    items.into_iter().map(|(at, item)| at_time(at, item)).collect()
}
