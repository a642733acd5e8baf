//! Stalled journeys: levels that come due become deliveries, each once per journey, ever.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Decision;
use super::messages::{in_words, user_for_mail};
use crate::domain::definition::{Channel, Flow};
use crate::domain::delivery::{Cause, EMAIL, Payload};
use crate::domain::journey::{DueLevel, Escalation, Journey};
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

impl Decision<'_> {
    /// Lets time act on the user's journeys: levels that are due fire, silent journeys expire.
    pub(super) fn escalate(&mut self, profile: &mut Profile) {
        let definitions = Arc::clone(&self.rules.definitions);
        for journey in &mut profile.journeys {
            let flow = definitions.flows.get(&journey.flow).map(Arc::as_ref);
            // First, so that last year's posts, imported today, alarm nobody.
            journey.expire(flow, self.now, &mut self.changes.journeys);
            if let Some(flow) = flow {
                for due in journey.due_levels(flow, self.now) {
                    self.fire(journey, flow, due);
                }
            }
        }
    }

    fn fire(&mut self, journey: &mut Journey, flow: &Flow, due: DueLevel<'_>) {
        journey.stall(self.now, &mut self.changes.journeys);
        for action in &due.level.actions {
            self.act(journey, flow, due, action);
        }
    }

    fn act(&mut self, journey: &mut Journey, flow: &Flow, due: DueLevel<'_>, action: &Channel) {
        let Channel::Email { to, template } = action else { return };
        let payload = Payload::Email {
            template: template.clone(),
            to: to.iter().cloned().map(String::from).collect(),
            context: self.mail_context(journey, flow, due),
        };
        let message_id = format!("{}.{}.{}.{}", journey.id, due.level.stage, due.key.after, due.key.twin);
        let user = journey.user.clone();
        let delivery_id = self.deliver(EMAIL, &user, message_id, Cause::Stall(journey.id), payload);
        journey.escalations.push(Escalation {
            stage: due.level.stage.clone(),
            level: due.number,
            key: due.key,
            channel: action.as_str().to_owned(),
            at: self.now,
            delivery_id,
            again: 0,
            receipt: None,
        });
    }

    /// What the mail's template sees: the journey as it is at this moment.
    fn mail_context(&self, journey: &Journey, flow: &Flow, due: DueLevel<'_>) -> Map<String, Value> {
        let steps: Vec<Value> = journey
            .steps
            .iter()
            .map(|step| json!({ "stage": step.stage, "at": step.at, "receivedAt": step.received_at }))
            .collect();
        let link = self
            .rules
            .surroundings
            .public_url
            .as_ref()
            .map(|url| format!("{url}/api/journeys/{}", journey.id));
        let context = json!({
            "journey": {
                "id": journey.id,
                "userId": user_for_mail(&journey.user),
                "phoneNumber": journey.phone_number,
                "flow": flow.name,
                "stage": journey.stage,
                "status": journey.status,
                "executionSid": journey.execution_sid,
                "startedAt": journey.started_at,
                "stageAt": journey.stage_at,
                "steps": steps,
            },
            "level": due.number,
            "levels": due.levels,
            "after": due.level.after,
            "stalledFor": in_words(self.now.millis_since(journey.stage_at)),
            "link": link,
            "now": self.now,
        });
        match context {
            Value::Object(context) => context,
            _ => Map::new(),
        }
    }

    /// When time next acts on the user's journeys.
    pub(super) fn journeys_wake(&self, profile: &Profile) -> Option<Timestamp> {
        let flows = &self.rules.definitions.flows;
        let wakes = profile.journeys.iter();
        wakes.filter_map(|journey| journey.next_wake(flows.get(&journey.flow).map(Arc::as_ref))).min()
    }
}
