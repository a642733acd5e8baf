//! Journeys: the inbox of those that wait for a human, the list of all, and one with its timeline.

mod act;
mod inbox;
mod list;
mod one;
mod shown;
mod timeline;

use actix_web::web;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/inbox").route(web::get().to(inbox::inbox)))
        .service(web::resource("/journeys").route(web::get().to(list::list)))
        .service(
            web::resource("/journeys/{id}").route(web::get().to(one::one)).route(web::post().to(act::act)),
        );
}
