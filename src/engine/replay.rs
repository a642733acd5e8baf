//! Replay: dead letters go back into the queue, under their old ids, oldest first and one piece at a time.

use serde_json::{Map, Value};

use super::command::{ReplaySelection, Reply};
use super::error::EngineError;
use super::group::Group;
use super::writer::{Writer, answer_alone};
use crate::domain::change::DeliveryWrite;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus, Payload};
use crate::domain::ids::DeliveryId;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::profile::Profile;
use crate::store::StoreError;

/// A replay under way.
pub(super) struct Replaying {
    /// What is still to be looked for; `None` once all ids are known.
    search: Option<(DeliveryFilter, Option<String>)>,
    /// Newest first, as they were found: taken from the end.
    ids: Vec<DeliveryId>,
    /// Whether a person named this very delivery.
    is_single: bool,
    replayed: u64,
    reply: Reply<u64>,
}

impl Replaying {
    pub(super) fn new(selection: ReplaySelection, reply: Reply<u64>) -> Self {
        let (search, ids) = match selection {
            ReplaySelection::One(id) => (None, vec![id]),
            ReplaySelection::Of { destination, status, since } => {
                let filter = DeliveryFilter {
                    destination: Some(destination),
                    status: Some(status),
                    user: None,
                    since,
                };
                (Some((filter, None)), Vec::new())
            }
        };
        Self { is_single: search.is_none(), search, ids, replayed: 0, reply }
    }
}

impl Writer {
    /// One step of a replay; the last one answers how many were put back.
    pub(super) async fn replay(&mut self, mut replaying: Replaying) -> Result<(), StoreError> {
        if let Some((filter, cursor)) = replaying.search.take() {
            let page = PageRequest { limit: limits::MAX_PAGE, cursor };
            match self.shared.store.deliveries(&filter, &page).await {
                Ok(found) => {
                    replaying.ids.extend(found.rows.iter().map(|delivery| delivery.id));
                    let has_room = replaying.ids.len() < limits::MAX_REPLAY;
                    replaying.search = found.cursor.filter(|_| has_room).map(|cursor| (filter, Some(cursor)));
                    self.replays.push_back(replaying);
                    return Ok(());
                }
                Err(error) => return answer_alone(replaying.reply, Err(error.into())),
            }
        }
        let piece = replaying.ids.split_off(replaying.ids.len().saturating_sub(limits::UPKEEP_STEP));
        match self.put_back(&piece, replaying.is_single).await {
            Ok(count) => replaying.replayed += count,
            Err(error) => return answer_alone(replaying.reply, Err(error)),
        }
        if replaying.ids.is_empty() {
            return answer_alone(replaying.reply, Ok(replaying.replayed));
        }
        self.replays.push_back(replaying);
        Ok(())
    }

    /// Puts these back (newest first in the list), but for those that a newer truth overtook.
    async fn put_back(&mut self, ids: &[DeliveryId], is_single: bool) -> Result<u64, EngineError> {
        let shared = std::sync::Arc::clone(&self.shared);
        let rules = std::sync::Arc::clone(&self.rules);
        let mut group = Group::new(&*shared.store, rules, shared.clock.now(), &mut self.ids);
        let mut count = 0;
        for id in ids {
            let Some(DeliveryWrite { delivery, was }) = group.delivery(*id).await? else {
                if is_single {
                    return Err(EngineError::NotFound { what: "delivery", key: id.to_string() });
                }
                continue;
            };
            if delivery.status == DeliveryStatus::Pending {
                if is_single {
                    let message = format!("delivery {id} is waiting for an attempt already");
                    return Err(EngineError::Conflict(message));
                }
                continue;
            }
            group.load([delivery.user.clone()]).await?;
            let overtaken =
                group.profile(&delivery.user).is_some_and(|profile| is_overtaken(&delivery, profile));
            if overtaken && is_single {
                let message =
                    format!("delivery {id} says what is no longer true; sending it now would mislead");
                return Err(EngineError::Conflict(message));
            }
            let now = group.now;
            let mut delivery = Delivery { updated_at: now, ..delivery };
            if overtaken {
                delivery.status = DeliveryStatus::Superseded;
            } else {
                delivery.status = DeliveryStatus::Pending;
                delivery.next_attempt_at = now;
                delivery.retry_from = now;
                delivery.tries = 0;
                delivery.replays = delivery.replays.saturating_add(1);
                count += 1;
            }
            group.put_delivery(DeliveryWrite { delivery, was });
        }
        let changes = group.finish()?;
        if !changes.is_empty() {
            self.commit(&changes).await?;
        }
        Ok(count)
    }
}

/// Whether a call about a computed value says what is no longer so: after a newer call it would leave the receiver wrong. So
/// does any such call under an id whose profile became part of another one.
fn is_overtaken(delivery: &Delivery, profile: &Profile) -> bool {
    let Payload::Call(call) = &delivery.payload else { return false };
    let personas = call.get("context").and_then(|context| context.get("personas"));
    let Some(key) = personas.and_then(|it| it.get("computation_key")).and_then(Value::as_str) else {
        return false;
    };
    let said = |fields: &str| {
        call.get(fields).and_then(Value::as_object).and_then(|fields: &Map<_, _>| fields.get(key))
    };
    let Some(said) = said("traits").or_else(|| said("properties")) else { return false };
    // Whatever computation of that name said it: to the receiver they are one.
    let now = profile.memberships.get(key).map(|membership| Value::Bool(membership.member));
    let now = now.or_else(|| profile.values.get(key).map(|computed| computed.value.clone()));
    profile.key != delivery.user || now.is_some_and(|now| now != *said)
}
