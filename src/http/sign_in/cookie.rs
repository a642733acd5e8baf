//! The cookie that holds a session's secret.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};

use crate::domain::limits;
use crate::http::api::ApiState;

/// Its name where the connection is not encrypted.
const PLAIN: &str = "stagepost_session";
/// Its name where it is: no other host of the domain, and no page without TLS, can set a cookie of that name.
const SECURE: &str = "__Host-stagepost_session";

/// Whether browsers come by HTTPS: here, or to the proxy in front.
pub fn is_secure(request: &HttpRequest, state: &ApiState) -> bool {
    request.app_config().secure() || state.public_url.starts_with("https://")
}

fn name(request: &HttpRequest, state: &ApiState) -> &'static str {
    if is_secure(request, state) { SECURE } else { PLAIN }
}

/// The secret that the request brings.
pub(super) fn secret(request: &HttpRequest, state: &ApiState) -> Option<String> {
    request.cookie(name(request, state)).map(|cookie| cookie.value().to_owned()).filter(|it| !it.is_empty())
}

/// The cookie of that session.
pub(super) fn with(secret: String, request: &HttpRequest, state: &ApiState) -> Cookie<'static> {
    cookie(secret, Duration::seconds(limits::SESSION_LIFE.millis() / 1000), request, state)
}

/// The cookie that takes it away.
pub(super) fn without(request: &HttpRequest, state: &ApiState) -> Cookie<'static> {
    cookie(String::new(), Duration::ZERO, request, state)
}

fn cookie(value: String, age: Duration, request: &HttpRequest, state: &ApiState) -> Cookie<'static> {
    Cookie::build(name(request, state), value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_secure(request, state))
        .max_age(age)
        .finish()
}
