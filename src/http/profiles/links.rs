//! `…/links`: the accounts of a user, the users of an account.

use serde_json::{Value, json};

use super::asked::part;
use super::find::Collection;
use super::refusal::Refusal;
use super::{Call, ids};
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::engine::Among;
use crate::http::profile_view::GROUP_ID;

pub(super) async fn show(call: &Call<'_>) -> Result<Value, Refusal> {
    let limit = call.asked.limit(limits::PROFILE_LINKS)?;
    let (data, next) = match call.profile.key.group_id() {
        Some(group) => users(call, group, limit).await?,
        None => {
            part(call.profile.groups.iter().map(|group| account(group)).collect(), call.asked.place()?, limit)
        }
    };
    Ok(json!({ "data": data, "cursor": call.asked.cursor(limit, next.as_deref()) }))
}

fn account(group: &str) -> Value {
    let collection = Collection::Accounts.as_str();
    let id = json!({
        "id": group,
        "type": GROUP_ID,
        "source_id": null,
        "collection": collection,
        "created_at": null,
        "encoding": "none",
    });
    json!({ "to_collection": collection, "external_ids": [id] })
}

/// Users know their accounts, not the other way round: they are looked for, some of them a page.
async fn users(call: &Call<'_>, group: &str, limit: usize) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let page = PageRequest { limit, cursor: call.asked.text("next").map(str::to_owned) };
    let group = group.to_owned();
    let collection = Collection::Users.as_str();
    let _turn = call.state.search_turn().await?;
    let found = call
        .state
        .engine
        .look_through(Among::Everybody, &page, limits::MAX_SCAN, move |profile| {
            profile.groups.contains(&group).then(
                || json!({ "to_collection": collection, "external_ids": ids::all(profile, collection) }),
            )
        })
        .await?;
    Ok((found.rows, found.cursor))
}
