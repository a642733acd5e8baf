//! The settings that destinations of every kind have.

use sha2::{Digest, Sha256};

use super::super::check;
use super::routing;
use crate::domain::definition::document::reader::{Field, Table};
use crate::domain::definition::{Destination, EventsWanted, Routing};
use crate::domain::limits::{
    MAX_ATTEMPT_TIMEOUT, MAX_EXPIRE_AFTER, MAX_IN_FLIGHT, MAX_INTEGRATION_NAMES, MAX_PAUSE_AFTER,
    MAX_PROBE_EVERY, MAX_RATE_LIMIT, MAX_RETRY_FOR, MIN_PATIENCE,
};
use crate::domain::time::Span;

/// Their keys.
pub(super) const KEYS: [&str; 17] = [
    "enabled",
    "timeout",
    "max_in_flight",
    "rate_limit",
    "burst",
    "rate_group",
    "retry_for",
    "expire_after",
    "pause_after",
    "probe_every",
    "coalesce",
    "events",
    "trigger",
    "sources",
    "filter",
    "profile_traits",
    "integration_names",
];

/// What a hash of a rate group begins with.
const HASHED: &str = "sha256:";

const EVENTS: [(&str, EventsWanted); 3] =
    [("computed", EventsWanted::Computed), ("all", EventsWanted::All), ("none", EventsWanted::None)];

/// What is written; the rest is as the kind has it.
pub(super) struct Settings {
    enabled: Option<bool>,
    timeout: Option<Span>,
    max_in_flight: Option<u32>,
    rate_limit: Option<u32>,
    burst: Option<u32>,
    rate_key: Option<String>,
    retry_for: Option<Span>,
    /// `never` is a `None` inside.
    expire_after: Option<Option<Span>>,
    pause_after: Option<Option<Span>>,
    probe_every: Option<Span>,
    coalesce: Option<bool>,
    integration_names: Option<Vec<String>>,
    events: Option<EventsWanted>,
    routing: Routing,
}

pub(super) fn read(table: &mut Table<'_, '_>) -> Settings {
    let mut span = |key, range| table.optional(key).and_then(|field: Field<'_, '_>| field.span(range));
    let timeout = span("timeout", Span::from_millis(100)..=MAX_ATTEMPT_TIMEOUT);
    let retry_for = span("retry_for", Span::from_millis(0)..=MAX_RETRY_FOR);
    let probe_every = span("probe_every", MIN_PATIENCE..=MAX_PROBE_EVERY);
    let mut number = |key, most| table.optional(key).and_then(|field: Field<'_, '_>| field.number(1..=most));
    let max_in_flight = number("max_in_flight", MAX_IN_FLIGHT);
    let rate_limit = number("rate_limit", MAX_RATE_LIMIT);
    let burst = number("burst", MAX_RATE_LIMIT);
    let rate_group = table.optional("rate_group");
    let has_group = rate_group.is_some();
    for (key, _) in
        [("burst", burst.is_some()), ("rate_group", has_group)].iter().filter(|(_, is_set)| *is_set)
    {
        if table.optional("rate_limit").is_none() {
            table.problem(key, "has no meaning without `rate_limit`");
        }
    }
    Settings {
        enabled: table.optional("enabled").and_then(|field| field.boolean()),
        timeout,
        max_in_flight,
        rate_limit,
        burst,
        rate_key: rate_group.and_then(|field| field.parse(rate_key)),
        retry_for,
        expire_after: table
            .optional("expire_after")
            .and_then(|field| span_or_never(&field, MAX_EXPIRE_AFTER)),
        pause_after: table.optional("pause_after").and_then(|field| span_or_never(&field, MAX_PAUSE_AFTER)),
        probe_every,
        coalesce: table.optional("coalesce").and_then(|field| field.boolean()),
        integration_names: table
            .optional("integration_names")
            .and_then(|field| field.texts(MAX_INTEGRATION_NAMES, check::name)),
        events: table.optional("events").and_then(|field| field.choice(&EVENTS, &[])),
        routing: routing::read(table),
    }
}

fn span_or_never(field: &Field<'_, '_>, most: Span) -> Option<Option<Span>> {
    if field.value.as_str() == Some("never") {
        return Some(None);
    }
    field.span(MIN_PATIENCE..=most).map(Some)
}

/// A group as it is kept: its hash, as it may be the secret that its destinations share. One that was hashed is taken as it is,
/// so that what is shown can be put back.
fn rate_key(text: &str) -> Result<String, String> {
    check::secret(text)?;
    let is_hash =
        |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.strip_prefix(HASHED).is_some_and(is_hash) {
        return Ok(text.to_owned());
    }
    Ok(format!("{HASHED}{}", hex::encode(Sha256::digest(text.as_bytes()))))
}

impl Settings {
    /// Puts what is written in the place of what the kind has.
    pub fn apply(self, destination: &mut Destination) {
        destination.enabled = self.enabled.unwrap_or(destination.enabled);
        destination.timeout = self.timeout.unwrap_or(destination.timeout);
        destination.max_in_flight = self.max_in_flight.unwrap_or(destination.max_in_flight);
        destination.rate_limit = self.rate_limit.or(destination.rate_limit);
        destination.burst = self.burst;
        destination.rate_key = self.rate_key;
        destination.integration_names = self.integration_names;
        destination.retry_for = self.retry_for.unwrap_or(destination.retry_for);
        destination.expire_after = self.expire_after.unwrap_or(destination.expire_after);
        destination.pause_after = self.pause_after.unwrap_or(destination.pause_after);
        destination.probe_every = self.probe_every.unwrap_or(destination.probe_every);
        destination.coalesce = self.coalesce.unwrap_or(destination.coalesce);
        destination.events = self.events.unwrap_or(destination.events);
        destination.routing = self.routing;
    }
}
