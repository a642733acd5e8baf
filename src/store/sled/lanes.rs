//! Deliveries and their lanes.
//!
//! A lane is what is pending for one user at one destination, in the order of ids; only its head may be sent. The due index
//! has one row per lane that is not empty: the head's next attempt. Each commit looks at a touched lane's head as it is
//! stored, works out the one that it will have, and moves the row only if the two differ.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::PoisonError;

use super::counts::Delta;
use super::disk::{Disk, Old, Writes};
use super::lists::id_at_end;
use super::{codec, keys};
use crate::domain::change::DeliveryWrite;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::ids::{DeliveryId, UserKey};
use crate::domain::limits;
use crate::domain::time::Timestamp;
use crate::store::{Result, StoreError, is_indexed};

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

/// Writes the record and its indexes.
fn put(write: &DeliveryWrite, writes: &mut Writes<'_>) -> Result<()> {
    let delivery = &write.delivery;
    let key = keys::delivery(delivery.id);
    let record = codec::encode(&key, delivery)?;
    writes.put(key, &record, if write.was.is_none() { Old::Nothing } else { Old::Unknown })?;
    let was = write.was.map(|(status, _)| status).filter(|status| is_indexed(*status));
    let now = Some(delivery.status).filter(|status| is_indexed(*status));
    if was != now {
        was.into_iter().flat_map(|was| in_status(delivery, was)).for_each(|row| writes.remove(row));
        now.into_iter().flat_map(|now| in_status(delivery, now)).for_each(|row| writes.set(row, &[]));
    }
    if write.was.is_none() {
        writes.set(of_user(delivery), &[]);
    }
    Ok(())
}

/// Its rows in the indexes of a status.
pub(super) fn in_status(delivery: &Delivery, status: DeliveryStatus) -> [Vec<u8>; 2] {
    [keys::by_status(status), keys::by_destination(&delivery.destination, status)]
        .map(|index| keys::join(&index, &[&delivery.id.to_bytes()]))
}

/// Its row among the deliveries of its user.
pub(super) fn of_user(delivery: &Delivery) -> Vec<u8> {
    keys::join(&keys::deliveries_of(&delivery.user), &[&delivery.id.to_bytes()])
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
    ) -> impl Iterator<Item = Result<(Timestamp, UserKey, DeliveryId)>> {
        let prefix = keys::due(destination);
        self.rows_of(&prefix).filter_map(move |row| {
            let read = |row: Result<(::sled::IVec, ::sled::IVec)>| {
                let (key, value) = row?;
                let (at, user) = key[prefix.len()..].split_at_checked(8).unwrap_or_default();
                let (Some(at), Some(user)) = (keys::read_time(at), keys::read_user(user)) else {
                    return Err(codec::corrupt(&key, "no time and user"));
                };
                let id = DeliveryId::from_bytes(codec::fixed(&key, &value)?);
                Ok((!busy.contains(&user)).then_some((at, user, id)))
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
        let heads = self.due_heads(destination, busy).take(limit);
        let heads = heads.take_while(|head| head.as_ref().map_or(true, |(at, ..)| *at <= now));
        let heads: Vec<_> = {
            // All between two commits: no lane is met twice because its head changed meanwhile.
            let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            heads.collect::<Result<_>>()?
        };
        let mut due = Vec::with_capacity(heads.len());
        for (.., id) in heads {
            let delivery = self.delivery(id)?;
            due.push(delivery.ok_or_else(|| {
                codec::corrupt(&keys::delivery(id), "it is due, and there is no such delivery")
            })?);
        }
        // What was just read may be of the commit under way. Nothing leaves before it is on the disk: after a crash it would
        // be made once more, under another id. Whoever waits here holds nothing, and holds no commit up.
        self.on_disk()?;
        // A commit that came between the two reads has changed what it did.
        due.retain(|delivery| delivery.status == DeliveryStatus::Pending && delivery.next_attempt_at <= now);
        Ok(due)
    }

    pub(super) fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        whole: bool,
    ) -> Result<(usize, Option<Timestamp>)> {
        let (mut count, mut oldest) = (0, None);
        for head in self.due_heads(destination, busy) {
            let (at, user, _) = head?;
            if at > now || count >= limit {
                break;
            }
            oldest = oldest.or(Some(at));
            count += if whole { self.count_in_lane(destination, &user, now, limit - count)? } else { 1 };
        }
        Ok((count, oldest))
    }

    /// How many stand at the front of a lane whose time has come.
    fn count_in_lane(&self, destination: &str, user: &UserKey, now: Timestamp, most: usize) -> Result<usize> {
        let mut count = 0;
        for row in self.rows_of(&keys::lane(destination, user)).take(most) {
            let (key, value) = row?;
            let at = keys::read_time(&value).ok_or_else(|| codec::corrupt(&key, "no time"))?;
            if at > now {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    pub(super) fn on_disk(&self) -> Result<()> {
        if self.progress.wait() {
            Ok(())
        } else {
            Err(StoreError::Stopped(self.stopped.get().cloned().unwrap_or_default()))
        }
    }

    pub(super) fn pending_of(
        &self,
        destination: &str,
        user: &UserKey,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        let lane = keys::lane(destination, user);
        let from = after.map_or_else(|| lane.clone(), |id| keys::join(&lane, &[&id.to_bytes(), &[0]]));
        let mut pending = Vec::new();
        for row in self.rows(from, keys::end(&lane)).take(limit) {
            let (key, _) = row?;
            let id =
                keys::read_id(&key[lane.len()..]).ok_or_else(|| codec::corrupt(&key, "no delivery id"))?;
            pending.extend(self.delivery(DeliveryId::from_bytes(id))?);
        }
        // A commit that came between the two reads has changed what it did.
        pending.retain(|delivery| delivery.status == DeliveryStatus::Pending);
        Ok(pending)
    }

    pub(super) fn newest_pending(
        &self,
        lanes: &[(String, UserKey)],
        limit: usize,
    ) -> Result<Vec<Vec<Delivery>>> {
        lanes.iter().map(|(destination, user)| self.newest_pending_of(destination, user, limit)).collect()
    }

    /// Ids of what is pending, at one destination or at all of them; `None` where it is more than may be looked through for a page.
    pub(super) fn pending_ids(&self, destination: Option<&str>) -> Result<Option<BTreeSet<[u8; 16]>>> {
        let mut ids = BTreeSet::new();
        for row in self.rows_of(&keys::lanes(destination)) {
            if ids.len() == limits::MAX_SCAN {
                return Ok(None);
            }
            ids.insert(id_at_end(row)?);
        }
        Ok(Some(ids))
    }

    fn newest_pending_of(&self, destination: &str, user: &UserKey, limit: usize) -> Result<Vec<Delivery>> {
        let lane = keys::lane(destination, user);
        let mut pending = Vec::new();
        for row in self.rows_of(&lane).rev().take(limit) {
            let (key, _) = row?;
            let id =
                keys::read_id(&key[lane.len()..]).ok_or_else(|| codec::corrupt(&key, "no delivery id"))?;
            pending.extend(self.delivery(DeliveryId::from_bytes(id))?);
        }
        Ok(pending)
    }

    /// Says when to look, and no more than that: it may speak of the commit under way.
    pub(super) fn next_delivery(
        &self,
        destination: &str,
        busy: &HashSet<UserKey>,
    ) -> Result<Option<Timestamp>> {
        Ok(self.due_heads(destination, busy).next().transpose()?.map(|(at, ..)| at))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::domain::change::ChangeSet;
    use crate::domain::delivery::{Cause, Payload};
    use crate::store::seal::Sealer;

    fn at() -> Timestamp {
        Timestamp::from_millis(5)
    }

    fn disk_with_one() -> (tempfile::TempDir, Arc<Disk>) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 1 << 20, Sealer::for_tests()).unwrap();
        let id = DeliveryId::from_bytes([1; 16]);
        let payload = Payload::Call(serde_json::Map::new());
        let (user, name) = (UserKey::user("u"), id.to_string());
        let delivery = Delivery::new(id, "d".to_owned(), user, name, Cause::Time, payload, at());
        let deliveries = vec![DeliveryWrite { delivery, was: None }];
        let (sender, synced) = channel();
        let done = Box::new(move |written: std::result::Result<(), &StoreError>| {
            sender.send(written.is_ok()).unwrap()
        });
        disk.begin_commit(&ChangeSet { deliveries, ..ChangeSet::default() }, done).unwrap();
        assert!(synced.recv().unwrap());
        (dir, Arc::new(disk))
    }

    fn due(disk: &Disk) -> Result<Vec<Delivery>> {
        disk.due_deliveries("d", at(), &HashSet::new(), 9)
    }

    /// What `due` answers in a thread of its own.
    fn asked(disk: &Arc<Disk>) -> std::sync::mpsc::Receiver<Result<Vec<Delivery>>> {
        let (sender, answer) = channel();
        let disk = Arc::clone(disk);
        thread::spawn(move || sender.send(due(&disk)));
        answer
    }

    #[test]
    fn due_deliveries_hands_out_only_what_is_on_disk() {
        let (_dir, disk) = disk_with_one();
        let batch = disk.progress.begin();
        let answer = asked(&disk);
        let early = answer.recv_timeout(Duration::from_millis(200));
        assert!(matches!(early, Err(RecvTimeoutError::Timeout)), "the batch is not synced: {early:?}");
        assert!(disk.delivery(DeliveryId::from_bytes([1; 16])).unwrap().is_some(), "readers do not wait");
        assert_eq!(disk.next_delivery("d", &HashSet::new()).unwrap(), Some(at()));
        disk.progress.end(batch, true);
        assert_eq!(answer.recv_timeout(Duration::from_secs(10)).unwrap().unwrap().len(), 1);
        assert_eq!(due(&disk).unwrap().len(), 1, "nothing is under way");
    }

    #[test]
    fn whoever_asks_for_it_waits_for_the_disk() {
        let (_dir, disk) = disk_with_one();
        let batch = disk.progress.begin();
        let waiting = Arc::clone(&disk);
        let (sender, answer) = channel();
        thread::spawn(move || sender.send(waiting.on_disk()));
        let early = answer.recv_timeout(Duration::from_millis(200));
        assert!(matches!(early, Err(RecvTimeoutError::Timeout)), "the batch is not synced: {early:?}");
        disk.progress.end(batch, true);
        assert!(answer.recv_timeout(Duration::from_secs(10)).unwrap().is_ok());
    }

    #[test]
    fn nothing_is_handed_out_once_a_batch_failed() {
        let (_dir, disk) = disk_with_one();
        let batch = disk.progress.begin();
        let answer = asked(&disk);
        disk.progress.end(batch, false);
        let answer = answer.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(matches!(answer, Err(StoreError::Stopped(_))), "{answer:?}");
        assert!(due(&disk).is_err());
    }

    #[test]
    fn whoever_waits_for_a_batch_does_not_wait_for_the_next() {
        let (_dir, disk) = disk_with_one();
        let batch = disk.progress.begin();
        let answer = asked(&disk);
        thread::sleep(Duration::from_millis(200));
        disk.progress.end(batch, true);
        disk.progress.begin();
        assert_eq!(answer.recv_timeout(Duration::from_secs(10)).unwrap().unwrap().len(), 1);
    }
}
