//! Users: found by their ids, and all that is known of one.

use std::borrow::Cow;

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::live::{accepted_row, choices};
use super::page::{Answer, Refusal};
use super::render::segment;
use super::texts::text;
use super::visit::Visit;
use crate::domain::definition::{Computation, Definitions};
use crate::domain::delivery::{DeliveryFilter, DeliveryStatus};
use crate::domain::external_ids::{EMAIL, PHONE};
use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::{Membership, Profile};
use crate::engine::{Engine, EngineError, EventFilter, Order};
use crate::http::api::{deliveries, journeys};
use crate::http::profile_view;

/// Rows of a page of events, and of one of deliveries.
const ROWS: usize = 50;
/// How a user may be looked for; the first is all of the others in turn.
const BY: [&str; 6] = ["anything", "user", "email", "phone", "anonymous", "group"];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/users").route(web::get().to(search)))
        .service(web::resource("/users/{id}").route(web::get().to(one)))
        .service(web::resource("/users/{id}/events").route(web::get().to(events)))
        .service(web::resource("/users/{id}/deliveries").route(web::get().to(deliveries_of)));
}

/// The page of whose key that is: of a user, a visitor or an account.
pub(super) fn place(key: &UserKey) -> String {
    match (key.user_id(), key.anonymous_id(), key.group_id()) {
        (Some(id), ..) => format!("/console/users/{}", segment(id)),
        (None, Some(id), _) => format!("/console/users/{}?anonymous=true", segment(id)),
        (None, None, Some(id)) => format!("/console/users/{}?group=true", segment(id)),
        (None, None, None) => "/console/users".to_owned(),
    }
}

async fn search(visit: Visit) -> Answer {
    let failed = |error| Refusal::of(&visit, error);
    let by = visit.asked("by").filter(|by| BY.contains(by)).unwrap_or(BY[0]);
    // A plus that stood in the address as it is has become a space.
    let asked = visit
        .asked("q")
        .map(|asked| if asked.starts_with(' ') { asked.replacen(' ', "+", 1) } else { asked.to_owned() });
    let asked = asked.map(|asked| asked.trim().to_owned()).filter(|asked| !asked.is_empty());
    let found = match &asked {
        Some(asked) if asked.len() <= limits::MAX_ID_BYTES => {
            find(visit.engine(), by, asked).await.map_err(failed)?
        }
        Some(_) | None => Vec::new(),
    };
    if let [only] = found.as_slice() {
        return Ok(HttpResponse::SeeOther().insert_header((LOCATION, place(&only.key))).finish());
    }
    let counts = visit.engine().counts().await.map_err(failed)?;
    let choice = |by: &&str| json!([by, text(&format!("users.by.{by}"))]);
    Ok(visit.page(
        "users.html",
        json!({
            "asked": asked,
            "by": by,
            "choices": BY.iter().map(choice).collect::<Vec<_>>(),
            "found": found.iter().map(brief).collect::<Vec<_>>(),
            "most": limits::MAX_FOUND,
            "profiles": counts.profiles,
        }),
    ))
}

/// Everybody who has that id, none twice. Each way is a look into an index.
async fn find(engine: &Engine, by: &str, asked: &str) -> Result<Vec<Profile>, EngineError> {
    let is_meant = |way: &str| by == way || by == BY[0];
    let keys = [
        ("user", UserKey::user(asked)),
        ("anonymous", UserKey::anonymous(asked)),
        ("group", UserKey::group(asked)),
    ];
    let mut found: Vec<Profile> = Vec::new();
    for (_, key) in keys.iter().filter(|(way, _)| is_meant(way)) {
        found.extend(engine.profile(key).await?);
    }
    for (_, kind) in [("email", EMAIL), ("phone", PHONE)].iter().filter(|(way, _)| is_meant(way)) {
        found.extend(engine.profiles_by_external_id(kind, asked).await?);
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|profile| seen.insert(profile.key.clone()));
    Ok(found)
}

/// One who was found.
fn brief(profile: &Profile) -> Value {
    let ids = profile_view::ids_by_kind(profile);
    let first = |kind: &str| ids.get(kind).and_then(|ids| ids.first());
    json!({
        "name": profile_view::name(&profile.key),
        "href": place(&profile.key),
        "kind": kind(&profile.key),
        "email": first(EMAIL),
        "phone": first(PHONE),
        "updated_at": profile.updated_at,
    })
}

fn kind(key: &UserKey) -> &'static str {
    if key.user_id().is_some() {
        "user"
    } else if key.group_id().is_some() {
        "group"
    } else {
        "anonymous"
    }
}

/// The profile that the address names, whatever it has become part of.
async fn profile(visit: &Visit, id: &str) -> Result<Profile, Refusal> {
    let key = match (visit.asked("anonymous"), visit.asked("group")) {
        (Some("true"), _) => UserKey::anonymous(id),
        (_, Some("true")) => UserKey::group(id),
        _ => UserKey::user(id),
    };
    let found = visit.engine().profile(&key).await.map_err(|error| Refusal::of(visit, error))?;
    found.ok_or_else(|| Refusal::not_found(visit, "user"))
}

/// What stands on each of a user's pages: who it is, and where the others are.
fn frame(visit: &Visit, profile: &Profile, id: &str) -> Value {
    let place = place(&profile.key);
    let (path, query) = place.split_once('?').unwrap_or((&place, ""));
    let tab = |name: &str| {
        if query.is_empty() { format!("{path}/{name}") } else { format!("{path}/{name}?{query}") }
    };
    let own = profile.key.user_id().or(profile.key.anonymous_id()).or(profile.key.group_id());
    json!({
        "name": profile_view::name(&profile.key),
        "kind": kind(&profile.key),
        "tabs": [["profile", &place], ["events", &tab("events")], ["deliveries", &tab("deliveries")]],
        "here": visit.path,
        // Somebody else's page by now.
        "asked": (own != Some(id)).then_some(id),
    })
}

async fn one(visit: Visit, id: web::Path<String>) -> Answer {
    let failed = |error| Refusal::of(&visit, error);
    let profile = profile(&visit, &id).await?;
    let engine = visit.engine();
    let definitions = engine.definitions();
    let events = engine.recent_events(&profile).await.map_err(failed)?;
    let newest_first: Vec<_> = profile.journeys.iter().rev().cloned().collect();
    let journeys = journeys::show_all(engine, &newest_first).await.map_err(failed)?;
    let (member, left): (Vec<_>, Vec<_>) =
        profile_view::memberships(&profile, &definitions).partition(|(_, membership)| membership.member);
    let groups = profile.groups.iter().map(|id| json!({ "id": id, "href": place(&UserKey::group(id)) }));
    let computed = profile_view::computed(&profile, &definitions);
    let computed = computed.map(|(definition, known)| {
        json!({ "key": definition.key, "name": definition.name, "value": known.value, "since": known.since })
    });
    let external = profile_view::external_ids(&profile).into_iter();
    let external = external.map(|known| json!({ "kind": known.kind, "id": known.id, "since": known.since }));
    Ok(visit.page(
        "user.html",
        json!({
            "user": frame(&visit, &profile, &id),
            "created_at": profile.created_at,
            "updated_at": profile.updated_at,
            "ids": external.collect::<Vec<_>>(),
            "groups": groups.collect::<Vec<_>>(),
            "users": profile.key.group_id().map(|_| json!({ "known": profile.users.known, "anonymous": profile.users.anonymous })),
            "traits": traits(&profile, &definitions),
            "member": member.iter().map(membership).collect::<Vec<_>>(),
            "left": left.iter().map(membership).collect::<Vec<_>>(),
            "computed": computed.collect::<Vec<_>>(),
            "journeys": journeys,
            "events": events.iter().map(accepted_row).collect::<Vec<_>>(),
        }),
    ))
}

/// What people said of him, by name; what is computed has lists of its own.
fn traits(profile: &Profile, definitions: &Definitions) -> Vec<Value> {
    let is_said = |name: &str| definitions.computation(name).is_none();
    let told = profile.traits.iter().filter(|(name, known)| !known.value.is_null() && is_said(name));
    told.map(|(name, known)| json!({ "name": name, "value": known.value, "at": known.at })).collect()
}

fn membership((audience, membership): &(&Computation, Cow<'_, Membership>)) -> Value {
    json!({ "key": audience.key, "name": audience.name, "since": membership.since, "changes": membership.earlier.len() })
}

async fn events(visit: Visit, id: web::Path<String>) -> Answer {
    let profile = profile(&visit, &id).await?;
    let cursor = visit.asked("cursor").map(str::to_owned);
    // What the profile itself names needs no search.
    let limit = if cursor.is_none() { limits::RECENT_EVENTS } else { ROWS };
    let page = PageRequest { limit, cursor };
    let found = async {
        let _turn = match page.cursor {
            Some(_) => Some(visit.state.search_turn().await?),
            None => None,
        };
        let filter = EventFilter { looks: Some(limits::MAX_SCAN_SHOWN), ..EventFilter::default() };
        visit.engine().events_of(&profile, filter, Order::NewestFirst, &page).await
    };
    let found: Page<_> = found.await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page(
        "user_events.html",
        json!({
            "user": frame(&visit, &profile, &id),
            "events": found.rows.iter().map(accepted_row).collect::<Vec<_>>(),
            "next": visit.next(found.cursor.as_deref()),
            "searched": limits::MAX_SCAN_SHOWN,
        }),
    ))
}

async fn deliveries_of(visit: Visit, id: web::Path<String>) -> Answer {
    let profile = profile(&visit, &id).await?;
    let status = visit.asked("status").and_then(DeliveryStatus::from_name);
    // Nothing was made for somebody who was not there yet.
    let filter = DeliveryFilter {
        user: Some(profile.key.clone()),
        status,
        since: Some(profile.created_at),
        looks: Some(super::deliveries::LOOKED_AT),
        ..DeliveryFilter::default()
    };
    let page = PageRequest { limit: ROWS, cursor: visit.asked("cursor").map(str::to_owned) };
    let found: Page<_> =
        visit.engine().deliveries(&filter, &page).await.map_err(|error| Refusal::of(&visit, error))?;
    let statuses = DeliveryStatus::ALL.map(DeliveryStatus::as_str);
    Ok(visit.page(
        "user_deliveries.html",
        json!({
            "user": frame(&visit, &profile, &id),
            "status": status.map(DeliveryStatus::as_str),
            "statuses": choices(statuses),
            "deliveries": found.rows.iter().map(deliveries::summary).collect::<Vec<_>>(),
            "next": visit.next(found.cursor.as_deref()),
            "searched": super::deliveries::LOOKED_AT,
        }),
    ))
}
