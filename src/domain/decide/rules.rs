//! The definitions in force, prepared for deciding: which computations an event or a trait touches.

use std::collections::HashMap;
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
        for audience in definitions.audiences.values().filter(|audience| audience.counts_events()) {
            rules.add(audience);
        }
        rules.event_destinations = definitions
            .destinations
            .values()
            .filter(|destination| destination.events == EventsWanted::All)
            .map(|destination| destination.key.clone())
            .collect();
        rules
    }

    fn add(&mut self, audience: &Arc<Audience>) {
        let place = self.audiences.len();
        self.audiences.push(Arc::clone(audience));
        for leaf in &audience.leaves {
            self.audiences_by_leaf.entry(leaf.id).or_default().push(place);
            let leaves = self.leaves_by_event.entry(leaf.spec.event.clone()).or_default();
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
        let nobody = audience.query.evaluate(&|_| None, &|_| None, Timestamp::default());
        if nobody.value {
            self.audiences_of_nobody.push(place);
        }
    }
}
