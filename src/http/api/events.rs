//! `GET /api/events`: the debugger's list, newest first, accepted and refused.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::endpoint::Endpoint;
use super::feed::{self, Cursor, Events};
use super::params::{Params, invalid};
use super::state::ApiState;
use super::{Answer, listed, stream};
use crate::domain::event::Event;
use crate::domain::limits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError, EventFilter, FeedFilter, FeedItem, Rejection};
use crate::http::problem::ApiProblem;

/// The values of `type`: the calls, and what was refused.
const TYPES: [&str; 7] = ["track", "identify", "page", "screen", "group", "alias", REJECTED];
const REJECTED: &str = "rejected";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/events").get(list), Endpoint::at("/api/events/stream").get(stream::listen)]
}

async fn list(state: web::Data<ApiState>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &[&FILTER[..], &["limit", "cursor"]].concat())?;
    let limit = params.limit()?;
    let wanted = wanted(&params)?;
    let cursor = match params.text("cursor") {
        None => Cursor::default(),
        Some(text) => Cursor::decode(text)
            .ok_or_else(|| invalid("cursor", format!("`{text}` is not a cursor of this list")))?,
    };
    let (lines, next) = page(&state.engine, &wanted, cursor, limit).await?;
    let lines = lines.iter().map(feed::show).collect();
    Ok(HttpResponse::Ok().json(listed("events", lines, next.map(|next| next.encode()))))
}

/// The parameters that say which lines are wanted.
pub(super) const FILTER: [&str; 4] = ["type", "event", "userId", "source"];

/// Which lines the parameters mean.
pub(super) fn wanted(params: &Params) -> Result<FeedFilter, ApiProblem> {
    let known = |name: &str| TYPES.contains(&name).then(|| name.to_owned());
    let type_name = params.choice("type", &TYPES, known)?;
    let only_refusals = type_name.as_deref() == Some(REJECTED);
    let filter = EventFilter {
        type_name: type_name.filter(|_| !only_refusals),
        source: params.owned("source"),
        users: params.user().into_iter().collect(),
        names: params.owned("event").into_iter().collect(),
        ..EventFilter::default()
    };
    Ok(wanted_of(filter, !only_refusals, true))
}

/// The lines of events that `filter` accepts, and of refusals where nothing is asked that nobody knows of these.
pub(in crate::http) fn wanted_of(filter: EventFilter, events: bool, refusals: bool) -> FeedFilter {
    let may_be_refused = filter.users.is_empty() && filter.names.is_empty() && filter.type_name.is_none();
    FeedFilter { events, refusals: refusals && may_be_refused, filter }
}

/// One page of both lists, and where the next one begins.
pub(in crate::http) async fn page(
    engine: &Engine,
    wanted: &FeedFilter,
    cursor: Cursor,
    limit: usize,
) -> Result<(Vec<FeedItem>, Option<Cursor>), EngineError> {
    let mut refused = engine.debugger().rejections(limits::REJECTED_KEPT);
    refused.retain(|one| wanted.accepts_refusal(one));
    let mut refused = cursor.still_to_show(refused);
    let mut stored = stored(engine, wanted, &cursor.events, limit).await?;
    let (events, mut refusals) = feed::split(&times(&stored), &refused_at(&refused), limit);
    let next_events = if events == stored.rows.len() {
        if stored.cursor.is_some() {
            // Refusals older than this page's events come with the older events.
            let oldest = times(&stored).last().copied();
            let newer = |one: &&_| oldest.is_none_or(|oldest| Arc::<Rejection>::as_ref(one).at > oldest);
            refusals = refusals.min(refused.iter().take_while(newer).count());
        }
        goes_on(&mut stored)
    } else if events == 0 {
        stored.rows.clear();
        cursor.events.clone()
    } else {
        // The store's cursor is good only after a whole page: where refusals take up room, a smaller page is asked for.
        stored = self::stored(engine, wanted, &cursor.events, events).await?;
        goes_on(&mut stored)
    };
    let more = next_events != Events::End || refused.len() > refusals;
    refused.truncate(refusals);
    let next = Cursor { refused_before: cursor.after(&refused), events: next_events };
    let rows = stored.rows.into_iter();
    let accepted = rows.map(|event| (event.id.made_at(), FeedItem::Accepted(Arc::new(event)))).collect();
    let refused = refused.into_iter().map(|one| (one.at, FeedItem::Rejected(one))).collect();
    Ok((feed::merge(accepted, refused), more.then_some(next)))
}

fn goes_on(stored: &mut Page<Event>) -> Events {
    stored.cursor.take().map_or(Events::End, Events::At)
}

async fn stored(
    engine: &Engine,
    wanted: &FeedFilter,
    from: &Events,
    limit: usize,
) -> Result<Page<Event>, EngineError> {
    let cursor = match from {
        Events::End => return Ok(Page { rows: Vec::new(), cursor: None }),
        Events::At(cursor) => Some(cursor.clone()),
        Events::Start => None,
    };
    if !wanted.events {
        return Ok(Page { rows: Vec::new(), cursor: None });
    }
    engine.newest_events(&wanted.filter, &PageRequest { limit, cursor }).await
}

/// When each event was written; their ids rise, their arrivals need not.
fn times(page: &Page<Event>) -> Vec<Timestamp> {
    page.rows.iter().map(|event| event.id.made_at()).collect()
}

fn refused_at<T: AsRef<Rejection>>(refused: &[T]) -> Vec<Timestamp> {
    refused.iter().map(|one| one.as_ref().at).collect()
}
