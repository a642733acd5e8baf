//! Names that have been seen, to choose from while typing: in the queries there are, and in the newest events.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::visit::Visit;
use crate::domain::event::Call;
use crate::domain::page::PageRequest;
use crate::engine::{EngineError, EventFilter};

/// Newest events that are looked at.
const EVENTS: usize = 200;
/// Most names of a kind.
const NAMES: usize = 300;
/// Longest name that is worth offering, in bytes.
const LONGEST: usize = 200;

#[derive(Default)]
struct Names {
    events: BTreeSet<String>,
    properties: BTreeSet<String>,
    traits: BTreeSet<String>,
}

/// The names of events, properties, traits and audiences.
pub(super) async fn names(visit: &Visit) -> Result<Value, EngineError> {
    let mut names = Names::default();
    let definitions = visit.engine().definitions();
    for it in definitions.computations() {
        add(&mut names.events, it.query.event_names());
        add(&mut names.traits, it.query.trait_names());
    }
    add(&mut names.traits, definitions.traits.keys().map(String::as_str));
    let newest = PageRequest { limit: EVENTS, cursor: None };
    for event in visit.engine().newest_events(&EventFilter::default(), &newest).await?.rows {
        if let Some((name, properties)) = event.as_behaviour() {
            add(&mut names.events, [name]);
            add(&mut names.properties, properties.keys().map(String::as_str));
        } else if let Call::Identify { traits } | Call::Group { traits, .. } = &event.call {
            add(&mut names.traits, traits.keys().map(String::as_str));
        }
    }
    let audiences = definitions.audiences.values();
    Ok(json!({
        "events": names.events, "properties": names.properties, "traits": names.traits,
        "audiences": audiences.map(|it| json!({ "key": it.key, "name": it.name })).collect::<Vec<_>>(),
    }))
}

fn add<'n>(known: &mut BTreeSet<String>, names: impl IntoIterator<Item = &'n str>) {
    for name in names {
        if known.len() < NAMES && name.len() <= LONGEST {
            known.insert(name.to_owned());
        }
    }
}
