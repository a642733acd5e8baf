//! Deliveries and their lanes.
//!
//! A lane is what is pending for one user at one destination, in the order of ids; only its head may be sent. The due index
//! has one row per lane that is not empty: the head's next attempt. Each commit looks at a touched lane's head as it is
//! stored, works out the one that it will have, and moves the row only if the two differ.

use std::collections::{BTreeMap, HashSet};

use super::counts::Delta;
use super::disk::{Disk, Old, Writes};
use super::{codec, keys};
use crate::domain::change::DeliveryWrite;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::ids::{DeliveryId, UserKey};
use crate::domain::time::Timestamp;
use crate::store::{Result, is_indexed};

/// The first pending delivery of a lane, and when it is tried next.
type Head = Option<(DeliveryId, Timestamp)>;

/// What a commit makes of deliveries of one lane: pending with that next attempt, or not pending.
type Touched = BTreeMap<DeliveryId, Option<Timestamp>>;

/// Writes deliveries, their lanes and their indexes.
pub(super) fn write(changes: &[DeliveryWrite], writes: &mut Writes<'_>, delta: &mut Delta) -> Result<()> {
    let mut lanes: BTreeMap<(&str, &UserKey), Touched> = BTreeMap::new();
    for write in changes {
        let delivery = &write.delivery;
        let pending = delivery.status == DeliveryStatus::Pending;
        if pending || write.was.is_some_and(|(status, _)| status == DeliveryStatus::Pending) {
            let lane = lanes.entry((&delivery.destination, &delivery.user)).or_default();
            lane.insert(delivery.id, pending.then_some(delivery.next_attempt_at));
        }
        put(write, writes)?;
        let counts = delta.deliveries.entry(delivery.destination.clone()).or_default();
        if let Some((was, _)) = write.was {
            *counts.entry(was).or_default() -= 1;
        }
        *counts.entry(delivery.status).or_default() += 1;
    }
    for ((destination, user), touched) in lanes {
        write_lane(destination, user, &touched, writes)?;
    }
    Ok(())
}

/// Writes the record and the index of its status.
fn put(write: &DeliveryWrite, writes: &mut Writes<'_>) -> Result<()> {
    let delivery = &write.delivery;
    let key = keys::delivery(delivery.id);
    let record = codec::encode(&key, delivery)?;
    writes.put(key, &record, if write.was.is_none() { Old::Nothing } else { Old::Unknown })?;
    let was = write.was.map(|(status, _)| status).filter(|status| is_indexed(*status));
    let now = Some(delivery.status).filter(|status| is_indexed(*status));
    if was != now {
        let index = |status| keys::join(&keys::by_status(status), &[&delivery.id.to_bytes()]);
        if let Some(was) = was {
            writes.remove(index(was));
        }
        if let Some(now) = now {
            writes.set(index(now), &[]);
        }
    }
    Ok(())
}

/// Writes the rows of one lane and moves its row in the due index.
fn write_lane(destination: &str, user: &UserKey, touched: &Touched, writes: &mut Writes<'_>) -> Result<()> {
    let lane = keys::lane(destination, user);
    let (old, new) = heads(&lane, touched, writes.disk)?;
    for (id, at) in touched {
        let key = keys::join(&lane, &[&id.to_bytes()]);
        match at {
            Some(at) => writes.set(key, &keys::time(*at)),
            None => writes.remove(key),
        }
    }
    if old != new {
        let due = keys::due(destination);
        let row = |at| keys::join(&due, &[&keys::time(at), user.as_str().as_bytes()]);
        if let Some((_, was)) = old.filter(|(_, was)| new.is_none_or(|(_, at)| at != *was)) {
            writes.remove(row(was));
        }
        if let Some((id, at)) = new {
            writes.set(row(at), &id.to_bytes());
        }
    }
    Ok(())
}

/// The lane's head as it is stored, and as it will be.
fn heads(lane: &[u8], touched: &Touched, disk: &Disk) -> Result<(Head, Head)> {
    let mut old = None;
    let mut untouched = None;
    for row in disk.rows_of(lane) {
        let (key, value) = row?;
        let id = keys::read_id(&key[lane.len()..]).ok_or_else(|| codec::corrupt(&key, "no delivery id"))?;
        let id = DeliveryId::from_bytes(id);
        let at = keys::read_time(&value).ok_or_else(|| codec::corrupt(&key, "no time"))?;
        old = old.or(Some((id, at)));
        if !touched.contains_key(&id) {
            untouched = Some((id, at));
            break;
        }
    }
    let first = touched.iter().find_map(|(id, at)| at.map(|at| (*id, at)));
    let new = match (untouched, first) {
        (Some(a), Some(b)) => Some(if a.0 < b.0 { a } else { b }),
        (a, b) => a.or(b),
    };
    Ok((old, new))
}

impl Disk {
    /// Lane heads of `destination` from the earliest attempt on, those of users in `busy` passed over.
    fn due_heads(
        &self,
        destination: &str,
        busy: &HashSet<UserKey>,
    ) -> impl Iterator<Item = Result<(Timestamp, DeliveryId)>> {
        let prefix = keys::due(destination);
        self.rows_of(&prefix).filter_map(move |row| {
            let read = |row: Result<(::sled::IVec, ::sled::IVec)>| {
                let (key, value) = row?;
                let (at, user) = key[prefix.len()..].split_at_checked(8).unwrap_or_default();
                let (Some(at), Some(user)) = (keys::read_time(at), keys::read_user(user)) else {
                    return Err(codec::corrupt(&key, "no time and user"));
                };
                let id = DeliveryId::from_bytes(codec::fixed(&key, &value)?);
                Ok((!busy.contains(&user)).then_some((at, id)))
            };
            read(row).transpose()
        })
    }

    pub(super) fn due_deliveries(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        let mut due = Vec::new();
        for head in self.due_heads(destination, busy).take(limit) {
            let (at, id) = head?;
            if at > now {
                break;
            }
            let delivery = self.delivery(id)?;
            due.push(delivery.ok_or_else(|| {
                codec::corrupt(&keys::delivery(id), "it is due, and there is no such delivery")
            })?);
        }
        Ok(due)
    }

    pub(super) fn next_delivery(
        &self,
        destination: &str,
        busy: &HashSet<UserKey>,
    ) -> Result<Option<Timestamp>> {
        Ok(self.due_heads(destination, busy).next().transpose()?.map(|(at, _)| at))
    }
}
