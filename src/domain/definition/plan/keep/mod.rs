//! What a wanted definition takes over from the one that exists.

mod destination;
mod source;

use crate::domain::definition::secrets::{marked, stands_for_one};
use crate::domain::definition::{Computation, Definition, Problem, REDACTED, Status};
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;

/// `wanted` with what it leaves open taken from `before`, or made; equal to `before` when nothing changes. Beside it,
/// the secrets that are to be kept where there is none; fields are named as in the one definition.
pub(super) fn complete(
    mut wanted: Definition,
    before: Option<&Definition>,
    now: Timestamp,
    ids: &mut IdSource,
) -> (Definition, Vec<Problem>) {
    let mut problems = Vec::new();
    match (&mut wanted, before) {
        (Definition::Source(source), Some(Definition::Source(before))) => {
            source::keep(source, Some(before), now, ids, &mut problems);
        }
        (Definition::Source(source), _) => source::keep(source, None, now, ids, &mut problems),
        (Definition::Destination(destination), Some(Definition::Destination(before))) => {
            destination::keep(destination, Some(before), &mut problems);
        }
        (Definition::Destination(destination), _) => destination::keep(destination, None, &mut problems),
        (Definition::Audience(computation), Some(Definition::Audience(before)))
        | (Definition::Trait(computation), Some(Definition::Trait(before))) => {
            keep_state(computation, before);
        }
        (Definition::Audience(computation) | Definition::Trait(computation), _) => {
            computation.id = ids.ksuid(computation.class.id_prefix(), now);
        }
        (Definition::Flow(flow), Some(Definition::Flow(before))) => flow.revisit.clone_from(&before.revisit),
        (Definition::Team(_) | Definition::Flow(_), _) => {}
    }
    wanted.set_created_at(before.map_or(now, Definition::created_at));
    wanted.set_updated_at(before.map_or(now, Definition::updated_at));
    (wanted, problems)
}

/// What the engine keeps on a computation stays as it is. One that was about to be deleted and is wanted again after all is
/// another than it was, and begun anew.
fn keep_state(computation: &mut Computation, before: &Computation) {
    computation.id.clone_from(&before.id);
    computation.status = match &before.status {
        Status::Leaving => Status::Disabled,
        kept => kept.clone(),
    };
    computation.leaves.clone_from(&before.leaves);
    computation.parts.clone_from(&before.parts);
    computation.announcements.clone_from(&before.announcements);
    computation.form = before.form;
}

/// Of several secrets each is known by what is shown of it. [`REDACTED`] alone is the one at the same place, which says
/// something only as long as none was added or taken away.
fn keep_secrets(secrets: &mut [String], kept: &[String], field: &str, problems: &mut Vec<Problem>) {
    let count = secrets.len();
    for (index, secret) in secrets.iter_mut().enumerate().filter(|(_, secret)| stands_for_one(secret)) {
        let at = format!("{field}[{index}]");
        let meant = if secret != REDACTED {
            kept.iter().find(|kept| marked(kept) == *secret)
        } else if kept.is_empty() || kept.len() == count {
            kept.get(index)
        } else {
            let message = format!(
                "{REDACTED} alone does not say which one is kept, as there are {count} now and {} before: write back what \
                 was shown, {REDACTED} with the digits behind it",
                kept.len()
            );
            problems.push(Problem::new(at, message));
            continue;
        };
        match meant {
            Some(meant) => secret.clone_from(meant),
            None => problems.push(nothing_kept(at)),
        }
    }
}

fn keep_secret(
    secret: &mut String,
    kept: Option<&String>,
    at: impl FnOnce() -> String,
    problems: &mut Vec<Problem>,
) {
    if secret != REDACTED {
        return;
    }
    match kept {
        Some(kept) => secret.clone_from(kept),
        None => problems.push(nothing_kept(at())),
    }
}

/// What is said of a secret that is to be kept where there is none, or not for that address.
fn nothing_kept(at: String) -> Problem {
    let message =
        format!("{REDACTED} stands for the secret that is kept, but there is none; write the secret");
    Problem::new(at, message)
}

/// Whether it is a computation whose values have to be found anew, or forgotten.
pub(super) fn is_to_be_recomputed(definition: &Definition, before: Option<&Definition>) -> bool {
    let Some(computation) = definition.computation() else { return false };
    let Some(before) = before.and_then(Definition::computation) else { return true };
    let asks = |it: &Computation| (it.query.clone(), it.target, it.enabled, it.include_anonymous, it.history);
    asks(computation) != asks(before) || matches!(before.status, Status::Leaving)
}
