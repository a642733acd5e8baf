//! Journeys: the inbox of those that wait for a human, the list of all, and one with its timeline.

mod act;
mod inbox;
mod list;
mod one;
mod shown;
mod timeline;
mod waiting;

use actix_web::web;

pub(super) use waiting::count as count_waiting;

/// Rows of a page.
const ROWS: usize = 50;
/// About as many journeys are looked at for one page: what is rare is looked for on the next one.
const LOOKED_AT: usize = 1000;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/inbox").route(web::get().to(inbox::inbox)))
        .service(web::resource("/journeys").route(web::get().to(list::list)))
        .service(
            web::resource("/journeys/{id}").route(web::get().to(one::one)).route(web::post().to(act::act)),
        );
}
