//! Answers that every part of the server gives alike.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

/// A JSON answer that nobody may cache. The content type is exactly `application/json`: with a charset behind it, Studio
/// would not parse the body.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.body(body.into())
}

/// The answer to a path where there is nothing; for the server's default service.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    let path: String = request.path().chars().take(200).collect();
    let message = format!("there is nothing at {} {path}", request.method());
    let body = json!({"success": false, "code": "not_found", "message": message});
    json(StatusCode::NOT_FOUND, body.to_string())
}
