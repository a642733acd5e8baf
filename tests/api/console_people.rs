//! The console's pages on people, tokens, the audit log and one's own account.

use serde_json::json;

use stagepost::domain::people::Role;
use stagepost::domain::time::Span;

use crate::app::app;
use crate::console::{PASSWORD, Visitor};
use crate::http::send;

const HOSTILE: &str = "<b onmouseover=alert(1)>'\"&";
const ESCAPED: &str = "&lt;b onmouseover=alert(1)&gt;&#39;&quot;&amp;";

/// What stands in the `pre` with that id.
#[track_caller]
fn shown<'p>(page: &'p str, id: &str) -> &'p str {
    let (_, rest) =
        page.split_once(&format!("<pre id=\"{id}\" tabindex=\"0\">")).unwrap_or_else(|| panic!("{page}"));
    rest.split("</pre>").next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sets_his_own_name_password_and_theme() {
    let app = app().await;
    let mut ann = Visitor::signed_in(&app, Role::Viewer).await;
    assert!(ann.post("/console/me/name", &[("name", "")]).await.expect(422).text().contains("is empty"));
    ann.post("/console/me/name", &[("name", HOSTILE)]).await.expect(303);
    let page = ann.get("/console/me?said=saved").await.expect(200).text();
    assert!(page.contains("Saved.") && page.contains(ESCAPED) && !page.contains(HOSTILE), "{page}");

    let new = "another few words";
    for (present, password, again, why) in [
        ("not the password", new, new, "This is not your present password"),
        (PASSWORD, new, "another two words", "two different passwords"),
        (PASSWORD, "short", "short", "at least 12 characters"),
    ] {
        let fields = [("present", present), ("password", password), ("again", again)];
        let page = ann.post("/console/me/password", &fields).await.expect(422).text();
        assert!(page.contains(why), "{why}: {page}");
    }
    let mut other = Visitor::stranger(&app);
    other.sign_in("viewer@example.com", PASSWORD).await.expect(303);
    let fields = [("present", PASSWORD), ("password", new), ("again", new)];
    ann.post("/console/me/password", &fields).await.expect(303);
    ann.get("/console/me").await.expect(200);
    assert_eq!(other.get("/console/me").await.status, 303, "his other sessions are over");
    other.sign_in("viewer@example.com", PASSWORD).await.expect(422);
    other.sign_in("viewer@example.com", new).await.expect(303);

    let csrf = other.csrf().await;
    for (theme, cookie) in [("dark", "theme=dark;"), ("light", "theme=light;"), ("system", "theme=;")] {
        let mut other = Visitor { cookie: other.cookie.clone(), ..Visitor::stranger(&app) };
        let fields = [("csrf", csrf.as_str()), ("theme", theme), ("back", "/console/me")];
        let got = other.send("/console/theme", &fields).await.expect(303);
        assert!(got.header("set-cookie").starts_with(cookie), "{}", got.header("set-cookie"));
    }
    other.cookie += "; theme=dark";
    assert!(other.get("/console/me").await.text().contains("data-theme=\"dark\""));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_his_sessions_and_ends_one() {
    let app = app().await;
    let mut here = Visitor::signed_in(&app, Role::Viewer).await;
    let mut there = Visitor::stranger(&app);
    let fields = [("email", "viewer@example.com"), ("password", PASSWORD)];
    there.send_with("/console/sign-in", &fields, ("user-agent", HOSTILE)).await.expect(303);
    let page = here.get("/console/me").await.expect(200).text();
    assert!(page.contains(ESCAPED) && !page.contains(HOSTILE), "{page}");
    assert_eq!(
        (page.matches("this one").count(), page.matches("<small>127.0.0.1</small>").count()),
        (1, 2),
        "{page}"
    );
    let (_, rest) = page.split_once("action=\"/console/me/sessions/").expect("the other one's form");
    let name = rest.split('"').next().unwrap_or_default().to_owned();
    assert!(!rest[name.len() + 1..].contains("action=\"/console/me/sessions/"), "not for the present one");

    // Nobody else ends it.
    let mut other = Visitor::signed_in(&app, Role::Admin).await;
    other.post(&format!("/console/me/sessions/{name}"), &[]).await.expect(404);
    there.get("/console/me").await.expect(200);
    let his = other.get("/console/people/viewer@example.com").await.expect(200).text();
    assert!(his.contains(ESCAPED) && his.contains("127.0.0.1") && !his.contains("this one"), "{his}");

    let got = here.post(&format!("/console/me/sessions/{name}"), &[]).await.expect(303);
    assert_eq!(got.header("location"), "/console/me?said=session_ended");
    assert_eq!(there.get("/console/me").await.status, 303);
    here.get("/console/me").await.expect(200);
    here.post(&format!("/console/me/sessions/{name}"), &[]).await.expect(404);
    let log = other.get("/console/audit?subject=viewer").await.expect(200).text();
    assert!(log.contains("session ended") && log.contains(ESCAPED), "{log}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_somebody_are_on_his_page() {
    let app = app().await;
    let mut admin = Visitor::signed_in(&app, Role::Admin).await;
    let place = "/console/people/admin@example.com";
    assert!(!admin.get(place).await.expect(200).text().contains("nightly export"));
    let wanted = [("name", "nightly export"), ("scopes", "read"), ("life", "30")];
    admin.post("/console/tokens/new", &wanted).await.expect(200);
    let page = admin.get(place).await.expect(200).text();
    assert!(page.contains("nightly export") && page.contains("whatever becomes of the person"), "{page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_admit_change_and_remove_people() {
    let app = app().await;
    let mut admin = Visitor::signed_in(&app, Role::Admin).await;
    assert!(admin.get("/console/people").await.expect(200).text().contains("So far you are alone"));
    let wrong = [("email", "bob"), ("name", ""), ("role", "king")];
    let page = admin.post("/console/people/new", &wrong).await.expect(422).text();
    for why in ["is not a mail address", "is empty", "is no role"] {
        assert!(page.contains(why), "{why}: {page}");
    }
    let bob = [("email", "bob@example.com"), ("name", HOSTILE), ("role", "viewer")];
    let page = admin.post("/console/people/new", &bob).await.expect(200).text();
    let password = shown(&page, "made-password").to_owned();
    assert!(page.contains(ESCAPED) && !page.contains(HOSTILE), "{page}");
    let page = admin.post("/console/people/new", &bob).await.expect(422).text();
    assert!(page.contains("Somebody signs in with bob@example.com already"), "{page}");
    let list = admin.get("/console/people").await.expect(200).text();
    assert!(list.contains("2 people") && list.contains(ESCAPED) && list.contains("never"), "{list}");
    assert!(!list.contains(&password), "a password is shown once");

    let mut his = Visitor::stranger(&app);
    his.sign_in("bob@example.com", &password).await.expect(303);
    let place = "/console/people/bob@example.com";
    let page = admin.get(place).await.expect(200).text();
    assert!(page.contains("value=\"viewer\" checked"), "{page}");
    let change = [("email", "bob@example.com"), ("name", "Bob"), ("role", "operator")];
    let got = admin.post(place, &change).await.expect(303);
    assert!(got.header("location").starts_with("/console/people/per_"), "{}", got.header("location"));
    assert_eq!(his.get("/console/me").await.status, 303, "his session is over with his role");
    his.sign_in("bob@example.com", &password).await.expect(303);

    let page = admin.post(&format!("{place}/password"), &[]).await.expect(200).text();
    let other = shown(&page, "made-password").to_owned();
    assert_ne!(password, other);
    his.sign_in("bob@example.com", &password).await.expect(422);
    his.sign_in("bob@example.com", &other).await.expect(303);
    admin.post(&format!("{place}/sessions"), &[]).await.expect(303);
    assert_eq!(his.get("/console/me").await.status, 303);
    let change = [("email", "bob@example.com"), ("name", "Bob"), ("role", "operator"), ("disabled", "yes")];
    admin.post(place, &change).await.expect(303);
    his.sign_in("bob@example.com", &other).await.expect(422);

    let page = admin.get(&format!("{place}/remove")).await.expect(200).text();
    assert!(page.contains("Remove Bob?") && page.contains("stays in the audit log"), "{page}");
    admin.post(&format!("{place}/remove"), &[]).await.expect(303);
    admin.get(place).await.expect(404);
    assert_eq!(app.engine().people().await.unwrap().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_stays_one() {
    let app = app().await;
    let mut admin = Visitor::signed_in(&app, Role::Admin).await;
    let place = "/console/people/admin@example.com";
    let page = admin.get(&format!("{place}/remove")).await.expect(200).text();
    assert!(page.contains("This is you"), "{page}");
    let (email, name) = (("email", "admin@example.com"), ("name", "admin"));
    for (path, fields) in [
        (place.to_owned(), vec![email, name, ("role", "viewer")]),
        (place.to_owned(), vec![email, name, ("role", "admin"), ("disabled", "yes")]),
        (format!("{place}/remove"), vec![]),
    ] {
        let page = admin.post(&path, &fields).await.expect(422).text();
        assert!(page.contains("This is the last admin who can sign in"), "{page}");
    }
    admin.get("/console/people").await.expect(200);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tokens_are_told_page_by_page() {
    let app = app().await;
    let admin = Visitor::signed_in(&app, Role::Admin).await;
    let tokens = (0..101).map(|n| json!({ "name": format!("token {n:03}"), "scopes": ["read"] }));
    for token in tokens {
        app.call("POST", "/api/tokens", Some(&token)).await.expect(201);
    }
    let page = admin.get("/console/tokens").await.expect(200).text();
    assert!(
        page.contains("101 tokens") && page.contains("token 100") && !page.contains("token 000"),
        "{page}"
    );
    let (_, rest) = page.split_once("<a class=\"button\" href=\"").expect("a next page");
    let next = rest.split('"').next().unwrap_or_default().replace("&amp;", "&");
    let page = admin.get(&next).await.expect(200).text();
    assert!(
        page.contains("token 000") && !page.contains("token 001") && !page.contains("rel=\"next\""),
        "{page}"
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_shown_once_and_end() {
    let app = app().await;
    let mut admin = Visitor::signed_in(&app, Role::Admin).await;
    assert!(admin.get("/console/tokens").await.expect(200).text().contains("No tokens yet"));
    let page = admin.post("/console/tokens/new", &[("name", ""), ("life", "1000")]).await.expect(422).text();
    for why in ["is empty", "Choose at least one.", "Choose when it ends."] {
        assert!(page.contains(why), "{why}: {page}");
    }
    let wanted = [("name", HOSTILE), ("scopes", "read"), ("scopes", "operate"), ("life", "30")];
    let page = admin.post("/console/tokens/new", &wanted).await.expect(200).text();
    let secret = shown(&page, "made-token").to_owned();
    assert!(secret.starts_with("stp_"), "{secret}");
    assert!(shown(&page, "made-line").contains(&format!("Bearer {secret}")), "{page}");
    let me = async || send(app.request("GET", "/api/me").bearer_auth(&secret)).await;
    assert_eq!(me().await.expect(200).json()["scopes"], json!(["read", "operate"]));
    let list = admin.get("/console/tokens").await.expect(200).text();
    assert!(list.contains(ESCAPED) && !list.contains(HOSTILE) && !list.contains(&secret), "{list}");

    let made = app.engine().tokens().await.unwrap().remove(0);
    assert_eq!(made.created_by, "admin@example.com");
    app.set_clock(made.expires_at.expect("an end"));
    assert_eq!(me().await.status, 401, "it is over");
    admin.sign_in("admin@example.com", PASSWORD).await.expect(303);
    assert!(admin.get("/console/tokens").await.text().contains("expired"));
    admin.post(&format!("/console/tokens/{}/revoke", made.id), &[]).await.expect(303);
    assert!(app.engine().tokens().await.unwrap().is_empty());
    admin.post(&format!("/console/tokens/{}/revoke", made.id), &[]).await.expect(404);
    admin.post("/console/tokens/x/revoke", &[]).await.expect(404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_tells_what_differs() {
    let app = app().await;
    let admin = Visitor::signed_in(&app, Role::Admin).await;
    let destination = |url: &str| json!({ "destination": [{ "key": "crm", "kind": "webhook", "urls": [{ "url": url }], "shared_secret": "s3cr3t-s3cr3t" }] });
    app.apply(&destination("https://crm.example/one")).await;
    app.set_clock(app.now().plus(Span::from_days(2)));
    let mut admin = Visitor { cookie: String::new(), ..admin };
    admin.sign_in("admin@example.com", PASSWORD).await.expect(303);
    let audience = json!({ "name": "Buyers", "query": "event('Bought').count() >= 1" });
    app.call("PUT", "/api/audiences/buyers", Some(&audience)).await;
    let changed = json!({ "name": "Buyers", "query": "event('Bought').count() >= 2" });
    app.call("PUT", "/api/audiences/buyers", Some(&changed)).await;
    app.rest().await;

    let page = admin.get("/console/audit?subject=audience").await.expect(200).text();
    for part in [
        "<del>event(&#39;Bought&#39;).count() &gt;= 1</del>",
        "<ins>event(&#39;Bought&#39;).count() &gt;= 2</ins>",
        "<code>query</code>",
        "href=\"/console/audiences/buyers\"",
        "admin token",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("destination crm"), "{page}");
    let page = admin.get("/console/audit").await.expect(200).text();
    assert!(page.contains("destination crm") && page.contains("person admin@example.com"), "{page}");
    assert!(!page.contains("s3cr3t") && !page.contains("argon2"), "{page}");
    assert!(page.contains("signed in"), "{page}");
    let page = admin.get("/console/audit?by=admin@&to=2026-11-21").await.expect(200).text();
    assert!(page.contains("person admin@example.com") && !page.contains("audience buyers"), "{page}");
    assert!(page.contains("value=\"2026-11-21\""), "{page}");
    let page = admin.get("/console/audit?by=nobody").await.expect(200).text();
    assert!(page.contains("Nothing here fits that"), "{page}");
    let page = admin.get("/console/audit?from=yesterday").await.expect(422).text();
    assert!(page.contains("is not a day such as"), "{page}");
    assert!(!page.contains("value=\"yesterday\""), "a browser takes nothing but days into the field: {page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_logs_are_paged() {
    let app = app().await;
    let admin = Visitor::signed_in(&app, Role::Admin).await;
    let person = app.engine().people().await.unwrap()[0].id;
    for _ in 0..60 {
        app.engine().end_sessions(person).await.unwrap();
    }
    let mut admin = Visitor { cookie: String::new(), ..admin };
    admin.sign_in("admin@example.com", PASSWORD).await.expect(303);
    let first = admin.get("/console/audit").await.expect(200).text();
    let (_, rest) = first.split_once("<nav class=\"pages\"").expect("a next page");
    let (_, rest) = rest.split_once("href=\"").expect("a link");
    let next = rest.split('"').next().unwrap_or_default().replace("&amp;", "&");
    let second = admin.get(&next).await.expect(200).text();
    assert_eq!(first.matches("<li class=\"card\">").count(), 50);
    // Sixty ends, two sign-ins, one admission, and the admin token.
    assert_eq!(second.matches("<li class=\"card\">").count(), 14);
    assert!(!second.contains("rel=\"next\""));
    app.finish().await;
}
