//! The live debugger: what comes in, as it comes, accepted and refused.

mod event;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

pub(super) use rows::accepted as accepted_row;

use super::page::{Answer, Refusal};
use super::texts::{filled, text};
use super::visit::Visit;
use crate::domain::definition::SourceKind;
use crate::domain::ids::{EventId, UserKey};
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::domain::time::Span;
use crate::engine::{EventFilter, FeedFilter, FeedPlace};
use crate::http::api::feed::Cursor;
use crate::http::api::{events, stream};

/// Rows that the page is made with.
const ROWS: usize = 100;
/// Rows that the page holds while it listens; `live.js` lets go of the oldest.
const WINDOW: usize = 500;
/// How far back of the page's making it begins to listen: what was being written then is not lost, and told twice it is shown once.
const SLACK: Span = Span::from_secs(5);
/// After how long the stream ends, so that the browser comes back and its session is looked at anew.
const LISTENING: Duration = Duration::from_secs(5 * 60);

/// The choices of what to show: the value in the address, and whether accepted and refused ones are meant.
const OUTCOMES: [(&str, bool, bool); 3] =
    [("", true, true), ("accepted", true, false), ("rejected", false, true)];
const TYPES: [&str; 6] = ["track", "identify", "page", "screen", "group", "alias"];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/live").route(web::get().to(page)))
        .service(web::resource("/live/stream").route(web::get().to(listen)))
        .service(web::resource("/live/{id}").route(web::get().to(event::page)));
}

async fn page(visit: Visit) -> Answer {
    let engine = visit.engine();
    let cursor = match visit.asked("cursor") {
        None => Cursor::default(),
        Some(cursor) => {
            Cursor::decode(cursor).ok_or_else(|| Refusal::invalid(&visit, text("live.wrong_cursor")))?
        }
    };
    let is_newest = cursor == Cursor::default();
    let place = FeedPlace { event: EventId::floor(visit.now.minus(SLACK)), ..engine.feed_end() };
    let is_filtered = FILTERS.iter().any(|name| visit.asked(name).is_some());
    let found = async {
        let _turn = if is_filtered { Some(visit.state.search_turn().await?) } else { None };
        let mut wanted = wanted(&visit);
        wanted.filter.looks = Some(limits::MAX_SCAN_SHOWN);
        events::page(engine, &wanted, cursor, ROWS).await
    };
    let (items, next) = found.await.map_err(|error| Refusal::of(&visit, error))?;
    let counts = engine.counts().await.map_err(|error| Refusal::of(&visit, error))?;
    let definitions = engine.definitions();
    let rows: Vec<_> = items.iter().map(rows::row).collect();
    let next = next.map(|next| next.encode());
    let outcomes = OUTCOMES.map(|(value, ..)| {
        json!([value, text(&format!("live.outcomes.{}", if value.is_empty() { "all" } else { value }))])
    });
    let asked: BTreeMap<_, _> =
        FILTERS.iter().map(|name| (*name, visit.asked(name).unwrap_or_default())).collect();
    Ok(visit.page(
        "live.html",
        json!({
            "rows": rows,
            "next": visit.next(next.as_deref()),
            "newest": visit.with(&[("cursor", None), ("said", None)]),
            "is_newest": is_newest,
            "is_filtered": is_filtered,
            "stream": stream_of(&visit),
            "after": place.to_string(),
            "window": WINDOW,
            "asked": asked,
            "outcomes": outcomes,
            "types": choices(TYPES),
            "sources": choices(definitions.sources.keys().map(String::as_str)),
            "events": counts.events,
            "limits": { "rows": ROWS, "refused": limits::REJECTED_KEPT, "posted": limits::POSTED_KEPT, "searched": limits::MAX_SCAN_SHOWN },
            "first_post": first_post(&visit),
        }),
    ))
}

/// The options of a choice: all, or one of these.
pub(super) fn choices<'v>(values: impl IntoIterator<Item = &'v str>) -> Value {
    let all = ("", text("frame.all"));
    let values = values.into_iter().map(|value| (value, value.to_owned()));
    std::iter::once(all).chain(values).map(|(value, shown)| json!([value, shown])).collect()
}

/// The names under which filters stand in the address.
const FILTERS: [&str; 5] = ["outcome", "type", "event", "user", "source"];

/// Which lines the filters mean.
fn wanted(visit: &Visit) -> FeedFilter {
    let outcome = visit.asked("outcome").unwrap_or_default();
    let (_, accepted, refused) =
        OUTCOMES.into_iter().find(|(value, ..)| *value == outcome).unwrap_or(OUTCOMES[0]);
    let owned = |name: &str| visit.asked(name).map(|text| text.trim().to_owned());
    let users: BTreeSet<_> =
        owned("user").into_iter().flat_map(|id| [UserKey::user(&id), UserKey::anonymous(&id)]).collect();
    let filter = EventFilter {
        type_name: owned("type"),
        source: owned("source"),
        users,
        names: owned("event").into_iter().collect(),
        ..EventFilter::default()
    };
    events::wanted_of(filter, accepted, refused)
}

/// Where the page listens, with its filters.
fn stream_of(visit: &Visit) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(FILTERS.iter().filter_map(|name| Some((*name, visit.asked(name)?))));
    format!("/console/live/stream?{}", query.finish())
}

async fn listen(visit: Visit, request: HttpRequest) -> Answer {
    let refuse = |text: String| Refusal::invalid(&visit, filled("live.wrong_place", &[("place", &text)]));
    let after = stream::place(&request, visit.asked("after")).map_err(refuse)?;
    let wish = stream::Wish { wanted: wanted(&visit), after, show: rows::row, lasting: Some(LISTENING) };
    let opened: Result<HttpResponse, _> = stream::open(&visit.state, wish).await;
    opened.map_err(|problem| Refusal::of(&visit, problem))
}

/// A line that posts something, for somebody who has nothing yet; `None` where there is nowhere to post to.
fn first_post(visit: &Visit) -> Option<String> {
    // Whoever has the key can post.
    let definitions = visit.caller.may(Scope::Define).then(|| visit.engine().definitions())?;
    let (base, sources) = (&visit.state.public_url, &definitions.sources);
    let of_kind = |kind| sources.values().find(|source| source.kind == kind);
    if let Some(source) = of_kind(SourceKind::Studio) {
        let flow = definitions.flows.keys().next().map_or("order_confirmation", String::as_str);
        let fields = format!("-d userID=u1 -d phoneNumber=+15551234567 -d flow={flow} -d stage=initiation");
        return Some(format!("curl {fields} {base}/studio/{}", source.write_key));
    }
    let source = of_kind(SourceKind::Http)?;
    let body = json!({ "userId": "u1", "event": "Order Completed", "properties": { "value": 20 } });
    Some(format!(
        "curl -u {}: -H 'content-type: application/json' -d '{body}' {base}/v1/track",
        source.write_key
    ))
}
