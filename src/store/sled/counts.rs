//! Running totals: kept in memory, one small record written with each commit, others only when they change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::codec;
use super::disk::{Disk, Old, Writes};
use super::keys;
use super::sizes;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::journey::JourneyStatus;
use crate::store::{Counts, Result, StoreError};

/// The record that every commit writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Small {
    /// Commits so far.
    #[serde(rename = "c")]
    commits: u64,
    #[serde(rename = "e")]
    events: u64,
    #[serde(rename = "p")]
    profiles: u64,
    #[serde(rename = "j", default)]
    journeys: BTreeMap<JourneyStatus, u64>,
    /// Of those that stall.
    #[serde(rename = "a", default)]
    acknowledged: u64,
}

/// All totals.
#[derive(Debug, Default)]
pub(super) struct Totals {
    small: Small,
    members: BTreeMap<String, u64>,
    deliveries: BTreeMap<String, BTreeMap<DeliveryStatus, u64>>,
    /// Flows that were posted and not defined; few, and asked for with every unknown one.
    pub unknown_flows: BTreeSet<String>,
    /// Ids of the audiences that have rows of their size.
    pub sized: BTreeSet<String>,
}

/// What one commit changes about the totals.
#[derive(Default)]
pub(super) struct Delta {
    pub events: u64,
    pub profiles: i64,
    pub journeys: BTreeMap<JourneyStatus, i64>,
    pub acknowledged: i64,
    pub members: BTreeMap<String, i64>,
    pub deliveries: BTreeMap<String, BTreeMap<DeliveryStatus, i64>>,
    pub unknown_flows: Vec<String>,
    /// Audiences that have rows of their size from now on, or have none any more.
    pub sized: BTreeMap<String, bool>,
}

/// Adds `changes` to `totals`; what comes to nothing is removed.
fn add<K: Ord + Clone>(totals: &mut BTreeMap<K, u64>, changes: &BTreeMap<K, i64>) {
    for (key, change) in changes {
        let sum = totals.get(key).copied().unwrap_or(0).saturating_add_signed(*change);
        if sum == 0 {
            totals.remove(key);
        } else {
            totals.insert(key.clone(), sum);
        }
    }
}

impl Small {
    fn plus(&self, delta: &Delta) -> Self {
        let mut sum = self.clone();
        sum.commits += 1;
        sum.events += delta.events;
        sum.profiles = sum.profiles.saturating_add_signed(delta.profiles);
        add(&mut sum.journeys, &delta.journeys);
        sum.acknowledged = sum.acknowledged.saturating_add_signed(delta.acknowledged);
        sum
    }
}

/// Sets how many stalled journeys are acknowledged, in data that did not count them.
pub(super) fn set_acknowledged(acknowledged: u64, disk: &Disk) -> Result<()> {
    let Some(record) = disk.record(keys::TOTALS)? else { return Ok(()) };
    let small = Small { acknowledged, ..codec::decode(keys::TOTALS, &record)? };
    let mut writes = Writes::new(disk);
    writes.put(keys::TOTALS.to_vec(), &codec::encode(keys::TOTALS, &small)?, Old::Nothing)?;
    let (batch, _) = writes.into_batch()?;
    disk.apply(batch).map_err(|source| StoreError::Write { path: disk.path.clone(), source })
}

impl Totals {
    /// Reads them all: a handful of rows, whatever the size of the data.
    pub(super) fn load(disk: &Disk) -> Result<Self> {
        let mut totals = Self::default();
        if let Some(record) = disk.record(keys::TOTALS)? {
            totals.small = codec::decode(keys::TOTALS, &record)?;
        }
        for row in disk.rows_of(keys::MEMBER_COUNTS) {
            let (key, value) = row?;
            let count = u64::from_be_bytes(codec::fixed(&key, &value)?);
            totals.members.insert(codec::text(&key, &key[keys::MEMBER_COUNTS.len()..])?, count);
        }
        for row in disk.rows_of(keys::DELIVERY_COUNTS) {
            let (key, value) = row?;
            let Some(record) = disk.rest_of(&key, &value)? else { continue };
            let destination = codec::text(&key, &key[keys::DELIVERY_COUNTS.len()..])?;
            totals.deliveries.insert(destination, codec::decode(&key, &record)?);
        }
        for row in disk.rows_of(keys::UNKNOWN_FLOWS) {
            let (key, _) = row?;
            totals.unknown_flows.insert(codec::text(&key, &key[keys::UNKNOWN_FLOWS.len()..])?);
        }
        totals.sized = sizes::audiences(disk)?;
        Ok(totals)
    }

    /// Commits so far.
    pub(super) fn commits(&self) -> u64 {
        self.small.commits
    }

    /// Ids of the audiences that have members, or rows of their size.
    pub(super) fn audiences(&self) -> Vec<String> {
        let ids: BTreeSet<&String> = self.members.keys().chain(&self.sized).collect();
        ids.into_iter().cloned().collect()
    }

    /// How many members that audience has.
    pub(super) fn members(&self, audience_id: &str) -> u64 {
        self.members.get(audience_id).copied().unwrap_or(0)
    }

    /// Writes what `delta` changes: one row, and one more for each audience and each destination whose numbers are others
    /// afterwards. The totals themselves change only once it is on disk, see [`Self::settle`].
    pub(super) fn write(&self, delta: &Delta, writes: &mut Writes<'_>) -> Result<()> {
        let small = self.small.plus(delta);
        // The record never grows to a second piece, so there is nothing old to look for.
        writes.put(keys::TOTALS.to_vec(), &codec::encode(keys::TOTALS, &small)?, Old::Nothing)?;
        for (audience_id, change) in &delta.members {
            let key = keys::join(keys::MEMBER_COUNTS, &[audience_id.as_bytes()]);
            let sum = self.members(audience_id).saturating_add_signed(*change);
            match (change, sum) {
                (0, _) => {}
                (_, 0) => writes.remove(key),
                (_, sum) => writes.set(key, &sum.to_be_bytes()),
            }
        }
        for (destination, changes) in &delta.deliveries {
            // A retry leaves a delivery pending.
            if changes.values().all(|change| *change == 0) {
                continue;
            }
            let key = keys::join(keys::DELIVERY_COUNTS, &[destination.as_bytes()]);
            let mut sums = self.deliveries.get(destination).cloned().unwrap_or_default();
            add(&mut sums, changes);
            let record = codec::encode(&key, &sums)?;
            writes.put(key, &record, Old::Nothing)?;
        }
        Ok(())
    }

    /// Takes in a delta that was written.
    pub(super) fn settle(&mut self, delta: Delta) {
        self.small = self.small.plus(&delta);
        add(&mut self.members, &delta.members);
        for (destination, changes) in &delta.deliveries {
            add(self.deliveries.entry(destination.clone()).or_default(), changes);
        }
        self.unknown_flows.extend(delta.unknown_flows);
        for (audience_id, is_sized) in delta.sized {
            if is_sized {
                self.sized.insert(audience_id);
            } else {
                self.sized.remove(&audience_id);
            }
        }
    }

    /// As readers get them.
    pub(super) fn to_counts(&self) -> Counts {
        let deliveries = self.deliveries.iter().flat_map(|(destination, statuses)| {
            statuses.iter().map(|(status, count)| ((destination.clone(), status.as_str()), *count))
        });
        Counts {
            events: self.small.events,
            profiles: self.small.profiles,
            journeys: self.small.journeys.clone(),
            acknowledged: self.small.acknowledged,
            members: self.members.clone(),
            deliveries: deliveries.collect(),
        }
    }
}
