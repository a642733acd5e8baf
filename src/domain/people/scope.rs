//! What somebody may do, and the roles that are names for it.

use serde::{Deserialize, Serialize};

/// One thing that somebody may do. A token of the API has some of them, a person those of his role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See everything but secrets, people and the audit log.
    Read,
    /// Define audiences and traits.
    Audiences,
    /// Acknowledge, resolve and snooze journeys; replay deliveries; pause, resume and test destinations.
    Operate,
    /// Define sources, flows, teams and destinations; apply whole documents.
    Define,
    /// Admit people, make tokens, read the audit log.
    People,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Audiences, Self::Operate, Self::Define, Self::People];

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Audiences => "audiences",
            Self::Operate => "operate",
            Self::Define => "define",
            Self::People => "people",
        }
    }
}

/// What a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees, and defines audiences and traits.
    Marketer,
    /// Sees, and acts on journeys, deliveries and destinations.
    Operator,
    /// May do everything.
    Admin,
}

impl Role {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Marketer, Self::Operator, Self::Admin];

    /// Its name in the API and the console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Marketer => "marketer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// What it may do.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Viewer => &[Scope::Read],
            Self::Marketer => &[Scope::Read, Scope::Audiences],
            Self::Operator => &[Scope::Read, Scope::Operate],
            Self::Admin => &Scope::ALL,
        }
    }
}
