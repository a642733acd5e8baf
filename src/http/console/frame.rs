//! What stands around every page: the navigation, who has signed in, what was just done, the theme.

use std::collections::BTreeMap;

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::form::Form;
use super::page::Answer;
use super::visit::Visit;
use super::{back, see, texts};
use crate::domain::people::Scope;
use crate::http::sign_in;

/// How long a browser remembers the theme.
const THEME_DAYS: i64 = 365;

/// A link of the navigation: its name (in `texts.toml`, `nav`), its place, and what one has to be allowed to do to see it.
type Link = (&'static str, &'static str, Scope);

/// The sections, with their names and links.
pub(super) const SECTIONS: [(&str, &[Link]); 4] = [
    (
        "watch",
        &[
            ("overview", "/console", Scope::Read),
            ("inbox", "/console/inbox", Scope::Read),
            ("journeys", "/console/journeys", Scope::Read),
            ("flows", "/console/flows", Scope::Read),
            ("live", "/console/live", Scope::Read),
        ],
    ),
    (
        "know",
        &[
            ("audiences", "/console/audiences", Scope::Read),
            ("traits", "/console/traits", Scope::Read),
            ("users", "/console/users", Scope::Read),
        ],
    ),
    (
        "connect",
        &[
            ("destinations", "/console/destinations", Scope::Read),
            ("deliveries", "/console/deliveries", Scope::Read),
            ("sources", "/console/sources", Scope::Read),
        ],
    ),
    (
        "manage",
        &[
            ("people", "/console/people", Scope::People),
            ("tokens", "/console/tokens", Scope::People),
            ("audit", "/console/audit", Scope::People),
            ("api", "/api/docs", Scope::Read),
            ("me", "/console/me", Scope::Read),
        ],
    ),
];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/theme").route(web::post().to(choose_theme)));
}

/// The frame of a page for that visit.
pub(super) fn of_visit(visit: &Visit) -> Value {
    let session = visit.caller.session.as_ref();
    // Which of both that of the system is, the browser knows: it shows the other one's button.
    let themes: Vec<&str> = ["light", "dark"].into_iter().filter(|theme| *theme != visit.theme).collect();
    json!({
        "nav": navigation(visit),
        "url": visit.with(&[("said", None)]),
        "theme": visit.theme,
        "themes": themes,
        "shown": session.map_or(visit.caller.name.as_str(), |session| session.shown.as_str()),
        "role": session.map_or("", |session| session.role),
        "may": Scope::ALL.iter().map(|scope| (scope.as_str(), visit.caller.may(*scope))).collect::<BTreeMap<_, _>>(),
        "csrf": session.map_or("", |session| session.csrf.as_str()),
        "said": said(visit.asked("said")),
        "now": visit.now,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// The frame of a page for somebody who is not known.
pub(super) fn of_nobody() -> Value {
    json!({ "theme": "", "said": null, "csrf": "" })
}

/// The same, in the theme of his browser, and with what was just done.
pub(super) fn of_stranger(request: &HttpRequest) -> Value {
    let query = form_urlencoded::parse(request.query_string().as_bytes());
    let name = query.into_iter().find(|(name, _)| name == "said").map(|(_, value)| value);
    json!({ "theme": theme(request), "said": said(name.as_deref()), "csrf": "" })
}

/// The theme that was chosen: `light`, `dark`, or empty for that of the system.
pub(super) fn theme(request: &HttpRequest) -> String {
    let theme = request.cookie("theme").map(|cookie| cookie.value().to_owned());
    theme.filter(|theme| matches!(theme.as_str(), "light" | "dark")).unwrap_or_default()
}

/// What was just done, by its name in `texts.toml`, `said`: whoever makes a link can only choose among those.
fn said(name: Option<&str>) -> Value {
    let name = name.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    let text = name.and_then(|name| texts::all()["said"][name].as_str());
    text.map_or(Value::Null, |text| json!({ "kind": "good", "text": text }))
}

fn navigation(visit: &Visit) -> Value {
    let link = |(name, place, scope): &(&str, &str, Scope)| {
        let inside = *place != "/console" && visit.path.starts_with(&format!("{place}/"));
        let here = visit.path == *place || inside;
        visit.caller.may(*scope).then(|| json!({ "name": name, "href": place, "here": here }))
    };
    let group = |(name, links): &(&str, &[(&str, &str, Scope)])| {
        let links: Vec<Value> = links.iter().filter_map(link).collect();
        (!links.is_empty()).then(|| json!({ "name": name, "links": links }))
    };
    SECTIONS.iter().filter_map(group).collect()
}

/// Keeps the theme in a cookie and goes back to where it was chosen.
async fn choose_theme(visit: Visit, form: Form, request: HttpRequest) -> Answer {
    let fields = form.admitted(&visit, Scope::Read)?;
    let theme = fields.text("theme");
    // Neither of them is that of the system: the cookie goes.
    let (theme, age) = if matches!(theme, "light" | "dark") { (theme, THEME_DAYS) } else { ("", 0) };
    let cookie = Cookie::build("theme", theme)
        .path("/")
        .http_only(true)
        .secure(sign_in::is_secure(&request, &visit.state))
        .same_site(SameSite::Lax)
        .max_age(Duration::days(age))
        .finish();
    let mut response: HttpResponse = see(back::own_page(fields.text("back")));
    // A cookie of plain letters is always one.
    if response.add_cookie(&cookie).is_err() {
        tracing::warn!("the theme could not be kept");
    }
    Ok(response)
}
