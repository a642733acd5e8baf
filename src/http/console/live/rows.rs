//! A line of the feed as the debugger shows it: the page's template and `live.js` draw it from the same fields.

use serde_json::{Map, Value, json};

use crate::domain::event::{Call, Event};
use crate::engine::{FeedItem, Rejection};
use crate::http::console::users;
use crate::http::profile_view;

/// Longest text of a row, in characters; the event's own page has all of it.
const LONGEST: usize = 160;

/// `{id, outcome, at, type, name, who, who_href, source, detail}`.
pub(in crate::http::console) fn row(item: &FeedItem) -> Value {
    match item {
        FeedItem::Accepted(event) => accepted(event),
        FeedItem::Rejected(rejection) => rejected(rejection),
    }
}

/// An event that was accepted.
pub(in crate::http::console) fn accepted(event: &Event) -> Value {
    let key = event.user_key();
    json!({
        "id": event.id,
        "outcome": "accepted",
        "at": event.received_at,
        "type": event.call.type_name(),
        "name": cut(&name(event)),
        "who": profile_view::name(&key),
        "who_href": users::place(&key),
        "source": event.source,
        "detail": cut(&detail(event)),
    })
}

fn rejected(rejection: &Rejection) -> Value {
    let detail = match &rejection.field {
        Some(field) if !rejection.message.contains(field.as_str()) => {
            format!("{field}: {}", rejection.message)
        }
        Some(_) | None => rejection.message.clone(),
    };
    json!({
        "id": rejection.id(),
        "outcome": "rejected",
        "at": rejection.at,
        "type": "",
        "name": rejection.code,
        "who": "",
        "who_href": "",
        "source": rejection.source.as_deref().unwrap_or_default(),
        "detail": cut(&detail),
    })
}

/// What it is about, in a few words.
fn name(event: &Event) -> String {
    match &event.call {
        Call::Track { event, .. } => event.clone(),
        Call::Page { name, category, .. } | Call::Screen { name, category, .. } => {
            name.as_ref().or(category.as_ref()).cloned().unwrap_or_default()
        }
        Call::Identify { .. } => String::new(),
        Call::Group { group_id, .. } => group_id.clone(),
        Call::Alias { previous_id } => previous_id.clone(),
    }
}

/// What it says: of a stage its flow and name, else its properties or traits.
fn detail(event: &Event) -> String {
    if let Some(step) = event.studio_step() {
        return format!("{} · {}", step.flow, step.stage);
    }
    let fields: &Map<String, Value> = match &event.call {
        Call::Track { properties, .. } | Call::Page { properties, .. } | Call::Screen { properties, .. } => {
            properties
        }
        Call::Identify { traits } | Call::Group { traits, .. } => traits,
        Call::Alias { .. } => return String::new(),
    };
    let field = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("{name}={value}")
        }
    };
    // More than these would be cut off.
    fields.iter().take(12).map(field).collect::<Vec<_>>().join(", ")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_letters() {
        assert_eq!(cut(&"é".repeat(LONGEST)), "é".repeat(LONGEST));
        assert_eq!(cut(&"é".repeat(LONGEST + 1)), format!("{}…", "é".repeat(LONGEST)));
    }
}
