//! Flows as the API shows them.

use serde_json::{Map, Value, json};

use super::with_times;
use crate::domain::definition::{Channel, Flow, Level, OutsideHours};

/// A flow that is configured.
pub fn flow(flow: &Flow) -> Value {
    let mut shown = Map::new();
    shown.insert("name".into(), flow.name.as_str().into());
    if let Some(sid) = &flow.sid {
        shown.insert("sid".into(), sid.as_str().into());
    }
    if !flow.widgets.is_empty() {
        shown.insert("widgets".into(), json!(flow.widgets));
    }
    if let Some(initial) = &flow.initial {
        shown.insert("initial".into(), initial.as_str().into());
    }
    shown.insert("terminal".into(), json!(flow.terminal));
    shown.insert("expire_after".into(), flow.expire_after.to_string().into());
    if let Some(team) = &flow.team {
        shown.insert("team".into(), team.as_str().into());
    }
    if let Some(digest) = &flow.digest {
        let digest = json!({ "more_than": digest.more_than, "within": digest.within.to_string() });
        shown.insert("digest".into(), digest);
    }
    shown.insert("escalation".into(), flow.escalation.iter().map(level).collect());
    shown.insert("configured".into(), true.into());
    with_times(shown, flow.created_at, flow.updated_at)
}

fn level(level: &Level) -> Value {
    let mut shown = Map::new();
    shown.insert("stage".into(), level.stage.as_str().into());
    shown.insert("after".into(), level.after.to_string().into());
    match &level.outside_hours {
        OutsideHours::Wait => {}
        OutsideHours::Send => {
            shown.insert("outside_hours".into(), "send".into());
        }
        OutsideHours::Instead(channels) => {
            shown
                .insert("after_hours".into(), channels.iter().map(|it| Value::Object(channel(it))).collect());
        }
    }
    if let Some(repeat) = &level.repeat {
        let repeat = json!({ "every": repeat.every.to_string(), "times": repeat.times });
        shown.insert("repeat".into(), repeat);
    }
    match level.actions.as_slice() {
        // Level and channel are one table where there is one, as they are mostly written.
        [one] => shown.extend(channel(one)),
        actions => {
            shown.insert("actions".into(), actions.iter().map(|it| Value::Object(channel(it))).collect());
        }
    }
    Value::Object(shown)
}

/// A channel as it is written; what is left out stays out.
fn channel(channel: &Channel) -> Map<String, Value> {
    let Ok(Value::Object(mut shown)) = serde_json::to_value(channel) else { return Map::new() };
    shown.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|values| !values.is_empty()));
    shown
}
