//! Where a form goes back to: it says so itself, so whoever makes a link to it can say so, too.

use super::page::Answer;
use super::visit::Visit;
use super::{PREFIX, see};

/// Pages that nobody wants to come back to.
const PASSED: [&str; 2] = ["/console/sign-in", "/console/sign-out"];

/// Answers the address of a form, opened as a page: what answered the form is not there any more, the page that it stands on is.
pub(super) async fn to_page(visit: Visit) -> Answer {
    Ok(see(visit.path.rsplit_once('/').map_or(PREFIX, |(page, _)| page)))
}

/// `place` where it is a page of the console, otherwise the first page: neither `//elsewhere` nor `https://elsewhere`, nor what
/// a browser, or a header, could take for the end of the path.
pub(super) fn own_page(place: &str) -> &str {
    let path = place.split(['?', '#']).next().unwrap_or_default();
    let is_ours = path == PREFIX || path.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('/'));
    let is_plain = place.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let leads_up = path.split('/').any(|part| part == ".." || part.to_ascii_lowercase().contains("%2e"));
    if is_ours && is_plain && !leads_up && !PASSED.contains(&path) { place } else { PREFIX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_console_are_gone_back_to() {
        for own in
            ["/console", "/console/journeys?status=stalled&from=a..b", "/console/users/a%2Fb", "/console?x=1"]
        {
            assert_eq!(own_page(own), own);
        }
        for other in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/console/",
            "/consolevil",
            "/console@evil.example",
            "/\\evil.example",
            "/console/\\evil.example",
            "/console/../api/docs",
            "/console/%2e%2E//evil.example",
            "/console/\r\nSet-Cookie: a=b",
            "/console/\u{20ac}",
            "javascript:alert(1)",
            "/console/sign-in?back=/console",
            "/console/sign-out",
        ] {
            assert_eq!(own_page(other), "/console", "{other:?}");
        }
    }
}
