//! `…/metadata`: when a profile began and changed, and by which messages.

use serde_json::{Value, json};

use super::Call;
use super::refusal::Refusal;
use crate::domain::event::Event;
use crate::domain::limits;

pub(super) async fn show(call: &Call<'_>) -> Result<Value, Refusal> {
    call.asked.flag("verbose")?;
    let profile = &call.profile;
    let newest_first = call.state.engine.recent_events(profile).await?;
    // A profile names its newest events: the first one of all is among them while there are few.
    let first = newest_first.last().filter(|_| profile.recent.len() < limits::RECENT_EVENTS);
    let last = newest_first.first();
    let message = |event: Option<&Event>| event.map(|event| event.message_id.clone());
    let source = |event: Option<&Event>| event.map(|event| event.source.clone());
    Ok(json!({
        "metadata": {
            "created_at": profile.created_at,
            "updated_at": profile.updated_at,
            "expires_at": null,
            "first_message_id": message(first),
            "first_source_id": source(first),
            "last_message_id": message(last),
            "last_source_id": source(last),
        },
    }))
}
