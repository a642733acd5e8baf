//! What brings older data to the form of today.

use ::sled::Batch;

use super::disk::Disk;
use super::keys;
use crate::domain::external_ids::KINDS;
use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::store::{Result, StoreError};

/// Brings the data from one version to the next. One that was cut short runs again from its beginning.
pub(super) type Upgrade = fn(&Disk) -> Result<()>;

/// In order; the first brings version 1 to version 2.
pub(super) const UPGRADES: &[Upgrade] = &[index_external_ids];

/// The version that this build writes.
pub(super) const DATA_VERSION: u32 = 2;

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
