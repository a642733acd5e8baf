//! The readers' pages.

use std::collections::BTreeMap;
use std::iter;

use ::sled::IVec;

use super::disk::Disk;
use super::{codec, keys};
use crate::domain::delivery::{Delivery, DeliveryFilter};
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, JourneyId, UserKey};
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use crate::domain::page::{Order, Page, PageRequest};
use crate::store::{DeliveryPart, EventFilter, Member, Result, cursor, is_indexed, paging};

/// The id that a row's key ends with.
fn id_at_end(row: Result<(IVec, IVec)>) -> Result<[u8; 16]> {
    let (key, _) = row?;
    key.last_chunk::<16>().copied().ok_or_else(|| codec::corrupt(&key, "no id"))
}

/// One error in place of a list.
fn failed<'a, T: 'a>(
    rows: Result<impl Iterator<Item = Result<T>> + 'a>,
) -> Box<dyn Iterator<Item = Result<T>> + 'a> {
    match rows {
        Ok(rows) => Box::new(rows),
        Err(error) => Box::new(iter::once(Err(error))),
    }
}

impl Disk {
    /// Ids under `prefix` from `from` up to, not including, `to`.
    fn ids<'d>(
        &'d self,
        prefix: &[u8],
        (from, to): (Option<[u8; 16]>, Option<[u8; 16]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Result<[u8; 16]>> + 'd> {
        let from = from.map_or_else(|| prefix.to_vec(), |id| keys::join(prefix, &[&id]));
        let to = to.map_or_else(|| keys::end(prefix), |id| keys::join(prefix, &[&id]));
        order.of(self.rows(from, to).map(id_at_end))
    }

    pub(super) fn list_journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Result<Page<Journey>> {
        let start: Option<JourneyId> = cursor::read(page.cursor.as_deref())?;
        let (from, to) = filter.ids_after(start);
        if let Some(user) = &filter.user {
            return self.list_journeys_of(user, filter, page, (from, to));
        }
        let within = (from.map(JourneyId::to_bytes), to.map(JourneyId::to_bytes));
        let prefix =
            if filter.status == Some(JourneyStatus::Stalled) { keys::STALLED } else { keys::JOURNEYS };
        let ids = self.ids(prefix, within, filter.order);
        paging::page_of(
            page,
            filter.looks,
            ids.map(|id| {
                let id = JourneyId::from_bytes(id?);
                Ok((id, self.journey(id)?.filter(|journey| filter.accepts(journey))))
            }),
        )
    }

    /// A user's journeys: those in his profile and those in the archive.
    fn list_journeys_of(
        &self,
        user: &UserKey,
        filter: &JourneyFilter,
        page: &PageRequest,
        (from, to): (Option<JourneyId>, Option<JourneyId>),
    ) -> Result<Page<Journey>> {
        // The profile first: a journey that a commit moves meanwhile is then seen twice rather than not at all.
        let profile = self.profile(user)?;
        let own = profile.map(|profile| profile.journeys).unwrap_or_default().into_iter();
        let inside = own
            .map(|journey| (journey.id, Some(journey)))
            .filter(|(id, _)| from.is_none_or(|from| *id >= from) && to.is_none_or(|to| *id < to));
        let mut found: BTreeMap<JourneyId, Option<Journey>> = inside.collect();
        // More than a page's worth of ids, and one to know whether there are more, is never needed from the archive.
        let most = crate::domain::limits::MAX_SCAN + 1;
        let prefix = keys::archive(user);
        let within = (from.map(JourneyId::to_bytes), to.map(JourneyId::to_bytes));
        let archived = self.ids(&prefix, within, filter.order);
        for id in archived.take(most) {
            found.entry(JourneyId::from_bytes(id?)).or_insert(None);
        }
        paging::page_of(
            page,
            filter.looks,
            filter.order.of(found.into_iter()).map(|(id, journey)| {
                let journey = match journey {
                    Some(journey) => Some(journey),
                    None => self.journey(id)?,
                };
                Ok((id, journey.filter(|journey| filter.accepts(journey))))
            }),
        )
    }

    pub(super) fn list_events(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>> {
        let start: Option<EventId> = cursor::read(page.cursor.as_deref())?;
        let oldest = filter.arrived_from.map(EventId::floor);
        // The block that holds the oldest may begin before it.
        let from = match oldest {
            Some(oldest) => self.block_of(oldest)?.unwrap_or_else(|| keys::event(oldest)),
            None => keys::EVENTS.to_vec(),
        };
        let to = start.map_or_else(|| keys::end(keys::EVENTS), keys::event);
        let blocks = self.rows(from, to).rev();
        let events = blocks.flat_map(|row| {
            failed(row.and_then(|(key, row)| self.block(&key, &row)).map(|block| {
                let newest_first = block.events.into_iter().rev();
                let is_within = move |id: &EventId| {
                    start.is_none_or(|start| *id < start) && oldest.is_none_or(|oldest| *id >= oldest)
                };
                newest_first.filter(move |(id, _)| is_within(id)).map(|(id, record)| {
                    let event = codec::event(id, &record)?;
                    Ok((id, Some(event).filter(|event| filter.accepts(event))))
                })
            }))
        });
        paging::page_of(page, filter.looks, events)
    }

    pub(super) fn list_members(&self, audience_id: &str, page: &PageRequest) -> Result<Page<Member>> {
        let start: Option<UserKey> = cursor::read(page.cursor.as_deref())?;
        let prefix = keys::members(audience_id);
        let mut from = prefix.clone();
        if let Some(last) = start {
            from.extend_from_slice(last.as_str().as_bytes());
            from.push(0);
        }
        let rows = self.rows(from, keys::end(&prefix));
        paging::page(
            page,
            rows.map(|row| {
                let (key, value) = row?;
                match (keys::read_user(&key[prefix.len()..]), keys::read_time(&value)) {
                    (Some(user), Some(since)) => Ok((user.clone(), Some(Member { user, since }))),
                    _ => Err(codec::corrupt(&key, "no member")),
                }
            }),
        )
    }

    pub(super) fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Page<Delivery>> {
        let start: Option<DeliveryId> = cursor::read(page.cursor.as_deref())?;
        // An id is never made with an earlier time than the delivery's own, so `since` bounds the ids too.
        let from = filter.since.map(|since| DeliveryId::floor(since).to_bytes());
        let prefix = match (&filter.user, filter.status, &filter.destination) {
            (Some(user), ..) => keys::deliveries_of(user),
            (None, Some(status), Some(destination)) if is_indexed(status) => {
                keys::by_destination(destination, status)
            }
            (None, Some(status), _) if is_indexed(status) => keys::by_status(status),
            (None, ..) => keys::DELIVERIES.to_vec(),
        };
        let to = [start, filter.until.map(DeliveryId::floor)].into_iter().flatten().min();
        let ids = self.ids(&prefix, (from, to.map(DeliveryId::to_bytes)), Order::NewestFirst);
        paging::page_of(
            page,
            filter.looks,
            ids.map(|id| {
                let id = DeliveryId::from_bytes(id?);
                Ok((id, self.delivery(id)?.filter(|delivery| filter.accepts(delivery))))
            }),
        )
    }

    pub(super) fn deliveries_after(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
        until: DeliveryId,
        limit: usize,
    ) -> Result<DeliveryPart> {
        let prefix = match filter.status {
            Some(status) if is_indexed(status) => keys::by_status(status),
            _ => keys::DELIVERIES.to_vec(),
        };
        let since = filter.since.map(|since| keys::join(&prefix, &[&DeliveryId::floor(since).to_bytes()]));
        let from = after.map(|id| keys::join(&prefix, &[&id.to_bytes(), &[0]]));
        let from = from.max(since).unwrap_or_else(|| prefix.clone());
        let to = keys::join(&prefix, &[&until.to_bytes(), &[0]]);
        let mut part = DeliveryPart::default();
        for id in self.rows(from, to).map(id_at_end).take(limit) {
            let id = DeliveryId::from_bytes(id?);
            part.looked_at += 1;
            part.last = Some(id);
            part.deliveries.extend(self.delivery(id)?.filter(|delivery| filter.accepts(delivery)));
        }
        Ok(part)
    }
}
