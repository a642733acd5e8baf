//! Archived journeys: each whole under its id, with an index by user, and their way from one user to another.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::{Disk, Old, Writes};
use super::{codec, keys};
use crate::domain::change::{Adoption, ChangeSet};
use crate::domain::ids::{JourneyId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::store::Result;

/// Whose a journey is.
struct Owner<'c> {
    /// In the store; `None` where this commit archives it.
    was: Option<&'c UserKey>,
    /// Once this commit is written.
    is: &'c UserKey,
}

/// The archived journeys that a commit adds or moves.
#[derive(Default)]
struct Touched<'c> {
    owners: BTreeMap<JourneyId, Owner<'c>>,
    /// The same by whose they are.
    by_user: BTreeMap<&'c UserKey, BTreeSet<JourneyId>>,
}

impl<'c> Touched<'c> {
    fn give(&mut self, id: JourneyId, was: Option<&'c UserKey>, user: &'c UserKey) {
        let owner = self.owners.entry(id).or_insert(Owner { was, is: user });
        if let Some(ids) = self.by_user.get_mut(owner.is) {
            ids.remove(&id);
        }
        owner.is = user;
        self.by_user.entry(user).or_default().insert(id);
    }

    fn adopt(&mut self, adoption: &'c Adoption, disk: &Disk) -> Result<()> {
        let prefix = keys::archive(&adoption.from);
        let mut ids = self.by_user.get(&adoption.from).cloned().unwrap_or_default();
        let mut untouched = 0;
        for row in disk.rows_of(&prefix).rev() {
            let (key, _) = row?;
            let id = keys::read_id(&key[prefix.len()..]).ok_or_else(|| codec::corrupt(&key, "no id"))?;
            let id = JourneyId::from_bytes(id);
            if !self.owners.contains_key(&id) {
                ids.insert(id);
                untouched += 1;
            }
            if untouched == limits::MAX_ADOPTED_JOURNEYS {
                break;
            }
        }
        for id in ids.into_iter().rev().take(limits::MAX_ADOPTED_JOURNEYS) {
            self.give(id, Some(&adoption.from), &adoption.to);
        }
        Ok(())
    }
}

/// Writes the journeys that `changes` archives, then moves those that it gives to another user.
pub(super) fn write(changes: &ChangeSet, writes: &mut Writes<'_>) -> Result<()> {
    let mut touched = Touched::default();
    for journey in &changes.archived {
        touched.give(journey.id, None, &journey.user);
    }
    for adoption in &changes.adopted {
        touched.adopt(adoption, writes.disk)?;
    }
    for journey in &changes.archived {
        if let Some(owner) = touched.owners.get(&journey.id) {
            put(journey.clone(), owner, writes)?;
        }
    }
    for (id, owner) in &touched.owners {
        if let Some(was) = owner.was.filter(|was| *was != owner.is) {
            let key = keys::journey(*id);
            let record = writes.disk.record(&key)?;
            let record =
                record.ok_or_else(|| codec::corrupt(&key, "it is archived, and there is no such journey"))?;
            writes.remove(keys::join(&keys::archive(was), &[&id.to_bytes()]));
            put(codec::decode(&key, &record)?, owner, writes)?;
        }
    }
    Ok(())
}

/// Writes a journey and its row in the index.
fn put(journey: Journey, owner: &Owner<'_>, writes: &mut Writes<'_>) -> Result<()> {
    let journey = Journey { user: owner.is.clone(), ..journey };
    let key = keys::journey(journey.id);
    let record = codec::encode(&key, &journey)?;
    writes.put(key, &record, Old::Unknown)?;
    writes.set(keys::join(&keys::archive(owner.is), &[&journey.id.to_bytes()]), &[]);
    Ok(())
}
