//! What browsers ask before and after they post from another origin.

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};

/// The answer to OPTIONS: any origin may post, since what it may do depends on its write key alone.
pub(super) fn preflight(request: &HeaderMap) -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    let allowed = HeaderValue::from_static("authorization, content-type, x-retry-count");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    mark(request, headers);
    if !request.contains_key(ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

/// Lets the page that asked read the answer. The origin is echoed: with credentials, browsers do not take `*`.
pub(super) fn mark(request: &HeaderMap, response: &mut HeaderMap) {
    let Some(origin) = request.get(ORIGIN) else { return };
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    response.insert(VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_echoed() {
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, HeaderValue::from_static("https://shop.example.com"));
        let response = preflight(&request);
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
        assert_eq!(response.status(), 204);
        assert_eq!(header(ACCESS_CONTROL_ALLOW_ORIGIN), "https://shop.example.com");
        assert_eq!(header(ACCESS_CONTROL_ALLOW_CREDENTIALS), "true");
        assert_eq!(header(ACCESS_CONTROL_ALLOW_HEADERS), "authorization, content-type, x-retry-count");
        assert_eq!(header(ACCESS_CONTROL_MAX_AGE), "86400");
        assert_eq!(header(VARY), "Origin");

        let plain = preflight(&HeaderMap::new());
        assert_eq!(plain.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert!(!plain.headers().contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
