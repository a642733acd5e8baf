//! The calls that announce a computed change, in Segment's shapes.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::Decision;
use crate::domain::definition::{Class, Computation, Emit, EventsWanted};
use crate::domain::delivery::{Cause, Payload};
use crate::domain::ids::UserKey;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

/// The one space that a server has; Segment's payloads name it.
pub const SPACE_ID: &str = "spa_stagepost";

impl Decision<'_> {
    /// Tells the computation's destinations of its new value.
    pub(super) fn announce(
        &mut self,
        profile: &Profile,
        computation: &Computation,
        value: &Value,
        cause: &Cause,
    ) {
        for destination in &computation.destinations {
            // One that was added later and has not come to this profile yet will be told of what is true then.
            let is_still_to_come = computation.announcements.iter().any(|announcement| {
                announcement.destination == *destination
                    && announcement.after.as_ref().is_none_or(|after| profile.key > *after)
            });
            if !is_still_to_come {
                self.announce_to(profile, computation, value, cause, destination);
            }
        }
    }

    /// Tells one destination of a value, if it wants to hear of any.
    pub(super) fn announce_to(
        &mut self,
        profile: &Profile,
        computation: &Computation,
        value: &Value,
        cause: &Cause,
        destination: &str,
    ) {
        let Some(wanted) = self.rules.definitions.destinations.get(destination).cloned() else { return };
        if wanted.events == EventsWanted::None {
            return;
        }
        for emit in &computation.emit {
            let message_id = self.ids.ksuid("personas_", self.now);
            let change =
                Change { profile, computation, value, destination, message_id: &message_id, now: self.now };
            let call = match emit {
                Emit::Identify | Emit::Track if profile.key.group_id().is_some() => change.group(),
                Emit::Identify => change.identify(),
                Emit::Track => change.track(),
            };
            // It has no source, and its `integrations` name the destination.
            match self.select(&wanted, profile, Cow::Owned(Value::Object(call))) {
                Ok(call) => {
                    self.deliver(destination, &profile.key, message_id, cause.clone(), Payload::Call(call));
                }
                Err(reason) => self.not_sent.add(destination, reason),
            }
        }
    }
}

/// One change of a value, to be told to one destination.
struct Change<'a> {
    profile: &'a Profile,
    computation: &'a Computation,
    value: &'a Value,
    destination: &'a str,
    message_id: &'a str,
    now: Timestamp,
}

impl Change<'_> {
    fn identify(&self) -> Map<String, Value> {
        let mut traits = Map::new();
        traits.insert(self.computation.key.clone(), self.value.clone());
        if let Some(email) = self.email() {
            traits.entry("email").or_insert(email);
        }
        let mut call = self.head("identify");
        call.insert("traits".into(), traits.into());
        call.insert("context".into(), self.context(Map::new()));
        call.insert("integrations".into(), self.integrations());
        call
    }

    fn group(&self) -> Map<String, Value> {
        let mut traits = Map::new();
        traits.insert(self.computation.key.clone(), self.value.clone());
        let mut call = self.head("group");
        call.insert("traits".into(), traits.into());
        call.insert("context".into(), self.context(Map::new()));
        call.insert("integrations".into(), self.integrations());
        call
    }

    fn track(&self) -> Map<String, Value> {
        let key = &self.computation.key;
        let (event, key_name) = match (self.computation.class, self.value) {
            (Class::Audience, Value::Bool(true)) => ("Audience Entered", "audience_key"),
            (Class::Audience, _) => ("Audience Exited", "audience_key"),
            (Class::Trait, _) => ("Trait Computed", "trait_key"),
        };
        let mut properties = Map::new();
        properties.insert(key_name.into(), key.clone().into());
        properties.insert(key.clone(), self.value.clone());
        let mut context = Map::new();
        if let Some(email) = self.email() {
            context.insert("traits".into(), json!({ "email": email }));
        }
        let mut call = self.head("track");
        call.insert("event".into(), event.into());
        call.insert("properties".into(), properties.into());
        call.insert("context".into(), self.context(context));
        call.insert("integrations".into(), self.integrations());
        call
    }

    fn head(&self, type_name: &str) -> Map<String, Value> {
        let now = self.now.to_rfc3339();
        let mut call = Map::new();
        call.insert("type".into(), type_name.into());
        call.insert("version".into(), 1.into());
        let key = &self.profile.key;
        let (field, id) = match (key.user_id(), key.group_id()) {
            (Some(user), _) => ("userId", user),
            (None, Some(group)) => ("groupId", group),
            (None, None) => ("anonymousId", key.anonymous_id().unwrap_or_default()),
        };
        call.insert(field.into(), id.into());
        call.insert("messageId".into(), self.message_id.into());
        call.insert("timestamp".into(), now.clone().into());
        call.insert("originalTimestamp".into(), now.clone().into());
        call.insert("receivedAt".into(), now.into());
        call.insert("sentAt".into(), Value::Null);
        call
    }

    /// Segment's context of a computed call, beside what is in `context` already.
    fn context(&self, mut context: Map<String, Value>) -> Value {
        context.insert("integrations".into(), json!({ "personas": false }));
        context.insert("library".into(), json!({ "name": "unknown", "version": "unknown" }));
        context.insert(
            "personas".into(),
            json!({
                "computation_class": self.computation.class.as_str(),
                "computation_id": self.computation.id,
                "computation_key": self.computation.key,
                "namespace": SPACE_ID,
                "space_id": SPACE_ID,
            }),
        );
        context.into()
    }

    fn integrations(&self) -> Value {
        let mut integrations = Map::new();
        integrations.insert("All".into(), false.into());
        integrations.insert(self.destination.to_owned(), true.into());
        integrations.into()
    }

    fn email(&self) -> Option<Value> {
        self.profile.trait_value("email").filter(|email| email.is_string()).map(Cow::into_owned)
    }
}

/// What a mail template sees of a user.
pub(super) fn user_for_mail(user: &UserKey) -> Value {
    user.user_id().or(user.anonymous_id()).map_or(Value::Null, Value::from)
}

/// A length of time in words: `45 seconds`, `31 minutes`, `5 hours`, `3 days`.
pub fn in_words(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn lengths_of_time_read_well() {
        for (millis, words) in [
            (-5, "0 seconds"),
            (1_000, "1 second"),
            (119_999, "119 seconds"),
            (31 * 60_000, "31 minutes"),
            (5 * 3_600_000, "5 hours"),
            (72 * 3_600_000, "3 days"),
        ] {
            assert_eq!(in_words(millis), words);
        }
    }
}
