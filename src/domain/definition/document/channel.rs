//! How a level reaches people: `channel` and what belongs to it.

use serde_json::{Map, Value};

use super::check;
use super::reader::{Field, Table};
use crate::domain::definition::{Channel, JourneyField, Recipient};
use crate::domain::limits::{
    MAX_CHANNEL_VALUES_BYTES, MAX_MESSAGE_TEMPLATE, MAX_RECIPIENTS, MAX_TASK_PRIORITY,
};

/// The Twilio destination that is meant where none is named.
const TWILIO: &str = "twilio";

#[derive(Clone, Copy)]
enum Word {
    Email,
    Webhook,
    Call,
    Sms,
    StudioExecution,
    Task,
}

const WORDS: [(&str, Word); 6] = [
    ("email", Word::Email),
    ("webhook", Word::Webhook),
    ("call", Word::Call),
    ("sms", Word::Sms),
    ("studio_execution", Word::StudioExecution),
    ("task", Word::Task),
];

/// What kind of address a channel reaches.
#[derive(Clone, Copy, PartialEq)]
enum Address {
    Mail,
    Phone,
}

/// What is left of the table has to be the channel.
pub(super) fn read(mut table: Table<'_, '_>) -> Option<Channel> {
    // Another channel has other keys: nothing is said about those before the channel is right.
    let word = table.required("channel")?.choice(&WORDS, &[])?;
    let channel = match word {
        Word::Email => email(&mut table),
        Word::Webhook => webhook(&mut table),
        Word::Call => call(&mut table),
        Word::Sms => sms(&mut table),
        Word::StudioExecution => studio_execution(&mut table),
        Word::Task => task(&mut table),
    };
    table.close(&[]);
    channel
}

fn email(table: &mut Table<'_, '_>) -> Option<Channel> {
    let to = recipients(table, Address::Mail);
    let template = table.required("template").and_then(|field| field.parse(check::key));
    Some(Channel::Email { to: to?, template: template?.to_owned() })
}

fn webhook(table: &mut Table<'_, '_>) -> Option<Channel> {
    let to = table.required("to")?.some_texts(MAX_RECIPIENTS, "destination", destination)?;
    Some(Channel::Webhook { to })
}

fn destination(text: &str) -> Result<&str, String> {
    if text.contains("://") {
        let message = "names a destination's key, not an address; the address belongs into a [[destination]]";
        return Err(message.to_owned());
    }
    check::key(text)
}

fn call(table: &mut Table<'_, '_>) -> Option<Channel> {
    let (to, text, via) = (recipients(table, Address::Phone), text(table), via(table));
    Some(Channel::Call { to: to?, text: text?, via: via? })
}

fn sms(table: &mut Table<'_, '_>) -> Option<Channel> {
    let (to, text, via) = (recipients(table, Address::Phone), text(table), via(table));
    Some(Channel::Sms { to: to?, text: text?, via: via? })
}

fn studio_execution(table: &mut Table<'_, '_>) -> Option<Channel> {
    let to = recipients(table, Address::Phone);
    let flow_sid = table.required("flow_sid").and_then(|field| field.parse(|text| check::sid("FW", text)));
    let (parameters, via) = (values(table, "parameters"), via(table));
    Some(Channel::StudioExecution {
        to: to?,
        flow_sid: flow_sid?.to_owned(),
        parameters: parameters?,
        via: via?,
    })
}

fn task(table: &mut Table<'_, '_>) -> Option<Channel> {
    let workspace =
        optional(table.optional("workspace_sid"), |field| field.parse(|text| check::sid("WS", text)));
    let workflow =
        optional(table.optional("workflow_sid"), |field| field.parse(|text| check::sid("WW", text)));
    let priority = optional(table.optional("priority"), |field| field.number(0..=MAX_TASK_PRIORITY));
    let (attributes, via) = (values(table, "attributes"), via(table));
    Some(Channel::Task {
        workspace_sid: workspace?.map(str::to_owned),
        workflow_sid: workflow?.map(str::to_owned),
        attributes: attributes?,
        priority: priority?,
        via: via?,
    })
}

/// `Some(None)` where it is left out, `None` where something is wrong with it.
fn optional<'v, 'p, T>(
    field: Option<Field<'v, 'p>>,
    read: impl FnOnce(&Field<'v, 'p>) -> Option<T>,
) -> Option<Option<T>> {
    match field {
        Some(field) => read(&field).map(Some),
        None => Some(None),
    }
}

fn recipients(table: &mut Table<'_, '_>, address: Address) -> Option<Vec<Recipient>> {
    let field = table.required("to")?;
    let items = field.items(MAX_RECIPIENTS)?;
    let what = match address {
        Address::Mail => "mail address",
        Address::Phone => "telephone number",
    };
    if !field.not_empty(what) {
        return None;
    }
    let mut recipients = Vec::with_capacity(items.len());
    for item in items {
        let Some(recipient) = item.parse(|text| recipient(text, address)) else { continue };
        if recipients.contains(&recipient) {
            item.problem(format!("`{}` is listed twice", String::from(recipient)));
        } else {
            recipients.push(recipient);
        }
    }
    Some(recipients)
}

fn recipient(text: &str, address: Address) -> Result<Recipient, String> {
    let is_whole = text.trim().starts_with("{{") && text.trim().ends_with("}}");
    if text.contains(['{', '}']) && !is_whole {
        return Err("the braces don't close: write {{ user.email }}".to_owned());
    }
    let recipient = Recipient::try_from(text.to_owned())?;
    match (&recipient, address) {
        (Recipient::Address(text), Address::Mail) => check::email(text).map(drop)?,
        (Recipient::Address(text), Address::Phone) => check::phone(text).map(drop)?,
        (Recipient::OnCall(team), _) => {
            check::key(team).map_err(|message| format!("the team behind on_call: {message}"))?;
        }
        (Recipient::Field(JourneyField::PhoneNumber), Address::Mail) => {
            return Err(
                "is a telephone number, which gets no mail; a trait may hold an address: {{ user.email }}"
                    .to_owned(),
            );
        }
        (Recipient::Field(JourneyField::Trait(name)), _) => check::name(name).map(drop)?,
        (Recipient::Field(JourneyField::PhoneNumber | JourneyField::UserId), _) => {}
    }
    Ok(recipient)
}

fn text(table: &mut Table<'_, '_>) -> Option<Option<String>> {
    let text = optional(table.optional("text"), |field| field.parse(message))?;
    Some(text.map(str::to_owned))
}

fn message(text: &str) -> Result<&str, String> {
    if text.chars().count() > MAX_MESSAGE_TEMPLATE {
        return Err(format!("is longer than {MAX_MESSAGE_TEMPLATE} characters"));
    }
    Ok(text)
}

fn via(table: &mut Table<'_, '_>) -> Option<String> {
    match table.optional("via") {
        Some(field) => field.parse(check::key).map(str::to_owned),
        None => Some(TWILIO.to_owned()),
    }
}

/// A table that is handed on as it is.
fn values(table: &mut Table<'_, '_>, key: &'static str) -> Option<Map<String, Value>> {
    let Some(field) = table.optional(key) else { return Some(Map::new()) };
    field.table()?;
    if field.value.to_string().len() > MAX_CHANNEL_VALUES_BYTES {
        field.problem(format!("is more than {MAX_CHANNEL_VALUES_BYTES} bytes as JSON"));
        return None;
    }
    field.value.as_object().cloned()
}
