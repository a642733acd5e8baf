//! What answers say beside their bodies: who may keep them, who may frame them, and what cookies are good for. Pages that links
//! lead to are looked at in the browser, too.

use serde_json::json;

use stagepost::domain::people::Role;

use crate::app::{Setup, TestApp, app};
use crate::console::{PASSWORD, Visitor};
use crate::http::Got;

/// What a page may load and do; who embeds it is said twice, for old browsers.
const PAGE: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "default-src 'none'"),
    ("content-security-policy", "frame-ancestors 'none'"),
];
/// What somebody's data, and what is refused, may be: read once, and nothing but what they say they are.
const DATA: [(&str, &str); 2] = [("cache-control", "no-store"), ("x-content-type-options", "nosniff")];
/// What is the same for everybody.
const KEPT: [(&str, &str); 2] =
    [("cache-control", "public, max-age="), ("x-content-type-options", "nosniff")];

#[track_caller]
fn says(path: &str, got: &Got, told: &[(&str, &str)]) {
    for (name, words) in told {
        assert!(
            got.header(name).contains(words),
            "{path}: {name} is `{}`, without `{words}`",
            got.header(name)
        );
    }
    let policy = got.header("content-security-policy");
    assert!(path.ends_with("template=no_reply") || !policy.contains("unsafe"), "{path}: {policy}");
}

async fn filled() -> TestApp {
    let app = app().await;
    let level = json!({ "stage": "no_reply", "after": "30m", "channel": "email", "to": ["ops@example.com"], "template": "no_reply" });
    app.apply(&json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "flow": [{ "name": "reminder", "escalation": [level] }],
        "audience": [{ "name": "Buyers", "query": "event('Bought').count() >= 1" }],
        "trait": [{ "name": "Orders", "query": "event('Bought').count()" }],
    }))
    .await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_somebodys_is_kept_and_nothing_is_framed() {
    let app = filled().await;
    let (ann, stranger) = (Visitor::signed_in(&app, Role::Admin).await, Visitor::stranger(&app));
    let page = ann.get("/console").await.text();
    let asset = page.split('"').find(|part| part.ends_with("/style.css")).expect("a style").to_owned();
    let asset = asset.as_str();
    let mail = "/console/flows/reminder/preview?template=no_reply";
    for (who, path, status, told) in [
        (&ann, "/console", 200, &PAGE[..]),
        (&ann, "/console/audiences/buyers", 200, &PAGE),
        (&ann, "/console/nothing", 404, &PAGE),
        (&ann, "/console/audiences/buyers/members.csv", 200, &DATA),
        (&ann, "/console/traits/orders/values.csv?guard=true", 200, &DATA),
        (&ann, "/console/audiences/nothing/members.csv", 404, &DATA),
        (&ann, mail, 200, &DATA),
        (&ann, "/api/me", 200, &DATA),
        (&ann, "/api/audiences/buyers/members.csv", 200, &DATA),
        (&stranger, "/console", 303, &DATA),
        (&stranger, "/console/audiences/buyers/members.csv", 303, &DATA),
        (&stranger, "/console/sign-in", 200, &PAGE),
        (&stranger, "/api/me", 401, &DATA),
        (&stranger, "/setup/nothing", 404, &PAGE),
        (&stranger, "/act/nothing", 404, &PAGE),
        (&stranger, "/api/docs", 200, &PAGE),
        (&stranger, "/api/openapi.json", 200, &DATA),
        (&stranger, "/", 303, &DATA[..1]),
        (&stranger, "/nothing", 404, &DATA[..1]),
        (&stranger, asset, 200, &KEPT),
        (&stranger, "/favicon.ico", 200, &KEPT),
        (&stranger, "/console/assets/before/style.css", 200, &DATA),
        (&stranger, "/console/assets/before/nothing.css", 404, &DATA),
    ] {
        says(path, &who.get(path).await.expect(status), told);
    }
    let framed = ann.get(mail).await;
    says(
        mail,
        &framed,
        &[("content-security-policy", "sandbox;"), ("content-security-policy", "frame-ancestors 'self'")],
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_no_use_to_scripts_and_other_sites() {
    for (address, secure) in [(None, false), (Some("https://s.example"), true)] {
        let setup = address.into_iter().fold(Setup::new(), Setup::at);
        let app = setup.start().await;
        let mut ann = Visitor::signed_in(&app, Role::Viewer).await;
        let begun = ann.sign_in("viewer@example.com", PASSWORD).await.expect(303);
        let csrf = ann.csrf().await;
        let cookie = ann.cookie.clone();
        let themed = ann.send("/console/theme", &[("csrf", &csrf), ("theme", "dark")]).await.expect(303);
        ann.cookie = cookie;
        let ended = ann.send("/console/sign-out", &[("csrf", &csrf)]).await.expect(303);
        for (got, name) in [(&begun, "session="), (&themed, "theme="), (&ended, "session=")] {
            let cookie = got.header("set-cookie");
            assert!(cookie.contains(name), "{cookie}");
            let parts: Vec<&str> = cookie.split("; ").skip(1).collect();
            assert!(parts.contains(&"Path=/") && parts.contains(&"SameSite=Lax"), "{cookie}");
            assert!(parts.contains(&"HttpOnly"), "no script reads it: {cookie}");
            assert_eq!(parts.contains(&"Secure"), secure, "{cookie}");
            assert!(!cookie.contains("Domain"), "other hosts are sent it: {cookie}");
            says("a cookie", got, &DATA);
        }
        app.finish().await;
    }
}
