//! Ladders and hours in words.

use chrono::{NaiveTime, Weekday};
use serde_json::{Value, json};

use super::super::texts::{filled, text};
use crate::domain::definition::{Channel, Flow, Level, OutsideHours, Recipient, Team, WeekHours};
use crate::domain::time::Timestamp;

/// The stages that a flow watches, each with its levels: `{stage, levels: [{number, after, does, outside, instead, repeat}]}`.
pub(super) fn ladder(flow: &Flow) -> Vec<Value> {
    let of_stage = |stage: &str| {
        let levels = flow.levels(stage).map(|(number, _, level)| shown(number, level, flow.team.is_some()));
        json!({ "stage": stage, "levels": levels.collect::<Vec<_>>() })
    };
    stages(flow).into_iter().map(of_stage).collect()
}

/// The stages that a flow watches.
pub(super) fn stages(flow: &Flow) -> Vec<&str> {
    let mut stages: Vec<&str> = Vec::new();
    for level in &flow.escalation {
        if !stages.contains(&level.stage.as_str()) {
            stages.push(&level.stage);
        }
    }
    stages
}

/// What a level does outside the hours instead.
pub(super) fn instead(level: &Level) -> &[Channel] {
    match &level.outside_hours {
        OutsideHours::Instead(actions) => actions,
        OutsideHours::Wait | OutsideHours::Send => &[],
    }
}

fn shown(number: u32, level: &Level, has_team: bool) -> Value {
    let outside = match &level.outside_hours {
        OutsideHours::Wait if has_team => text("ladder.waits"),
        OutsideHours::Send if has_team => text("ladder.sends"),
        OutsideHours::Wait | OutsideHours::Send => String::new(),
        OutsideHours::Instead(_) => text("ladder.instead"),
    };
    let repeat = level.repeat.map(|repeat| {
        let times = repeat.times.to_string();
        json!({ "every": repeat.every, "times": filled("ladder.times", &[("n", &times)]) })
    });
    json!({
        "number": number,
        "after": level.after,
        "does": level.actions.iter().map(channel).collect::<Vec<_>>(),
        "outside": outside,
        "instead": instead(level).iter().map(channel).collect::<Vec<_>>(),
        "repeat": repeat,
    })
}

/// What a channel does: `mails ops@example.com (template no_reply)`.
fn channel(channel: &Channel) -> String {
    match channel {
        Channel::Email { to, template } => {
            filled("ladder.email", &[("to", &recipients(to)), ("template", template)])
        }
        Channel::Webhook { to } => filled("ladder.webhook", &[("to", &to.join(", "))]),
        Channel::Call { to, via, .. } => filled("ladder.call", &[("to", &recipients(to)), ("via", via)]),
        Channel::Sms { to, via, .. } => filled("ladder.sms", &[("to", &recipients(to)), ("via", via)]),
        Channel::StudioExecution { to, flow_sid, via, .. } => {
            filled("ladder.studio_execution", &[("to", &recipients(to)), ("flow", flow_sid), ("via", via)])
        }
        Channel::Task { via, .. } => filled("ladder.task", &[("via", via)]),
    }
}

fn recipients(to: &[Recipient]) -> String {
    let one = |recipient: &Recipient| match recipient {
        Recipient::OnCall(team) => filled("ladder.on_call", &[("team", team)]),
        Recipient::Address(_) | Recipient::Field(_) => String::from(recipient.clone()),
    };
    to.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A team with its hours, and whether it works at this moment.
pub(in crate::http::console) fn team(team: &Team, now: Timestamp) -> Value {
    let is_open = team.is_open(now);
    json!({
        "key": team.key,
        "zone": team.time_zone.name(),
        "hours": team.hours.iter().map(hours).collect::<Vec<_>>(),
        "holidays": team.holidays.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "is_open": is_open,
        "opens_at": (!is_open).then(|| team.next_opening(now)),
        "on_call": team.on_call.iter().map(|shift| json!({
            "hours": hours(&shift.hours), "name": shift.name, "email": shift.email, "phone": shift.phone,
        })).collect::<Vec<_>>(),
        "on_call_now": team.on_call(now).into_iter().map(|shift| {
            let address = shift.email.first().or(shift.phone.first()).map(String::as_str).unwrap_or_default();
            if shift.name.is_empty() { address } else { shift.name.as_str() }
        }).collect::<Vec<_>>(),
        "summary": team.summary.as_ref().map(|summary| json!({
            "at": clock(summary.at), "days": days(&summary.days), "to": summary.to, "flows": summary.flows,
        })),
    })
}

/// `Mon–Fri 08:00–18:00`.
fn hours(hours: &WeekHours) -> String {
    if hours.from == NaiveTime::MIN && hours.until == NaiveTime::MIN {
        return days(&hours.days);
    }
    let until = if hours.until == NaiveTime::MIN { "24:00".to_owned() } else { clock(hours.until) };
    format!("{} {}–{until}", days(&hours.days), clock(hours.from))
}

fn clock(time: NaiveTime) -> String {
    time.format("%H:%M").to_string()
}

/// `Mon–Wed, Fri`: days that follow each other are one range. They come in the order of the week.
fn days(days: &[Weekday]) -> String {
    let mut ranges: Vec<(Weekday, Weekday)> = Vec::new();
    for day in days {
        match ranges.last_mut() {
            Some((_, last)) if last.succ() == *day => *last = *day,
            Some(_) | None => ranges.push((*day, *day)),
        }
    }
    let name = |day: Weekday| text(&format!("teams.week.{}", day.to_string().to_lowercase()));
    let range = |(first, last): (Weekday, Weekday)| {
        if first == last { name(first) } else { format!("{}–{}", name(first), name(last)) }
    };
    ranges.into_iter().map(range).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_told_as_people_write_them() {
        let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let week = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Fri];
        let of = |days: &[Weekday], from, until| {
            hours(&WeekHours { days: days.to_vec(), from: at(from), until: at(until) })
        };
        assert_eq!(of(&week, 8, 18), "Mon–Wed, Fri 08:00–18:00");
        assert_eq!(of(&[Weekday::Sun], 18, 0), "Sun 18:00–24:00");
        assert_eq!(of(&[Weekday::Sat, Weekday::Sun], 0, 0), "Sat–Sun");
    }
}
