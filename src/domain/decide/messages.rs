//! The calls that announce a computed change, in Segment's shapes.

use serde_json::{Map, Value, json};

use super::Decision;
use crate::domain::definition::{Audience, Emit, EventsWanted};
use crate::domain::delivery::{Cause, Payload};
use crate::domain::ids::UserKey;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

impl Decision<'_> {
    /// Tells the audience's destinations that the user entered or left.
    pub(super) fn announce(&mut self, profile: &Profile, audience: &Audience, member: bool, cause: &Cause) {
        let definitions = std::sync::Arc::clone(&self.rules.definitions);
        let wanting = |key: &&String| {
            definitions
                .destinations
                .get(*key)
                .is_some_and(|destination| destination.events != EventsWanted::None)
        };
        for destination in audience.destinations.iter().filter(wanting) {
            for emit in &audience.emit {
                let message_id = self.ids.ksuid("personas_", self.now);
                let call =
                    Change { profile, audience, member, destination, message_id: &message_id, now: self.now };
                let call = match emit {
                    Emit::Identify => call.identify(),
                    Emit::Track => call.track(),
                };
                self.deliver(destination, &profile.key, message_id, cause.clone(), Payload::Call(call));
            }
        }
    }
}

/// One change of membership, to be told to one destination.
struct Change<'a> {
    profile: &'a Profile,
    audience: &'a Audience,
    member: bool,
    destination: &'a str,
    message_id: &'a str,
    now: Timestamp,
}

impl Change<'_> {
    fn identify(&self) -> Map<String, Value> {
        let mut traits = Map::new();
        traits.insert(self.audience.key.clone(), self.member.into());
        if let Some(email) = self.email() {
            traits.insert("email".into(), email);
        }
        let mut call = self.head("identify");
        call.insert("traits".into(), traits.into());
        call.insert("context".into(), json!({ "personas": self.personas() }));
        call.insert("integrations".into(), self.integrations());
        call
    }

    fn track(&self) -> Map<String, Value> {
        let mut properties = Map::new();
        properties.insert("audience_key".into(), self.audience.key.clone().into());
        properties.insert(self.audience.key.clone(), self.member.into());
        let mut context = Map::new();
        if let Some(email) = self.email() {
            context.insert("traits".into(), json!({ "email": email }));
        }
        context.insert("personas".into(), self.personas());
        let mut call = self.head("track");
        call.insert("event".into(), if self.member { "Audience Entered" } else { "Audience Exited" }.into());
        call.insert("properties".into(), properties.into());
        call.insert("context".into(), context.into());
        call.insert("integrations".into(), self.integrations());
        call
    }

    fn head(&self, type_name: &str) -> Map<String, Value> {
        let now = self.now.to_rfc3339();
        let mut call = Map::new();
        call.insert("type".into(), type_name.into());
        call.insert("version".into(), 1.into());
        let (field, id) = match self.profile.key.user_id() {
            Some(user) => ("userId", user),
            None => ("anonymousId", self.profile.key.anonymous_id().unwrap_or_default()),
        };
        call.insert(field.into(), id.into());
        call.insert("messageId".into(), self.message_id.into());
        call.insert("timestamp".into(), now.clone().into());
        call.insert("originalTimestamp".into(), now.clone().into());
        call.insert("receivedAt".into(), now.into());
        call.insert("sentAt".into(), Value::Null);
        call
    }

    fn personas(&self) -> Value {
        json!({
            "computation_class": "audience",
            "computation_id": self.audience.id,
            "computation_key": self.audience.key,
        })
    }

    fn integrations(&self) -> Value {
        let mut integrations = Map::new();
        integrations.insert("All".into(), false.into());
        integrations.insert(self.destination.to_owned(), true.into());
        integrations.into()
    }

    fn email(&self) -> Option<Value> {
        self.profile.trait_value("email").filter(Value::is_string)
    }
}

/// What a mail template sees of a user.
pub(super) fn user_for_mail(user: &UserKey) -> Value {
    user.user_id().or(user.anonymous_id()).map_or(Value::Null, Value::from)
}

/// A length of time in words: `45 seconds`, `31 minutes`, `5 hours`, `3 days`.
pub(super) fn in_words(millis: i64) -> String {
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
