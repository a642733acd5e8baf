//! `[[destination]]`: one file per kind, and those for what several kinds have.

mod action;
mod auth;
mod common;
mod mapping;
mod preset;
mod routing;
mod signing;
mod twilio;
mod webhook;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::check;
use super::reader::{Field, Table};
use crate::domain::definition::{Destination, DestinationKind};
use crate::domain::preset::Preset;

pub use preset::read_preset;

/// The key under which mails are sent; nothing can be defined under it.
pub const EMAIL_DESTINATION: &str = "email";

/// A kind as it is written.
#[derive(Clone, Copy)]
enum Word {
    Webhook,
    WebhookAction,
    Twilio,
    Preset(&'static Preset),
}

/// Reads one.
pub(super) fn read(mut table: Table<'_, '_>) -> Option<Destination> {
    let key = table.required("key").and_then(|field| field.parse(destination_key));
    // Other kinds have other keys: nothing is said about those before the kind is right.
    let kind = table.required("kind").and_then(|field| kind(&field))?;
    match kind {
        Word::Webhook => finish(key, webhook::read(&mut table), table),
        Word::WebhookAction => {
            let kind =
                action::read(&mut table).map(|action| DestinationKind::WebhookAction(Arc::new(action)));
            finish(key, kind, table)
        }
        Word::Twilio => finish(key, twilio::read(&mut table), table),
        Word::Preset(preset) => preset::read(preset, key, table),
    }
}

/// The key of the destination that the table `[twilio]` is.
pub const TWILIO_DESTINATION: &str = "twilio";

/// Reads the table `[twilio]`.
pub(super) fn read_twilio(mut table: Table<'_, '_>) -> Option<Destination> {
    finish(Some(TWILIO_DESTINATION), twilio::read(&mut table), table)
}

fn kind(field: &Field<'_, '_>) -> Option<Word> {
    let own = [("webhook", Word::Webhook), ("webhook_action", Word::WebhookAction), ("twilio", Word::Twilio)];
    let presets = crate::domain::preset::all().iter().map(|it| (it.key.as_str(), Word::Preset(it)));
    let words: Vec<(&str, Word)> = own.into_iter().chain(presets).collect();
    field.choice(&words, &[])
}

/// Reads what all kinds have, and closes the table.
fn finish(key: Option<&str>, kind: Option<DestinationKind>, mut table: Table<'_, '_>) -> Option<Destination> {
    let settings = common::read(&mut table);
    table.close(&[]);
    let mut destination = Destination::new(key?.to_owned(), kind?);
    settings.apply(&mut destination);
    Some(destination)
}

fn destination_key(text: &str) -> Result<&str, String> {
    if text == EMAIL_DESTINATION {
        return Err("`email` is kept for the mails that stagepost sends; choose another key".to_owned());
    }
    check::key(text)
}
