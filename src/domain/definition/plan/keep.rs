//! What a wanted definition takes over from the one that exists.

use crate::domain::definition::render::REDACTED;
use crate::domain::definition::{
    Computation, Definition, Destination, DestinationKind, Problem, Source, Status, WebhookUrl,
};
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;

/// Bytes of a write key that is made.
const WRITE_KEY_BYTES: usize = 16;

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
            keep_source(source, Some(before), ids, &mut problems);
        }
        (Definition::Source(source), _) => keep_source(source, None, ids, &mut problems),
        (Definition::Destination(destination), Some(Definition::Destination(before))) => {
            keep_secrets(destination, Some(before), &mut problems);
        }
        (Definition::Destination(destination), _) => keep_secrets(destination, None, &mut problems),
        (Definition::Audience(computation), Some(Definition::Audience(before)))
        | (Definition::Trait(computation), Some(Definition::Trait(before))) => {
            keep_state(computation, before);
        }
        (Definition::Audience(computation) | Definition::Trait(computation), _) => {
            computation.id = ids.ksuid(computation.class.id_prefix(), now);
        }
        (Definition::Flow(flow), Some(Definition::Flow(before))) => flow.revisit.clone_from(&before.revisit),
        (Definition::Flow(_), _) => {}
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

fn keep_source(
    source: &mut Source,
    before: Option<&Source>,
    ids: &mut IdSource,
    problems: &mut Vec<Problem>,
) {
    if source.write_key.is_empty() {
        source.write_key = match before {
            Some(before) => before.write_key.clone(),
            None => ids.secret("wk_", WRITE_KEY_BYTES),
        };
    }
    for (index, token) in source.twilio_auth_tokens.iter_mut().enumerate() {
        let kept = before.and_then(|before| before.twilio_auth_tokens.get(index));
        keep_secret(token, kept, || format!("twilio_auth_tokens[{index}]"), problems);
    }
}

fn keep_secrets(destination: &mut Destination, before: Option<&Destination>, problems: &mut Vec<Problem>) {
    let before = before.and_then(|before| match &before.kind {
        DestinationKind::Webhook { urls, signing, gzip: _ } => Some((urls, &signing.shared_secret)),
        DestinationKind::WebhookAction(_) | DestinationKind::Preset { .. } => None,
    });
    match &mut destination.kind {
        DestinationKind::WebhookAction(_) | DestinationKind::Preset { .. } => {}
        DestinationKind::Webhook { urls, signing, gzip: _ } => {
            if let Some(secret) = &mut signing.shared_secret {
                let kept = before.and_then(|(_, secret)| secret.as_ref());
                keep_secret(secret, kept, || "shared_secret".to_owned(), problems);
            }
            let urls_before = before.map_or(&[][..], |(urls, _)| urls.as_slice());
            for (index, url) in urls.iter_mut().enumerate() {
                keep_headers(url, urls_before, &format!("urls[{index}].headers"), problems);
            }
        }
    }
}

/// Headers are kept only with the very address they were given for: a secret never follows to another one.
fn keep_headers(url: &mut WebhookUrl, before: &[WebhookUrl], at: &str, problems: &mut Vec<Problem>) {
    for (name, value) in &mut url.headers {
        let kept = before.iter().filter(|before| before.url == url.url).find_map(|url| url.headers.get(name));
        keep_secret(value, kept, || format!("{at}.{name}"), problems);
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
        None => problems.push(Problem::new(
            at(),
            format!("{REDACTED} stands for the secret that is kept, but there is none; write the secret"),
        )),
    }
}

/// Whether it is a computation whose values have to be found anew, or forgotten.
pub(super) fn is_to_be_recomputed(definition: &Definition, before: Option<&Definition>) -> bool {
    let Some(computation) = definition.computation() else { return false };
    let Some(before) = before.and_then(Definition::computation) else { return true };
    let asks = |it: &Computation| (it.query.clone(), it.target, it.enabled, it.include_anonymous, it.history);
    asks(computation) != asks(before) || matches!(before.status, Status::Leaving)
}
