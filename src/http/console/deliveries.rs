//! Everything that left or is to leave: a list with filters, and one delivery with its attempts.

use actix_web::web;
use serde_json::{Value, json};

use super::form::Form;
use super::page::{Answer, Refusal};
use super::see;
use super::visit::Visit;
use crate::domain::delivery::{DeliveryFilter, DeliveryStatus, EMAIL};
use crate::domain::ids::{DeliveryId, UserKey};
use crate::domain::page::{Page, PageRequest};
use crate::domain::people::Scope;
use crate::engine::{Counts, EngineError};
use crate::http::api::deliveries::{summary, whole};
use crate::http::problem::ApiProblem;

/// Rows of a page.
const ROWS: usize = 50;
/// Most deliveries that are looked at for one page: what is rare is looked for on the next one.
pub(super) const LOOKED_AT: usize = 1000;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/deliveries").route(web::get().to(list)))
        .service(web::resource("/deliveries/{id}").route(web::get().to(one)))
        .service(web::resource("/deliveries/{id}/replay").route(web::post().to(replay)));
}

async fn list(visit: Visit) -> Answer {
    let filter = filter(&visit)?;
    let page = PageRequest { limit: ROWS, cursor: visit.asked("cursor").map(str::to_owned) };
    let counts = visit.engine().counts().await.map_err(|error| Refusal::of(&visit, error))?;
    let found = async {
        if !is_any(&counts, &filter) {
            return Ok(Page { rows: Vec::new(), cursor: None });
        }
        // What an index has in the order of the list needs no search.
        let is_of_status = filter.status.is_some_and(|status| status != DeliveryStatus::Delivered);
        let is_of_any = filter.status.is_none() && filter.destination.is_none();
        let is_search = filter.text.is_some() || !(filter.user.is_some() || is_of_status || is_of_any);
        let _turn = if is_search { Some(visit.state.search_turn().await?) } else { None };
        visit.engine().deliveries(&filter, &page).await
    };
    let page: Page<_> = found.await.map_err(|error: EngineError| Refusal::of(&visit, error))?;
    let rows: Vec<Value> = page.rows.iter().map(summary).collect();
    let definitions = visit.engine().definitions();
    let destinations: Vec<&str> =
        definitions.destinations.keys().map(String::as_str).chain([EMAIL]).collect();
    Ok(visit.page(
        "deliveries.html",
        json!({
            "rows": rows,
            "next": visit.next(page.cursor.as_deref()),
            "destinations": destinations,
            "statuses": DeliveryStatus::ALL.map(DeliveryStatus::as_str),
            "filter": {
                "destination": visit.asked("destination"),
                "status": visit.asked("status"),
                "userId": visit.asked("userId"),
                "httpStatus": visit.asked("httpStatus"),
                "q": visit.asked("q"),
            },
        }),
    ))
}

/// Whether there is any delivery to that destination with that status: the totals know.
fn is_any(counts: &Counts, filter: &DeliveryFilter) -> bool {
    counts.deliveries.iter().any(|((destination, status), count)| {
        *count > 0
            && filter.destination.as_ref().is_none_or(|wanted| wanted == destination)
            && filter.status.is_none_or(|wanted| wanted.as_str() == *status)
    })
}

fn filter(visit: &Visit) -> Result<DeliveryFilter, Refusal> {
    let known = |name: &str| {
        DeliveryStatus::from_name(name).ok_or_else(|| Refusal::invalid(visit, format!("status: `{name}`")))
    };
    let code =
        |code: &str| code.parse().map_err(|_| Refusal::invalid(visit, format!("httpStatus: `{code}`")));
    Ok(DeliveryFilter {
        destination: visit.asked("destination").map(str::to_owned),
        status: visit.asked("status").map(known).transpose()?,
        user: visit.asked("userId").map(UserKey::user),
        http_status: visit.asked("httpStatus").map(code).transpose()?,
        text: visit.asked("q").map(str::to_owned),
        looks: Some(LOOKED_AT),
        ..DeliveryFilter::default()
    })
}

async fn one(visit: Visit, id: web::Path<String>) -> Answer {
    let id: DeliveryId = id.parse().map_err(|_| Refusal::not_found(&visit, "delivery"))?;
    let found = visit.engine().delivery(id).await.map_err(|error| Refusal::of(&visit, error))?;
    let delivery = found.ok_or_else(|| Refusal::not_found(&visit, "delivery"))?;
    let can_replay = delivery.status != DeliveryStatus::Pending;
    Ok(visit.page("delivery.html", json!({ "delivery": whole(&delivery), "can_replay": can_replay })))
}

async fn replay(visit: Visit, id: web::Path<String>, form: Form) -> Answer {
    form.admitted(&visit, Scope::Operate)?;
    let id: DeliveryId = id.parse().map_err(|_| Refusal::not_found(&visit, "delivery"))?;
    let engine = visit.engine().acting(visit.caller.by());
    engine.replay_one(id).await.map_err(|error| Refusal::of(&visit, ApiProblem::from(error)))?;
    Ok(see(&format!("/console/deliveries/{id}?said=replayed")))
}
