//! `…/traits`: traits by name, custom and computed ones, and audiences.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Call;
use super::refusal::Refusal;
use crate::domain::definition::Definitions;
use crate::domain::limits;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;
use crate::http::profile_view;

/// A value with where it comes from and since when.
struct Known {
    value: Value,
    /// The computation's id; nothing for custom traits, whose sources are not remembered.
    source: Option<String>,
    at: Timestamp,
}

pub(super) fn show(call: &Call<'_>) -> Result<Value, Refusal> {
    let asked = &call.asked;
    let limit = asked.limit(limits::PROFILE_TRAITS)?;
    let verbose = asked.flag("verbose")?;
    let mut known = of_class(&call.profile, &call.state.engine.definitions(), asked.text("class"))?;
    let include: BTreeSet<&str> = asked.list("include").collect();
    known.retain(|name, _| include.is_empty() || include.contains(name.as_str()));
    if let Some(next) = asked.text("next") {
        known = known.split_off(next);
    }
    let next = known.keys().nth(limit).cloned();
    let render = |known: Known| match verbose {
        true => json!({ "value": known.value, "source_id": known.source, "updated_at": known.at }),
        false => known.value,
    };
    let page = known.into_iter().take(limit).map(|(name, known)| (name, render(known)));
    let traits: Map<String, Value> = page.collect();
    Ok(json!({ "traits": traits, "cursor": asked.cursor(limit, next.as_deref()) }))
}

/// The traits of a class, or all.
fn of_class(
    profile: &Profile,
    definitions: &Definitions,
    class: Option<&str>,
) -> Result<BTreeMap<String, Known>, Refusal> {
    Ok(match class {
        None => all(profile),
        Some("audience") => profile_view::memberships(profile, definitions)
            .map(|(audience, membership)| {
                let (value, source) = (membership.member.into(), Some(audience.id.clone()));
                (audience.key.clone(), Known { value, source, at: membership.since })
            })
            .collect(),
        Some("computed_trait") => profile_view::computed(profile, definitions)
            .map(|(definition, computed)| {
                let (value, source) = (computed.value.clone(), Some(definition.id.clone()));
                (definition.key.clone(), Known { value, source, at: computed.since })
            })
            .collect(),
        Some(_) => return Err(Refusal::parameter("class", "is neither `audience` nor `computed_trait`")),
    })
}

fn all(profile: &Profile) -> BTreeMap<String, Known> {
    let known = |(name, value): (&str, Value)| {
        let membership =
            profile.memberships.get(name).map(|known| (Some(known.audience_id.clone()), known.since));
        let computed =
            || profile.values.get(name).map(|known| (Some(known.computation_id.clone()), known.since));
        let custom = || profile.traits.get(name).map(|known| (None, known.at));
        let origin = membership.or_else(computed).or_else(custom);
        let (source, at) = origin.unwrap_or((None, profile.updated_at));
        (name.to_owned(), Known { value, source, at })
    };
    profile_view::traits(profile).into_iter().map(known).collect()
}
