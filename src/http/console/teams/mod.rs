//! Teams: when they work, who of them is on call, and the editor of that.

mod edit;
mod form;
mod list;

use actix_web::web;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/teams").route(web::get().to(list::list)))
        .service(
            web::resource("/teams/new").route(web::get().to(edit::new)).route(web::post().to(edit::make)),
        )
        .service(
            web::resource("/teams/{key}/edit")
                .route(web::get().to(edit::show))
                .route(web::post().to(edit::change)),
        );
}
