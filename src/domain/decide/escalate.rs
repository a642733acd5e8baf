//! Stalled journeys: levels that come due become deliveries, each once per journey, ever, but for its repetitions.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Decision;
use super::recipients::{Address, OnCall, Recipients};
use super::stall::Stall;
use crate::domain::definition::{Channel, Flow, Recipient, Team};
use crate::domain::delivery::{Cause, Delivery, DeliveryStatus, EMAIL, Payload, TwilioRequest};
use crate::domain::figures::{self, Family};
use crate::domain::journey::{DueLevel, Escalation, EscalationReceipt, Journey, JourneyStatus, Ladder};
use crate::domain::limits;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

/// One thing that an action sends.
struct Parcel {
    destination: String,
    payload: Payload,
    /// Why it can't be sent, where it can't.
    failure: Option<String>,
}

impl Decision<'_> {
    /// Lets time act on the user's journeys: levels that are due fire, silent journeys expire, those whose run died stall.
    pub(super) fn escalate(&mut self, profile: &mut Profile) {
        let definitions = Arc::clone(&self.rules.definitions);
        // What is sent of a journey tells of its user, too.
        let mut journeys = std::mem::take(&mut profile.journeys);
        for journey in &mut journeys {
            let flow = definitions.flows.get(&journey.flow).map(Arc::as_ref);
            let team = flow.and_then(|flow| self.team_of(flow));
            let team = team.as_deref();
            // First, so that last year's posts, imported today, alarm nobody.
            journey.expire(flow, team, self.now, &mut self.changes.journeys);
            let is_dead = journey.died.as_ref().is_some_and(|death| death.acts_at() <= self.now);
            if journey.status == JourneyStatus::Active && is_dead {
                journey.stall(self.now, &mut self.changes.journeys);
            }
            let Some(flow) = flow else { continue };
            // Each firing leaves marks, so this comes to an end; one that left none would be due for ever.
            while let Some(due) = Ladder::new(journey, flow, team, self.now).due() {
                if !self.fire(profile, journey, flow, team, due) {
                    tracing::error!(flow = flow.name, level = due.number, "a level did nothing");
                    break;
                }
            }
        }
        profile.journeys = journeys;
    }

    /// The team whose hours hold for a flow.
    pub(super) fn team_of(&self, flow: &Flow) -> Option<Arc<Team>> {
        self.rules.definitions.teams.get(flow.team.as_ref()?).cloned()
    }

    /// A level does what it does. Each thing that it sends leaves a mark, also one that can't be sent: operators see it among the
    /// deliveries that failed, and where all of it failed the next level is due. Says whether it left any.
    fn fire(
        &mut self,
        profile: &Profile,
        journey: &mut Journey,
        flow: &Flow,
        team: Option<&Team>,
        due: DueLevel<'_>,
    ) -> bool {
        journey.stall(self.now, &mut self.changes.journeys);
        let mut room = limits::MAX_FIRED;
        for (place, action) in due.actions.iter().enumerate() {
            let stall = Stall { profile, journey, flow, team, due };
            let mut parcels = self.parcels(&stall, action, place);
            if parcels.len() > room {
                let left_out = parcels.len() - room;
                tracing::warn!(
                    flow = flow.name,
                    journey = %journey.id,
                    level = due.number,
                    left_out,
                    "a level reaches too many; some are left out"
                );
                self.left_out.escalations += left_out;
                parcels.truncate(room);
            }
            room -= parcels.len();
            if !parcels.is_empty() {
                let counted = &mut self.changes.figures;
                figures::count(counted, Family::Escalated, &flow.name, action.as_str(), 1);
            }
            let names: Vec<_> = (0..parcels.len()).map(|index| stall.message_id(place, index)).collect();
            for (parcel, name) in parcels.into_iter().zip(names) {
                self.send(journey, flow, due, action, name, parcel);
            }
        }
        room < limits::MAX_FIRED
    }

    /// Puts one thing into the outbox, and its mark onto the journey.
    fn send(
        &mut self,
        journey: &mut Journey,
        flow: &Flow,
        due: DueLevel<'_>,
        action: &Channel,
        message_id: String,
        parcel: Parcel,
    ) {
        let Parcel { destination, payload, failure } = parcel;
        let id = self.ids.delivery(self.now);
        let (user, cause) = (journey.user.clone(), Cause::Stall(journey.id));
        let mut delivery = Delivery::new(id, destination, user, message_id, cause, payload, self.now);
        if let Some(reason) = failure {
            (delivery.status, delivery.reason) = (DeliveryStatus::Failed, Some(reason));
        } else if delivery.destination == EMAIL {
            self.hold_back(flow, &mut delivery);
        }
        journey.mark(Escalation {
            stage: due.level.stage.clone(),
            level: due.number,
            key: due.key,
            channel: action.as_str().to_owned(),
            at: self.now,
            delivery_id: id,
            again: due.again,
            moved_by: due.moved_by,
            receipt: EscalationReceipt::of(&delivery),
        });
        self.queue(delivery);
    }

    /// What an action sends: one mail, one call to each destination, one thing for each telephone. At least one.
    fn parcels(&self, stall: &Stall<'_>, action: &Channel, place: usize) -> Vec<Parcel> {
        match action {
            Channel::Email { to, template } => vec![self.mail(stall, to, template)],
            Channel::Webhook { to } => {
                to.iter().enumerate().map(|(index, key)| self.webhook(stall, key, place, index)).collect()
            }
            Channel::Call { to, text, via } => {
                self.to_each(stall, to, via, |to| TwilioRequest::Call { to, text: text.clone() })
            }
            Channel::Sms { to, text, via } => {
                self.to_each(stall, to, via, |to| TwilioRequest::Sms { to, text: text.clone() })
            }
            Channel::StudioExecution { to, flow_sid, parameters, via } => {
                self.to_each(stall, to, via, |to| TwilioRequest::StudioExecution {
                    flow_sid: flow_sid.clone(),
                    to,
                    parameters: parameters.clone(),
                })
            }
            Channel::Task { workspace_sid, workflow_sid, attributes, priority, via } => {
                let request = TwilioRequest::Task {
                    workspace_sid: workspace_sid.clone(),
                    workflow_sid: workflow_sid.clone(),
                    attributes: attributes.clone(),
                    priority: *priority,
                };
                let context = self.mail_context(stall, OnCall::Somebody, false);
                vec![self.twilio(via, request, context, None)]
            }
        }
    }

    fn mail(&self, stall: &Stall<'_>, to: &[Recipient], template: &str) -> Parcel {
        let Recipients { to, on_call, own, missing } = self.recipients(stall, to, Address::Mail);
        // All of them read the same mail.
        let context = self.mail_context(stall, on_call, !own.is_empty());
        let payload = Payload::Email { template: template.to_owned(), to, context };
        Parcel { destination: EMAIL.to_owned(), payload, failure: missing }
    }

    fn webhook(&self, stall: &Stall<'_>, key: &str, place: usize, index: usize) -> Parcel {
        let call = self.stalled_call(stall, key, stall.message_id(place, index));
        Parcel {
            destination: key.to_owned(),
            payload: Payload::Call(call),
            failure: self.why_not_through(key),
        }
    }

    /// One request for each telephone; one that failed where there is none.
    fn to_each(
        &self,
        stall: &Stall<'_>,
        to: &[Recipient],
        via: &str,
        request: impl Fn(String) -> TwilioRequest,
    ) -> Vec<Parcel> {
        let Recipients { mut to, on_call, own, missing } = self.recipients(stall, to, Address::Phone);
        if missing.is_some() {
            to.push(String::new());
        }
        let parcel = |to: String| {
            let context = self.mail_context(stall, on_call, own.contains(&to));
            self.twilio(via, request(to), context, missing.clone())
        };
        to.into_iter().map(parcel).collect()
    }

    fn twilio(
        &self,
        via: &str,
        request: TwilioRequest,
        context: Map<String, Value>,
        missing: Option<String>,
    ) -> Parcel {
        Parcel {
            destination: via.to_owned(),
            payload: Payload::Twilio { request, context },
            failure: missing.or_else(|| self.why_not_through(via)),
        }
    }

    /// Why nothing can be sent through a destination just now, if nothing can.
    fn why_not_through(&self, key: &str) -> Option<String> {
        match self.rules.definitions.destinations.get(key) {
            Some(destination) if destination.enabled => None,
            Some(_) => Some(format!("destination `{key}` is disabled")),
            None => Some(format!("there is no destination `{key}`")),
        }
    }

    /// When time next acts on the user's journeys.
    pub(super) fn journeys_wake(&self, profile: &Profile) -> Option<Timestamp> {
        let flows = &self.rules.definitions.flows;
        let wakes = profile.journeys.iter().filter_map(|journey| {
            let flow = flows.get(&journey.flow).map(Arc::as_ref);
            let team = flow.and_then(|flow| self.team_of(flow));
            journey.next_wake(flow, team.as_deref(), self.now)
        });
        wakes.min()
    }
}
