//! Rows of journeys beside the journeys themselves: where each is kept, and what lists go by.

use std::collections::BTreeMap;

use ::sled::Batch;

use super::counts::{self, Delta};
use super::disk::{Disk, Writes};
use super::lists::Bounds;
use super::merge::merge;
use super::{codec, keys};
use crate::domain::change::JourneyMove;
use crate::domain::figures;
use crate::domain::ids::{JourneyId, UserKey};
use crate::domain::journey::{InboxPlace, Journey, JourneyFilter, JourneyStatus, Listed};
use crate::domain::limits;
use crate::domain::page::{Order, Page, PageRequest};
use crate::store::cursor::{self, InboxRow};
use crate::store::{Result, StoreError, paging};

/// First byte of a journey's row: the user whose profile holds it follows.
pub(super) const IN_PROFILE: u8 = 0;

/// Writes where journeys are kept, and their rows in the indexes.
pub(super) fn write(moves: &[JourneyMove], writes: &mut Writes<'_>, delta: &mut Delta) {
    for step in moves {
        if step.from.is_none() || step.moved {
            let pointer = keys::join(&[IN_PROFILE], &[step.user.as_str().as_bytes()]);
            writes.set(keys::journey(step.id), pointer);
        }
        if step.from == Some(step.to) {
            continue;
        }
        let flow = figures::known_as(&step.flow);
        if let Some(from) = step.from {
            index(step.id, flow, from).for_each(|row| writes.remove(row));
            *delta.journeys.entry(from.status).or_default() -= 1;
            delta.acknowledged -= i64::from(from.is_acknowledged());
        }
        index(step.id, flow, step.to).for_each(|row| writes.set(row, &[]));
        *delta.journeys.entry(step.to.status).or_default() += 1;
        delta.acknowledged += i64::from(step.to.is_acknowledged());
    }
}

/// The rows of a journey in the indexes.
pub(super) fn index(id: JourneyId, flow: &str, listed: Listed) -> impl Iterator<Item = Vec<u8>> {
    let of_flow = keys::join(&keys::in_flow(listed.status, flow), &[&id.to_bytes()]);
    [Some(of_flow), listed.inbox.map(|place| keys::in_inbox(place, id))].into_iter().flatten()
}

/// Writes the indexes of data that has none, or older ones.
pub(super) fn index_all(disk: &Disk) -> Result<()> {
    let apply =
        |batch| disk.apply(batch).map_err(|source| StoreError::Write { path: disk.path.clone(), source });
    // Only the stalled ones had an index, and it was another one.
    let old: Vec<_> = disk.rows_of(keys::LISTED).map(|row| Ok(row?.0)).collect::<Result<_>>()?;
    for some in old.chunks(limits::UPKEEP_STEP) {
        let mut batch = Batch::default();
        some.iter().for_each(|key| batch.remove(key));
        apply(batch)?;
    }
    let filter = JourneyFilter { order: Order::OldestFirst, ..JourneyFilter::default() };
    let mut request = PageRequest { limit: limits::UPKEEP_STEP, cursor: None };
    let mut acknowledged = 0;
    loop {
        let page = disk.list_journeys(&filter, &request)?;
        let mut batch = Batch::default();
        for journey in &page.rows {
            let listed = journey.listed();
            acknowledged += u64::from(listed.is_acknowledged());
            let rows = index(journey.id, figures::known_as(&journey.flow), listed);
            rows.for_each(|row| batch.insert(row, &[]));
        }
        apply(batch)?;
        request.cursor = page.cursor;
        if request.cursor.is_none() {
            return counts::set_acknowledged(acknowledged, disk);
        }
    }
}

impl Disk {
    pub(super) fn list_journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Result<Page<Journey>> {
        let start: Option<JourneyId> = cursor::read(page.cursor.as_deref())?;
        let (from, to) = filter.ids_after(start);
        let within = (from.map(JourneyId::to_bytes), to.map(JourneyId::to_bytes));
        if let Some(user) = &filter.user {
            return self.list_journeys_of(user, filter, page, within);
        }
        let lists = self.indexes(filter)?;
        let lists = lists.iter().map(|prefix| self.ids(prefix, within, filter.order)).collect();
        paging::page_of(
            page,
            filter.looks,
            merge(lists, filter.order).map(|id| {
                let id = JourneyId::from_bytes(id?);
                Ok((id, self.journey(id)?.filter(|journey| filter.accepts(journey))))
            }),
        )
    }

    /// What the keys begin with that have the ids of all journeys which a filter may want.
    fn indexes(&self, filter: &JourneyFilter) -> Result<Vec<Vec<u8>>> {
        Ok(match (&filter.flow, filter.status) {
            (Some(flow), Some(status)) => vec![keys::in_flow(status, figures::known_as(flow))],
            (Some(flow), None) => {
                JourneyStatus::ALL.map(|status| keys::in_flow(status, figures::known_as(flow))).to_vec()
            }
            (None, Some(status)) => self.flows_in(status)?.unwrap_or_else(|| vec![keys::JOURNEYS.to_vec()]),
            (None, None) => vec![keys::JOURNEYS.to_vec()],
        })
    }

    /// The indexes of the flows that have journeys with that status; `None` where they are too many to be read side by side.
    /// Goes from one flow's first row to the next one's: what lies between is not read.
    fn flows_in(&self, status: JourneyStatus) -> Result<Option<Vec<Vec<u8>>>> {
        let all = keys::in_status(status);
        let (mut from, mut flows) = (all.clone(), Vec::new());
        while let Some(row) = self.rows(from, keys::end(&all)).next() {
            let (key, _) = row?;
            let flow = key.split_last_chunk::<16>().map(|(flow, _)| flow.to_vec());
            let flow = flow.ok_or_else(|| codec::corrupt(&key, "no id"))?;
            if flows.len() == limits::MAX_FLOWS_MERGED {
                return Ok(None);
            }
            from = keys::end(&flow);
            flows.push(flow);
        }
        Ok(Some(flows))
    }

    /// A user's journeys: those in his profile and those in the archive.
    fn list_journeys_of(
        &self,
        user: &UserKey,
        filter: &JourneyFilter,
        page: &PageRequest,
        within: Bounds,
    ) -> Result<Page<Journey>> {
        // The profile first: a journey that a commit moves meanwhile is then seen twice rather than not at all.
        let profile = self.profile(user)?;
        let own = profile.map(|profile| profile.journeys).unwrap_or_default().into_iter();
        let is_within = |id: &JourneyId| {
            let id = id.to_bytes();
            within.0.is_none_or(|from| id >= from) && within.1.is_none_or(|to| id < to)
        };
        let inside = own.map(|journey| (journey.id, Some(journey))).filter(|(id, _)| is_within(id));
        let mut found: BTreeMap<JourneyId, Option<Journey>> = inside.collect();
        // More than a page's worth of ids, and one to know whether there are more, is never needed from the archive.
        let most = limits::MAX_SCAN + 1;
        let archived = self.ids(&keys::archive(user), within, filter.order);
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

    pub(super) fn list_inbox(&self, is_acknowledged: bool, page: &PageRequest) -> Result<Page<Journey>> {
        let start: Option<InboxRow> = cursor::read(page.cursor.as_deref())?;
        let all = keys::inbox(is_acknowledged);
        let from = start.map_or_else(
            || all.clone(),
            |InboxRow { since, id }| {
                keys::join(&keys::in_inbox(InboxPlace { is_acknowledged, since }, id), &[&[0]])
            },
        );
        let rows = self.rows(from, keys::end(&all)).map(|row| {
            let (key, _) = row?;
            let (since, id) =
                keys::read_inbox(&key).ok_or_else(|| codec::corrupt(&key, "no place in the inbox"))?;
            let place = Some(InboxPlace { is_acknowledged, since });
            // A commit that came between the two reads may have put it elsewhere.
            let journey = self.journey(id)?.filter(|journey| journey.listed().inbox == place);
            Ok((InboxRow { since, id }, journey))
        });
        paging::page(page, rows)
    }
}
