//! `GET /api/events`: the debugger's list, newest first, accepted and refused.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::endpoint::Endpoint;
use super::feed::{self, Cursor, Events};
use super::params::{Params, invalid};
use super::state::ApiState;
use super::{Answer, listed, stream};
use crate::domain::event::Event;
use crate::domain::limits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError, EventFilter, Rejection};

/// The values of `type`: the calls, and what was refused.
const TYPES: [&str; 7] = ["track", "identify", "page", "screen", "group", "alias", REJECTED];
const REJECTED: &str = "rejected";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/events").get(list), Endpoint::at("/api/events/stream").get(stream::listen)]
}

/// What of the two lists is wanted.
struct Wanted {
    events: bool,
    refusals: bool,
    filter: EventFilter,
}

async fn list(state: web::Data<ApiState>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &["limit", "type", "userId", "cursor"])?;
    let limit = params.limit()?;
    let known = |name: &str| TYPES.contains(&name).then(|| name.to_owned());
    let type_name = params.choice("type", &TYPES, known)?;
    let user = params.user();
    let wanted = Wanted {
        events: type_name.as_deref() != Some(REJECTED),
        // Nobody knows whose a refused post was, and of what type.
        refusals: user.is_none() && type_name.as_deref().is_none_or(|name| name == REJECTED),
        filter: EventFilter { type_name, users: user.into_iter().collect(), ..EventFilter::default() },
    };
    let cursor = match params.text("cursor") {
        None => Cursor::default(),
        Some(text) => Cursor::decode(text)
            .ok_or_else(|| invalid("cursor", format!("`{text}` is not a cursor of this list")))?,
    };
    let (lines, next) = page(&state.engine, &wanted, cursor, limit).await?;
    Ok(HttpResponse::Ok().json(listed("events", lines, next.map(|next| next.encode()))))
}

/// One page of both lists, and where the next one begins.
async fn page(
    engine: &Engine,
    wanted: &Wanted,
    cursor: Cursor,
    limit: usize,
) -> Result<(Vec<Value>, Option<Cursor>), EngineError> {
    let mut refused = if wanted.refusals {
        cursor.still_to_show(engine.debugger().rejections(limits::REJECTED_KEPT))
    } else {
        Vec::new()
    };
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
    let accepted = times(&stored).into_iter().zip(stored.rows.iter().map(feed::accepted)).collect();
    let refused = refused.iter().map(|one| (one.at, feed::rejected(one))).collect();
    Ok((feed::merge(accepted, refused), more.then_some(next)))
}

fn goes_on(stored: &mut Page<Event>) -> Events {
    stored.cursor.take().map_or(Events::End, Events::At)
}

async fn stored(
    engine: &Engine,
    wanted: &Wanted,
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
