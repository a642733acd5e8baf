//! Going on with the debugger's feed where somebody left off, and which of its lines are wanted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::debugger::{FeedItem, Rejection};
use super::error::EngineError;
use super::follow::OVERLAP;
use super::handle::Engine;
use super::read::Read;
use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::store::EventFilter;

/// Which lines of the feed are wanted.
#[derive(Clone, Debug)]
pub struct FeedFilter {
    /// Whether accepted events are, of which `filter` then says which.
    pub events: bool,
    /// Whether refused posts are.
    pub refusals: bool,
    /// Which events.
    pub filter: EventFilter,
}

impl FeedFilter {
    /// Whether that line is wanted.
    pub fn accepts(&self, item: &FeedItem) -> bool {
        match item {
            FeedItem::Accepted(event) => self.accepts_event(event),
            FeedItem::Rejected(rejection) => self.accepts_refusal(rejection),
        }
    }

    fn accepts_event(&self, event: &Event) -> bool {
        self.events && self.filter.accepts(event)
    }

    /// Nobody knows whose a refused post was, and of which type: where these are asked for, `refusals` is not set.
    pub fn accepts_refusal(&self, rejection: &Rejection) -> bool {
        self.refusals
            && self.filter.source.as_ref().is_none_or(|source| rejection.source.as_ref() == Some(source))
    }
}

/// How far somebody has come in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPlace {
    /// The newest event that he was told of, or a place where one could be.
    pub event: EventId,
    /// The number of the newest refusal.
    pub refusal: u64,
}

impl FeedPlace {
    /// He has come to this line, too.
    pub fn reach(&mut self, item: &FeedItem) {
        match item {
            FeedItem::Accepted(event) => self.event = self.event.max(event.id),
            FeedItem::Rejected(rejection) => self.refusal = self.refusal.max(rejection.number),
        }
    }
}

impl fmt::Display for FeedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.event, self.refusal)
    }
}

/// A text that is no place in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the feed, as the ids of its lines are")]
pub struct FeedPlaceError;

impl FromStr for FeedPlace {
    type Err = FeedPlaceError;

    fn from_str(text: &str) -> Result<Self, FeedPlaceError> {
        let (event, refusal) = text.rsplit_once('-').ok_or(FeedPlaceError)?;
        let (event, refusal) = (event.parse(), refusal.parse());
        Ok(Self { event: event.map_err(|_| FeedPlaceError)?, refusal: refusal.map_err(|_| FeedPlaceError)? })
    }
}

/// What came after a place.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    /// Refusals and events, each oldest first.
    pub items: Vec<FeedItem>,
    /// Whether there was more, which is not told any more.
    pub missed: bool,
}

impl Engine {
    /// The place in the feed where there is nothing newer yet.
    pub fn feed_end(&self) -> FeedPlace {
        let event = EventId::floor(self.shared.clock.now());
        FeedPlace { event, refusal: self.shared.debugger.newest_rejection() }
    }

    /// What came after `place`, for somebody who listens already: what he hears from then on follows it without a gap, and some of it
    /// he may hear again. At most `limits::FEED_BACKLOG` events.
    ///
    /// # Errors
    /// When the store can't be read, or the server stops.
    pub async fn feed_since(&self, place: FeedPlace, wanted: &FeedFilter) -> Result<Backlog, EngineError> {
        let (refused, forgotten) = self.shared.debugger.rejections_after(place.refusal);
        let refused = refused.into_iter().filter(|one| wanted.accepts_refusal(one));
        let mut items: Vec<FeedItem> = refused.map(FeedItem::Rejected).collect();
        let mut missed = forgotten && wanted.refusals;
        if wanted.events {
            let (events, more) = self.events_after(place.event, wanted).await?;
            items.extend(events.into_iter().rev().map(|event| FeedItem::Accepted(Arc::new(event))));
            missed |= more;
        }
        Ok(Backlog { items, missed })
    }

    /// The newest events after that one, newest first, and whether there are more.
    async fn events_after(&self, event: EventId, wanted: &FeedFilter) -> Read<(Vec<Event>, bool)> {
        let is_shared = self.shared.store.is_shared();
        // Of what other nodes write at the same time, something may turn up before it.
        let after = if is_shared { EventId::floor(event.made_at().minus(OVERLAP)) } else { event };
        if !is_shared {
            // What is being written while somebody begins to listen is not told to him: it is waited for, and read.
            self.settle(Vec::new()).await?;
        }
        let filter = EventFilter { arrived_from: Some(after.made_at()), ..wanted.filter.clone() };
        let page = PageRequest { limit: limits::FEED_BACKLOG, cursor: None };
        let page = self.newest_events(&filter, &page).await?;
        let mut events = page.rows;
        events.retain(|event| event.id > after);
        Ok((events, page.cursor.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn places_round_trip() {
        let place = FeedPlace { event: EventId::floor(Timestamp::from_millis(7)), refusal: 12 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "-", "evt_x-1", "1-evt_", "evt_00000000000000000000000000"] {
            assert_eq!(wrong.parse::<FeedPlace>(), Err(FeedPlaceError), "{wrong}");
        }
    }
}
