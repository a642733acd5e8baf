//! What the memory backend answers.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;

use super::state::{Kept, State};
use crate::domain::delivery::{Delivery, DeliveryFilter};
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, JourneyId, UserKey};
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::time::Timestamp;
use crate::store::{Counts, DeliveryPart, EventFilter, Member, Result, cursor, is_indexed, paging};

/// The range below `cursor`, for lists that run downwards.
fn below<T>(cursor: Option<T>) -> (Bound<T>, Bound<T>) {
    (Bound::Unbounded, cursor.map_or(Bound::Unbounded, Bound::Excluded))
}

/// The range above `cursor`.
fn above<T>(cursor: Option<T>) -> (Bound<T>, Bound<T>) {
    (cursor.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

/// A number as it is counted.
pub(super) fn size(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

impl State {
    pub(super) fn due_deliveries(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Vec<Delivery> {
        self.heads(destination)
            .take_while(|(at, ..)| *at <= now)
            .filter(|(_, user, _)| !busy.contains(user))
            .take(limit)
            .filter_map(|(.., id)| self.deliveries.get(id).cloned())
            .collect()
    }

    pub(super) fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        whole: bool,
    ) -> (usize, Option<Timestamp>) {
        let heads = self.due.get(destination).into_iter().flatten();
        let due: Vec<_> = heads.filter(|(at, user, _)| *at <= now && !busy.contains(user)).collect();
        let Some(oldest) = due.first().map(|(at, ..)| *at) else { return (0, None) };
        let lane = |user: &UserKey| self.lanes.get(destination).and_then(|lanes| lanes.get(user));
        let in_lane = |user| lane(user).map_or(0, |lane| lane.values().take_while(|at| **at <= now).count());
        let count = due.iter().map(|(_, user, _)| if whole { in_lane(user) } else { 1 }).sum::<usize>();
        (count.min(limit), Some(oldest))
    }

    pub(super) fn pending_of(
        &self,
        destination: &str,
        user: &UserKey,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Vec<Delivery> {
        let lane = self.lanes.get(destination).and_then(|lanes| lanes.get(user));
        let ids = lane.into_iter().flat_map(|lane| lane.range(above(after))).take(limit);
        ids.filter_map(|(id, _)| self.deliveries.get(id).cloned()).collect()
    }

    pub(super) fn newest_pending(&self, lanes: &[(String, UserKey)], limit: usize) -> Vec<Vec<Delivery>> {
        let newest = |(destination, user): &(String, UserKey)| {
            let lane = self.lanes.get(destination).and_then(|lanes| lanes.get(user));
            let ids = lane.into_iter().flat_map(|lane| lane.keys().rev()).take(limit);
            ids.filter_map(|id| self.deliveries.get(id).cloned()).collect()
        };
        lanes.iter().map(newest).collect()
    }

    pub(super) fn deliveries_after(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
        until: DeliveryId,
        limit: usize,
    ) -> DeliveryPart {
        let is_counted = |delivery: &&Delivery| {
            filter.status.is_none_or(|status| !is_indexed(status) || delivery.status == status)
                && filter.since.is_none_or(|since| delivery.id >= DeliveryId::floor(since))
        };
        let all = self.deliveries.range(above(after)).map(|(_, delivery)| delivery);
        let all: Vec<&Delivery> =
            all.take_while(|delivery| delivery.id <= until).filter(is_counted).take(limit).collect();
        DeliveryPart {
            looked_at: all.len(),
            last: all.last().map(|delivery| delivery.id),
            deliveries: all.into_iter().filter(|delivery| filter.accepts(delivery)).cloned().collect(),
        }
    }

    pub(super) fn next_delivery(&self, destination: &str, busy: &HashSet<UserKey>) -> Option<Timestamp> {
        self.heads(destination).find(|(_, user, _)| !busy.contains(user)).map(|(at, ..)| *at)
    }

    fn heads(&self, destination: &str) -> impl Iterator<Item = &(Timestamp, UserKey, DeliveryId)> {
        self.due.get(destination).into_iter().flatten()
    }

    pub(super) fn event_log(&self, after: Option<EventId>, until: EventId, limit: usize) -> Vec<Event> {
        let mut found = Vec::new();
        for (id, logged) in self.events.range(above(after)) {
            if *id > until {
                break;
            }
            found.push(logged.event.clone());
            if logged.ends_commit && found.len() >= limit {
                break;
            }
        }
        found
    }

    pub(super) fn profiles_after(
        &self,
        after: Option<&UserKey>,
        limit: usize,
    ) -> (Vec<Profile>, Option<UserKey>) {
        let profiles: Vec<Profile> = self
            .profiles
            .range(above(after.cloned()))
            .take(limit)
            .map(|(_, profile)| profile.clone())
            .collect();
        let last = profiles.last().map(|profile| profile.key.clone());
        (profiles, last)
    }

    pub(super) fn overlap(&self, one: &str, other: &str) -> u64 {
        let members = |id: &str| self.members.get(id).into_iter().flatten().map(|(user, _)| user);
        let others: BTreeSet<&UserKey> = members(other).collect();
        size(members(one).filter(|user| others.contains(user)).count())
    }

    pub(super) fn expired_seen(&self, before: Timestamp, limit: usize) -> Vec<(UserKey, MessageHash)> {
        let by_age: BTreeSet<_> =
            self.seen.iter().filter(|(_, at)| **at < before).map(|(key, at)| (*at, key)).collect();
        by_age.into_iter().take(limit).map(|(_, key)| key.clone()).collect()
    }

    pub(super) fn journey(&self, id: JourneyId) -> Option<&Journey> {
        match self.journeys.get(&id)? {
            Kept::Archive(journey) => Some(journey),
            Kept::Profile(user) => self.profiles.get(user)?.journeys.iter().find(|journey| journey.id == id),
        }
    }

    pub(super) fn list_journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Result<Page<Journey>> {
        let start: Option<JourneyId> = cursor::read(page.cursor.as_deref())?;
        let ids: BTreeSet<JourneyId> = match (&filter.user, filter.status) {
            (Some(user), _) => {
                let own = self.profiles.get(user).into_iter().flat_map(|profile| &profile.journeys);
                let archived = self.archived.get(user).into_iter().flatten().copied();
                own.map(|journey| journey.id).chain(archived).collect()
            }
            (None, Some(JourneyStatus::Stalled)) => self.stalled.clone(),
            (None, _) => self.journeys.keys().copied().collect(),
        };
        let (from, to) = filter.ids_after(start);
        let wanted = filter
            .order
            .of(ids.into_iter())
            .filter(|id| from.is_none_or(|from| *id >= from) && to.is_none_or(|to| *id < to));
        paging::page_of(
            page,
            filter.looks,
            wanted.map(|id| Ok((id, self.journey(id).filter(|journey| filter.accepts(journey)).cloned()))),
        )
    }

    pub(super) fn list_events(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>> {
        let start: Option<EventId> = cursor::read(page.cursor.as_deref())?;
        let oldest = filter.arrived_from.map(EventId::floor);
        let newest_first = self.events.range(below(start)).rev();
        paging::page_of(
            page,
            filter.looks,
            newest_first.take_while(|(id, _)| oldest.is_none_or(|oldest| **id >= oldest)).map(
                |(id, logged)| Ok((*id, Some(&logged.event).filter(|event| filter.accepts(event)).cloned())),
            ),
        )
    }

    pub(super) fn list_members(&self, audience_id: &str, page: &PageRequest) -> Result<Page<Member>> {
        let start: Option<UserKey> = cursor::read(page.cursor.as_deref())?;
        let none = BTreeMap::new();
        let members = self.members.get(audience_id).unwrap_or(&none);
        paging::page(
            page,
            members
                .range(above(start))
                .map(|(user, since)| Ok((user.clone(), Some(Member { user: user.clone(), since: *since })))),
        )
    }

    pub(super) fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Page<Delivery>> {
        let start: Option<DeliveryId> = cursor::read(page.cursor.as_deref())?;
        // An id is never made with an earlier time than the delivery's own, so `since` bounds the ids too.
        let oldest = filter.since.map(DeliveryId::floor);
        let newest_first = self.deliveries.range(below(start)).rev();
        // Those of one user are all that is looked at, as elsewhere.
        let of_user = |delivery: &Delivery| filter.user.as_ref().is_none_or(|user| delivery.user == *user);
        paging::page_of(
            page,
            filter.looks,
            newest_first
                .take_while(|(id, _)| oldest.is_none_or(|oldest| **id >= oldest))
                .filter(|(_, delivery)| of_user(delivery))
                .map(|(id, delivery)| Ok((*id, Some(delivery).filter(|row| filter.accepts(row)).cloned()))),
        )
    }

    pub(super) fn counts(&self) -> Counts {
        let mut deliveries = BTreeMap::new();
        for delivery in self.deliveries.values() {
            let key = (delivery.destination.clone(), delivery.status.as_str());
            *deliveries.entry(key).or_default() += 1;
        }
        Counts {
            events: size(self.events.len()),
            profiles: size(
                self.profiles.values().filter(|it| it.merged_into.is_none() && !it.key.is_desk()).count(),
            ),
            journeys: self.journey_counts.clone().into_iter().filter(|(_, count)| *count > 0).collect(),
            members: self.members.iter().map(|(id, members)| (id.clone(), size(members.len()))).collect(),
            deliveries,
        }
    }
}
