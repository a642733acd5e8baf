//! Teams as the API shows them.

use chrono::{NaiveTime, Weekday};
use serde_json::{Map, Value, json};

use super::with_times;
use crate::domain::definition::{Shift, Summary, Team, WeekHours};

/// A team.
pub fn team(team: &Team) -> Value {
    let mut shown = Map::new();
    shown.insert("key".into(), team.key.as_str().into());
    shown.insert("time_zone".into(), team.time_zone.name().into());
    if !team.hours.is_empty() {
        shown.insert(
            "hours".into(),
            team.hours.iter().map(|hours| Value::Object(week_hours(hours))).collect(),
        );
    }
    if !team.holidays.is_empty() {
        shown.insert("holidays".into(), team.holidays.iter().map(ToString::to_string).collect());
    }
    if !team.on_call.is_empty() {
        shown.insert("on_call".into(), team.on_call.iter().map(shift).collect());
    }
    if let Some(it) = &team.summary {
        shown.insert("summary".into(), summary(it));
    }
    with_times(shown, team.created_at, team.updated_at)
}

fn week_hours(hours: &WeekHours) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("days".into(), days(&hours.days));
    shown.insert("from".into(), time(hours.from));
    shown.insert("until".into(), time(hours.until));
    shown
}

fn shift(shift: &Shift) -> Value {
    let mut shown = week_hours(&shift.hours);
    if !shift.name.is_empty() {
        shown.insert("name".into(), shift.name.as_str().into());
    }
    for (key, addresses) in [("email", &shift.email), ("phone", &shift.phone)] {
        if !addresses.is_empty() {
            shown.insert(key.into(), json!(addresses));
        }
    }
    Value::Object(shown)
}

fn summary(summary: &Summary) -> Value {
    let mut shown = Map::new();
    shown.insert("at".into(), time(summary.at));
    shown.insert("days".into(), days(&summary.days));
    shown.insert("to".into(), json!(summary.to));
    if !summary.flows.is_empty() {
        shown.insert("flows".into(), json!(summary.flows));
    }
    Value::Object(shown)
}

fn days(days: &[Weekday]) -> Value {
    days.iter().map(|day| Value::from(day.to_string().to_lowercase())).collect()
}

fn time(time: NaiveTime) -> Value {
    time.format("%H:%M").to_string().into()
}
