//! Styles, scripts and pictures: built in, and cached by browsers for as long as they stay the same.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, web};
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/console/assets");

/// Changes whenever one of the files does.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    FILES.files().for_each(|file| hash.update(file.contents()));
    hex::encode(&hash.finalize()[..6])
});

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/assets/{version}/{name}").route(web::get().to(file)));
}

/// Where the file with that name is.
pub(super) fn url(name: &str) -> String {
    format!("{}/assets/{}/{name}", super::PREFIX, *VERSION)
}

async fn file(path: web::Path<(String, String)>) -> HttpResponse {
    let (version, name) = path.into_inner();
    // A page that is older than the server asks for the file as it was; it gets the one there is, and must not keep it.
    answer(&name, if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-store" })
}

/// What browsers ask for beside an answer that is no page: a document, a download.
pub(super) async fn favicon() -> HttpResponse {
    answer("icon.svg", "public, max-age=86400")
}

fn answer(name: &str, kept: &str) -> HttpResponse {
    let Some(file) = FILES.get_file(name) else { return HttpResponse::NotFound().finish() };
    let kind = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CACHE_CONTROL, kept))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(file.contents())
}
