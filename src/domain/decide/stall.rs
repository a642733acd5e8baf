//! What is said of a stall: to the templates of mails, calls and messages, and to destinations that take calls.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::messages::{in_words, user_for_mail};
use super::recipients::OnCall;
use super::{Decision, object};
use crate::domain::definition::{Flow, Team};
use crate::domain::event::weight;
use crate::domain::ids::DeliveryId;
use crate::domain::journey::{DueLevel, Journey};
use crate::domain::limits;
use crate::domain::profile::Profile;

/// The name of the call that tells a destination of a stall.
const STALLED: &str = "Journey Stalled";

/// A journey whose level fires.
pub(super) struct Stall<'a> {
    pub profile: &'a Profile,
    pub journey: &'a Journey,
    pub flow: &'a Flow,
    pub team: Option<&'a Team>,
    pub due: DueLevel<'a>,
}

impl Stall<'_> {
    /// The stable name of one thing that one action says: the same whenever the level is looked at.
    pub fn message_id(&self, action: usize, recipient: usize) -> String {
        let DueLevel { level, key, again, .. } = &self.due;
        let rest = format!("{}.{}.{again}.{action}.{recipient}", key.after, key.twin);
        let name = format!("{}.{}.{rest}", self.journey.id, level.stage);
        if name.len() <= limits::MAX_MESSAGE_ID_CHARS {
            return name;
        }
        // A stage's name may be long, and receivers take ids of a hundred characters.
        let stage = hex::encode(&Sha256::digest(level.stage.as_bytes())[..8]);
        format!("{}.{stage}.{rest}", self.journey.id)
    }

    /// The delivery of the first mail that told of this journey: later ones belong to its thread.
    fn thread(&self) -> Option<DeliveryId> {
        self.journey.escalations.iter().find(|mark| mark.channel == "email").map(|mark| mark.delivery_id)
    }

    /// What a template may say of the user: traits that are texts, numbers, or true or false.
    fn traits(&self) -> Map<String, Value> {
        let mut room = limits::MAX_MAIL_TRAIT_BYTES;
        let mut traits = Map::new();
        for (name, known) in &self.profile.traits {
            let size = name.len() + weight(&known.value);
            let is_plain = known.value.is_string() || known.value.is_number() || known.value.is_boolean();
            if is_plain && size <= room {
                room -= size;
                traits.insert(name.clone(), known.value.clone());
            }
        }
        traits
    }

    fn time_zone(&self) -> &'static str {
        self.team.map_or("UTC", |team| team.time_zone.name())
    }
}

impl Decision<'_> {
    /// What the template of a mail, call or message sees: the journey as it is at this moment. `to_person`: it goes to the one whom
    /// the journey is about, who gets nothing to act by.
    pub(super) fn mail_context(
        &self,
        stall: &Stall<'_>,
        on_call: OnCall,
        to_person: bool,
    ) -> Map<String, Value> {
        let Stall { journey, flow, due, .. } = stall;
        let steps: Vec<Value> = journey
            .steps
            .iter()
            .map(|step| json!({ "stage": step.stage, "at": step.at, "receivedAt": step.received_at }))
            .collect();
        let link = if to_person { None } else { self.link_to(journey) };
        let mut context = object(json!({
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
                "died": journey.died.as_ref().map(|death| json!({ "at": death.at, "reason": death.reason })),
                "steps": steps,
                "alarms": alarms(journey),
            },
            "user": stall.traits(),
            "level": due.number,
            "levels": due.levels,
            "again": due.again,
            "after": due.level.after,
            "stalledFor": in_words(self.now.millis_since(journey.stage_at)),
            "nobodyOnCall": on_call == OnCall::Nobody,
            "outsideHours": due.is_outside_hours,
            "thread": stall.thread(),
            "timeZone": stall.time_zone(),
            "link": link,
            "now": self.now,
        }));
        if to_person {
            context.insert("toPerson".to_owned(), true.into());
        }
        context
    }

    fn link_to(&self, journey: &Journey) -> Option<String> {
        let url = self.rules.surroundings.public_url.as_ref()?;
        Some(format!("{url}/api/journeys/{}", journey.id))
    }

    /// The call that tells a destination of it, whatever else that destination wants to hear.
    pub(super) fn stalled_call(
        &self,
        stall: &Stall<'_>,
        destination: &str,
        message_id: String,
    ) -> Map<String, Value> {
        let Stall { journey, flow, due, .. } = stall;
        let stalled_for = in_words(self.now.millis_since(journey.stage_at));
        let who = journey.user.user_id().or(journey.phone_number.as_deref()).unwrap_or("A visitor");
        let properties = json!({
            "journeyId": journey.id,
            "flow": flow.name,
            "stage": journey.stage,
            "level": due.number,
            "levels": due.levels,
            "again": due.again,
            "phoneNumber": journey.phone_number,
            "executionSid": journey.execution_sid,
            "stalledFor": stalled_for,
            "stageAt": journey.stage_at,
            "startedAt": journey.started_at,
            "link": self.link_to(journey),
            "summary": format!("{who} has been in {} of {} for {stalled_for}.", journey.stage, flow.name),
        });
        let mut call = object(json!({
            "type": "track",
            "version": 1,
            "event": STALLED,
            "messageId": message_id,
            "timestamp": self.now,
            "originalTimestamp": self.now,
            "receivedAt": self.now,
            "sentAt": null,
            "properties": properties,
            "context": { "library": { "name": "stagepost", "version": env!("CARGO_PKG_VERSION") } },
            "integrations": { "All": false, destination: true },
        }));
        let (field, id) = match (journey.user.user_id(), journey.user.anonymous_id()) {
            (Some(user), _) => ("userId", user),
            (None, anonymous) => ("anonymousId", anonymous.unwrap_or_default()),
        };
        call.insert(field.to_owned(), id.into());
        call
    }
}

/// The newest alarms so far, oldest first: one for each channel of each level that fired.
fn alarms(journey: &Journey) -> Vec<Value> {
    let mut fired: Vec<_> =
        journey.escalations.iter().map(|it| (it.at, &it.stage, it.level, &it.channel)).collect();
    // A level that went to several people made a delivery for each.
    fired.dedup();
    let older = fired.len().saturating_sub(limits::MAX_MAIL_ALARMS);
    let shown = fired.into_iter().skip(older);
    shown
        .map(|(at, stage, level, channel)| json!({ "at": at, "stage": stage, "level": level, "channel": channel }))
        .collect()
}
