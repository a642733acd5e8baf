//! What a wanted source takes over from the one that exists.

use super::{keep_secrets, nothing_kept};
use crate::domain::definition::secrets::{marked, stands_for_one};
use crate::domain::definition::{PreviousWriteKey, Problem, Source};
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;

/// An empty write key is the one there is, or a new one. The previous key is the one there is as long as the write key stays
/// the same; one that has ended is forgotten. Where what is wanted goes back to the key before, the two change places.
pub(super) fn keep(
    source: &mut Source,
    before: Option<&Source>,
    now: Timestamp,
    ids: &mut IdSource,
    problems: &mut Vec<Problem>,
) {
    if source.write_key.is_empty() {
        source.write_key = match before {
            Some(before) => before.write_key.clone(),
            None => ids.write_key(),
        };
    }
    keep_key(&mut source.write_key, before, "write_key", problems);
    if let Some(previous) = &mut source.previous_write_key {
        keep_key(&mut previous.write_key, before, "previous_write_key", problems);
        source.previous_write_key = source.valid_previous(now).cloned();
    } else if let Some(before) = before {
        source.previous_write_key = previous_of(source, before, now);
    }
    let kept = before.map_or(&[][..], |before| &before.twilio_auth_tokens);
    keep_secrets(&mut source.twilio_auth_tokens, kept, "twilio_auth_tokens", problems);
}

/// The previous key of a source that says nothing of one. A file that does not know of a change-over has the key before; whoever
/// has gone over to the new one goes on with it, as long as the change-over was to last.
fn previous_of(source: &Source, before: &Source, now: Timestamp) -> Option<PreviousWriteKey> {
    if before.write_key == source.write_key {
        return before.previous_write_key.clone();
    }
    let left = before.valid_previous(now).filter(|left| left.write_key == source.write_key)?;
    Some(PreviousWriteKey { write_key: before.write_key.clone(), until: left.until })
}

/// What is shown in place of a key is that key.
fn keep_key(key: &mut String, before: Option<&Source>, at: &str, problems: &mut Vec<Problem>) {
    if !stands_for_one(key) {
        return;
    }
    match before.and_then(|before| before.write_keys().find(|known| marked(known) == *key)) {
        Some(known) => known.clone_into(key),
        None => problems.push(nothing_kept(at.to_owned())),
    }
}
