//! `kind = "webhook"`: Segment's classic webhook.

use std::collections::BTreeMap;

use super::super::check;
use super::signing;
use crate::domain::definition::document::reader::{Field, Table};
use crate::domain::definition::{DestinationKind, WebhookUrl};
use crate::domain::limits::{MAX_HEADERS, MAX_URLS};

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<DestinationKind> {
    let urls = table.required("urls").and_then(|field| webhook_urls(&field));
    let signing = signing::read(table);
    let gzip = table.optional("gzip").and_then(|field| field.boolean()).unwrap_or(false);
    Some(DestinationKind::Webhook { urls: urls?, signing, gzip })
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
