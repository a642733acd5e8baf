//! `/api/traits`: computed traits. There are none in this version, and the calls say so.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::Answer;
use super::endpoint::Endpoint;
use super::params::NoParams;
use crate::http::problem::{ApiProblem, Code};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/traits").get(list).post(refuse),
        Endpoint::at("/api/traits/{key}").get(missing).put(refuse).delete(missing),
    ]
}

async fn list(_: NoParams) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "traits": [] }))
}

async fn refuse(_: NoParams) -> Answer {
    Err(ApiProblem::new(Code::NotAvailable, "computed traits are not available in this version"))
}

async fn missing(key: web::Path<String>, _: NoParams) -> Answer {
    Err(ApiProblem::not_found("trait", &key))
}
