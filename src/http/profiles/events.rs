//! `…/events`: what a user did in the last two weeks.

use serde_json::{Map, Value, json};

use super::Call;
use super::refusal::Refusal;
use crate::domain::event::{self, Event};
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::engine::{EventFilter, Order};
use crate::http::profile_view::{self, ANONYMOUS_ID, USER_ID};

pub(super) async fn show(call: &Call<'_>) -> Result<Value, Refusal> {
    let (asked, engine) = (&call.asked, &call.state.engine);
    let limit = asked.limit(limits::PROFILE_EVENTS)?;
    let oldest = engine.clock().now().minus(limits::PROFILE_EVENTS_FOR);
    let order = match asked.text("sort") {
        None | Some("desc") => Order::NewestFirst,
        Some("asc") => Order::OldestFirst,
        Some(_) => return Err(Refusal::parameter("sort", "is neither `asc` nor `desc`")),
    };
    let names = |name| asked.list(name).map(str::to_owned).collect();
    let filter = EventFilter {
        names: names("include"),
        other_names: names("exclude"),
        from: asked.time("start")?.max(Some(oldest)),
        to: asked.time("end")?,
        // What arrived earlier happened earlier.
        arrived_from: Some(oldest),
        ..EventFilter::default()
    };
    let page = PageRequest { limit, cursor: asked.text("next").map(str::to_owned) };
    let _turn = call.state.search_turn().await?;
    let page = engine.events_of(&call.profile, filter, order, &page).await?;
    let user = profile_view::name(&call.profile.key);
    let data: Vec<_> = page.rows.iter().map(|event| render(event, &user)).collect();
    Ok(json!({ "data": data, "cursor": asked.cursor(limit, page.cursor.as_deref()) }))
}

/// An event in the Profile API's words.
fn render(event: &Event, user: &str) -> Value {
    let id = |kind: &str, id: &String| json!({ "collection": "users", "type": kind, "id": id, "encoding": "none" });
    let user_id = event.user_id.iter().map(|own| id(USER_ID, own));
    let ids: Vec<_> = user_id.chain(event.anonymous_id.iter().map(|own| id(ANONYMOUS_ID, own))).collect();
    let mut shown = Map::new();
    shown.insert("external_ids".into(), ids.into());
    shown.insert("context".into(), event.context.clone().into());
    shown.insert("type".into(), event.call.type_name().into());
    shown.insert("message_id".into(), event.message_id.as_str().into());
    shown.insert("source_id".into(), event.source.as_str().into());
    shown.insert("timestamp".into(), json!(event.timestamp));
    match (event.as_behaviour(), &event.call) {
        (Some((name, properties)), _) => {
            shown.insert("properties".into(), properties.into_owned().into());
            shown.insert("event".into(), name.into());
        }
        (None, event::Call::Identify { traits }) => {
            shown.insert("traits".into(), traits.clone().into());
        }
        (None, event::Call::Group { group_id, traits }) => {
            shown.insert("group_id".into(), group_id.as_str().into());
            shown.insert("traits".into(), traits.clone().into());
        }
        (None, event::Call::Alias { previous_id }) => {
            shown.insert("previous_id".into(), previous_id.as_str().into());
        }
        (None, event::Call::Track { .. } | event::Call::Page { .. } | event::Call::Screen { .. }) => {}
    }
    shown.insert("related".into(), json!({ "users": user }));
    shown.into()
}
