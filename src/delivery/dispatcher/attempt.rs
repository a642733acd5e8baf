//! An attempt, and having its outcome written down before the next one of the same users.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tracing::{error, warn};

use super::Inner;
use super::claim::users_of;
use super::lane::{Lane, Unsettled};
use crate::delivery::sender::{Sent, Verdict};
use crate::domain::delivery::{Attempt, Delivery, Outcome, Payload};
use crate::domain::health::Signal;
use crate::domain::ids::DeliveryId;
use crate::domain::retry;
use crate::domain::time::Timestamp;
use crate::engine::{EngineError, LeaseUse, Settlement};

impl Inner {
    /// Tries what goes together once, has the outcomes written, and then frees its users' lanes. What has waited for too long is
    /// given up instead.
    pub(super) async fn attempt(&self, lane: &Lane, deliveries: Vec<Delivery>) {
        let users = users_of(&deliveries);
        let term = lane.state().term;
        let (late, deliveries) = self.late(lane, deliveries);
        if !late.is_empty()
            && let Err(why) = self.outbox.expire(late).await
        {
            warn!(destination = %lane.key, "what waited too long could not be given up yet: {why}");
        }
        let deliveries = self.without_overtaken(lane, deliveries).await;
        if deliveries.is_empty() {
            let mut state = lane.state();
            state.in_flight = state.in_flight.saturating_sub(1);
            drop(state);
            return lane.close(&users);
        }
        let begun = Instant::now();
        let under_way = metrics::gauge!("stagepost_requests_in_flight", "destination" => lane.key.clone());
        under_way.increment(1.0);
        let (sent, lease) = self.send(lane, &deliveries, term).await;
        under_way.decrement(1.0);
        let now = self.clock.now();
        {
            let mut state = lane.state();
            state.in_flight = state.in_flight.saturating_sub(1);
            // What was made together says one thing.
            let signal = sent.iter().map(|sent| sent.signal).max_by_key(weight).unwrap_or(Signal::None);
            state.circuit.note(signal, now);
        }
        // The request is over: its place is free while the outcome is written.
        lane.wake.notify_one();
        metrics::histogram!("stagepost_delivery_duration_seconds", "destination" => lane.key.clone())
            .record(begun.elapsed().as_secs_f64());
        let settlements =
            deliveries.iter().zip(sent).filter_map(|(delivery, sent)| settlement(lane, delivery, sent));
        let unsettled = Unsettled { users, settlements: settlements.collect(), _lease: lease };
        self.settle(lane, unsettled).await;
    }

    /// Takes out what has waited for longer than the destination lets it.
    fn late(&self, lane: &Lane, deliveries: Vec<Delivery>) -> (Vec<DeliveryId>, Vec<Delivery>) {
        let definitions = self.definitions.borrow();
        let destination = definitions.destinations.get(&lane.key);
        let Some(after) = destination.and_then(|destination| destination.expire_after) else {
            return (Vec::new(), deliveries);
        };
        let now = self.clock.now();
        let (late, rest): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| retry::is_expired(delivery, after, now));
        (late.into_iter().map(|delivery| delivery.id).collect(), rest)
    }

    /// Takes back what tells of journeys that were dealt with since. An alarm too many is better than none: what can't be looked up
    /// is sent.
    async fn without_overtaken(&self, lane: &Lane, mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
        match self.outbox.withdraw(&deliveries).await {
            Ok(gone) => deliveries.retain(|delivery| !gone.contains(&delivery.id)),
            Err(why) => {
                warn!(destination = %lane.key, "whether alarms are still wanted could not be looked up: {why}");
            }
        }
        deliveries
    }

    /// Sends while the claim holds; whatever happens, there is one answer for each. What is returned beside them keeps the lease.
    async fn send(
        &self,
        lane: &Lane,
        deliveries: &[Delivery],
        term: Option<u64>,
    ) -> (Vec<Sent>, Option<Arc<LeaseUse>>) {
        let at = self.clock.now();
        // Looked at once more, right before anything leaves.
        let lease = term.and_then(|term| self.leases.begin_in(&self.lease(lane), term));
        let Some(lease) = lease else { return (held(deliveries.len()), None) };
        if let Err(why) = self.leave_word(deliveries, at).await {
            warn!(destination = %lane.key, "nothing is sent, as its beginning could not be written: {why}");
            return (held(deliveries.len()), Some(Arc::new(lease)));
        }
        let begun = Instant::now();
        let time = self.pace(lane).map_or(Duration::from_secs(60), |pace| pace.lease);
        // First the lease: after this process hung, both may be over, and the receiver is not to blame.
        let sent = tokio::select! {
            biased;
            () = lease.lost() => {
                warn!(destination = %lane.key, "the lease on sending there was lost; an attempt is broken off");
                return (held(deliveries.len()), None);
            }
            sent = within(time, deliveries.len(), self.sender.send(deliveries)) => sent,
        };
        let sent = sent.unwrap_or_else(|why| {
            error!(destination = %lane.key, first = ?deliveries.first().map(|it| it.id), "{why}");
            let text = format!("an internal error: {why}; the server's log has more");
            let verdict = |delivery: &Delivery| match delivery.payload {
                Payload::Twilio { .. } => Verdict::unsure(text.clone()),
                Payload::Call(_) | Payload::Email { .. } => Verdict::retry(None, text.clone()),
            };
            let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            deliveries.iter().map(|delivery| verdict(delivery).into_sent(at, took)).collect()
        });
        (sent, Some(Arc::new(lease)))
    }

    /// Has it written that these are about to be sent, where a receiver can't tell a second one from the first: whoever finds them
    /// after this process died, or lost its lease, is to look for them first.
    async fn leave_word(&self, deliveries: &[Delivery], at: Timestamp) -> Result<(), EngineError> {
        let begun = |delivery: &Delivery| Settlement {
            id: delivery.id,
            attempt: Attempt {
                at,
                status: Outcome::Begun.as_str().to_owned(),
                http_status: None,
                duration_ms: 0,
                response_snippet: None,
                error: None,
            },
            outcome: Outcome::Begun,
            signal: Signal::None,
            receipt: None,
            weight: delivery.weight(),
        };
        let words: Vec<_> =
            deliveries.iter().filter(|it| matches!(it.payload, Payload::Twilio { .. })).map(begun).collect();
        if words.is_empty() { Ok(()) } else { self.outbox.settle(words).await }
    }

    async fn settle(&self, lane: &Lane, unsettled: Unsettled) {
        if unsettled.settlements.is_empty() {
            return lane.close(&unsettled.users);
        }
        let first = unsettled.settlements.first().map(|settlement| settlement.id);
        match self.outbox.settle(unsettled.settlements.clone()).await {
            Ok(()) => lane.close(&unsettled.users),
            // The lane stays closed: sending again what is known to have arrived would be a repetition for nothing.
            Err(why @ (EngineError::Busy | EngineError::Unavailable(_) | EngineError::Store(_))) => {
                warn!(delivery = ?first, "the outcome of an attempt could not be written yet: {why}");
                lane.state().unsettled.push(unsettled);
            }
            Err(
                why @ (EngineError::NotFound { .. }
                | EngineError::Conflict(_)
                | EngineError::Staff(_)
                | EngineError::Invalid(_)),
            ) => {
                warn!(delivery = ?first, "the outcome of an attempt was not wanted: {why}");
                lane.close(&unsettled.users);
            }
        }
    }

    /// Tries once more to have written what could not be.
    pub(super) async fn settle_again(&self, lane: &Lane) {
        let unsettled = std::mem::take(&mut lane.state().unsettled);
        for one in unsettled {
            self.settle(lane, one).await;
        }
    }
}

/// Nothing is known to have left.
fn held(count: usize) -> Vec<Sent> {
    (0..count).map(|_| Sent::held()).collect()
}

/// What is to be written of an attempt; nothing where there was none: the delivery is as it was, and due again.
fn settlement(lane: &Lane, delivery: &Delivery, sent: Sent) -> Option<Settlement> {
    let attempt = sent.attempt?;
    let labels = [("destination", lane.key.clone()), ("outcome", sent.outcome.as_str().to_owned())];
    metrics::counter!("stagepost_delivery_attempts_total", &labels).increment(1);
    let (id, weight) = (delivery.id, delivery.weight());
    Some(Settlement {
        id,
        attempt,
        outcome: sent.outcome,
        signal: sent.signal,
        receipt: sent.receipt,
        weight,
    })
}

/// What `sending` says of that many deliveries, if it is over within its lease.
pub(super) async fn within(
    lease: Duration,
    count: usize,
    sending: impl Future<Output = Vec<Sent>>,
) -> Result<Vec<Sent>, &'static str> {
    match tokio::time::timeout(lease, AssertUnwindSafe(sending).catch_unwind()).await {
        Ok(Ok(sent)) if sent.len() == count => Ok(sent),
        Ok(Ok(_)) => Err("an attempt did not say what became of each delivery"),
        Ok(Err(_)) => Err("an attempt panicked"),
        Err(_) => Err("an attempt outlived its lease and was broken off"),
    }
}

/// Of several signals at once: that somebody was there weighs most, that nobody was asked least.
fn weight(signal: &Signal) -> u8 {
    match signal {
        Signal::None => 0,
        Signal::Bad => 1,
        Signal::Barred => 2,
        Signal::Good => 3,
    }
}
