//! A mail as it goes over the wire.

use std::time::SystemTime;

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use serde_json::{Map, Value};

use crate::delivery::templates::Mail;
use crate::domain::delivery::Delivery;
use crate::domain::ids::DeliveryId;

/// What a mail is put together from.
pub(super) struct Letter {
    /// What its template made.
    pub mail: Mail,
    /// What the template saw.
    pub context: Map<String, Value>,
    /// What its HTML shows.
    pub picture: Option<Picture>,
}

/// A picture inside a mail.
pub(super) struct Picture {
    /// What the HTML calls it, after `cid:`.
    pub content_id: String,
    /// Its bytes.
    pub png: Vec<u8>,
}

/// The mail of `delivery`: the same Message-ID and date on every try, so that a repetition is known as one.
pub(super) fn build(
    delivery: &Delivery,
    from: &Mailbox,
    to: &[Mailbox],
    letter: Letter,
) -> Result<Message, String> {
    let addresses: Vec<Address> = to.iter().map(|mailbox| mailbox.email.clone()).collect();
    let envelope = Envelope::new(Some(from.email.clone()), addresses).map_err(|error| error.to_string())?;
    let id = |delivery: DeliveryId| format!("<{delivery}@{}>", from.email.domain());
    let mut builder = Message::builder()
        .envelope(envelope)
        .from(from.clone())
        .subject(letter.mail.subject.clone())
        .date(SystemTime::from(delivery.created_at.to_chrono()))
        .message_id(Some(id(delivery.id)))
        // Out-of-office replies to a machine help nobody (RFC 3834).
        .raw_header(header("Auto-Submitted", "auto-generated")?);
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    // All mails on one journey answer its first one, so that mail programs show them together.
    if let Some(first) = text(&letter.context, &["thread"]).and_then(|first| first.parse().ok()) {
        builder = builder.in_reply_to(id(first)).references(id(first));
    }
    if let Some(journey) = text(&letter.context, &["journey", "id"]).filter(is_graphic) {
        builder = builder.raw_header(header("X-Stagepost-Journey", journey)?);
    }
    if let Some(url) = text(&letter.context, &["links", "unsubscribe"]).filter(is_graphic) {
        builder = builder.raw_header(header("List-Unsubscribe", &format!("<{url}>"))?);
        // RFC 8058 asks for HTTPS.
        if url.starts_with("https://") {
            builder = builder.raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")?);
        }
    }
    builder.multipart(parts(letter)).map_err(|error| error.to_string())
}

/// Plain text, and HTML with what it shows.
fn parts(letter: Letter) -> MultiPart {
    let Letter { mail, picture, .. } = letter;
    let Some(Picture { content_id, png }) = picture else {
        return MultiPart::alternative_plain_html(mail.text, mail.html);
    };
    let image = ContentType::parse("image/png").expect("it is a content type");
    let related = MultiPart::related()
        .singlepart(SinglePart::html(mail.html))
        .singlepart(Attachment::new_inline(content_id).body(png, image));
    MultiPart::alternative().singlepart(SinglePart::plain(mail.text)).multipart(related)
}

/// The text at that place.
fn text<'a>(context: &'a Map<String, Value>, path: &[&str]) -> Option<&'a str> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(context.get(*first)?, |value, key| value.get(key))?.as_str()
}

fn is_graphic(text: &&str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A header of plain ASCII. It is not folded: some mail programs don't put an address together again.
fn header(name: &str, value: &str) -> Result<HeaderValue, String> {
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|error| error.to_string())?;
    Ok(HeaderValue::dangerous_new_pre_encoded(name, value.to_owned(), value.to_owned()))
}
