//! `kind = "twilio"`, and the table `[twilio]`, which is the destination with the key `twilio`.

use super::super::check;
use crate::domain::definition::document::reader::{Field, Table};
use crate::domain::definition::{ApiKey, DestinationKind, Reconcile, Twilio, TwilioUrls};
use crate::domain::limits::{MAX_AUTH_TOKENS, RECONCILE_EVERY, RECONCILE_WINDOW};

/// What only calls have to do with: Twilio gets none, it is asked by the levels of flows.
const FOR_CALLS: [&str; 6] =
    ["trigger", "sources", "filter", "profile_traits", "coalesce", "integration_names"];

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<DestinationKind> {
    let mut sid = |key, prefix| {
        let field: Option<Field<'_, '_>> = table.optional(key);
        field.and_then(|field| field.parse(|text| check::sid(prefix, text))).map(str::to_owned)
    };
    let (messaging_service_sid, workspace_sid) =
        (sid("messaging_service_sid", "MG"), sid("workspace_sid", "WS"));
    let account_sid = table.required("account_sid").and_then(|it| it.parse(|text| check::sid("AC", text)));
    let auth_token = table.optional("auth_token").map(|field| field.parse(check::secret));
    let auth_tokens =
        table.optional("auth_tokens").and_then(|field| field.items(MAX_AUTH_TOKENS)).unwrap_or_default();
    let auth_tokens =
        auth_tokens.iter().filter_map(|item| item.parse(check::secret)).map(str::to_owned).collect();
    let key = api_key(table);
    if auth_token.is_none() && key.is_none() {
        table.problem("auth_token", "is missing: write it, or `api_key` and `api_secret`");
    }
    let from = table.optional("from").and_then(|field| field.parse(check::caller));
    let urls = urls(table);
    let reconcile = reconcile(table);
    refuse_calls(table);
    Some(DestinationKind::Twilio(Box::new(Twilio {
        account_sid: account_sid?.to_owned(),
        auth_token: auth_token.flatten().map(str::to_owned),
        auth_tokens,
        api_key: key.flatten(),
        from: from.map(str::to_owned),
        messaging_service_sid,
        workspace_sid,
        urls,
        reconcile,
    })))
}

/// `None` where none is written, and an empty one where what is written is wrong.
fn api_key(table: &mut Table<'_, '_>) -> Option<Option<ApiKey>> {
    let (sid, secret) = (table.optional("api_key"), table.optional("api_secret"));
    for (is_there, is_other, key) in
        [(sid.is_some(), secret.is_some(), "api_key"), (secret.is_some(), sid.is_some(), "api_secret")]
    {
        if is_other && !is_there {
            table.problem(key, "is missing: an API key is its SID and its secret");
        }
    }
    if sid.is_none() && secret.is_none() {
        return None;
    }
    let sid = sid.and_then(|field| field.parse(|text| check::sid("SK", text)));
    let secret = secret.and_then(|field| field.parse(check::secret));
    Some(sid.zip(secret).map(|(sid, secret)| ApiKey { sid: sid.to_owned(), secret: secret.to_owned() }))
}

/// Whether Studio is asked, and how; the further keys mean something only where it is.
fn reconcile(table: &mut Table<'_, '_>) -> Option<Reconcile> {
    let is_wanted = table.optional("reconcile").and_then(|field| field.boolean()).unwrap_or(false);
    let mut reconcile = Reconcile::default();
    for (key, range, span) in [
        ("reconcile_every", RECONCILE_EVERY, &mut reconcile.every),
        ("reconcile_window", RECONCILE_WINDOW, &mut reconcile.window),
    ] {
        let Some(field) = table.optional(key) else { continue };
        if !is_wanted {
            field.problem("has no meaning without `reconcile = true`");
        }
        *span = field.span(range).unwrap_or(*span);
    }
    is_wanted.then_some(reconcile)
}

fn urls(table: &mut Table<'_, '_>) -> TwilioUrls {
    let mut urls = TwilioUrls::default();
    for (key, url) in [
        ("api_base_url", &mut urls.api),
        ("studio_base_url", &mut urls.studio),
        ("taskrouter_base_url", &mut urls.taskrouter),
    ] {
        let written = table.optional(key).and_then(|field| field.parse(base_url));
        if let Some(written) = written {
            written.clone_into(url);
        }
    }
    urls
}

/// Paths are put behind it.
fn base_url(text: &str) -> Result<&str, String> {
    let url = check::http_url(text)?;
    if url.contains(['?', '#']) {
        return Err("must end before the path: it has a query or a fragment".to_owned());
    }
    Ok(url.trim_end_matches('/'))
}

fn refuse_calls(table: &mut Table<'_, '_>) {
    if let Some(field) = table.optional("events")
        && field.value.as_str().is_some_and(|events| matches!(events, "all" | "computed"))
    {
        field.problem("has to be \"none\", or left out: events are not sent to Twilio; the levels of a flow ask it for calls, messages, executions and tasks");
    }
    for key in FOR_CALLS {
        let Some(field) = table.optional(key) else { continue };
        let says_nothing = field.value.as_array().is_some_and(Vec::is_empty) || *field.value == false;
        if !says_nothing {
            field.problem("has no meaning for Twilio, which is sent no calls: leave it out");
        }
    }
}

#[cfg(test)]
#[path = "twilio_tests.rs"]
mod tests;
