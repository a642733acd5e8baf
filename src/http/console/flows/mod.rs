//! Flows: what goes on in each, its ladder, and the editor of that.

mod edit;
mod faults;
mod form;
mod list;
mod one;
mod preview;
pub(super) mod words;

use actix_web::web;

pub(super) use list::standing_of;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/flows").route(web::get().to(list::list)))
        .service(web::resource("/flows/{name}").route(web::get().to(one::one)))
        .service(
            web::resource("/flows/{name}/edit")
                .route(web::get().to(edit::show))
                .route(web::post().to(edit::change)),
        )
        .service(web::resource("/flows/{name}/preview").route(web::get().to(preview::mail)));
}
