//! Members of audiences, one row each, and their number.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::counts::Delta;
use super::disk::{Disk, Writes};
use super::sizes::{self, Moves};
use super::{codec, keys};
use crate::domain::change::ChangeSet;
use crate::domain::ids::UserKey;
use crate::domain::time::Timestamp;
use crate::store::Result;

/// One membership: since when he is in, if he is.
struct Seat {
    /// In the store.
    was: Option<Timestamp>,
    /// Once this commit is written.
    is: Option<Timestamp>,
}

/// What a commit makes of an audience.
#[derive(Default)]
struct Touched<'c> {
    seats: BTreeMap<Cow<'c, UserKey>, Seat>,
    moves: Moves,
}

/// Writes the memberships of `changes` and the sizes that they make, then removes members of the audiences that are gone.
pub(super) fn write(changes: &ChangeSet, writes: &mut Writes<'_>, delta: &mut Delta) -> Result<()> {
    let mut touched: BTreeMap<&str, Touched<'_>> = BTreeMap::new();
    for write in &changes.memberships {
        let audience = touched.entry(&write.audience_id).or_default();
        let seat = match audience.seats.entry(Cow::Borrowed(&write.user)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let was = writes.disk.is_member(&write.audience_id, &write.user)?;
                unknown.insert(Seat { was, is: was })
            }
        };
        audience.moves.count(seat.is.is_some(), write.since.is_some());
        seat.is = write.since;
    }
    for audience_id in &changes.drop_members {
        let seats = &mut touched.entry(audience_id).or_default().seats;
        drop_members(audience_id, changes.drop_members_limit, seats, writes)?;
    }
    let mut moves = BTreeMap::new();
    for (audience_id, audience) in touched {
        let mut change = 0;
        for (user, seat) in audience.seats {
            let key = keys::member(audience_id, &user);
            change += i64::from(seat.is.is_some()) - i64::from(seat.was.is_some());
            match seat.is {
                is if is == seat.was => {}
                Some(since) => writes.set(key, &keys::time(since)),
                None => writes.remove(key),
            }
        }
        delta.members.insert(audience_id.to_owned(), change);
        moves.insert(audience_id, audience.moves);
    }
    sizes::write(changes, &moves, writes, delta)
}

/// Empties the first seats, in the order of their keys, that are taken once `seats` is written.
fn drop_members(
    audience_id: &str,
    limit: usize,
    seats: &mut BTreeMap<Cow<'_, UserKey>, Seat>,
    writes: &Writes<'_>,
) -> Result<()> {
    let prefix = keys::members(audience_id);
    // As many more rows as may be written over, so that what is left behind them can only come later.
    for row in writes.disk.rows_of(&prefix).take(limit.saturating_add(seats.len())) {
        let (key, value) = row?;
        let user = keys::read_user(&key[prefix.len()..]);
        let user = user.ok_or_else(|| codec::corrupt(&key, "no user key"))?;
        let was = Some(read_since(&key, &value)?);
        seats.entry(Cow::Owned(user)).or_insert(Seat { was, is: was });
    }
    for seat in seats.values_mut().filter(|seat| seat.is.is_some()).take(limit) {
        seat.is = None;
    }
    Ok(())
}

fn read_since(key: &[u8], row: &[u8]) -> Result<Timestamp> {
    keys::read_time(row).ok_or_else(|| codec::corrupt(key, "no time"))
}

impl Disk {
    pub(super) fn is_member(&self, audience_id: &str, user: &UserKey) -> Result<Option<Timestamp>> {
        let key = keys::member(audience_id, user);
        self.get(&key)?.map(|row| read_since(&key, &row)).transpose()
    }

    /// How many users have a row in both audiences: the two lists are in the same order, and are read side by side.
    pub(super) fn overlap(&self, one: &str, other: &str) -> Result<u64> {
        let prefixes = (keys::members(one), keys::members(other));
        let (mut ones, mut others) = (self.rows_of(&prefixes.0), self.rows_of(&prefixes.1));
        let mut next = (ones.next().transpose()?, others.next().transpose()?);
        let mut both = 0;
        while let (Some((a, _)), Some((b, _))) = &next {
            let order = a[prefixes.0.len()..].cmp(&b[prefixes.1.len()..]);
            both += u64::from(order.is_eq());
            if order.is_le() {
                next.0 = ones.next().transpose()?;
            }
            if order.is_ge() {
                next.1 = others.next().transpose()?;
            }
        }
        Ok(both)
    }
}
