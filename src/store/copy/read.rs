//! All records of a store, kind by kind and a part at a time, as the change sets that write them.

use crate::domain::change::{
    BackfillWrite, ChangeSet, DefinitionWrite, DeliveryWrite, HealthWrite, JourneyMove, MembershipWrite,
    ProfileWrite, ReplayWrite, SizeWrite,
};
use crate::domain::copying::RecordKind;
use crate::domain::delivery::{Delivery, DeliveryFilter};
use crate::domain::ids::{DeliveryId, UserKey};
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::profile::Profile;
use crate::domain::shelf::{Entry, EntryWrite, Shelf};
use crate::domain::sizes::Per;
use crate::domain::time::Timestamp;
use crate::store::unlisted::opened;
use crate::store::{RecordPart, Result, Store, StoreError, Unlisted};

/// How many records of that kind make one change set: a few thousand that are small, fewer of those that may be large.
pub(super) fn step(kind: RecordKind) -> usize {
    match kind {
        RecordKind::Profiles | RecordKind::LeafPages | RecordKind::Shelves => 250,
        RecordKind::Events | RecordKind::ArchivedJourneys | RecordKind::Deliveries => 500,
        RecordKind::MessageIds
        | RecordKind::ExternalIds
        | RecordKind::Members
        | RecordKind::Sizes
        | RecordKind::Figures
        | RecordKind::Definitions
        | RecordKind::Backfills
        | RecordKind::Healths
        | RecordKind::Replays
        | RecordKind::UnknownFlows
        | RecordKind::AdminToken => 2_500,
    }
}

/// The records of that kind behind `after`, a place that an earlier part of the same store gave; about `limit` of them.
pub(super) async fn part(
    store: &dyn Store,
    kind: RecordKind,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<RecordPart> {
    let mut changes = ChangeSet::default();
    match kind {
        RecordKind::Events => return store.unlisted(Unlisted::Events, after, limit).await,
        RecordKind::Profiles => return profiles(store, after, limit).await,
        RecordKind::LeafPages => return store.unlisted(Unlisted::LeafPages, after, limit).await,
        RecordKind::MessageIds => return store.unlisted(Unlisted::MessageIds, after, limit).await,
        RecordKind::ExternalIds => return store.unlisted(Unlisted::ExternalIds, after, limit).await,
        RecordKind::ArchivedJourneys => {
            return store.unlisted(Unlisted::ArchivedJourneys, after, limit).await;
        }
        RecordKind::Members => return members(store, after, limit).await,
        RecordKind::Sizes => return sizes(store, after).await,
        RecordKind::Figures => return store.unlisted(Unlisted::Figures, after, limit).await,
        RecordKind::Deliveries => return deliveries(store, after, limit).await,
        RecordKind::Shelves => return shelves(store, after, limit).await,
        // Of the others there are few: all are handed out at once.
        _ if after.is_some() => return Ok(RecordPart::default()),
        RecordKind::Definitions => {
            let definitions = store.definitions().await?.into_iter();
            changes.definitions = definitions.map(|it| DefinitionWrite::Put(Box::new(it))).collect();
        }
        RecordKind::Backfills => {
            let backfills = store.backfills().await?.into_iter();
            changes.backfills = backfills.map(|it| BackfillWrite::Put(Box::new(it))).collect();
        }
        RecordKind::Healths => {
            changes.healths = store.healths().await?.into_iter().map(HealthWrite::Put).collect();
        }
        RecordKind::Replays => {
            let replays = store.replays().await?.into_iter();
            changes.replays = replays.map(|it| ReplayWrite::Put(Box::new(it))).collect();
        }
        RecordKind::UnknownFlows => changes.unknown_flows = store.unknown_flows().await?,
        RecordKind::AdminToken => changes.admin_token_hash = store.admin_token_hash().await?,
    }
    Ok(RecordPart { changes, last: Some(Vec::new()) })
}

fn no_place(after: &[u8]) -> StoreError {
    StoreError::Cursor(hex::encode(after))
}

async fn profiles(store: &dyn Store, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
    let read = |after: &[u8]| {
        let key = std::str::from_utf8(after).ok().and_then(UserKey::from_key_text);
        key.ok_or_else(|| no_place(after))
    };
    let after = after.map(read).transpose()?;
    let (profiles, last) = store.profiles_after(after.as_ref(), limit).await?;
    let mut part =
        RecordPart { last: last.map(|key| key.as_str().as_bytes().to_vec()), ..Default::default() };
    for profile in profiles {
        let opened = profile
            .journeys
            .iter()
            .map(|journey| JourneyMove { user: profile.key.clone(), ..opened(journey) });
        part.changes.journeys.extend(opened);
        // Its revisions are those of its store.
        let profile = Profile { revision: 0, ..profile };
        part.changes.profiles.push(ProfileWrite { profile, wake_was: None, is_new: true, was_merged: false });
    }
    Ok(part)
}

async fn deliveries(store: &dyn Store, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
    let read = |after: &[u8]| after.try_into().map(DeliveryId::from_bytes).map_err(|_| no_place(after));
    let after = after.map(read).transpose()?;
    let newest = DeliveryId::from_bytes([u8::MAX; 16]);
    let found = store.deliveries_after(&DeliveryFilter::default(), after, newest, limit).await?;
    let write = |delivery: Delivery| DeliveryWrite { delivery, was: None };
    let deliveries = found.deliveries.into_iter().map(write).collect();
    let last = found.last.map(|id| id.to_bytes().to_vec());
    Ok(RecordPart { changes: ChangeSet { deliveries, ..ChangeSet::default() }, last })
}

/// An audience, and the place in the list of its members; `None`: behind its last one.
type MembersPlace = (String, Option<String>);

async fn members(store: &dyn Store, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
    let read = |after: &[u8]| serde_json::from_slice::<MembersPlace>(after).map_err(|_| no_place(after));
    let (audience_id, cursor) = match after.map(read).transpose()? {
        Some((audience_id, Some(cursor))) => (audience_id, Some(cursor)),
        done => match next_audience(store, done.as_ref().map(|(id, _)| id.as_str())).await? {
            Some(audience_id) => (audience_id, None),
            None => return Ok(RecordPart::default()),
        },
    };
    let page =
        store.members(&audience_id, &PageRequest { limit: limit.min(limits::MAX_PAGE), cursor }).await?;
    let write = |member: crate::store::Member| MembershipWrite {
        audience_id: audience_id.clone(),
        user: member.user,
        since: Some(member.since),
    };
    let memberships = page.rows.into_iter().map(write).collect();
    let place: MembersPlace = (audience_id.clone(), page.cursor);
    let last = serde_json::to_vec(&place).expect("two texts are JSON");
    Ok(RecordPart { changes: ChangeSet { memberships, ..ChangeSet::default() }, last: Some(last) })
}

/// The shelves that are copied.
const SHELVES: [Shelf; 3] = [Shelf::People, Shelf::Tokens, Shelf::Audit];

/// A shelf's number, and the place in the list of its records; `None`: behind its last one.
type ShelfPlace = (usize, Option<String>);

async fn shelves(store: &dyn Store, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
    let read = |after: &[u8]| serde_json::from_slice::<ShelfPlace>(after).map_err(|_| no_place(after));
    let (number, cursor) = match after.map(read).transpose()? {
        None => (0, None),
        Some((number, None)) => (number + 1, None),
        Some(place) => place,
    };
    let Some(shelf) = SHELVES.get(number).copied() else { return Ok(RecordPart::default()) };
    let page = store.entries(shelf, &PageRequest { limit: limit.min(limits::MAX_PAGE), cursor }).await?;
    let write = |Entry { key, value }| EntryWrite { shelf, key, was: None, value: Some(value) };
    let entries = page.rows.into_iter().map(write).collect();
    let place: ShelfPlace = (number, page.cursor);
    let last = serde_json::to_vec(&place).expect("a number and a text are JSON");
    Ok(RecordPart { changes: ChangeSet { entries, ..ChangeSet::default() }, last: Some(last) })
}

async fn sizes(store: &dyn Store, after: Option<&[u8]>) -> Result<RecordPart> {
    let read = |after: &[u8]| String::from_utf8(after.to_vec()).map_err(|_| no_place(after));
    let after = after.map(read).transpose()?;
    let Some(audience_id) = next_audience(store, after.as_deref()).await? else {
        return Ok(RecordPart::default());
    };
    let mut sizes = Vec::new();
    for per in Per::ALL {
        let (from, to) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        for point in store.audience_sizes(&audience_id, per, from, to).await? {
            sizes.push(SizeWrite { audience_id: audience_id.clone(), per, point });
        }
    }
    let changes = ChangeSet { sizes, ..ChangeSet::default() };
    Ok(RecordPart { changes, last: Some(audience_id.into_bytes()) })
}

/// The first audience behind that one, in the order of the ids.
async fn next_audience(store: &dyn Store, after: Option<&str>) -> Result<Option<String>> {
    let ids = store.audiences_with_members().await?.into_iter();
    Ok(ids.filter(|id| after.is_none_or(|after| id.as_str() > after)).min())
}
