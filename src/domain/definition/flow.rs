//! Flows: which stages begin and end a journey, and what to do when one lasts too long.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::ids::UserKey;
use crate::domain::time::{Span, Timestamp};

/// To whom something goes: an address, whoever is on call, or a field of the journey. Written as one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Recipient {
    /// A mail address or a telephone number, by the channel.
    Address(String),
    /// `on_call:<team>`: whoever of that team is on call when the level fires.
    OnCall(String),
    /// `{{ journey.phoneNumber }}`: what the journey has there, or `{{ user.email }}`: a trait of its user.
    Field(JourneyField),
}

/// What a recipient can be taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JourneyField {
    /// `journey.phoneNumber`.
    PhoneNumber,
    /// `journey.userId`.
    UserId,
    /// `user.<trait>`: a trait of the user, as a text.
    Trait(String),
}

impl JourneyField {
    /// As it is written between the braces.
    pub fn path(&self) -> String {
        match self {
            Self::PhoneNumber => "journey.phoneNumber".to_owned(),
            Self::UserId => "journey.userId".to_owned(),
            Self::Trait(name) => format!("user.{name}"),
        }
    }

    fn parse(path: &str) -> Result<Self, String> {
        match path {
            "journey.phoneNumber" => Ok(Self::PhoneNumber),
            "journey.userId" => Ok(Self::UserId),
            other => match other.strip_prefix("user.").filter(|name| !name.is_empty()) {
                Some(name) => Ok(Self::Trait(name.to_owned())),
                None => Err(format!(
                    "`{{{{ {other} }}}}` is no field of a journey; there are journey.phoneNumber, journey.userId and user.<trait>"
                )),
            },
        }
    }
}

impl TryFrom<String> for Recipient {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(team) = text.strip_prefix("on_call:") {
            return Ok(Self::OnCall(team.trim().to_owned()));
        }
        match text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            Some(path) => JourneyField::parse(path.trim()).map(Self::Field),
            None => Ok(Self::Address(text)),
        }
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        match recipient {
            Recipient::Address(address) => address,
            Recipient::OnCall(team) => format!("on_call:{team}"),
            Recipient::Field(field) => format!("{{{{ {} }}}}", field.path()),
        }
    }
}

/// How a level reaches people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case")]
pub enum Channel {
    /// A mail to `to`, made from `templates/email/<template>/`.
    Email {
        /// At least one.
        to: Vec<Recipient>,
        /// The template's folder.
        template: String,
    },
    /// A call `Journey Stalled` to each of these destinations.
    Webhook {
        /// Keys of destinations; at least one.
        to: Vec<String>,
    },
    /// A telephone call to each of `to`, which speaks a text and takes a key as an acknowledgement.
    Call {
        /// At least one.
        to: Vec<Recipient>,
        /// A template of what it says; `None` for the one that comes with stagepost.
        #[serde(default)]
        text: Option<String>,
        /// The Twilio destination that makes it.
        via: String,
    },
    /// A message to each of `to`.
    Sms {
        /// At least one.
        to: Vec<Recipient>,
        /// A template of what it says; `None` for the one that comes with stagepost.
        #[serde(default)]
        text: Option<String>,
        /// The Twilio destination that sends it.
        via: String,
    },
    /// A run of another Studio flow for each of `to`.
    StudioExecution {
        /// At least one.
        to: Vec<Recipient>,
        /// That flow (`FW…`).
        flow_sid: String,
        /// `Parameters` beside those that stagepost adds.
        #[serde(default)]
        parameters: Map<String, Value>,
        /// The Twilio destination that starts it.
        via: String,
    },
    /// A TaskRouter task.
    Task {
        /// The workspace (`WS…`); `None` for that of the destination.
        #[serde(default)]
        workspace_sid: Option<String>,
        /// The workflow (`WW…`); may be left out where there is only one.
        #[serde(default)]
        workflow_sid: Option<String>,
        /// `Attributes` beside those that stagepost adds.
        #[serde(default)]
        attributes: Map<String, Value>,
        /// `Priority`.
        #[serde(default)]
        priority: Option<u32>,
        /// The Twilio destination that makes it.
        via: String,
    },
}

impl Channel {
    /// The name in definitions, journeys and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Webhook { .. } => "webhook",
            Self::Call { .. } => "call",
            Self::Sms { .. } => "sms",
            Self::StudioExecution { .. } => "studio_execution",
            Self::Task { .. } => "task",
        }
    }
}

/// What a level does when it comes due outside its team's hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsideHours {
    /// Waits for the next opening.
    #[default]
    Wait,
    /// Fires all the same.
    Send,
    /// Does this instead.
    Instead(Vec<Channel>),
}

/// A level that fires again until somebody acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// How long after it fired.
    pub every: Span,
    /// How often, at most.
    pub times: u32,
}

/// One level of a flow's escalation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredLevel")]
pub struct Level {
    /// The stage it watches.
    pub stage: String,
    /// How long a journey may stand in that stage before the level fires.
    pub after: Span,
    /// What it does then, all of it; at least one, at most `limits::MAX_ACTIONS`.
    pub actions: Vec<Channel>,
    /// What it does outside the hours of the flow's team, where there are hours.
    #[serde(default)]
    pub outside_hours: OutsideHours,
    /// Whether it fires again.
    #[serde(default)]
    pub repeat: Option<Repeat>,
}

/// A level as it is stored: before a level could do several things, its one channel stood in its place.
#[derive(Deserialize)]
struct StoredLevel {
    stage: String,
    after: Span,
    #[serde(default)]
    actions: Vec<Channel>,
    #[serde(flatten)]
    channel: Option<Channel>,
    #[serde(default)]
    outside_hours: OutsideHours,
    #[serde(default)]
    repeat: Option<Repeat>,
}

impl TryFrom<StoredLevel> for Level {
    type Error = String;

    fn try_from(stored: StoredLevel) -> Result<Self, String> {
        let StoredLevel { stage, after, mut actions, channel, outside_hours, repeat } = stored;
        actions.extend(channel);
        let does_nothing = OutsideHours::Instead(Vec::new());
        // A channel in place of `actions` that can't be read is none, to serde.
        if actions.is_empty() || outside_hours == does_nothing {
            return Err(format!(
                "the level of stage `{stage}` after {after} does nothing that this version of stagepost knows"
            ));
        }
        Ok(Self { stage, after, actions, outside_hours, repeat })
    }
}

/// One mail instead of many, where many journeys stall within a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Up to so many mails leave each alone.
    pub more_than: u32,
    /// How long mails are held back until it is clear how many there are.
    pub within: Span,
}

/// Which of a stage's levels it is, whatever stands before or after it: a level that fired is known again when others
/// are added, and one whose time changes is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LevelKey {
    /// Its time.
    pub after: Span,
    /// 0 for the first level of that stage with that time, and so on.
    #[serde(default)]
    pub twin: u32,
}

/// How far looking anew at the journeys of a changed flow has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revisit {
    /// The last profile looked at.
    pub after: Option<UserKey>,
}

/// A Studio flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Its name, as posted.
    pub name: String,
    /// The Studio flow that it is (`FW…`): what Studio tells of that flow by itself is about this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What Studio's own events mean: the stage that is reached by leaving a widget (`send_reminder/timeout`: by that event;
    /// `send_reminder`: by any).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub widgets: BTreeMap<String, String>,
    /// The stage that begins a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<String>,
    /// Stages that end a run.
    #[serde(default)]
    pub terminal: Vec<String>,
    /// After how long without news an open run is given up.
    pub expire_after: Span,
    /// The team whose hours hold for the levels; `None` for all hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Levels as they were written; see [`Flow::levels`] for their order.
    #[serde(default)]
    pub escalation: Vec<Level>,
    /// Whether many mails become one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Set while the open journeys of this flow are looked at anew, because its rules changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revisit: Option<Revisit>,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}

impl Flow {
    /// The levels that watch `stage`, numbered from 1 in rising `after`; those with the same time in the order in which they were
    /// written.
    pub fn levels(&self, stage: &str) -> impl Iterator<Item = (u32, LevelKey, &Level)> + use<'_> {
        let mut levels: Vec<&Level> = self.escalation.iter().filter(|level| level.stage == stage).collect();
        levels.sort_by_key(|level| level.after);
        let mut before: Option<LevelKey> = None;
        (1..).zip(levels).map(move |(number, level)| {
            let twin =
                before.filter(|before| before.after == level.after).map_or(0, |before| before.twin + 1);
            let key = LevelKey { after: level.after, twin };
            before = Some(key);
            (number, key, level)
        })
    }

    /// Whether `stage` ends a run.
    pub fn is_terminal(&self, stage: &str) -> bool {
        self.terminal.iter().any(|terminal| terminal == stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(rest: &Value) -> Result<Level, String> {
        let mut level = json!({"stage": "no_reply", "after": "1h"});
        level.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        serde_json::from_value(level).map_err(|error| error.to_string())
    }

    #[test]
    fn a_stored_level_does_something() {
        let mail = json!({"channel": "email", "to": ["ops@example.com"], "template": "no_reply"});
        let before = read(&mail).unwrap();
        assert_eq!(read(&json!({"actions": [mail]})), Ok(before));
        let pigeon = json!({"channel": "pigeon", "to": ["ops"]});
        for nothing in [json!({}), json!({"actions": []}), pigeon.clone()] {
            let error = read(&nothing).unwrap_err();
            assert!(error.contains("the level of stage `no_reply` after 1h does nothing"), "{error}");
        }
        assert!(read(&json!({"actions": [pigeon]})).is_err());
        assert!(read(&json!({"actions": [mail], "outside_hours": {"instead": []}})).is_err());
    }
}
