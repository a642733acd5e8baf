//! A mail as it goes over the wire.

use std::time::SystemTime;

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use serde_json::{Map, Value};

use super::templates::Mail;
use crate::domain::delivery::Delivery;

/// The mail of `delivery`: the same Message-ID and date on every try, so that a repetition is known as one.
pub(super) fn build(
    delivery: &Delivery,
    from: &Mailbox,
    to: &[Mailbox],
    mail: &Mail,
    context: &Map<String, Value>,
) -> Result<Message, String> {
    let addresses: Vec<Address> = to.iter().map(|mailbox| mailbox.email.clone()).collect();
    let envelope = Envelope::new(Some(from.email.clone()), addresses).map_err(|error| error.to_string())?;
    let mut builder = Message::builder()
        .envelope(envelope)
        .from(from.clone())
        .subject(mail.subject.clone())
        .date(SystemTime::from(delivery.created_at.to_chrono()))
        .message_id(Some(format!("<{}@{}>", delivery.id, from.email.domain())))
        // Out-of-office replies to a machine help nobody (RFC 3834).
        .raw_header(header("Auto-Submitted", "auto-generated")?);
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    let journey = context.get("journey").and_then(|journey| journey.get("id")).and_then(Value::as_str);
    if let Some(journey) = journey.filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic())) {
        builder = builder.raw_header(header("X-Stagepost-Journey", journey)?);
    }
    builder
        .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
        .map_err(|error| error.to_string())
}

fn header(name: &str, value: &str) -> Result<HeaderValue, String> {
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|error| error.to_string())?;
    Ok(HeaderValue::new(name, value.to_owned()))
}
