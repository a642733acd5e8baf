//! What attempts made of deliveries, and of their destinations.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::json;

use super::command::{By, Settlement};
use super::error::EngineError;
use super::group::Group;
use super::inputs::Owners;
use super::people::entry;
use super::receipts::tell_journeys;
use super::writer::Writer;
use crate::domain::change::{ChangeSet, DeliveryWrite, HealthWrite};
use crate::domain::decide::Queue;
use crate::domain::definition::Definitions;
use crate::domain::delivery::{Attempt, DeliveryStatus};
use crate::domain::figures::{self, Family};
use crate::domain::health::{Health, PausedBy, Signal, Turn};
use crate::domain::ids::{DeliveryId, JourneyId, UserKey};
use crate::domain::limits;
use crate::domain::people::{Action, Deed};
use crate::domain::retry::{self, Terms};
use crate::store::StoreError;

/// How destinations fare, by key; one that always fared well is not there.
pub(super) type Healths = Arc<BTreeMap<String, Health>>;

/// How destinations fare while a group is decided.
pub(super) struct Faring {
    pub healths: Healths,
    /// Whether something turned that the dispatcher and readers are to know of; failures are counted without.
    pub has_turned: bool,
}

/// Notes what came of attempts that were made together: they come back together, too.
pub(super) async fn settle(
    group: &mut Group<'_>,
    settlements: &[Settlement],
    faring: &mut Faring,
    owners: &Owners,
) -> Result<(), StoreError> {
    let jitter = group.jitter();
    // Whether the destination was paused when they ended; what was made together says one thing of it.
    let mut was_paused = None;
    for settlement in settlements {
        let Some(DeliveryWrite { delivery, was }) = group.delivery(settlement.id) else {
            tracing::warn!(delivery = %settlement.id, "an attempt ended at a delivery that is not there");
            continue;
        };
        // Its answer got lost, and it came again.
        if group.is_shared() && delivery.attempts.contains(&settlement.attempt) {
            continue;
        }
        let key = &delivery.destination;
        let is_paused = |faring: &Faring| faring.healths.get(key).is_some_and(|it| it.pause.is_some());
        let was_paused = match was_paused {
            Some(was_paused) => was_paused,
            None => {
                let is_paused = *was_paused.insert(is_paused(faring));
                note_health(group, settlements, key, faring).await?;
                is_paused
            }
        };
        let destination = group.decision.rules().definitions.destinations.get(key);
        let is_paused = is_paused(faring);
        let terms = Terms {
            retry_for: destination.map_or(limits::RETRY_FOR, |it| it.retry_for),
            expire_after: destination.and_then(|it| it.expire_after),
            resumed_at: faring.healths.get(key).and_then(|health| health.resumed_at),
            is_paused,
            is_failed_probe: was_paused
                && is_paused
                && matches!(settlement.signal, Signal::Bad | Signal::Barred),
            jitter,
        };
        let (attempt, outcome) = (settlement.attempt.clone(), &settlement.outcome);
        let mut delivery = retry::settle(&delivery, attempt, outcome, &terms, group.now);
        retry::keep_receipt(&mut delivery, settlement.receipt.clone());
        if let Some(ended) = retry::ended_as(outcome, &delivery) {
            let counted = &mut group.decision.changes.figures;
            figures::count(counted, Family::Attempted, &delivery.destination, ended, 1);
        }
        tell_journeys(group, owners, &delivery);
        group.put_delivery(DeliveryWrite { delivery, was });
    }
    Ok(())
}

/// Gives up what has waited longer than its destination lets it.
pub(super) fn expire(group: &mut Group<'_>, ids: &[DeliveryId], owners: &Owners) {
    for id in ids {
        let Some(mut write) = group.delivery(*id) else { continue };
        let destination = group.decision.rules().definitions.destinations.get(&write.delivery.destination);
        let Some(after) = destination.and_then(|destination| destination.expire_after) else { continue };
        if retry::expire(&mut write.delivery, after, group.now) {
            let (key, status) = (&write.delivery.destination, write.delivery.status.as_str());
            figures::count(&mut group.decision.changes.figures, Family::Attempted, key, status, 1);
            tell_journeys(group, owners, &write.delivery);
            group.put_delivery(write);
        }
    }
}

/// Takes back what tells of journeys that nobody needs to be told of any more.
pub(super) async fn withdraw(
    group: &mut Group<'_>,
    ids: &[DeliveryId],
    owners: &Owners,
) -> Result<(), StoreError> {
    let is_open = |(journey, user): &(&JourneyId, &UserKey)| {
        group.profile(user).is_some_and(|profile| profile.journeys.iter().any(|it| it.id == **journey))
    };
    let closed: Vec<_> = owners.iter().filter(|it| !is_open(it)).map(|(journey, _)| *journey).collect();
    let closed: HashMap<_, _> = if closed.is_empty() {
        HashMap::new()
    } else {
        let found = group.store().journeys_by_id(&closed).await?;
        found.into_iter().flatten().map(|journey| (journey.id, journey)).collect()
    };
    for id in ids {
        let Some(mut write) = group.delivery(*id) else { continue };
        let find = |journey: JourneyId| {
            let own = owners.get(&journey).and_then(|user| group.profile(user));
            let open = own.and_then(|profile| profile.journeys.iter().find(|it| it.id == journey));
            open.or_else(|| closed.get(&journey))
        };
        if let Some(why) = write.delivery.overtaken(find) {
            let may_be_there = write.delivery.attempts.iter().any(Attempt::may_have_sent);
            let what = if may_be_there { "not sent again" } else { "not sent" };
            write.delivery.withdraw(format!("{what}: {why}"), group.now);
            tell_journeys(group, owners, &write.delivery);
            group.put_delivery(write);
        }
    }
    Ok(())
}

/// Notes what attempts say of their destination. Only turns are written down: a destination that fares well, or stumbles now and
/// then, costs nothing.
async fn note_health(
    group: &mut Group<'_>,
    settlements: &[Settlement],
    key: &str,
    faring: &mut Faring,
) -> Result<(), StoreError> {
    let with = |signal| settlements.iter().find(|settlement| settlement.signal == signal);
    // That somebody was there weighs most, that nobody was asked least.
    let told = with(Signal::Good).or_else(|| with(Signal::Barred)).or_else(|| with(Signal::Bad));
    let Some(settlement) = told else { return Ok(()) };
    let known = faring.healths.get(key);
    let is_news = settlement.signal != Signal::Good
        || known.is_some_and(|health| {
            health.failing_since.is_some() || health.pause.is_some() || health.is_unproven()
        });
    let definitions = Arc::clone(&group.decision.rules().definitions);
    let Some(destination) = definitions.destinations.get(key).filter(|_| is_news) else { return Ok(()) };
    let healths = Arc::make_mut(&mut faring.healths);
    let health = healths.entry(key.to_owned()).or_insert_with(|| Health::new(key.to_owned()));
    let before = health.clone();
    let error = settlement.attempt.error.as_deref();
    let Some(turn) = health.note(settlement.signal, error, destination, group.now) else { return Ok(()) };
    faring.has_turned = true;
    group.decision.changes.healths.push(HealthWrite::Put(health.clone()));
    log(turn, health);
    if matches!(turn, Turn::Paused | Turn::Resumed) {
        let counts = group.counts().await?;
        let count = |status: DeliveryStatus| {
            counts.deliveries.get(&(key.to_owned(), status.as_str())).copied().unwrap_or_default()
        };
        let queue = Queue { waiting: count(DeliveryStatus::Pending), failed: count(DeliveryStatus::Failed) };
        // How long it was, is said by how it was before.
        let told = if turn == Turn::Resumed { &before } else { &*health };
        group.decision.tell_operators(turn, told, destination, queue);
    }
    Ok(())
}

fn log(turn: Turn, health: &Health) {
    let (destination, error) = (health.destination.as_str(), health.last_error.as_deref());
    match turn {
        Turn::BeganToFail => tracing::warn!(destination, error, "a destination fails"),
        Turn::Recovered => tracing::info!(destination, "a destination takes calls again"),
        Turn::Paused => tracing::error!(destination, error, "a destination has only failed and is paused"),
        Turn::ProbeFailed => tracing::debug!(destination, error, "a paused destination still fails"),
        Turn::Resumed => tracing::info!(destination, "a paused destination takes calls again"),
    }
}

impl Writer {
    /// Pauses a destination by a person's word, or resumes it; answers how it fares then.
    pub(super) async fn set_paused(
        &mut self,
        key: &str,
        pause: Option<(String, String)>,
        by: &By,
    ) -> Result<Health, EngineError> {
        if !self.rules.definitions.destinations.contains_key(key) {
            return Err(EngineError::NotFound { what: "destination", key: key.to_owned() });
        }
        let now = self.shared.clock.now();
        let mut health = self.healths.get(key).cloned().unwrap_or_else(|| Health::new(key.to_owned()));
        let before = health.state();
        let action = if pause.is_some() { Action::Paused } else { Action::Resumed };
        let is_news = match pause {
            Some((by, reason)) => health.pause(by, reason, now),
            None => health.resume(now),
        };
        if is_news {
            let healths = vec![HealthWrite::Put(health.clone())];
            let state = |state: &str| json!({ "state": state });
            let deed = Deed::new(action, format!("destination {key}"));
            let deed = deed.from(state(before)).to(state(health.state()));
            let entries = vec![entry(&mut self.ids, now, by, deed)];
            self.commit(&mut ChangeSet { healths, entries, ..ChangeSet::default() }).await?;
            tracing::info!(
                destination = key,
                state = health.state(),
                "a person paused or resumed a destination"
            );
            let mut all = Arc::clone(&self.healths);
            Arc::make_mut(&mut all).insert(key.to_owned(), health.clone());
            self.go_by_healths(all);
            self.catch_up().await?;
        }
        Ok(health)
    }

    /// Tells the webhooks that somebody is to be deleted.
    pub(super) async fn notify_deletion(
        &mut self,
        user_id: &str,
        by: &By,
    ) -> Result<Vec<DeliveryId>, EngineError> {
        let shared = Arc::clone(&self.shared);
        let rules = Arc::clone(&self.rules);
        let mut group = Group::new(&*shared.store, rules, shared.clock.now(), &mut self.ids);
        // What he is still to be told of is queued under the profile that his became part of.
        let user = UserKey::user(user_id);
        group.load([user.clone()]).await?;
        let user = group.profile(&user).map_or(user, |profile| profile.key.clone());
        let notices = group.decision.notify_deletion(user_id, &user);
        let mut changes = group.finish().await?;
        if !changes.is_empty() {
            let deed = Deed::new(Action::DeletionNotified, format!("user {user_id}"));
            let deed = deed.to(json!({ "deliveries": notices }));
            changes.entries.push(entry(&mut self.ids, shared.clock.now(), by, deed));
            self.commit(&mut changes).await?;
        }
        Ok(notices)
    }

    /// Goes by how destinations fare now, and tells the dispatcher.
    pub(super) fn go_by_healths(&mut self, healths: Healths) {
        self.healths = Arc::clone(&healths);
        self.published_healths.send_replace(healths);
    }

    /// What `changes` to the definitions mean for how their destinations fare: one that is gone is forgotten; one that was paused
    /// for its failures and is another now is tried at once.
    pub(super) fn healths_after(&self, changes: &mut ChangeSet, after: &Definitions) -> Healths {
        let mut healths = Arc::clone(&self.healths);
        let now = self.shared.clock.now();
        for (key, health) in self.healths.iter() {
            let before = self.rules.definitions.destinations.get(key);
            match after.destinations.get(key) {
                None => {
                    Arc::make_mut(&mut healths).remove(key);
                    changes.healths.push(HealthWrite::Delete(key.clone()));
                }
                Some(destination) if before != Some(destination) => {
                    let mut health = health.clone();
                    let Some(pause) = &mut health.pause else { continue };
                    if pause.by == PausedBy::Failures {
                        pause.probe_at = Some(now);
                        changes.healths.push(HealthWrite::Put(health.clone()));
                        Arc::make_mut(&mut healths).insert(key.clone(), health);
                    }
                }
                Some(_) => {}
            }
        }
        healths
    }
}
