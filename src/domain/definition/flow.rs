//! Flows: which stages begin and end a journey, and what to do when one lasts too long.

use serde::{Deserialize, Serialize};

use crate::domain::ids::UserKey;
use crate::domain::time::{Span, Timestamp};

/// How a level reaches people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case")]
pub enum Channel {
    /// A mail to each of `to`, made from `templates/email/<template>/`.
    Email {
        /// Addresses; at least one.
        to: Vec<String>,
        /// The template's folder.
        template: String,
    },
}

impl Channel {
    /// The name in definitions, journeys and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
        }
    }
}

/// One level of a flow's escalation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// The stage it watches.
    pub stage: String,
    /// How long a journey may stand in that stage before the level fires.
    pub after: Span,
    /// Whom it tells, and how.
    #[serde(flatten)]
    pub channel: Channel,
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
    /// The stage that begins a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<String>,
    /// Stages that end a run.
    #[serde(default)]
    pub terminal: Vec<String>,
    /// After how long without news an open run is given up.
    pub expire_after: Span,
    /// Levels in rising `after`.
    #[serde(default)]
    pub escalation: Vec<Level>,
    /// Set while the open journeys of this flow are looked at anew, because its rules changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revisit: Option<Revisit>,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}

impl Flow {
    /// The levels that watch `stage`, numbered from 1 in rising `after`.
    pub fn levels(&self, stage: &str) -> impl Iterator<Item = (u32, LevelKey, &Level)> {
        let mut before: Option<LevelKey> = None;
        (1..).zip(self.escalation.iter().filter(move |level| level.stage == stage)).map(
            move |(number, level)| {
                let twin =
                    before.filter(|before| before.after == level.after).map_or(0, |before| before.twin + 1);
                let key = LevelKey { after: level.after, twin };
                before = Some(key);
                (number, key, level)
            },
        )
    }

    /// Whether `stage` ends a run.
    pub fn is_terminal(&self, stage: &str) -> bool {
        self.terminal.iter().any(|terminal| terminal == stage)
    }
}
