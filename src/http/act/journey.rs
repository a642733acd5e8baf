//! The page of one journey: acknowledge, resolve, snooze.

use actix_web::http::StatusCode;
use chrono::NaiveTime;
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::form::Form;
use super::page::Page;
use super::{Opened, failed};
use crate::domain::calendar::next_local_time;
use crate::domain::ids::JourneyId;
use crate::domain::journey::{Journey, JourneyStatus, Note, Standing};
use crate::domain::link::{Purpose, SnoozeFor};
use crate::domain::time::{Span, Timestamp};
use crate::engine::{EngineError, Operation};

/// When a snooze until the next morning ends.
const MORNING: NaiveTime = NaiveTime::from_hms_opt(9, 0, 0).expect("it is a time of day");

/// What a page says first.
struct Notice {
    kind: &'static str,
    text: String,
    /// When what it says happened, or ends.
    at: Option<Timestamp>,
}

/// Whether a link can do what it is for.
fn allows(standing: Standing, purpose: &Purpose) -> bool {
    match standing {
        Standing::Stalled => true,
        Standing::Acknowledged | Standing::MovedOn => matches!(purpose, Purpose::Resolve(_)),
        Standing::Closed => false,
    }
}

/// The journey's page; with a form, after the link's purpose was done.
pub(super) async fn page(opened: &Opened<'_>, id: JourneyId, form: Option<Form>) -> Page {
    let journey = match opened.engine.journey(id).await {
        Ok(Some(journey)) => journey,
        Ok(None) => return unknown(),
        Err(error) => return failed(&error),
    };
    let standing = journey.standing(Some(opened.told_at()));
    let was_done = is_snoozed(opened, &journey);
    match form {
        Some(form) if allows(standing, &opened.link.purpose) && !was_done => {
            perform(opened, &journey, &form).await
        }
        form => {
            // Pressed twice, or by two people: what they want is so, and the first word stands.
            let is_so = form.is_none() || was_done || standing == Standing::Acknowledged;
            let status = if is_so { StatusCode::OK } else { StatusCode::CONFLICT };
            shown(opened, &journey, status, notice(opened, &journey))
        }
    }
}

/// Whether a snooze runs that is what the link's would have been: a page that is loaded again snoozes no further.
fn is_snoozed(opened: &Opened<'_>, journey: &Journey) -> bool {
    let now = opened.engine.clock().now();
    let running = journey.snooze_of_stall().filter(|snooze| snooze.until > now);
    running.is_some_and(|snooze| {
        let then = operation(opened, zone(opened, journey), snooze.note.at);
        matches!(then, Operation::Snooze { until, .. } if until == snooze.until)
    })
}

async fn perform(opened: &Opened<'_>, journey: &Journey, form: &Form) -> Page {
    let operation = operation(opened, zone(opened, journey), opened.engine.clock().now());
    match opened.engine.operate(journey.id, operation, opened.by(form)).await {
        Ok(journey) => {
            let (text, at) = match operation {
                Operation::Acknowledge { .. } => ("Acknowledged. This stall raises no further alarms.", None),
                Operation::Resolve => ("Resolved. The journey is closed.", None),
                Operation::Snooze { until, .. } => {
                    ("Snoozed. You are reminded if it still stalls then:", Some(until))
                }
            };
            shown(opened, &journey, StatusCode::OK, Some(Notice { kind: "good", text: text.to_owned(), at }))
        }
        Err(EngineError::NotFound { .. }) => unknown(),
        // Somebody else was faster, or the journey moved on.
        Err(EngineError::Conflict(why)) => {
            let journey = opened.engine.journey(journey.id).await.ok().flatten();
            let notice = Notice { kind: "bad", text: format!("Nothing was done: {why}."), at: None };
            journey
                .map_or_else(unknown, |journey| shown(opened, &journey, StatusCode::CONFLICT, Some(notice)))
        }
        Err(error) => failed(&error),
    }
}

fn unknown() -> Page {
    let text = "It may have been removed since the mail was sent.";
    Page::problem(StatusCode::NOT_FOUND, "This journey is not known", text)
}

/// What the link is for, done `now`.
fn operation(opened: &Opened<'_>, zone: Tz, now: Timestamp) -> Operation {
    let told_at = Some(opened.told_at());
    match &opened.link.purpose {
        Purpose::Resolve(_) => Operation::Resolve,
        Purpose::Snooze(_, SnoozeFor::Hour) => {
            Operation::Snooze { until: now.plus(Span::from_hours(1)), told_at }
        }
        Purpose::Snooze(_, SnoozeFor::Tomorrow) => {
            Operation::Snooze { until: next_local_time(zone, now, MORNING), told_at }
        }
        Purpose::Acknowledge(_)
        | Purpose::AcknowledgeAll
        | Purpose::Unsubscribe { .. }
        | Purpose::CallKey(_)
        | Purpose::Status(_) => Operation::Acknowledge { told_at },
    }
}

/// The zone of the flow's team.
fn zone(opened: &Opened<'_>, journey: &Journey) -> Tz {
    let definitions = opened.engine.definitions();
    let team = definitions.flows.get(&journey.flow).and_then(|flow| flow.team.as_ref());
    team.and_then(|team| definitions.teams.get(team)).map_or(Tz::UTC, |team| team.time_zone)
}

/// What is to be known before the button is pressed.
fn notice(opened: &Opened<'_>, journey: &Journey) -> Option<Notice> {
    let info = |text: String, at| Some(Notice { kind: "info", text, at });
    let by = |note: &Note| if note.by.is_empty() { String::new() } else { format!(" by {}", note.by) };
    match journey.standing(Some(opened.told_at())) {
        Standing::Closed => {
            let text = match (&journey.resolved, journey.status) {
                (Some(note), _) => format!("This journey was resolved{}:", by(note)),
                (None, JourneyStatus::Superseded) => "A newer run took the place of this journey:".to_owned(),
                (None, JourneyStatus::Expired) => "This journey was given up:".to_owned(),
                (None, _) => "This journey was completed:".to_owned(),
            };
            info(text, journey.ended_at)
        }
        Standing::MovedOn => {
            info("This journey has moved on since; the stall that the mail told of is over.".to_owned(), None)
        }
        Standing::Acknowledged => {
            let note = &journey.acknowledgement()?.note;
            info(format!("This stall was acknowledged{}:", by(note)), Some(note.at))
        }
        Standing::Stalled => {
            let snooze = journey.snooze_of_stall()?;
            let lasts = snooze.until > opened.engine.clock().now();
            lasts.then(|| info(format!("It is snoozed{} until", by(&snooze.note)), Some(snooze.until)))?
        }
    }
}

fn shown(opened: &Opened<'_>, journey: &Journey, status: StatusCode, notice: Option<Notice>) -> Page {
    let notice = notice.map(|it| json!({ "kind": it.kind, "text": it.text, "at": it.at }));
    let was_done = notice.as_ref().is_some_and(|notice| notice["kind"] == "good");
    let context = json!({
        "timeZone": zone(opened, journey).name(),
        "notice": notice,
        "journey": {
            "id": journey.id,
            "userId": journey.user.user_id().or(journey.user.anonymous_id()),
            "phoneNumber": journey.phone_number,
            "flow": journey.flow,
            "stage": journey.stage,
            "stageAt": journey.stage_at,
            "status": journey.status.as_str(),
            "executionSid": journey.execution_sid,
        },
        "history": history(journey),
        "actions": actions(opened, journey, was_done),
        "name": opened.reader(),
        "until": opened.link.expires_at,
    });
    Page::new(status, "journey.html", context)
}

/// What can be done now with what the delivery carried: the link's own purpose first, unless it was done just now.
fn actions(opened: &Opened<'_>, journey: &Journey, was_done: bool) -> Vec<Value> {
    let id = journey.id;
    let zone = zone(opened, journey);
    let morning =
        next_local_time(zone, opened.engine.clock().now(), MORNING).to_chrono().with_timezone(&zone);
    let all = [
        (Purpose::Acknowledge(id), "Acknowledge".to_owned()),
        (Purpose::Resolve(id), "Resolve".to_owned()),
        (Purpose::Snooze(id, SnoozeFor::Hour), "Snooze 1 hour".to_owned()),
        (
            Purpose::Snooze(id, SnoozeFor::Tomorrow),
            morning.format("Snooze until 9:00, %a %-d %b").to_string(),
        ),
    ];
    let standing = journey.standing(Some(opened.told_at()));
    let (own, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .filter(|(purpose, _)| opened.has_come_with(purpose) && allows(standing, purpose))
        .partition(|(purpose, _)| *purpose == opened.link.purpose && !was_done);
    let own = own.into_iter().map(|action| (action, true));
    let others = others.into_iter().map(|action| (action, false));
    own.chain(others)
        .map(|((purpose, label), is_main)| json!({ "token": opened.beside(purpose), "label": label, "main": is_main }))
        .collect()
}

/// What happened, oldest first: `{at, what, by, why}`.
fn history(journey: &Journey) -> Vec<Value> {
    let mut entries: Vec<(Timestamp, Value)> = Vec::new();
    let mut add = |at: Timestamp, what: String, note: Option<&Note>| {
        let (by, why) = note.map_or(("", ""), |note| (note.by.as_str(), note.reason.as_str()));
        entries.push((at, json!({ "at": at, "what": what, "by": by, "why": why })));
    };
    for step in &journey.steps {
        add(step.at, step.stage.clone(), None);
    }
    for mark in &journey.escalations {
        let receipt = mark.receipt.as_ref().map_or(String::new(), |receipt| format!(", {}", receipt.status));
        let again = if mark.again > 0 { " once more" } else { "" };
        let channel = mark.channel.replace('_', " ");
        add(mark.at, format!("Alarm{again}: level {}, {channel}{receipt}", mark.level), None);
    }
    for known in &journey.acknowledged {
        add(known.note.at, "Acknowledged".to_owned(), Some(&known.note));
    }
    for snooze in &journey.snoozes {
        add(snooze.note.at, "Snoozed".to_owned(), Some(&snooze.note));
    }
    if let Some(died) = &journey.died {
        let reason = if died.reason.is_empty() { String::new() } else { format!(" ({})", died.reason) };
        add(died.at, format!("The Studio execution ended{reason}"), None);
    }
    if let Some(note) = &journey.resolved {
        add(note.at, "Resolved".to_owned(), Some(note));
    }
    entries.sort_by_key(|(at, _)| *at);
    entries.into_iter().map(|(_, entry)| entry).collect()
}
