//! No page of another site signs somebody in: he would then work in an account that is not his.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, ORIGIN};
use url::Url;

use super::Refused;

/// Refuses what a page of another site made a browser send. Browsers say where a request comes from, older ones and those without TLS
/// only the page's address; what says neither is no browser.
pub(super) fn refuse_others(request: &HttpRequest, public_url: &str) -> Result<(), Refused> {
    let said = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("another"));
    let is_ours = match (said("sec-fetch-site"), said(ORIGIN.as_str())) {
        // Another host of the same domain is another site to us.
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_own(origin, said(HOST.as_str()), public_url),
        (None, None) => true,
    };
    if is_ours { Ok(()) } else { Err(Refused::CrossSite) }
}

/// Whether a page's origin is where this request went, or where the server is reached from outside.
fn is_own(origin: &str, host: Option<&str>, public_url: &str) -> bool {
    let origin_of = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    let Some(origin) = Url::parse(origin).ok() else { return false };
    let went_to = host.and_then(|host| origin_of(&format!("{}://{host}", origin.scheme())));
    let origin = origin.origin();
    origin.is_tuple()
        && (went_to.as_ref() == Some(&origin) || origin_of(public_url).as_ref() == Some(&origin))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn is_refused(headers: &[(&str, &str)]) -> bool {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.insert_header(*header);
        }
        refuse_others(&request.to_http_request(), "https://s.example").is_err()
    }

    #[test]
    fn browsers_say_whose_page_it_was() {
        for (site, refused) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true), ("x", true)]
        {
            assert_eq!(is_refused(&[("sec-fetch-site", site)]), refused, "{site}");
        }
        assert!(!is_refused(&[]), "no browser");
    }

    #[test]
    fn without_that_the_pages_address_tells() {
        for (origin, refused) in [
            ("http://10.0.0.1:8080", false),
            ("https://s.example", false),
            ("https://s.example:443", false),
            ("http://10.0.0.1", true),
            ("http://s.example", true),
            ("https://evil.example", true),
            ("https://s.example.evil.example", true),
            ("null", true),
            ("", true),
        ] {
            assert_eq!(is_refused(&[("host", "10.0.0.1:8080"), ("origin", origin)]), refused, "{origin}");
        }
    }
}
