//! The page of a digest: acknowledge all.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::form::Form;
use super::page::Page;
use super::{Opened, failed};
use crate::domain::delivery::Payload;
use crate::engine::EngineError;

/// The digest's page; with a form, after all of it was acknowledged.
pub(super) async fn page(opened: &Opened<'_>, form: Option<Form>) -> Page {
    let Some(delivery) = &opened.delivery else { return unknown() };
    let Payload::Email { context, .. } = &delivery.payload else { return unknown() };
    let Some(digest) = context.get("digest") else { return unknown() };
    let Some(form) = form else {
        return Page::new(
            StatusCode::OK,
            "digest.html",
            json!({
                "timeZone": context.get("timeZone"),
                "digest": digest,
                "token": opened.beside(opened.link.purpose.clone()),
                "name": opened.reader(),
                "until": opened.link.expires_at,
            }),
        );
    };
    match opened.engine.acknowledge_all(delivery.id, opened.by(&form)).await {
        Ok(count) => done(count, digest.get("count").and_then(Value::as_u64).unwrap_or(0)),
        Err(EngineError::NotFound { .. }) => unknown(),
        Err(error) => failed(&error),
    }
}

fn done(count: usize, of: u64) -> Page {
    let journeys = if count == 1 { "journey raises" } else { "journeys raise" };
    let rest = of.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
    let others = match rest {
        0 => String::new(),
        1 => " One had moved on since, or was closed.".to_owned(),
        rest => format!(" {rest} had moved on since, or were closed."),
    };
    Page::done("Acknowledged", &format!("{count} {journeys} no further alarms of this stall.{others}"))
}

fn unknown() -> Page {
    let text = "It may have been removed since the mail was sent.";
    Page::problem(StatusCode::NOT_FOUND, "This digest is not known", text)
}
