//! Replay: deliveries at their end go back into the queue, under their old ids, oldest first and a piece at a time.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::command::By;
use super::error::EngineError;
use super::group::Group;
use super::inputs::Owners;
use super::people::entry;
use super::receipts::{load_told, tell_journeys};
use super::writer::Writer;
use crate::domain::change::{ChangeSet, DeliveryWrite, ReplayWrite};
use crate::domain::definition::Problem;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus, Payload};
use crate::domain::ids::{DeliveryId, JourneyId, ReplayId, UserKey};
use crate::domain::journey::Standing;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::{Action, Deed};
use crate::domain::profile::Profile;
use crate::domain::replay::{Replay, ReplayStatus};
use crate::store::{Counts, StoreError};

/// What became of one delivery that was to be put back.
enum PutBack {
    Replayed,
    /// It says what is no longer true.
    Overtaken,
    /// It waits for an attempt already.
    Pending,
}

/// How a delivery came to be put back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// A person named it, and knows what it says.
    Named,
    /// It is one of many: an alarm of what is settled would wake people for nothing.
    Filtered,
}

impl Writer {
    /// Puts back one delivery that a person named.
    pub(super) async fn replay_one(&mut self, id: DeliveryId, by: &By) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let rules = Arc::clone(&self.rules);
        let mut group = Group::new(&*shared.store, rules, shared.clock.now(), &mut self.ids);
        group.load_deliveries(vec![id]).await?;
        let Some(write) = group.delivery(id) else {
            return Err(EngineError::NotFound { what: "delivery", key: id.to_string() });
        };
        let was = write.delivery.status.as_str();
        match put_back(&mut group, write, Choice::Named).await? {
            PutBack::Pending => {
                Err(EngineError::Conflict(format!("delivery {id} is waiting for an attempt already")))
            }
            PutBack::Overtaken => Err(EngineError::Conflict(format!(
                "delivery {id} says what is no longer true; sending it now would mislead"
            ))),
            PutBack::Replayed => {
                let mut changes = group.finish().await?;
                let deed = Deed::new(Action::Replayed, format!("delivery {id}"));
                let deed = deed.from(json!({ "status": was })).to(json!({ "status": "pending" }));
                changes.entries.push(entry(&mut self.ids, shared.clock.now(), by, deed));
                Ok(self.commit(&mut changes).await?)
            }
        }
    }

    /// Writes down that these deliveries are to be put back; [`Self::go_on_with_replay`] does it.
    pub(super) async fn begin_replay(
        &mut self,
        filter: DeliveryFilter,
        by: &By,
    ) -> Result<Replay, EngineError> {
        if filter.status == Some(DeliveryStatus::Pending) {
            let message = "what is pending is on its way already";
            return Err(EngineError::Invalid(vec![Problem::new("status", message)]));
        }
        let running = self.replays.values().filter(|replay| replay.status == ReplayStatus::Running).count();
        if running >= limits::MAX_REPLAYS {
            return Err(EngineError::Conflict(format!(
                "{running} replays are under way; wait for one, or cancel it"
            )));
        }
        let now = self.shared.clock.now();
        // Ids only rise, here; another node's clock may be ahead: everything that is there now has a lower one.
        let newest = PageRequest { limit: 1, cursor: None };
        let newest = self.shared.store.deliveries(&DeliveryFilter::default(), &newest).await?.rows;
        newest.iter().for_each(|delivery| self.ids.start_after(delivery.id.to_bytes()));
        let until = self.ids.delivery(now);
        let replay = Replay {
            id: self.ids.replay(now),
            total: counted(&filter, &self.shared.store.counts().await?),
            filter,
            until,
            after: None,
            status: ReplayStatus::Running,
            looked_at: 0,
            replayed: 0,
            superseded: 0,
            failed: 0,
            created_at: now,
            updated_at: now,
        };
        let mut replays = vec![ReplayWrite::Put(Box::new(replay.clone()))];
        let over = self.replays.values().filter(|replay| replay.status != ReplayStatus::Running);
        let over: Vec<ReplayId> = over.map(|replay| replay.id).collect();
        let surplus = (over.len() + 1).saturating_sub(limits::REPLAYS_KEPT);
        replays.extend(over.into_iter().take(surplus).map(ReplayWrite::Delete));
        let deed = Deed::new(Action::Replayed, format!("replay {}", replay.id)).to(audited(&replay));
        let entries = vec![entry(&mut self.ids, now, by, deed)];
        self.commit_replays(ChangeSet { replays, entries, ..ChangeSet::default() }).await?;
        self.jobs = true;
        Ok(replay)
    }

    /// Stops one that is under way.
    pub(super) async fn cancel_replay(&mut self, id: ReplayId, by: &By) -> Result<Replay, EngineError> {
        let known = self.replays.get(&id).cloned();
        let mut replay =
            known.ok_or_else(|| EngineError::NotFound { what: "replay", key: id.to_string() })?;
        if replay.status == ReplayStatus::Running {
            replay.status = ReplayStatus::Cancelled;
            replay.updated_at = self.shared.clock.now();
            let replays = vec![ReplayWrite::Put(Box::new(replay.clone()))];
            let deed = Deed::new(Action::Cancelled, format!("replay {id}")).to(audited(&replay));
            let entries = vec![entry(&mut self.ids, replay.updated_at, by, deed)];
            self.commit_replays(ChangeSet { replays, entries, ..ChangeSet::default() }).await?;
        }
        Ok(replay)
    }

    /// The one whose turn it is.
    pub(super) fn running_replay(&self) -> Option<Replay> {
        let mut running = self.replays.values().filter(|replay| replay.status == ReplayStatus::Running);
        // Each has its turn: the one that was served longest ago.
        let first = running.next()?;
        let next = running.fold(first, |next, it| if it.updated_at < next.updated_at { it } else { next });
        Some(next.clone())
    }

    /// One piece of a replay, and how far it has come, in one change set.
    pub(super) async fn go_on_with_replay(&mut self, replay: Replay) -> Result<(), StoreError> {
        let (after, until) = (replay.after, replay.until);
        let store = Arc::clone(&self.shared.store);
        let part =
            store.deliveries_after(&replay.filter, after, until, self.fewer(limits::REPLAY_STEP)).await?;
        match self.put_back_all(replay.clone(), &part.deliveries, part.looked_at, part.last).await {
            // Something that one of them needs can't be read or written: the others must not wait for it.
            Err(error) if error.is_about_this() => {
                let mut replay = replay;
                for delivery in &part.deliveries {
                    let one = std::slice::from_ref(delivery);
                    match self.put_back_all(replay.clone(), one, 0, replay.after).await {
                        Err(error) if error.is_about_this() => {
                            tracing::error!(delivery = %delivery.id, %error, "a delivery can't be put back");
                            replay.failed += 1;
                        }
                        put_back => replay = put_back?,
                    }
                }
                self.put_back_all(replay, &[], part.looked_at, part.last).await.map(drop)
            }
            put_back => put_back.map(drop),
        }
    }

    /// Puts these back and writes down how far the replay is then; `last` is the last delivery that was looked at.
    async fn put_back_all(
        &mut self,
        mut replay: Replay,
        deliveries: &[Delivery],
        looked_at: usize,
        last: Option<DeliveryId>,
    ) -> Result<Replay, StoreError> {
        let shared = Arc::clone(&self.shared);
        let rules = Arc::clone(&self.rules);
        let mut group = Group::new(&*shared.store, rules, shared.clock.now(), &mut self.ids);
        group.load(deliveries.iter().map(|delivery| delivery.user.clone())).await?;
        for delivery in deliveries {
            let was = Some((delivery.status, delivery.next_attempt_at));
            let write = DeliveryWrite { delivery: delivery.clone(), was };
            match put_back(&mut group, write, Choice::Filtered).await? {
                PutBack::Replayed => replay.replayed += 1,
                PutBack::Overtaken => replay.superseded += 1,
                PutBack::Pending => {}
            }
        }
        replay.looked_at += u64::try_from(looked_at).unwrap_or(u64::MAX);
        replay.updated_at = group.now;
        if last.is_none() && deliveries.is_empty() {
            replay.status = ReplayStatus::Done;
            let (id, replayed, superseded) = (replay.id, replay.replayed, replay.superseded);
            tracing::info!(%id, replayed, superseded, failed = replay.failed, "a replay is done");
        }
        replay.after = last.or(replay.after);
        let mut changes = group.finish().await?;
        changes.replays.push(ReplayWrite::Put(Box::new(replay.clone())));
        self.commit_replays(changes).await?;
        Ok(replay)
    }

    async fn commit_replays(&mut self, mut changes: ChangeSet) -> Result<(), StoreError> {
        self.commit(&mut changes).await?;
        if self.is_shared() {
            return self.catch_up().await;
        }
        for write in changes.replays {
            match write {
                ReplayWrite::Put(replay) => self.replays.insert(replay.id, *replay),
                ReplayWrite::Delete(id) => self.replays.remove(&id),
            };
        }
        self.published_replays.send_replace(Arc::new(self.replays.clone()));
        Ok(())
    }
}

/// What the audit log keeps of a replay: what was chosen, and how far it had come.
fn audited(replay: &Replay) -> Value {
    let filter = &replay.filter;
    json!({
        "destination": filter.destination,
        "status": filter.status.map(DeliveryStatus::as_str),
        "userId": filter.user.as_ref().and_then(UserKey::user_id),
        "since": filter.since,
        "until": filter.until,
        "httpStatus": filter.http_status,
        "q": filter.text,
        "total": replay.total,
        "replayed": replay.replayed,
    })
}

/// How many deliveries have the filter's status, and destination where it names one.
fn counted(filter: &DeliveryFilter, counts: &Counts) -> u64 {
    let of = |(destination, status): &(String, &'static str)| {
        filter.destination.as_ref().is_none_or(|wanted| wanted == destination)
            && filter.status.is_none_or(|wanted| wanted.as_str() == *status)
    };
    counts.deliveries.iter().filter(|(key, _)| of(key)).map(|(_, count)| count).sum()
}

/// Puts a delivery back, unless a newer truth overtook it.
async fn put_back(
    group: &mut Group<'_>,
    write: DeliveryWrite,
    choice: Choice,
) -> Result<PutBack, StoreError> {
    let DeliveryWrite { mut delivery, was } = write;
    if delivery.status == DeliveryStatus::Pending {
        return Ok(PutBack::Pending);
    }
    group.load([delivery.user.clone()]).await?;
    let owners = load_told(group, [&delivery]).await?;
    let now = group.now;
    let overtaken = group.profile(&delivery.user).is_some_and(|profile| is_overtaken(&delivery, profile))
        || (choice == Choice::Filtered && is_settled(&delivery, group, &owners));
    // What is true of him now is what this was decided on.
    group.touch(&delivery.user);
    if overtaken && delivery.status == DeliveryStatus::Superseded {
        // What took its place stays known.
        return Ok(PutBack::Overtaken);
    }
    if overtaken {
        delivery.supersede(None, "it says what is no longer true".to_owned(), now);
    } else {
        delivery.status = DeliveryStatus::Pending;
        (delivery.reason, delivery.superseded_by, delivery.receipt) = (None, None, None);
        delivery.updated_at = now;
        delivery.next_attempt_at = now;
        delivery.retry_from = now;
        delivery.tries = 0;
        delivery.replayed_at = Some(now);
        delivery.withdrawn = false;
        delivery.replays = delivery.replays.saturating_add(1);
        // What failed before is open again.
        tell_journeys(group, &owners, &delivery);
    }
    group.put_delivery(DeliveryWrite { delivery, was });
    Ok(if overtaken { PutBack::Overtaken } else { PutBack::Replayed })
}

/// Whether a call about a computed value says what is no longer so: after a newer call it would leave the receiver wrong. So
/// does any such call under an id whose profile became part of another one.
fn is_overtaken(delivery: &Delivery, profile: &Profile) -> bool {
    let Payload::Call(call) = &delivery.payload else { return false };
    let Some((key, _)) = delivery.topic() else { return false };
    let said = |fields: &str| {
        call.get(fields).and_then(Value::as_object).and_then(|fields: &Map<_, _>| fields.get(key))
    };
    let Some(said) = said("traits").or_else(|| said("properties")) else { return false };
    // Whatever computation of that name said it: to the receiver they are one.
    let now = profile.memberships.get(key).map(|membership| Value::Bool(membership.member));
    let now = now.or_else(|| profile.values.get(key).map(|computed| computed.value.clone()));
    profile.key != delivery.user || now.is_some_and(|now| now != *said)
}

/// Whether it is an alarm that nobody needs any more: a digest took its place, or none of the stalls that it tells of still waits
/// for somebody.
fn is_settled(delivery: &Delivery, group: &Group<'_>, owners: &Owners) -> bool {
    let stalls = delivery.stalls();
    let waits = |(id, _): &(JourneyId, DeliveryId)| {
        let profile = owners.get(id).and_then(|user| group.profile(user));
        let journey = profile.and_then(|profile| profile.journeys.iter().find(|journey| journey.id == *id));
        journey.is_some_and(|it| it.standing(Some(delivery.created_at)) == Standing::Stalled)
    };
    !stalls.is_empty() && (delivery.superseded_by.is_some() || !stalls.iter().any(waits))
}
