//! One profile's events: those that its profile names, or those that the log has of it.

use std::collections::BTreeSet;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::error::EngineError;
use super::handle::Engine;
use super::read::Read;
use crate::domain::event::Event;
use crate::domain::ids::{EventId, UserKey};
use crate::domain::limits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::Profile;
use crate::store::{EventFilter, cursor};

/// Events read from the log at a time.
const STEP: usize = 1000;

/// In which order events are listed; that of their arrival, either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

impl Engine {
    /// A profile's events that `filter` wants, whichever of its ids they were sent under (`filter.users` need not be set).
    ///
    /// What the profile itself names needs no search: all events of somebody who has few, and the newest ones of anybody.
    /// Further ones are searched in the log, `limits::MAX_SCAN` events a page at most: a page may be short, or empty, while its
    /// cursor says that there is more.
    ///
    /// # Errors
    /// When the store can't be read, or the cursor is none.
    pub async fn events_of(
        &self,
        profile: &Profile,
        filter: EventFilter,
        order: Order,
        page: &PageRequest,
    ) -> Read<Page<Event>> {
        let start: Option<EventId> = cursor::read(page.cursor.as_deref())?;
        let all_named = profile.recent.len() < limits::RECENT_EVENTS;
        if all_named || (order == Order::NewestFirst && start.is_none()) {
            let named = self.named_events(profile, &filter, order, start).await?;
            if all_named || named.len() >= page.limit {
                return Ok(first_of(named, page.limit, !all_named));
            }
        }
        let filter = EventFilter { users: keys_of(profile), ..filter };
        match order {
            Order::NewestFirst => self.newest_events(&filter, page).await,
            Order::OldestFirst => self.oldest_events(filter, start, page.limit).await,
        }
    }

    /// The events that the profile names, after `start` in that order.
    async fn named_events(
        &self,
        profile: &Profile,
        filter: &EventFilter,
        order: Order,
        start: Option<EventId>,
    ) -> Read<Vec<Event>> {
        let oldest = filter.arrived_from.map(EventId::floor);
        let mut named = self.recent_events(profile).await?;
        named.retain(|event| filter.accepts(event) && oldest.is_none_or(|oldest| event.id >= oldest));
        match order {
            Order::NewestFirst => named.retain(|event| start.is_none_or(|start| event.id < start)),
            Order::OldestFirst => {
                named.retain(|event| start.is_none_or(|start| event.id > start));
                named.reverse();
            }
        }
        Ok(named)
    }

    /// Reads the log forwards, on a thread of its own.
    async fn oldest_events(
        &self,
        filter: EventFilter,
        start: Option<EventId>,
        limit: usize,
    ) -> Read<Page<Event>> {
        let (engine, runtime) = (self.clone(), Handle::current());
        let read = spawn_blocking(move || runtime.block_on(engine.read_log(&filter, start, limit)));
        read.await.map_err(|error| EngineError::Unavailable(error.to_string()))?
    }

    async fn read_log(
        &self,
        filter: &EventFilter,
        start: Option<EventId>,
        limit: usize,
    ) -> Read<Page<Event>> {
        let store = &self.shared.store;
        let mut rows = Vec::new();
        let Some(until) = store.last_event().await? else { return Ok(Page { rows, cursor: None }) };
        let mut after = start.max(filter.arrived_from.map(EventId::floor));
        let mut looked = 0;
        loop {
            let events = store.event_log(after, until, STEP).await?;
            if events.is_empty() {
                return Ok(Page { rows, cursor: None });
            }
            for event in events {
                let id = event.id;
                looked += 1;
                after = Some(id);
                rows.extend(Some(event).filter(|event| filter.accepts(event)));
                if rows.len() >= limit || looked >= limits::MAX_SCAN {
                    return Ok(Page { rows, cursor: Some(cursor::write(&id)) });
                }
            }
        }
    }
}

/// The first ones; `more` is whether there may be others behind them all.
fn first_of(mut events: Vec<Event>, limit: usize, more: bool) -> Page<Event> {
    let goes_on = more || events.len() > limit;
    events.truncate(limit);
    let cursor = events.last().filter(|_| goes_on).map(|event| cursor::write(&event.id));
    Page { rows: events, cursor }
}

/// The ids under which a profile's events were sent, as far as they are remembered.
fn keys_of(profile: &Profile) -> BTreeSet<UserKey> {
    let anonymous = profile.anonymous_ids.iter().map(|id| UserKey::anonymous(id));
    let former = profile.former_ids.iter().map(|id| UserKey::user(id));
    anonymous.chain(former).chain([profile.key.clone()]).collect()
}
