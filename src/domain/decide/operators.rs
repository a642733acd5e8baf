//! What the people who run the server are told by mail: destinations that were paused, or take calls again.

use serde_json::{Map, Value, json};

use super::messages::in_words;
use super::{Decision, object};
use crate::domain::definition::Destination;
use crate::domain::delivery::{Cause, EMAIL, Payload};
use crate::domain::health::{Health, Turn};
use crate::domain::ids::UserKey;

/// How many deliveries of a destination there are.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// That wait.
    pub waiting: u64,
    /// That were refused for good, now or ever.
    pub failed: u64,
}

impl Decision<'_> {
    /// Tells the operators, if there are any, that a destination was paused or resumed by itself.
    pub fn tell_operators(&mut self, turn: Turn, health: &Health, destination: &Destination, queue: Queue) {
        let template = match turn {
            Turn::Paused => "destination_paused",
            Turn::Resumed => "destination_resumed",
            Turn::BeganToFail | Turn::Recovered | Turn::ProbeFailed => return,
        };
        let to = self.rules.surroundings.operators.clone();
        if to.is_empty() {
            return;
        }
        let payload = Payload::Email {
            template: template.to_owned(),
            to,
            context: self.health_context(health, destination, queue),
        };
        let message_id = format!("{}.{template}.{}", destination.key, self.now.millis());
        self.deliver(EMAIL, &UserKey::destination(&destination.key), message_id, Cause::Health, payload);
    }

    fn health_context(&self, health: &Health, destination: &Destination, queue: Queue) -> Map<String, Value> {
        let since = health.failing_since.or(health.pause.as_ref().map(|pause| pause.at)).unwrap_or(self.now);
        let url = self.rules.surroundings.public_url.as_deref();
        object(json!({
            "destination": { "key": destination.key, "kind": destination.kind.as_str() },
            "failingSince": health.failing_since,
            "failingFor": in_words(self.now.millis_since(since)),
            "failures": health.failures,
            "lastError": health.last_error,
            "probeEvery": in_words(destination.probe_every.millis()),
            "waiting": queue.waiting,
            "failed": queue.failed,
            "link": url.map(|url| format!("{url}/api/destinations/{}", destination.key)),
            "now": self.now,
        }))
    }
}
