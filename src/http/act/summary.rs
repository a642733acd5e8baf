//! The page of somebody who wants no more daily summaries.

use actix_web::http::StatusCode;
use serde_json::json;

use super::page::Page;
use super::{Opened, failed};
use crate::engine::{By, EngineError};

/// The page; where it `acts`, after the address was taken from the list. Mail programs do that by themselves (RFC 8058), so there is
/// nothing to be filled in.
pub(super) async fn page(opened: &Opened<'_>, team: &str, address: &str, acts: bool) -> Page {
    if !acts {
        let token = opened.beside(opened.link.purpose.clone());
        let context = json!({ "team": team, "address": address, "token": token });
        return Page::new(StatusCode::OK, "unsubscribe.html", context);
    }
    let engine = opened.engine.acting(By::new(address, "mail"));
    match engine.unsubscribe(team, address).await {
        Ok(()) => Page::done("Done", &format!("{address} gets no more daily summaries of {team}.")),
        Err(EngineError::NotFound { .. }) => {
            let text = "There is no such team any more, so it sends no summaries.";
            Page::problem(StatusCode::NOT_FOUND, "This team is not known", text)
        }
        Err(error) => failed(&error),
    }
}
