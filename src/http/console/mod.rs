//! The console: pages for ops, marketers and Studio authors, made on the server from `templates/console/`.
//!
//! One file per page or pair of pages, each with its `routes()`. A page is asked for with a [`visit::Visit`], which knows who asks;
//! what a form sends is read through [`form::Form`], which lets nobody in who may not do it.

mod assets;
mod audiences;
mod back;
mod calendar;
mod chart;
mod deliveries;
mod destination_edit;
mod destinations;
mod faults;
mod first_post;
mod flows;
mod form;
mod frame;
mod journeys;
mod live;
mod overview;
mod page;
mod people;
mod remove;
mod render;
mod settings;
mod sources;
mod teams;
mod texts;
mod users;
mod visit;

#[cfg(test)]
mod tests;

use actix_web::http::header::{CACHE_CONTROL, LOCATION, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpResponse, web};

use crate::domain::limits;
use crate::http::reply;

use self::page::{Answer, Refusal};
use self::visit::Visit;

/// Where all pages are.
const PREFIX: &str = "/console";

/// Registers the pages. The app needs `web::Data<ApiState>`.
pub fn configure(config: &mut web::ServiceConfig) {
    let front = web::resource("/").route(web::get().to(|| async { see("/console") }));
    config.service(front.default_service(web::to(reply::not_found)));
    // Downloads, streams and what is refused are nobody's to keep, either; what may be kept says so itself.
    let careful =
        DefaultHeaders::new().add((CACHE_CONTROL, "no-store")).add((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    let pages = web::scope(PREFIX)
        .wrap(careful)
        .app_data(web::PayloadConfig::new(limits::MAX_API_BODY))
        .configure(assets::routes)
        .configure(flows::routes)
        .configure(teams::routes)
        .configure(frame::routes)
        .configure(live::routes)
        .configure(journeys::routes)
        .configure(overview::routes)
        .configure(people::routes)
        .configure(users::routes)
        .configure(deliveries::routes)
        .configure(destination_edit::routes)
        .configure(destinations::routes)
        .configure(sources::routes)
        .configure(remove::routes)
        .configure(audiences::routes)
        .default_service(web::to(no_such_page));
    config.service(web::resource("/favicon.ico").route(web::get().to(assets::favicon)));
    config.service(people::first_admin()).service(pages);
}

async fn no_such_page(visit: Visit) -> Answer {
    Err(Refusal::not_found(&visit, "page"))
}

/// Go and look there.
fn see(place: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, place))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}
