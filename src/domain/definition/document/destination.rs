//! `[[destination]]`.

use std::collections::BTreeMap;

use super::check;
use super::reader::{Field, Table};
use crate::domain::definition::{Destination, DestinationKind, EventsWanted, Signing, WebhookUrl};
use crate::domain::limits::{
    MAX_ATTEMPT_TIMEOUT, MAX_HEADERS, MAX_IN_FLIGHT, MAX_RATE_LIMIT, MAX_RETRY_FOR, MAX_URLS,
};
use crate::domain::time::Span;

/// The key under which mails are sent; nothing can be defined under it.
pub const EMAIL_DESTINATION: &str = "email";

const KINDS: [(&str, ()); 1] = [("webhook", ())];
const LATER_KINDS: [&str; 3] = ["webhook_action", "pendo", "hello_customer"];
/// Settings of destinations that this version does not have.
pub(super) const LATER_KEYS: [&str; 3] = ["trigger", "coalesce", "mapping"];

const EVENTS: [(&str, EventsWanted); 3] =
    [("computed", EventsWanted::Computed), ("all", EventsWanted::All), ("none", EventsWanted::None)];

/// Reads one; `false` beside it says that its other keys belong to a kind that is not known here.
pub(super) fn read(table: &mut Table<'_, '_>) -> (Option<Destination>, bool) {
    let key = table.required("key").and_then(|field| field.parse(destination_key));
    let Some(()) = table.required("kind").and_then(|field| field.choice(&KINDS, &LATER_KINDS)) else {
        return (None, false);
    };
    let urls = table.required("urls").and_then(|field| webhook_urls(&field));
    let shared_secret = table.optional("shared_secret").and_then(|field| field.parse(check::secret));
    let enabled = table.optional("enabled").and_then(|field| field.boolean());
    let timeout =
        table.optional("timeout").and_then(|field| field.span(Span::from_millis(100)..=MAX_ATTEMPT_TIMEOUT));
    let max_in_flight = table.optional("max_in_flight").and_then(|field| field.number(1..=MAX_IN_FLIGHT));
    let rate_limit = table.optional("rate_limit").and_then(|field| field.number(1..=MAX_RATE_LIMIT));
    let retry_for =
        table.optional("retry_for").and_then(|field| field.span(Span::from_millis(0)..=MAX_RETRY_FOR));
    let events = table.optional("events").and_then(|field| field.choice(&EVENTS, &[]));
    let (Some(key), Some(urls)) = (key, urls) else { return (None, true) };
    let signing = Signing { shared_secret: shared_secret.map(str::to_owned), signing_secrets: Vec::new() };
    let kind = DestinationKind::Webhook { urls, signing, gzip: false };
    let mut destination = Destination::new(key.to_owned(), kind);
    destination.enabled = enabled.unwrap_or(destination.enabled);
    destination.timeout = timeout.unwrap_or(destination.timeout);
    destination.max_in_flight = max_in_flight.unwrap_or(destination.max_in_flight);
    destination.rate_limit = rate_limit;
    destination.retry_for = retry_for.unwrap_or(destination.retry_for);
    destination.events = events.unwrap_or(destination.events);
    (Some(destination), true)
}

fn destination_key(text: &str) -> Result<&str, String> {
    if text == EMAIL_DESTINATION {
        return Err("`email` is kept for the mails that stagepost sends; choose another key".to_owned());
    }
    check::key(text)
}

fn webhook_urls(field: &Field<'_, '_>) -> Option<Vec<WebhookUrl>> {
    let items = field.items(MAX_URLS)?;
    if items.is_empty() {
        field.problem("name at least one: [{ url = \"https://…\" }]");
        return None;
    }
    Some(items.iter().filter_map(webhook_url).collect())
}

fn webhook_url(field: &Field<'_, '_>) -> Option<WebhookUrl> {
    let mut table = field.table()?;
    let url = table.required("url").and_then(|field| field.parse(check::http_url));
    let headers = table.optional("headers").and_then(|field| headers(&field)).unwrap_or_default();
    table.close(&[]);
    Some(WebhookUrl { url: url?.to_owned(), headers })
}

fn headers(field: &Field<'_, '_>) -> Option<BTreeMap<String, String>> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let table = field.table()?;
    for (count, (name, value)) in table.entries().enumerate() {
        if count == MAX_HEADERS {
            field.problem(format!("has more than {MAX_HEADERS} headers"));
            break;
        }
        if headers.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            value.problem("is the same header as one above: upper and lower case make no difference");
        } else if let Err(message) = check::header_name(name) {
            value.problem(message);
        } else if let Some(text) = value.parse(check::header_value) {
            headers.insert(name.to_owned(), text.to_owned());
        }
    }
    Some(headers)
}
