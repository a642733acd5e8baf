//! `…/external_ids`: the ids by which the profile is found.

use serde_json::{Value, json};

use super::Call;
use super::asked::part;
use super::refusal::Refusal;
use crate::domain::limits;
use crate::domain::profile::Profile;
use crate::http::profile_view;

pub(super) fn show(call: &Call<'_>) -> Result<Value, Refusal> {
    let asked = &call.asked;
    let (limit, place) = (asked.limit(limits::PROFILE_IDS)?, asked.place()?);
    asked.flag("verbose")?;
    let include: Vec<&str> = asked.list("include").collect();
    let mut ids = all(&call.profile, call.collection.as_str());
    ids.retain(|id| include.is_empty() || include.iter().any(|kind| id["type"] == *kind));
    let (data, next) = part(ids, place, limit);
    Ok(json!({ "data": data, "cursor": asked.cursor(limit, next.as_deref()) }))
}

/// Every id of a profile, as Segment shows them. Which source and message it came from is not remembered.
pub(super) fn all(profile: &Profile, collection: &str) -> Vec<Value> {
    let render = |known: profile_view::ExternalId| {
        json!({
            "source_id": null,
            "collection": collection,
            "id": known.id,
            "type": known.kind,
            "created_at": known.since,
            "encoding": "none",
            "first_message_id": null,
        })
    };
    profile_view::external_ids(profile).into_iter().map(render).collect()
}
