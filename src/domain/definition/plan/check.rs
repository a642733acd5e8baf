//! Whether definitions fit together.

use std::collections::{BTreeSet, HashMap};

use super::Settled;
use super::people::{There, naming};
use crate::domain::definition::document::{did_you_mean, twice};
use crate::domain::definition::{Class, Definition, Definitions, Kind, Problem, Source};
use crate::domain::limits::MAX_DEFINITIONS;
use crate::domain::time::Timestamp;

/// `/console/sources/new` is no source.
const RESERVED_KEY: &str = "new";

/// Keys that are wanted twice.
pub(super) fn keys(wanted: &[Definition]) -> Vec<Problem> {
    let of = |kind| wanted.iter().filter(move |definition| definition.kind() == kind);
    Kind::ALL.into_iter().flat_map(|kind| twice(kind, of(kind).map(Definition::key).enumerate())).collect()
}

/// Keys under which the console has no place for another one: it has the form for a new one there.
pub(super) fn reserved(settled: &[Settled]) -> Vec<Problem> {
    let is_taken = |(_, definition, before): &&Settled| {
        // A flow's form stands behind its name. One that has such a key from earlier keeps it.
        definition.kind() != Kind::Flow && definition.key() == RESERVED_KEY && before.is_none()
    };
    let problem = |(at, definition, _): &Settled| {
        let field = if definition.computation().is_some() { "name" } else { "key" };
        let message = format!(
            "the key can't be `{RESERVED_KEY}`: that is the place of the console's form; take another one"
        );
        Problem::new(format!("{at}.{field}"), message)
    };
    settled.iter().filter(is_taken).map(problem).collect()
}

/// What wanted definitions refer to, or share, and must not.
pub(super) fn references(
    after: &Definitions,
    settled: &[Settled],
    deletes: &[(Kind, String)],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, definition, _) in settled {
        match definition {
            Definition::Source(_) => {}
            Definition::Audience(computation) | Definition::Trait(computation) => {
                let twin = match computation.class {
                    Class::Audience => after.traits.get(&computation.key).map(|_| "computed trait"),
                    Class::Trait => after.audiences.get(&computation.key).map(|_| "audience"),
                };
                if let Some(twin) = twin {
                    let message = format!("there is a {twin} with the same key, `{}`", computation.key);
                    problems.push(Problem::new(format!("{at}.name"), message));
                }
                for (index, key) in computation.destinations.iter().enumerate() {
                    let message = match after.destinations.get(key) {
                        None => missing(after, Kind::Destination, key, deletes),
                        Some(destination) if destination.kind.twilio().is_some() => {
                            format!(
                                "destination `{key}` is Twilio, which is sent no calls: the levels of flows ask it"
                            )
                        }
                        Some(_) => continue,
                    };
                    problems.push(Problem::new(format!("{at}.destinations[{index}]"), message));
                }
            }
            Definition::Destination(destination) => {
                let sources = destination.routing.sources.iter().flatten().enumerate();
                for (index, key) in sources.filter(|(_, key)| !after.sources.contains_key(*key)) {
                    let message = missing(after, Kind::Source, key, deletes);
                    problems.push(Problem::new(format!("{at}.sources[{index}]"), message));
                }
            }
            Definition::Team(team) => problems.extend(There { after, deletes }.team(at, team)),
            Definition::Flow(flow) => problems.extend(There { after, deletes }.flow(at, flow)),
        }
    }
    problems
}

/// Write keys that may be used `now` and would open two sources.
pub(super) fn write_keys(after: &Definitions, settled: &[Settled], now: Timestamp) -> Vec<Problem> {
    let keys = |source: &'_ Source| {
        let previous = source.valid_previous(now).map(|it| ("previous_write_key", it.write_key.clone()));
        [("write_key", source.write_key.clone())].into_iter().chain(previous)
    };
    let mut owners: HashMap<String, Vec<&str>> = HashMap::new();
    for source in after.sources.values() {
        for (_, key) in keys(source) {
            owners.entry(key).or_default().push(&source.key);
        }
    }
    let mut problems = Vec::new();
    for (at, definition, _) in settled {
        let Definition::Source(source) = definition else { continue };
        for (field, key) in keys(source) {
            let owners = owners.get(&key).map_or(&[][..], Vec::as_slice);
            if let Some(other) = owners.iter().find(|owner| **owner != source.key) {
                let message = format!("is the write key of source `{other}` too");
                problems.push(Problem::new(format!("{at}.{field}"), message));
            }
        }
    }
    problems
}

/// What is said of a definition that another one names, and that will not be there.
pub(super) fn missing(after: &Definitions, kind: Kind, key: &str, deletes: &[(Kind, String)]) -> String {
    let what = kind.as_str();
    if deletes.iter().any(|(deleted_kind, deleted)| *deleted_kind == kind && deleted == key) {
        return format!("{what} `{key}` is not in the document, so pruning would remove it");
    }
    format!("there is no {what} `{key}`{}", did_you_mean(key, after.keys(kind)))
}

/// Kinds of which there would be too many.
pub(super) fn counts(after: &Definitions) -> Vec<Problem> {
    let too_many = |kind: &Kind| after.keys(*kind).count() > MAX_DEFINITIONS;
    let problem = |kind: Kind| {
        let count = after.keys(kind).count();
        let message = format!("there would be {count} of the kind; at most {MAX_DEFINITIONS} are possible");
        Problem::new(kind.as_str(), message)
    };
    Kind::ALL.into_iter().filter(too_many).map(problem).collect()
}

/// Computations that ask about each other in a circle: their truth would have no beginning.
pub(super) fn circles(after: &Definitions, settled: &[Settled]) -> Vec<Problem> {
    let (_, left) = after.in_order_of_asking();
    if left.is_empty() {
        return Vec::new();
    }
    let members: BTreeSet<&str> = left.iter().map(|it| it.key.as_str()).collect();
    let names = members.iter().copied().collect::<Vec<_>>().join(", ");
    let message = format!("The audience would create a cycle by referencing another audience: {names}");
    let wanted = settled.iter().filter_map(|(at, definition, _)| Some((at, definition.computation()?)));
    let in_circle = wanted.filter(|(_, it)| members.contains(it.key.as_str()));
    in_circle.map(|(at, _)| Problem::new(format!("{at}.query"), message.clone())).take(1).collect()
}

/// Why that definition can't be removed, if another one needs it: a sentence that names those.
pub fn needed_by(existing: &Definitions, kind: Kind, key: &str) -> Option<String> {
    let (by, how) = match kind {
        Kind::Destination => {
            let uses = existing.computations().filter(|it| it.destinations.iter().any(|known| known == key));
            let uses = uses.map(|it| it.key.as_str()).chain(naming(existing, kind, key));
            (uses.collect::<Vec<_>>(), "is still used by")
        }
        Kind::Audience | Kind::Trait => {
            let asking = existing.computations().filter(|it| it.key != key && it.asks_about(key));
            (asking.map(|it| it.key.as_str()).collect(), "is asked about by")
        }
        Kind::Source => {
            let names_it = |sources: &Vec<String>| sources.iter().any(|known| known == key);
            let connected =
                existing.destinations.values().filter(|it| it.routing.sources.as_ref().is_some_and(names_it));
            (connected.map(|it| it.key.as_str()).collect(), "is still named by")
        }
        Kind::Team | Kind::Flow => (naming(existing, kind, key), "is still named by"),
    };
    let by: Vec<String> = by.iter().map(|key| format!("`{key}`")).collect();
    (!by.is_empty()).then(|| format!("{} `{key}` {how} {}", kind.as_str(), by.join(", ")))
}
