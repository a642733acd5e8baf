//! The definitions in force, prepared for deciding: which computations an event or a trait touches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::definition::{Audience, Definitions, EventsWanted};
use crate::domain::ids::LeafId;
use crate::domain::query::LeafSpec;
use crate::domain::time::Timestamp;

/// A leaf that counts events as they arrive, with the audiences that ask it.
#[derive(Clone, Debug)]
pub(super) struct CountingLeaf {
    pub id: LeafId,
    pub spec: LeafSpec,
    /// Places in [`Rules::audiences`].
    pub audiences: Vec<usize>,
}

/// The definitions in force, prepared for deciding.
#[derive(Debug, Default)]
pub struct Rules {
    /// The definitions.
    pub definitions: Arc<Definitions>,
    /// Where people reach this server, without a trailing slash; for links in mails.
    pub public_url: Option<String>,
    /// Those that are asked about before those that ask, so that each is evaluated once, on what is true by then.
    pub(super) audiences: Vec<Arc<Audience>>,
    pub(super) leaves_by_event: HashMap<String, Vec<CountingLeaf>>,
    pub(super) audiences_by_leaf: HashMap<LeafId, Vec<usize>>,
    pub(super) audiences_by_trait: HashMap<String, Vec<usize>>,
    /// Audiences that somebody is in of whom nothing is known.
    pub(super) audiences_of_nobody: Vec<usize>,
    /// Keys of the destinations that want source events.
    pub(super) event_destinations: Vec<String>,
}

impl Rules {
    /// Prepares `definitions`.
    pub fn new(definitions: Arc<Definitions>, public_url: Option<String>) -> Self {
        let mut rules = Self { definitions, public_url, ..Self::default() };
        let definitions = Arc::clone(&rules.definitions);
        for audience in in_order_of_asking(&definitions) {
            rules.add(audience);
        }
        rules.event_destinations = definitions
            .destinations
            .values()
            .filter(|destination| destination.events == EventsWanted::All && destination.enabled)
            .map(|destination| destination.key.clone())
            .collect();
        rules
    }

    /// How many times an event is written: itself, and once for each destination that wants all.
    pub fn copies(&self) -> usize {
        1 + self.event_destinations.len()
    }

    fn add(&mut self, audience: &Arc<Audience>) {
        let place = self.audiences.len();
        self.audiences.push(Arc::clone(audience));
        for leaf in &audience.leaves {
            self.audiences_by_leaf.entry(leaf.id).or_default().push(place);
            let leaves = self.leaves_by_event.entry(leaf.spec.event().to_owned()).or_default();
            match leaves.iter_mut().find(|known| known.id == leaf.id) {
                Some(known) => known.audiences.push(place),
                None => {
                    leaves.push(CountingLeaf { id: leaf.id, spec: leaf.spec.clone(), audiences: vec![place] })
                }
            }
        }
        for name in audience.query.trait_names() {
            self.audiences_by_trait.entry(name.to_owned()).or_default().push(place);
        }
        let nobody = audience.query.evaluate_counts(&|_| None, &|_| None, Timestamp::default());
        if nobody.value {
            self.audiences_of_nobody.push(place);
        }
    }
}

/// The audiences that count events, each after those that its query asks about. (Definitions refuse circles; should there be
/// one all the same, its members come last.)
fn in_order_of_asking(definitions: &Definitions) -> Vec<&Arc<Audience>> {
    let mut waiting: Vec<_> =
        definitions.audiences.values().filter(|audience| audience.counts_events()).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let keys: HashSet<&str> = waiting.iter().map(|audience| audience.key.as_str()).collect();
        let is_ready = |audience: &&Arc<Audience>| {
            !audience.query.trait_names().iter().any(|name| *name != audience.key && keys.contains(name))
        };
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_ready);
        if ready.is_empty() {
            ordered.extend(rest);
            break;
        }
        ordered.extend(ready);
        waiting = rest;
    }
    ordered
}
