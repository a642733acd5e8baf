//! Members of audiences, one row each, and their number.

use std::collections::{BTreeMap, BTreeSet};

use super::counts::Delta;
use super::disk::Writes;
use super::{codec, keys};
use crate::domain::change::ChangeSet;
use crate::domain::ids::UserKey;
use crate::domain::time::Timestamp;
use crate::store::Result;

/// Per audience what its members are to be: since when, or gone.
type Wanted<'c> = BTreeMap<&'c str, BTreeMap<&'c UserKey, Option<Timestamp>>>;

/// Writes the memberships of `changes`, then removes members of the audiences that are gone.
pub(super) fn write(changes: &ChangeSet, writes: &mut Writes<'_>, delta: &mut Delta) -> Result<()> {
    let mut wanted = Wanted::new();
    for write in &changes.memberships {
        wanted.entry(&write.audience_id).or_default().insert(&write.user, write.since);
    }
    let dropped = drop_members(changes, &wanted, writes)?;
    for (audience_id, user) in &dropped {
        wanted.entry(audience_id).or_default().insert(user, None);
    }
    for (audience_id, users) in wanted {
        let mut change = 0;
        for (user, since) in users {
            let key = keys::member(audience_id, user);
            let was_in = writes.disk.get(&key)?.is_some();
            change += i64::from(since.is_some()) - i64::from(was_in);
            match since {
                Some(since) => writes.set(key, &keys::time(since)),
                None if was_in => writes.remove(key),
                None => {}
            }
        }
        *delta.members.entry(audience_id.to_owned()).or_default() += change;
    }
    Ok(())
}

/// The first members, in the order of their keys, of each audience that is gone, as they are once `wanted` is written.
fn drop_members<'c>(
    changes: &'c ChangeSet,
    wanted: &Wanted<'_>,
    writes: &Writes<'_>,
) -> Result<Vec<(&'c str, UserKey)>> {
    let mut dropped = Vec::new();
    let none = BTreeMap::new();
    for audience_id in &changes.drop_members {
        let wanted = wanted.get(audience_id.as_str()).unwrap_or(&none);
        let prefix = keys::members(audience_id);
        let mut members = BTreeSet::new();
        // As many more rows as may be written over, so that what is left behind them can only come later.
        for row in writes.disk.rows_of(&prefix).take(changes.drop_members_limit + wanted.len()) {
            let (key, _) = row?;
            let user = keys::read_user(&key[prefix.len()..]);
            members.insert(user.ok_or_else(|| codec::corrupt(&key, "no user key"))?);
        }
        for (user, since) in wanted {
            match since {
                Some(_) => members.insert((*user).clone()),
                None => members.remove(*user),
            };
        }
        let first = members.into_iter().take(changes.drop_members_limit);
        dropped.extend(first.map(|user| (audience_id.as_str(), user)));
    }
    Ok(dropped)
}
