//! `GET /api/users/{userId}`: everything known of one user.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::params::Params;
use super::state::ApiState;
use super::{Answer, feed, journeys};
use crate::domain::definition::Definitions;
use crate::domain::ids::UserKey;
use crate::domain::profile::{Membership, Profile};
use crate::http::problem::ApiProblem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/users/{userId}").get(one)]
}

async fn one(state: web::Data<ApiState>, id: web::Path<String>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &["anonymous"])?;
    let key = if params.flag("anonymous")? { UserKey::anonymous(&id) } else { UserKey::user(&id) };
    let engine = &state.engine;
    let profile = engine.profile(&key).await?.ok_or_else(|| ApiProblem::not_found("user", &id))?;
    let events = engine.recent_events(&profile).await?;
    let mut newest_first = profile.journeys.clone();
    newest_first.reverse();
    let mut shown = render(&profile, &engine.definitions());
    shown["journeys"] = journeys::show_all(engine, &newest_first).await?.into();
    shown["recentEvents"] = events.iter().map(feed::accepted).collect();
    Ok(HttpResponse::Ok().json(shown))
}

fn render(profile: &Profile, definitions: &Definitions) -> Value {
    // What a computation that is gone left behind is a trait like any other.
    let names = profile.traits.keys().chain(profile.memberships.keys()).chain(profile.values.keys());
    let traits: BTreeMap<&String, Value> =
        names.filter_map(|name| Some((name, profile.trait_value(name)?.into_owned()))).collect();
    // An audience that was removed and defined again is another one: what is left of the old one does not count.
    let is_in = |key: &str, membership: &Membership| {
        membership.member
            && definitions.audiences.get(key).is_some_and(|audience| audience.id == membership.audience_id)
    };
    let audiences: Map<String, Value> = profile
        .memberships
        .iter()
        .filter(|(key, membership)| is_in(key, membership))
        .map(|(key, _)| (key.clone(), true.into()))
        .collect();
    json!({
        "userId": profile.key.user_id(),
        "anonymousId": profile.key.anonymous_id(),
        "phoneNumber": profile.phone.as_ref().map(|phone| &phone.value),
        "traits": traits,
        "audiences": audiences,
        "externalIds": external_ids(profile),
        "createdAt": profile.created_at,
        "updatedAt": profile.updated_at,
        "journeys": [],
        "recentEvents": [],
    })
}

fn external_ids(profile: &Profile) -> Vec<Value> {
    let id = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let mut ids: Vec<_> = profile.key.user_id().map(|user| id("user_id", user)).into_iter().collect();
    ids.extend(profile.key.anonymous_id().map(|anonymous| id("anonymous_id", anonymous)));
    ids.extend(profile.anonymous_ids.iter().map(|anonymous| id("anonymous_id", anonymous)));
    ids.extend(profile.phone.as_ref().and_then(|phone| phone.value.as_str()).map(|phone| id("phone", phone)));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::TraitValue;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_profile_is_shown_without_what_was_removed() {
        let at = Timestamp::from_millis(0);
        let mut profile = Profile::new(UserKey::user("u1"), at);
        let value = |value| TraitValue { value, at };
        profile.traits.insert("email".to_owned(), value("a@b.c".into()));
        profile.traits.insert("gone".to_owned(), value(Value::Null));
        profile.phone = Some(value("+1".into()));
        profile.anonymous_ids.push("anon".to_owned());
        let membership =
            Membership { audience_id: "aud_1".to_owned(), member: true, since: at, earlier: Vec::new() };
        profile.memberships.insert("removed".to_owned(), membership);
        let shown = render(&profile, &Definitions::default());
        assert_eq!(shown["traits"], json!({ "email": "a@b.c", "removed": true }));
        assert_eq!(shown["audiences"], json!({}));
        assert_eq!(
            shown["externalIds"],
            json!([
                { "type": "user_id", "id": "u1" },
                { "type": "anonymous_id", "id": "anon" },
                { "type": "phone", "id": "+1" },
            ])
        );
    }
}
