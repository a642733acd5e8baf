//! Which events a destination gets, and what is left out of them.

use serde::{Deserialize, Serialize};

use crate::domain::fql::Fql;

/// Which events a destination gets, beside [`super::EventsWanted`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Keys of the sources whose events it gets; `None` for all. What stagepost computes has no source.
    #[serde(default)]
    pub sources: Option<Vec<String>>,
    /// Only what matches is sent, as it is after the filters.
    #[serde(default)]
    pub trigger: Option<Fql>,
    /// Applied one after the other, before the trigger.
    #[serde(default, rename = "filter")]
    pub filters: Vec<Filter>,
    /// Traits of the profile that a call carries beside its own, under `profile.traits`.
    #[serde(default)]
    pub profile_traits: Vec<String>,
}

/// What is done to events that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Which events; `None` for every one.
    #[serde(default)]
    pub when: Option<Fql>,
    /// What is done.
    pub effect: Effect,
}

/// What a filter does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The event is not sent.
    DropEvent,
    /// These fields (`properties.card.number`, `context.ip`) are left out.
    DropFields(Vec<String>),
    /// Of `properties`, `traits` and `context`, as far as they are named (`properties.total`), only these fields stay.
    AllowFields(Vec<String>),
}
