//! What brings older data to the form of today.

use ::sled::Batch;

use super::disk::{Disk, Writes};
use super::figures::Rows;
use super::keys;
use super::{codec, definitions, journeys, lanes};
use crate::domain::backfill::Backfill;
use crate::domain::definition::{Kind, Status};
use crate::domain::delivery::DeliveryFilter;
use crate::domain::external_ids::KINDS;
use crate::domain::figures::{Counted, Figure, Grain};
use crate::domain::ids::{DeliveryId, EventId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::domain::time::Timestamp;
use crate::store::{Result, StoreError, Unlisted, is_indexed};

/// Brings the data from one version to the next. One that was cut short runs again from its beginning.
pub(super) type Upgrade = fn(&Disk) -> Result<()>;

/// In order; the first brings version 1 to version 2. Version 4 seals secrets.
pub(super) const UPGRADES: &[Upgrade] =
    &[index_external_ids, begin_backfills_anew, Disk::seal_plain_records, count_journeys, make_lists];

/// The version that this build writes.
pub(super) const DATA_VERSION: u32 = 6;

/// Version 2 finds people by mail address and phone number. (It also keeps leaf states in another form: the engine computes
/// anew what was computed before.)
fn index_external_ids(disk: &Disk) -> Result<()> {
    let mut after: Option<UserKey> = None;
    loop {
        let (profiles, last) = disk.profiles_after(after.as_ref(), limits::UPKEEP_STEP)?;
        let Some(last) = last else { return Ok(()) };
        after = Some(last);
        let mut batch = Batch::default();
        for profile in &profiles {
            for (kind, id) in
                KINDS.iter().flat_map(|kind| profile.external_ids(kind).into_iter().map(|id| (*kind, id)))
            {
                let user = profile.key.as_str().as_bytes();
                batch.insert(keys::join(&keys::external_id(kind, &id), &[user]), &[]);
            }
        }
        disk.apply(batch).map_err(|source| StoreError::Write { path: disk.path.clone(), source })?;
    }
}

/// Version 3 gives profiles their past in another order (and keeps them in a denser form, which old ones come to as they are
/// written). What was in the midst of it counts as failed: the engine begins it anew.
fn begin_backfills_anew(disk: &Disk) -> Result<()> {
    let mut writes = Writes::new(disk);
    for row in disk.rows_of(keys::BACKFILLS) {
        let (key, row) = row?;
        // One that only forgets is as it was.
        let record = disk.rest_of(&key, &row)?.unwrap_or_default();
        let known: Result<Backfill> = codec::decode(&key, &record);
        if !known.is_ok_and(|known| known.only_forgets()) {
            writes.delete_read(key.to_vec(), &row);
        }
    }
    // Only these: other kinds are not sealed yet.
    for kind in [Kind::Audience, Kind::Trait] {
        for mut definition in disk.definitions_of(kind)? {
            let Some(computation) = definition.computation_mut() else { continue };
            if computation.status == Status::Computing {
                computation.status = Status::Failed;
                definitions::put(&definition, &mut writes)?;
            }
        }
    }
    let (batch, _) = writes.into_batch()?;
    disk.apply(batch).map_err(|source| StoreError::Write { path: disk.path.clone(), source })
}

/// Version 5 keeps figures: how many journeys of each flow stand where, and what became of those of the last weeks, day by day. (What
/// else is counted begins with that version.)
fn count_journeys(disk: &Disk) -> Result<()> {
    let newest = disk.last_event()?.map_or(Timestamp::default(), EventId::made_at);
    let since = Grain::Day.start_of(newest.minus(limits::HOURLY_FIGURES_KEPT));
    let mut rows = Rows::new();
    let mut count = |journey: &Journey| {
        let mut counted = Counted::new();
        journey.count_anew(&mut counted);
        for ((at, Figure { family, subject, detail }), change) in counted {
            let grain = if at.is_some() { Grain::Day } else { Grain::Ever };
            let start = grain.start_of(at.unwrap_or_default());
            if at.is_none_or(|at| at >= since) {
                let row = rows.entry((family, grain, subject, start)).or_default();
                *row.entry(detail).or_default() += change;
            }
        }
    };
    let mut after: Option<UserKey> = None;
    loop {
        let (profiles, last) = disk.profiles_after(after.as_ref(), limits::UPKEEP_STEP)?;
        profiles.iter().flat_map(|profile| &profile.journeys).for_each(&mut count);
        after = last;
        if after.is_none() {
            break;
        }
    }
    let mut after: Option<Vec<u8>> = None;
    loop {
        let part = disk.unlisted(Unlisted::ArchivedJourneys, after.as_deref(), limits::UPKEEP_STEP)?;
        part.changes.archived.iter().for_each(&mut count);
        after = part.last;
        if after.is_none() {
            break;
        }
    }
    super::figures::set_rows(rows, disk)
}

/// Version 6 lists journeys by flow and status, the stalled ones by how long they wait; and deliveries by user, those that call for
/// somebody's eyes by destination.
fn make_lists(disk: &Disk) -> Result<()> {
    journeys::index_all(disk)?;
    index_deliveries(disk)
}

fn index_deliveries(disk: &Disk) -> Result<()> {
    let (last, mut after) = (DeliveryId::from_bytes([u8::MAX; 16]), None);
    loop {
        let part = disk.deliveries_after(&DeliveryFilter::default(), after, last, limits::UPKEEP_STEP)?;
        if part.last.is_none() {
            return Ok(());
        }
        after = part.last;
        let mut batch = Batch::default();
        for delivery in &part.deliveries {
            batch.insert(lanes::of_user(delivery), &[]);
            let status = Some(delivery.status).filter(|status| is_indexed(*status));
            let rows = status.into_iter().flat_map(|status| lanes::in_status(delivery, status));
            rows.for_each(|row| batch.insert(row, &[]));
        }
        disk.apply(batch).map_err(|source| StoreError::Write { path: disk.path.clone(), source })?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::document;
    use crate::store::seal::Sealer;
    use crate::store::sled::disk::Old;

    #[test]
    fn version_3_begins_anew_what_was_in_the_midst_of_a_backfill() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 1 << 20, Sealer::for_tests()).unwrap();
        let put = |name: &str, status: Status| {
            let wanted = serde_json::json!({ "name": name, "query": "event('A').count() >= 1" });
            let mut definition = document::read_one(Kind::Audience, None, &wanted).unwrap();
            definition.computation_mut().unwrap().status = status;
            let key = keys::definition(definition.kind(), definition.key());
            let record = codec::encode_json(&key, &definition).unwrap();
            let mut writes = Writes::new(&disk);
            writes.put(key, &record, Old::Nothing).unwrap();
            // In a form that is not known any more, in two rows.
            let key = keys::join(keys::BACKFILLS, &[&[7; 16]]);
            writes.put(key, &[0xc1; 6000], Old::Nothing).unwrap();
            disk.apply(writes.into_batch().unwrap().0).unwrap();
        };
        put("Begun", Status::Computing);
        put("Finished", Status::Live);
        assert!(disk.all::<Backfill>(keys::BACKFILLS).is_err());
        begin_backfills_anew(&disk).unwrap();
        assert_eq!(disk.all::<Backfill>(keys::BACKFILLS).unwrap(), []);
        assert_eq!(disk.rows_of(keys::BACKFILLS).count(), 0);
        let statuses: Vec<Status> = disk
            .definitions()
            .unwrap()
            .iter()
            .filter_map(|it| it.computation().map(|it| it.status.clone()))
            .collect();
        assert_eq!(statuses, [Status::Failed, Status::Live]);
    }
}
