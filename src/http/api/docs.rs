//! `GET /api/docs`: the OpenAPI document as one plain page; no scripts, nothing loaded from elsewhere.

use std::fmt::Write;

use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::Answer;
use super::openapi;
use super::params::NoParams;
use super::state::ApiState;
use crate::http::problem::Code;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1c1c1c;background:#fff}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin-bottom:.25rem}\
code,h3{font-family:ui-monospace,monospace}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #eee}\
@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}a{color:#8ab4f8}}";

pub(super) async fn page(state: web::Data<ApiState>, _: NoParams) -> Answer {
    let document = openapi::filled_in(&state.public_url)?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header((
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ))
        .body(render(&document)))
}

fn render(document: &Value) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>stagepost API</title>\
         <style>{STYLE}</style></head><body><h1>{} {}</h1><p>{}</p>\
         <p>The same as a document: <a href=\"/api/openapi.json\">openapi.json</a></p>",
        text(&document["info"]["title"]),
        text(&document["info"]["version"]),
        text(&document["info"]["description"]),
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let _ = write!(html, "<h2>{}</h2><p>{}</p>", text(&tag["name"]), text(&tag["description"]));
        calls(&mut html, document, &tag["name"]);
    }
    codes(&mut html);
    html.push_str("</body></html>\n");
    html
}

fn calls(html: &mut String, document: &Value, tag: &Value) {
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, call) in item.as_object().into_iter().flatten() {
            if call["tags"].as_array().is_some_and(|tags| tags.contains(tag)) {
                one(html, document, path, item, method, call);
            }
        }
    }
}

fn one(html: &mut String, document: &Value, path: &str, item: &Value, method: &str, call: &Value) {
    let _ = write!(
        html,
        "<h3 id=\"{}\">{} {}</h3><p>{}</p>",
        text(&call["operationId"]),
        escape(&method.to_uppercase()),
        escape(path),
        text(&call["summary"]),
    );
    if call["description"].is_string() {
        let _ = write!(html, "<p>{}</p>", text(&call["description"]));
    }
    html.push_str("<table>");
    let shared = item["parameters"].as_array().into_iter().flatten();
    for parameter in shared.chain(call["parameters"].as_array().into_iter().flatten()) {
        let parameter = resolved(document, parameter);
        row(html, &format!("<code>{}</code>", text(&parameter["name"])), &text(&parameter["description"]));
    }
    for (status, answer) in call["responses"].as_object().into_iter().flatten() {
        row(html, &escape(status), &text(&resolved(document, answer)["description"]));
    }
    html.push_str("</table>");
}

fn row(html: &mut String, head: &str, cell: &str) {
    let _ = write!(html, "<tr><th scope=\"row\">{head}</th><td>{cell}</td></tr>");
}

fn codes(html: &mut String) {
    html.push_str("<h2>Errors</h2><table>");
    for code in Code::ALL {
        let name = code.as_str();
        let _ = write!(
            html,
            "<tr id=\"{name}\"><th scope=\"row\"><code>{name}</code></th><td>{}</td><td>{}</td></tr>",
            code.status().as_u16(),
            escape(code.title()),
        );
    }
    html.push_str("</table>");
}

/// What a reference stands for, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_every_call_and_every_code() {
        let document = openapi::filled_in("").unwrap();
        let html = render(&document);
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, call) in item.as_object().unwrap() {
                if method != "parameters" {
                    let anchor = format!("<h3 id=\"{}\">", call["operationId"].as_str().unwrap());
                    assert!(html.contains(&anchor), "{method} {path} has no tag that is listed");
                }
            }
        }
        assert!(html.contains("id=\"invalid_query\""));
        assert!(!html.contains("<script"));
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("<b>\"&\"</b>"), "&lt;b&gt;&quot;&amp;&quot;&lt;/b&gt;");
    }
}
