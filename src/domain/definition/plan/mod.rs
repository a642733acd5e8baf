//! What has to be done so that the definitions in force become those that are wanted.

mod addresses;
mod check;
mod keep;
mod people;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{Definition, Definitions, Kind, Problem, Status};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;

pub use check::needed_by;

/// A definition to be put in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// The definition, complete but for what the engine keeps on a computation: status, leaves and parts are as they were,
    /// and [`super::Status::Disabled`] without leaves where the computation is new.
    pub definition: Definition,
    /// Whether it is a computation that is new, or asks or is asked in another way: its status and leaves have to be set
    /// anew.
    pub recompute: bool,
}

/// What has to be done, and how it is reported; each entry of a report is `<kind> <key>`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// To be put in force, in place of those with the same kind and key.
    pub puts: Vec<Put>,
    /// To be removed.
    pub deletes: Vec<(Kind, String)>,
    /// New.
    pub created: Vec<String>,
    /// Changed.
    pub changed: Vec<String>,
    /// Removed, by `prune`.
    pub removed: Vec<String>,
    /// As they were.
    pub unchanged: Vec<String>,
}

/// Compares `wanted` with `existing`. With `prune`, what is not wanted is removed.
///
/// In `wanted`, an empty write key or audience id means "keep the one there is, or make one", a secret that is
/// [`super::render::REDACTED`] means "keep the one there is", and times, audience status and leaves are not looked at.
/// New and changed destinations are held to `policy`.
///
/// # Errors
/// Everything that does not fit together. Fields are those of the document that [`super::document::read`] made `wanted`
/// from.
pub fn plan(
    existing: &Definitions,
    wanted: Vec<Definition>,
    prune: bool,
    now: Timestamp,
    ids: &mut IdSource,
    policy: &AddressPolicy,
) -> Result<Plan, Vec<Problem>> {
    let mut problems = check::keys(&wanted);
    let mut counts = [0; Kind::ALL.len()];
    let mut settled = Vec::with_capacity(wanted.len());
    for definition in wanted {
        let index = &mut counts[definition.kind() as usize];
        let at = format!("{}[{index}]", definition.kind().as_str());
        *index += 1;
        let before = existing.get(definition.kind(), definition.key());
        let (definition, found) = keep::complete(definition, before.as_ref(), now, ids);
        problems.extend(found.into_iter().map(|problem| problem.under(&at)));
        settled.push((at, definition, before));
    }
    let deletes = if prune { unwanted(existing, &settled) } else { Vec::new() };
    let after = after(existing, &settled, &deletes);
    problems.extend(check::reserved(&settled));
    problems.extend(check::references(&after, &settled, &deletes));
    problems.extend(check::write_keys(&after, &settled, now));
    problems.extend(check::counts(&after));
    problems.extend(check::circles(&after, &settled));
    problems.extend(addresses::refused(&settled, policy));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(report(settled, deletes, now))
}

/// A wanted definition: where it stands in the document, what it is to be, and what it was.
type Settled = (String, Definition, Option<Definition>);

/// What exists and is not wanted.
fn unwanted(existing: &Definitions, settled: &[Settled]) -> Vec<(Kind, String)> {
    let mut unwanted = Vec::new();
    for kind in Kind::ALL {
        let wanted: BTreeSet<&str> =
            settled.iter().filter(|(_, d, _)| d.kind() == kind).map(|(_, d, _)| d.key()).collect();
        // One that is being deleted goes by itself, once everybody was told.
        let is_going = |key: &str| {
            existing.computation(key).is_some_and(|it| it.kind() == kind && it.status == Status::Leaving)
        };
        let gone = existing.keys(kind).filter(|key| !wanted.contains(key) && !is_going(key));
        unwanted.extend(gone.map(|key| (kind, key.to_owned())));
    }
    unwanted
}

/// The definitions as they will be.
fn after(existing: &Definitions, settled: &[Settled], deletes: &[(Kind, String)]) -> Definitions {
    let mut after = existing.clone();
    for (kind, key) in deletes {
        after.remove(*kind, key);
    }
    for (_, definition, _) in settled {
        after.put(definition.clone());
    }
    after
}

fn report(settled: Vec<Settled>, deletes: Vec<(Kind, String)>, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for (_, mut definition, before) in settled {
        let entry = entry(definition.kind(), definition.key());
        match &before {
            None => plan.created.push(entry),
            Some(before) if *before == definition => {
                plan.unchanged.push(entry);
                continue;
            }
            Some(_) => plan.changed.push(entry),
        }
        definition.set_updated_at(now);
        let recompute = keep::is_to_be_recomputed(&definition, before.as_ref());
        plan.puts.push(Put { definition, recompute });
    }
    plan.removed = deletes.iter().map(|(kind, key)| entry(*kind, key)).collect();
    plan.deletes = deletes;
    plan
}

/// How a definition is named in a report.
fn entry(kind: Kind, key: &str) -> String {
    format!("{} {key}", kind.as_str())
}
