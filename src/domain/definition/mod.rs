//! Definitions: what the people who run stagepost tell it to do.
//!
//! A definition is valid by construction: [`document`] reads and checks what was written, everything behind it relies on it.

mod computation;
mod destination;
pub mod document;
mod flow;
pub mod plan;
mod problem;
pub mod render;
mod secrets;
mod source;
mod team;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::query::Target;
use crate::domain::time::Timestamp;

pub use computation::{Announcement, Class, Computation, Emit, History, LEAF_FORM, LeafUse, PartUse, Status};
pub use destination::{
    ALLOWED_SECTIONS, Action, ApiKey, Auth, Batch, Destination, DestinationKind, Effect, EventsWanted,
    Filter, Reconcile, Routing, Signing, TWILIO_API, TWILIO_STUDIO, TWILIO_TASKROUTER, Twilio, TwilioUrls,
    WebhookUrl, cut_path, signing_key,
};
pub use flow::{
    Channel, Digest, Flow, JourneyField, Level, LevelKey, OutsideHours, Recipient, Repeat, Revisit,
};
pub use problem::Problem;
pub use secrets::REDACTED;
pub use source::{PreviousWriteKey, Source, SourceKind};
pub use team::{Shift, Summary, Team, WeekHours};

/// The kinds of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Where events come from.
    Source,
    /// Whom escalations reach.
    Team,
    /// What to do about journeys.
    Flow,
    /// Where calls go.
    Destination,
    /// Who is in.
    Audience,
    /// What is computed of everyone.
    Trait,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Team, Self::Flow, Self::Destination, Self::Audience, Self::Trait];

    /// The name of the table in a definitions document: `source`, `team`, `flow`, `destination`, `audience`, `trait`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Team => "team",
            Self::Flow => "flow",
            Self::Destination => "destination",
            Self::Audience => "audience",
            Self::Trait => "trait",
        }
    }
}

/// One definition of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "there are few of them, and none is on a hot path")]
pub enum Definition {
    /// Where events come from.
    Source(Source),
    /// Whom escalations reach.
    Team(Team),
    /// What to do about journeys.
    Flow(Flow),
    /// Where calls go.
    Destination(Destination),
    /// Who is in.
    Audience(Computation),
    /// What is computed of everyone.
    Trait(Computation),
}

impl Definition {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Source(_) => Kind::Source,
            Self::Team(_) => Kind::Team,
            Self::Flow(_) => Kind::Flow,
            Self::Destination(_) => Kind::Destination,
            Self::Audience(_) => Kind::Audience,
            Self::Trait(_) => Kind::Trait,
        }
    }

    /// The audience or computed trait that it is.
    pub fn computation(&self) -> Option<&Computation> {
        match self {
            Self::Audience(computation) | Self::Trait(computation) => Some(computation),
            Self::Source(_) | Self::Team(_) | Self::Flow(_) | Self::Destination(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn computation_mut(&mut self) -> Option<&mut Computation> {
        match self {
            Self::Audience(computation) | Self::Trait(computation) => Some(computation),
            Self::Source(_) | Self::Team(_) | Self::Flow(_) | Self::Destination(_) => None,
        }
    }

    /// Its key, unique in its kind; a flow's key is its name.
    pub fn key(&self) -> &str {
        match self {
            Self::Source(source) => &source.key,
            Self::Team(team) => &team.key,
            Self::Flow(flow) => &flow.name,
            Self::Destination(destination) => &destination.key,
            Self::Audience(computation) | Self::Trait(computation) => &computation.key,
        }
    }

    /// When it was first defined.
    pub fn created_at(&self) -> Timestamp {
        match self {
            Self::Source(source) => source.created_at,
            Self::Team(team) => team.created_at,
            Self::Flow(flow) => flow.created_at,
            Self::Destination(destination) => destination.created_at,
            Self::Audience(computation) | Self::Trait(computation) => computation.created_at,
        }
    }

    /// When it changed last.
    pub fn updated_at(&self) -> Timestamp {
        match self {
            Self::Source(source) => source.updated_at,
            Self::Team(team) => team.updated_at,
            Self::Flow(flow) => flow.updated_at,
            Self::Destination(destination) => destination.updated_at,
            Self::Audience(computation) | Self::Trait(computation) => computation.updated_at,
        }
    }

    fn set_created_at(&mut self, at: Timestamp) {
        match self {
            Self::Source(source) => source.created_at = at,
            Self::Team(team) => team.created_at = at,
            Self::Flow(flow) => flow.created_at = at,
            Self::Destination(destination) => destination.created_at = at,
            Self::Audience(computation) | Self::Trait(computation) => computation.created_at = at,
        }
    }

    fn set_updated_at(&mut self, at: Timestamp) {
        match self {
            Self::Source(source) => source.updated_at = at,
            Self::Team(team) => team.updated_at = at,
            Self::Flow(flow) => flow.updated_at = at,
            Self::Destination(destination) => destination.updated_at = at,
            Self::Audience(computation) | Self::Trait(computation) => computation.updated_at = at,
        }
    }
}

/// All definitions in force, as one immutable picture.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// By key.
    pub sources: BTreeMap<String, Arc<Source>>,
    /// By key.
    pub teams: BTreeMap<String, Arc<Team>>,
    /// By name.
    pub flows: BTreeMap<String, Arc<Flow>>,
    /// By key.
    pub destinations: BTreeMap<String, Arc<Destination>>,
    /// By key.
    pub audiences: BTreeMap<String, Arc<Computation>>,
    /// Computed traits, by key.
    pub traits: BTreeMap<String, Arc<Computation>>,
}

impl Definitions {
    /// Takes in `definition`, in place of the one with its kind and key.
    pub fn put(&mut self, definition: Definition) {
        match definition {
            Definition::Source(source) => {
                self.sources.insert(source.key.clone(), Arc::new(source));
            }
            Definition::Team(team) => {
                self.teams.insert(team.key.clone(), Arc::new(team));
            }
            Definition::Flow(flow) => {
                self.flows.insert(flow.name.clone(), Arc::new(flow));
            }
            Definition::Destination(destination) => {
                self.destinations.insert(destination.key.clone(), Arc::new(destination));
            }
            Definition::Audience(audience) => {
                self.audiences.insert(audience.key.clone(), Arc::new(audience));
            }
            Definition::Trait(computed) => {
                self.traits.insert(computed.key.clone(), Arc::new(computed));
            }
        }
    }

    /// Removes the definition of that kind and key; says whether there was one.
    pub fn remove(&mut self, kind: Kind, key: &str) -> bool {
        match kind {
            Kind::Source => self.sources.remove(key).is_some(),
            Kind::Team => self.teams.remove(key).is_some(),
            Kind::Flow => self.flows.remove(key).is_some(),
            Kind::Destination => self.destinations.remove(key).is_some(),
            Kind::Audience => self.audiences.remove(key).is_some(),
            Kind::Trait => self.traits.remove(key).is_some(),
        }
    }

    /// The definition of that kind and key.
    pub fn get(&self, kind: Kind, key: &str) -> Option<Definition> {
        match kind {
            Kind::Source => self.sources.get(key).map(|source| Definition::Source((**source).clone())),
            Kind::Team => self.teams.get(key).map(|team| Definition::Team((**team).clone())),
            Kind::Flow => self.flows.get(key).map(|flow| Definition::Flow((**flow).clone())),
            Kind::Destination => {
                self.destinations.get(key).map(|destination| Definition::Destination((**destination).clone()))
            }
            Kind::Audience => {
                self.audiences.get(key).map(|audience| Definition::Audience((**audience).clone()))
            }
            Kind::Trait => self.traits.get(key).map(|computed| Definition::Trait((**computed).clone())),
        }
    }

    /// The keys of that kind, in their order.
    pub fn keys(&self, kind: Kind) -> Box<dyn Iterator<Item = &str> + '_> {
        match kind {
            Kind::Source => Box::new(self.sources.keys().map(String::as_str)),
            Kind::Team => Box::new(self.teams.keys().map(String::as_str)),
            Kind::Flow => Box::new(self.flows.keys().map(String::as_str)),
            Kind::Destination => Box::new(self.destinations.keys().map(String::as_str)),
            Kind::Audience => Box::new(self.audiences.keys().map(String::as_str)),
            Kind::Trait => Box::new(self.traits.keys().map(String::as_str)),
        }
    }

    /// Every audience and computed trait.
    pub fn computations(&self) -> impl Iterator<Item = &Arc<Computation>> {
        self.audiences.values().chain(self.traits.values())
    }

    /// Every computation after those that its query asks about; beside them those that ask about each other in a circle, and
    /// those that ask about these.
    pub fn in_order_of_asking(&self) -> (Vec<&Arc<Computation>>, Vec<&Arc<Computation>>) {
        let mut ordered: Vec<&Arc<Computation>> = Vec::new();
        // Of each one the computations that ask about it, and how many it asks about that are not in order yet.
        let mut asking: BTreeMap<&str, Vec<&Arc<Computation>>> = BTreeMap::new();
        let mut open: BTreeMap<&str, usize> = BTreeMap::new();
        for computation in self.computations() {
            let asked: Vec<&str> = self.asked_by(computation);
            if asked.is_empty() {
                ordered.push(computation);
            } else {
                open.insert(&computation.key, asked.len());
            }
            for key in asked {
                asking.entry(key).or_default().push(computation);
            }
        }
        let mut next = 0;
        while let Some(settled) = ordered.get(next).copied() {
            next += 1;
            for computation in asking.get(settled.key.as_str()).into_iter().flatten() {
                let count = open.entry(&computation.key).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    open.remove(computation.key.as_str());
                    ordered.push(computation);
                }
            }
        }
        let left = self.computations().filter(|it| open.contains_key(it.key.as_str())).collect();
        (ordered, left)
    }

    /// Keys of the computations whose values the query asks for. Accounts and users have traits of their own: a name is one
    /// of the same target; parts ask about users.
    fn asked_by<'a>(&'a self, computation: &'a Computation) -> Vec<&'a str> {
        let own = computation.query.trait_names().into_iter().map(|name| (name, computation.target));
        let of_parts = computation.query.parts().iter().flat_map(|part| part.condition.trait_names());
        let mut asked: Vec<&str> = own
            .chain(of_parts.map(|name| (name, Target::Users)))
            .filter(|(name, target)| self.computation(name).is_some_and(|it| it.target == *target))
            .map(|(name, _)| name)
            .collect();
        asked.sort_unstable();
        asked.dedup();
        asked
    }

    /// The audience or computed trait with that key; no two have the same.
    pub fn computation(&self, key: &str) -> Option<&Arc<Computation>> {
        self.audiences.get(key).or_else(|| self.traits.get(key))
    }

    /// The source that may be posted to with that write key at that time.
    pub fn source_by_write_key(&self, write_key: &str, now: Timestamp) -> Option<&Arc<Source>> {
        // Every key is compared, in constant time each, so that timing tells nothing about them.
        let mut found = None;
        for source in self.sources.values() {
            if source.is_opened_by(write_key, now) {
                found = Some(source);
            }
        }
        found
    }
}
