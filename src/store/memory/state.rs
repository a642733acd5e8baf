//! What the memory backend holds, and how a change set changes it. Written the plain way: it is the model that the other
//! backends are held to.

use std::collections::{BTreeMap, BTreeSet};

use super::figures::Figures;
use super::sizes::Sizes;
use crate::domain::backfill::Backfill;
use crate::domain::change::{
    Adoption, BackfillWrite, ChangeSet, DefinitionWrite, DeliveryWrite, ExternalIdWrite, HealthWrite,
    ProfileWrite, ReplayWrite, Revisions,
};
use crate::domain::copying::CopyMark;
use crate::domain::definition::{Definition, Kind};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event::Event;
use crate::domain::health::Health;
use crate::domain::ids::{BackfillId, DeliveryId, EventId, JourneyId, LeafId, ReplayId, UserKey};
use crate::domain::journey::{Journey, JourneyStatus};
use crate::domain::limits;
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::replay::Replay;
use crate::domain::shelf::Shelf;
use crate::domain::time::Timestamp;

/// An event in the log.
#[derive(Clone)]
pub(super) struct Logged {
    pub event: Event,
    /// Whether it was the last one of its commit.
    pub ends_commit: bool,
}

/// Where a journey is kept.
#[derive(Clone)]
pub(super) enum Kept {
    Profile(UserKey),
    Archive(Box<Journey>),
}

/// The pending deliveries of one user to one destination.
type Lane = BTreeMap<DeliveryId, Timestamp>;

#[derive(Clone, Default)]
pub(super) struct State {
    pub events: BTreeMap<EventId, Logged>,
    pub profiles: BTreeMap<UserKey, Profile>,
    pub journeys: BTreeMap<JourneyId, Kept>,
    pub journey_counts: BTreeMap<JourneyStatus, u64>,
    pub archived: BTreeMap<UserKey, BTreeSet<JourneyId>>,
    pub timers: BTreeSet<(Timestamp, UserKey)>,
    pub members: BTreeMap<String, BTreeMap<UserKey, Timestamp>>,
    /// By audience id; only those that have points.
    pub sizes: BTreeMap<String, Sizes>,
    pub leaf_pages: BTreeMap<(UserKey, LeafId, u32), Vec<u8>>,
    pub backfills: BTreeMap<BackfillId, Backfill>,
    pub healths: BTreeMap<String, Health>,
    pub replays: BTreeMap<ReplayId, Replay>,
    /// By kind and id.
    pub external_ids: BTreeMap<(String, String), BTreeSet<UserKey>>,
    pub deliveries: BTreeMap<DeliveryId, Delivery>,
    pub lanes: BTreeMap<String, BTreeMap<UserKey, Lane>>,
    /// Per destination the head of each lane.
    pub due: BTreeMap<String, BTreeSet<(Timestamp, UserKey, DeliveryId)>>,
    pub definitions: BTreeMap<(Kind, String), Definition>,
    pub seen: BTreeMap<(UserKey, MessageHash), Timestamp>,
    pub unknown_flows: BTreeSet<String>,
    pub entries: BTreeMap<(Shelf, String), Vec<u8>>,
    /// How many of them were listed, for tests that hold readers to their bounds.
    #[cfg(test)]
    pub entries_listed: usize,
    /// How often something was written.
    #[cfg(test)]
    pub commits: usize,
    pub figures: Figures,
    pub admin_token_hash: Option<String>,
    pub copy_mark: Option<CopyMark>,
    /// Counted only where several engines share it.
    pub revisions: Revisions,
    /// By name: who holds it, and until when.
    pub leases: BTreeMap<String, (String, Timestamp)>,
}

impl State {
    pub(super) fn apply(&mut self, changes: &ChangeSet) {
        #[cfg(test)]
        {
            self.commits += 1;
        }
        for (index, event) in changes.events.iter().enumerate() {
            let ends_commit = index + 1 == changes.events.len();
            self.events.insert(event.id, Logged { event: event.clone(), ends_commit });
        }
        changes.profiles.iter().for_each(|write| self.put_profile(write));
        self.apply_journeys(changes);
        self.apply_members(changes);
        self.apply_leaf_pages(changes);
        self.apply_progress(changes);
        changes.external_ids.iter().for_each(|write| self.put_external_id(write));
        changes.deliveries.iter().for_each(|write| self.put_delivery(write));
        for write in &changes.definitions {
            match write {
                DefinitionWrite::Put(definition) => {
                    let key = (definition.kind(), definition.key().to_owned());
                    self.definitions.insert(key, (**definition).clone());
                }
                DefinitionWrite::Delete { kind, key } => {
                    self.definitions.remove(&(*kind, key.clone()));
                }
            }
        }
        for write in &changes.seen {
            self.seen.insert((write.user.clone(), write.message), write.at);
        }
        for message in &changes.forget_seen {
            self.seen.remove(message);
        }
        for flow in &changes.unknown_flows {
            if self.unknown_flows.len() < limits::MAX_UNKNOWN_FLOWS {
                self.unknown_flows.insert(flow.clone());
            }
        }
        self.apply_entries(changes);
        self.apply_figures(changes);
        if let Some(hash) = &changes.admin_token_hash {
            self.admin_token_hash = Some(hash.clone());
        }
        if let Some(write) = &changes.copied {
            self.copy_mark = write.is.clone();
        }
    }

    fn apply_progress(&mut self, changes: &ChangeSet) {
        for write in &changes.backfills {
            match write {
                BackfillWrite::Put(backfill) => self.backfills.insert(backfill.id, (**backfill).clone()),
                BackfillWrite::Delete(id) => self.backfills.remove(id),
            };
        }
        for write in &changes.healths {
            match write {
                HealthWrite::Put(health) => self.healths.insert(health.destination.clone(), health.clone()),
                HealthWrite::Delete(destination) => self.healths.remove(destination),
            };
        }
        for write in &changes.replays {
            match write {
                ReplayWrite::Put(replay) => self.replays.insert(replay.id, (**replay).clone()),
                ReplayWrite::Delete(id) => self.replays.remove(id),
            };
        }
    }

    fn put_profile(&mut self, write: &ProfileWrite) {
        let user = &write.profile.key;
        if write.wake_was != write.profile.wake_at {
            if let Some(was) = write.wake_was {
                self.timers.remove(&(was, user.clone()));
            }
            if let Some(at) = write.profile.wake_at {
                self.timers.insert((at, user.clone()));
            }
        }
        self.profiles.insert(user.clone(), write.profile.clone());
    }

    fn apply_journeys(&mut self, changes: &ChangeSet) {
        for step in &changes.journeys {
            if let Some(from) = step.from {
                let count = self.journey_counts.entry(from.status).or_default();
                *count = count.saturating_sub(1);
            }
            if step.from.is_none() || step.moved {
                self.journeys.insert(step.id, Kept::Profile(step.user.clone()));
            }
            *self.journey_counts.entry(step.to.status).or_default() += 1;
        }
        for journey in &changes.archived {
            self.archived.entry(journey.user.clone()).or_default().insert(journey.id);
            self.journeys.insert(journey.id, Kept::Archive(Box::new(journey.clone())));
        }
        changes.adopted.iter().for_each(|adoption| self.adopt(adoption));
    }

    fn adopt(&mut self, adoption: &Adoption) {
        let ids = self.archived.get(&adoption.from).into_iter().flatten().rev();
        let newest: Vec<JourneyId> = ids.take(limits::MAX_ADOPTED_JOURNEYS).copied().collect();
        for id in newest {
            self.archived.entry(adoption.from.clone()).or_default().remove(&id);
            self.archived.entry(adoption.to.clone()).or_default().insert(id);
            if let Some(Kept::Archive(journey)) = self.journeys.get_mut(&id) {
                journey.user = adoption.to.clone();
            }
        }
    }

    fn apply_leaf_pages(&mut self, changes: &ChangeSet) {
        for (owner, leaf) in &changes.drop_leaves {
            let all = (owner.clone(), *leaf, 0)..=(owner.clone(), *leaf, u32::MAX);
            let pages: Vec<_> = self.leaf_pages.range(all).map(|(key, _)| key.clone()).collect();
            for page in pages {
                self.leaf_pages.remove(&page);
            }
        }
        for write in &changes.leaf_pages {
            let key = (write.owner.clone(), write.leaf, write.number);
            match &write.page {
                Some(page) => self.leaf_pages.insert(key, page.clone()),
                None => self.leaf_pages.remove(&key),
            };
        }
    }

    fn put_external_id(&mut self, write: &ExternalIdWrite) {
        let users = self.external_ids.entry((write.kind.clone(), write.id.clone())).or_default();
        if write.present {
            users.insert(write.user.clone());
        } else {
            users.remove(&write.user);
        }
    }

    fn put_delivery(&mut self, write: &DeliveryWrite) {
        let delivery = &write.delivery;
        let lanes = self.lanes.entry(delivery.destination.clone()).or_default();
        let lane = lanes.entry(delivery.user.clone()).or_default();
        let due = self.due.entry(delivery.destination.clone()).or_default();
        let head = |lane: &Lane| lane.first_key_value().map(|(id, at)| (*at, delivery.user.clone(), *id));
        if let Some(head) = head(lane) {
            due.remove(&head);
        }
        if delivery.status == DeliveryStatus::Pending {
            lane.insert(delivery.id, delivery.next_attempt_at);
        } else {
            lane.remove(&delivery.id);
        }
        due.extend(head(lane));
        if lane.is_empty() {
            lanes.remove(&delivery.user);
        }
        self.deliveries.insert(delivery.id, delivery.clone());
    }
}
