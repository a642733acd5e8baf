//! `/api/users`: everything known of one user, the history of his audiences, and who is found by an id.

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::params::{NoParams, Params, invalid};
use super::state::ApiState;
use super::{Answer, feed, journeys};
use crate::domain::definition::{Computation, Definitions};
use crate::domain::external_ids::{EMAIL, PHONE};
use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::domain::profile::{Membership, Profile};
use crate::engine::{Engine, EngineError};
use crate::http::caller::Caller;
use crate::http::problem::ApiProblem;
use crate::http::profile_view;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/users").get(search),
        Endpoint::at("/api/users/{userId}").get(one),
        Endpoint::at("/api/users/{userId}/audiences").get(audiences),
        Endpoint::at("/api/users/{userId}/delete-notice").post(Scope::Operate, delete_notice),
    ]
}

/// Tells the webhooks that a user is to be deleted. Whether he is known here makes no difference: they may know him.
async fn delete_notice(
    state: web::Data<ApiState>,
    caller: Caller,
    id: web::Path<String>,
    _: NoParams,
) -> Answer {
    if id.len() > limits::MAX_ID_BYTES {
        return Err(ApiProblem::not_found("user", &id));
    }
    let deliveries = state.engine.acting(caller.by()).notify_deletion(&id).await?;
    Ok(HttpResponse::Accepted().json(json!({ "deliveries": deliveries })))
}

/// The profile that a path names, whatever it has become part of.
async fn profile(engine: &Engine, id: &str, request: &HttpRequest) -> Result<Profile, ApiProblem> {
    let params = Params::read(request, &["anonymous"])?;
    let key = if params.flag("anonymous")? { UserKey::anonymous(id) } else { UserKey::user(id) };
    engine.profile(&key).await?.ok_or_else(|| ApiProblem::not_found("user", id))
}

async fn one(state: web::Data<ApiState>, id: web::Path<String>, request: HttpRequest) -> Answer {
    let engine = &state.engine;
    let profile = profile(engine, &id, &request).await?;
    let events = engine.recent_events(&profile).await?;
    let mut newest_first = profile.journeys.clone();
    newest_first.reverse();
    let mut shown = render(&profile, &engine.definitions());
    shown["journeys"] = journeys::show_all(engine, &newest_first).await?.into();
    shown["recentEvents"] = events.iter().map(feed::accepted).collect();
    Ok(HttpResponse::Ok().json(shown))
}

fn render(profile: &Profile, definitions: &Definitions) -> Value {
    let external_id = |known: profile_view::ExternalId| json!({ "type": known.kind, "id": known.id });
    let mut facts = profile_view::facts(profile, definitions);
    json!({
        "userId": profile.key.user_id(),
        "anonymousId": profile.key.anonymous_id(),
        "formerIds": profile.former_ids,
        "phoneNumber": profile.phone.as_ref().map(|phone| &phone.value),
        "traits": facts["traits"].take(),
        "audiences": facts["audiences"].take(),
        "computedTraits": facts["computedTraits"].take(),
        "groups": profile.groups,
        "externalIds": profile_view::external_ids(profile).into_iter().map(external_id).collect::<Vec<_>>(),
        "createdAt": profile.created_at,
        "updatedAt": profile.updated_at,
        "journeys": [],
        "recentEvents": [],
    })
}

async fn audiences(state: web::Data<ApiState>, id: web::Path<String>, request: HttpRequest) -> Answer {
    let profile = profile(&state.engine, &id, &request).await?;
    let definitions = state.engine.definitions();
    let audiences: Vec<_> = profile_view::memberships(&profile, &definitions).map(history).collect();
    Ok(HttpResponse::Ok().json(json!({ "audiences": audiences })))
}

/// What a user was to an audience, newest first.
fn history((audience, membership): (&Computation, Cow<'_, Membership>)) -> Value {
    let changes: Vec<_> =
        membership.changes().map(|(member, at)| json!({ "member": member, "at": at })).collect();
    json!({
        "key": audience.key,
        "name": audience.name,
        "member": membership.member,
        "since": membership.since,
        "changes": changes,
    })
}

async fn search(state: web::Data<ApiState>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &["email", "phone", "anonymousId"])?;
    let engine = &state.engine;
    let found = match (params.text("email"), params.text("phone"), params.text("anonymousId")) {
        (Some(email), None, None) => people(engine, EMAIL, email).await?,
        (None, Some(phone), None) => people(engine, PHONE, phone).await?,
        (None, None, Some(id)) => engine.profile(&UserKey::anonymous(id)).await?.into_iter().collect(),
        (None, None, None) => return Err(invalid("email", "give one of email, phone and anonymousId")),
        _ => return Err(invalid("email", "give only one of email, phone and anonymousId")),
    };
    Ok(HttpResponse::Ok().json(json!({ "users": found.iter().map(brief).collect::<Vec<_>>() })))
}

/// Users and visitors with that id. An account may have it too, but is none of them.
async fn people(engine: &Engine, kind: &str, id: &str) -> Result<Vec<Profile>, EngineError> {
    let mut found = engine.profiles_by_external_id(kind, id).await?;
    found.retain(|profile| profile.key.group_id().is_none());
    Ok(found)
}

/// One who was found.
fn brief(profile: &Profile) -> Value {
    let ids = profile_view::ids_by_kind(profile);
    let first = |kind: &str| ids.get(kind).and_then(|ids| ids.first());
    let mut shown: Map<String, Value> = profile_view::who(&profile.key);
    shown.insert("email".into(), json!(first(EMAIL)));
    shown.insert("phoneNumber".into(), json!(first(PHONE)));
    shown.insert("createdAt".into(), json!(profile.created_at));
    shown.insert("updatedAt".into(), json!(profile.updated_at));
    Value::Object(shown)
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
        profile.traits.insert("plan".to_owned(), value("pro".into()));
        profile.traits.insert("gone".to_owned(), value(Value::Null));
        profile.phone = Some(value("+1".into()));
        profile.anonymous_ids.push("anon".to_owned());
        let membership =
            Membership { audience_id: "aud_1".to_owned(), member: true, since: at, earlier: Vec::new() };
        profile.memberships.insert("removed", membership);
        let shown = render(&profile, &Definitions::default());
        assert_eq!(shown["traits"], json!({ "plan": "pro", "removed": true }));
        assert_eq!((&shown["audiences"], &shown["computedTraits"]), (&json!({}), &json!({})));
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
