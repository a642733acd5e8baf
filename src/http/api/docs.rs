//! `GET /api/docs`: the OpenAPI document in Swagger UI, whose files are part of this program; nothing is loaded from elsewhere,
//! and no script stands in the page.

use std::fmt::Write;
use std::io::Write as _;
use std::sync::LazyLock;

use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Answer;
use super::params::{NoParams, Params};
use crate::http::problem::{ApiProblem, Code};

/// What the page may load and do: its own files only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One file of the page.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    /// The same, made once it is asked for: the script is large, and most of those who ask take it like this.
    gzipped: LazyLock<Option<Vec<u8>>>,
}

macro_rules! asset {
    ($name:literal, $content_type:literal) => {{
        const PLAIN: &[u8] = include_bytes!(concat!("swagger/", $name));
        Asset {
            name: $name,
            content_type: concat!($content_type, "; charset=utf-8"),
            plain: PLAIN,
            gzipped: LazyLock::new(|| gzip(PLAIN)),
        }
    }};
}

static ASSETS: [Asset; 5] = [
    asset!("swagger-ui.css", "text/css"),
    asset!("swagger-ui-bundle.js", "text/javascript"),
    asset!("page.css", "text/css"),
    asset!("start.js", "text/javascript"),
    asset!("LICENSE", "text/plain"),
];

fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

pub(super) async fn page(_: NoParams) -> Answer {
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("X-Frame-Options", "DENY"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .insert_header(("Content-Security-Policy", POLICY))
        .body(render()))
}

/// A file of the page. Its address has the version in it, so that it may be kept.
pub(super) async fn asset(request: HttpRequest, name: web::Path<String>) -> Answer {
    Params::read(&request, &["v"])?;
    let asset = ASSETS.iter().find(|asset| asset.name == name.as_str()).ok_or_else(|| {
        ApiProblem::new(Code::NotFound, "there is no such file; /api/docs is the page that has some")
    })?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(asset.content_type)
        .insert_header(("Cache-Control", "public, max-age=86400"))
        .insert_header(("Vary", "Accept-Encoding"))
        .insert_header(("X-Content-Type-Options", "nosniff"));
    let takes_gzip = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes_gzip = takes_gzip.is_some_and(|value| value.split([',', ';', ' ']).any(|word| word == "gzip"));
    match asset.gzipped.as_ref().filter(|_| takes_gzip) {
        Some(gzipped) => Ok(answer.insert_header((CONTENT_ENCODING, "gzip")).body(gzipped.as_slice())),
        None => Ok(answer.body(asset.plain)),
    }
}

fn render() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>stagepost API</title>\
         <link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"/api/docs/swagger-ui.css?v={version}\">\
         <link rel=\"stylesheet\" href=\"/api/docs/page.css?v={version}\">\
         <script src=\"/api/docs/swagger-ui-bundle.js?v={version}\" defer></script>\
         <script src=\"/api/docs/start.js?v={version}\" defer></script></head><body>\
         <main><div id=\"swagger-ui\"><noscript>This page needs JavaScript. The same as a document: \
         <a href=\"/api/openapi.json\">openapi.json</a></noscript></div>"
    );
    codes(&mut html);
    html.push_str(
        "</main><footer>Shown by Swagger UI, under the <a href=\"/api/docs/LICENSE\">Apache License 2.0</a>.</footer>\
         </body></html>\n",
    );
    html
}

/// Every code of an error: its `type` leads here.
fn codes(html: &mut String) {
    html.push_str(
        "<section class=\"codes\"><h2>Errors</h2><table><thead><tr><th scope=\"col\">code</th>\
         <th scope=\"col\">status</th><th scope=\"col\">title</th></tr></thead><tbody>",
    );
    for code in Code::ALL {
        let (name, status, title) = (code.as_str(), code.status().as_u16(), code.title());
        let _ = write!(
            html,
            "<tr id=\"{name}\"><th scope=\"row\"><code>{name}</code></th><td>{status}</td><td>{title}</td></tr>"
        );
    }
    html.push_str("</tbody></table></section>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_code_and_no_script_in_it() {
        let html = render();
        for code in Code::ALL {
            assert!(html.contains(&format!("<tr id=\"{}\">", code.as_str())), "{}", code.as_str());
            assert!(!code.title().contains(['<', '&']), "{}: it stands in a page", code.title());
        }
        assert!(html.matches("<script").count() == html.matches("<script src=\"/api/docs/").count());
        assert!(!html.contains(" style=") && !html.contains(" onload="));
    }

    #[test]
    fn the_page_names_the_files_that_are_there() {
        let html = render();
        for asset in &ASSETS {
            assert!(html.contains(&format!("/api/docs/{}", asset.name)), "{} is not used", asset.name);
        }
        let named = html.matches("=\"/api/docs/").count();
        assert_eq!(named, ASSETS.len());
    }
}
