//! Who gets into the console, how he is kept out, and how his session ends.

use std::sync::Arc;

use serde_json::json;

use stagepost::domain::limits;
use stagepost::domain::people::Role;
use stagepost::domain::time::Span;

use crate::app::{SET_UP, Setup, TestApp, app};
use crate::console::{PASSWORD, Visitor};
use crate::http::Got;

const ANN: [(&str, &str); 4] =
    [("email", "Ann@Example.com"), ("name", "Ann Lee"), ("password", PASSWORD), ("again", PASSWORD)];

fn link() -> String {
    format!("/setup/{SET_UP}")
}

/// Where somebody is sent who has not signed in.
#[track_caller]
fn is_sent_to_sign_in(got: &Got) {
    assert_eq!(got.status, 303, "{}", got.text());
    assert!(got.header("location").starts_with("/console/sign-in?back="), "{}", got.header("location"));
}

fn pass(app: &TestApp, span: Span) {
    app.set_clock(app.now().plus(span));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_sign_in_and_come_to_where_they_wanted() {
    let app = app().await;
    let mut ann = Visitor::signed_in(&app, Role::Viewer).await;
    ann.cookie.clear();
    let sent = ann.get("/console/me?said=saved&x=%2F").await;
    assert_eq!(sent.header("location"), "/console/sign-in?back=%2Fconsole%2Fme%3Fsaid%3Dsaved%26x%3D%252F");
    assert_eq!(sent.header("cache-control"), "no-store");
    let page = ann.get(sent.header("location")).await.expect(200).text();
    assert!(page.contains("name=\"back\" value=\"/console/me?said=saved&amp;x=%2F\""), "{page}");
    assert!(page.contains("Any admin can set a new one"), "{page}");

    let fields =
        [("email", " VIEWER@example.com "), ("password", PASSWORD), ("back", "/console/me?said=saved&x=%2F")];
    let got = ann.send("/console/sign-in", &fields).await.expect(303);
    assert_eq!(got.header("location"), "/console/me?said=saved&x=%2F");
    let cookie = got.header("set-cookie");
    for attribute in ["stagepost_session=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
    assert!(ann.get("/console/me").await.expect(200).text().contains("viewer@example.com"));
    let again = ann.get("/console/sign-in?back=/console/me").await.expect(303);
    assert_eq!(again.header("location"), "/console/me", "whoever has signed in need not");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_the_cookie_is_for_tls_only() {
    let app = Setup::new().at("https://s.example").start().await;
    let mut ann = Visitor::stranger(&app);
    let got = ann.send(&link(), &ANN).await.expect(303);
    let cookie = got.header("set-cookie");
    assert!(cookie.starts_with("__Host-stagepost_session=") && cookie.contains("; Secure"), "{cookie}");
    ann.get("/console/me").await.expect(200);
    // The other name is not taken instead.
    ann.cookie = ann.cookie.replace("__Host-", "");
    is_sent_to_sign_in(&ann.get("/console/me").await);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leads_to_no_other_site() {
    let app = app().await;
    let mut ann = Visitor::signed_in(&app, Role::Viewer).await;
    for back in [
        "https://evil.example",
        "//evil.example/console",
        "/\\evil.example",
        "/console\\@evil.example",
        "/console/../\\evil.example",
        "/console/%2e%2e//evil.example",
        "/console/\r\nSet-Cookie: a=b",
        "/consoleevil",
        "javascript:alert(1)",
        "/api/docs",
        "",
    ] {
        let fields = [("email", "viewer@example.com"), ("password", PASSWORD), ("back", back)];
        let got = ann.send("/console/sign-in", &fields).await.expect(303);
        assert_eq!(got.header("location"), "/console", "{back:?}");
        let got = ann.post("/console/theme", &[("theme", "dark"), ("back", back)]).await.expect(303);
        assert_eq!(got.header("location"), "/console", "{back:?}");
        ann.sign_in("viewer@example.com", PASSWORD).await.expect(303);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_signs_somebody_in() {
    let app = app().await;
    let mut ann = Visitor::signed_in(&app, Role::Viewer).await;
    let fields = [("email", "viewer@example.com"), ("password", PASSWORD)];
    let got = ann.send_with("/console/sign-in", &fields, ("sec-fetch-site", "cross-site")).await.expect(403);
    assert_eq!(got.header("set-cookie"), "-");
    assert!(got.text().contains("another site"), "{}", got.text());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_said_plainly_and_too_many_hold_the_account() {
    let app = app().await;
    Visitor::signed_in(&app, Role::Viewer).await;
    let mut eve = Visitor::stranger(&app);
    let mut of = async |email: &str, password: &str| eve.sign_in(email, password).await;
    for n in 0..limits::MAX_WRONG_PASSWORDS {
        for email in ["viewer@example.com", "nobody@example.com"] {
            let got = of(email, "not the password").await.expect(422);
            assert!(
                got.text().contains("The e-mail address or the password is wrong"),
                "{n}: {}",
                got.text()
            );
            assert!(got.text().contains(&format!("value=\"{email}\"")), "what was typed stays");
            assert!(!got.text().contains("not the password"), "but for the password");
            assert_eq!(got.header("set-cookie"), "-");
        }
    }
    // The right one helps no more, and nobody learns whether there is such an account.
    for email in ["viewer@example.com", "nobody@example.com"] {
        let got = of(email, PASSWORD).await.expect(429);
        assert!(got.text().contains("Too many wrong passwords"), "{}", got.text());
        assert!(got.text().contains("15 more minutes"), "{}", got.text());
        assert!((895..=901).contains(&got.header("retry-after").parse::<u64>().unwrap()));
    }
    // Another password is another thing to guess.
    let other = "another few words";
    let person = app.engine().people().await.unwrap()[0].id;
    let path = format!("/api/people/{person}/password");
    app.call("PUT", &path, Some(&json!({ "password": other }))).await.expect(204);
    of("viewer@example.com", other).await.expect(303);
    of("nobody@example.com", PASSWORD).await.expect(429);
    pass(&app, limits::HELD_FOR);
    of("nobody@example.com", PASSWORD).await.expect(422);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_send_no_more_than_fits_their_forms() {
    let app = app().await;
    let mut eve = Visitor::stranger(&app);
    let much = "x".repeat(limits::MAX_STRANGERS_FORM + 1);
    for place in ["/console/sign-in", &link()] {
        let got = eve.send(place, &[("email", &much)]).await.expect(413);
        assert!(!got.text().contains("xxxx"), "{place}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_of_the_domain_is_another_site() {
    let app = Setup::new().at("https://s.example").start().await;
    Visitor::signed_in(&app, Role::Viewer).await;
    let mut eve = Visitor::stranger(&app);
    let fields = [("email", "viewer@example.com"), ("password", PASSWORD)];
    for (name, value, status) in [
        ("sec-fetch-site", "same-site", 403),
        ("origin", "https://evil.s.example", 403),
        ("origin", "null", 403),
        ("origin", app.base(), 303),
        ("origin", "https://s.example", 303),
        ("sec-fetch-site", "same-origin", 303),
        ("sec-fetch-site", "none", 303),
    ] {
        let got = eve.send_with("/console/sign-in", &fields, (name, value)).await;
        assert_eq!(got.status, status, "{name}: {value}: {}", got.text());
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_addresses_are_shown_as_text() {
    let app = app().await;
    let mut eve = Visitor::stranger(&app);
    let hostile = "\"><script>alert(1)</script>";
    let got = eve.sign_in(hostile, "x").await.expect(422).text();
    assert!(!got.contains("<script>alert") && got.contains("&lt;script&gt;alert"), "{got}");
    let got = eve.send(&link(), &[("email", hostile), ("name", hostile)]).await.expect(422).text();
    assert!(!got.contains("<script>alert") && got.contains("&lt;script&gt;alert"), "{got}");
    let got = eve.get("/console/sign-in?back=/console/%22%3E%3Cscript%3Ealert(1)&said=%3Cscript%3E").await;
    assert!(!got.text().contains("<script>"), "{}", got.text());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_says_what_it_may_load_and_who_may_keep_it() {
    let app = app().await;
    let (admin, stranger) = (Visitor::signed_in(&app, Role::Admin).await, Visitor::stranger(&app));
    for (who, path, status) in [
        (&admin, "/console", 200),
        (&admin, "/console/people", 200),
        (&admin, "/console/no/such/page", 404),
        (&admin, "/console/people/nobody", 404),
        (&stranger, "/console/sign-in", 200),
        (&stranger, "/setup/no-such-token", 404),
    ] {
        let got = who.get(path).await.expect(status);
        let policy = got.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(got.header(name), value, "{path}");
        }
        let text = got.text();
        assert!(
            !text.contains(" style=") && !text.contains("<style") && !text.contains(" onclick="),
            "{path}"
        );
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_by_themselves() {
    let app = app().await;
    let mut ann = Visitor::signed_in(&app, Role::Viewer).await;
    let minute = Span::from_secs(60);
    pass(&app, limits::SESSION_IDLE);
    is_sent_to_sign_in(&ann.get("/console").await);
    ann.sign_in("viewer@example.com", PASSWORD).await.expect(303);
    let end = app.now().plus(limits::SESSION_LIFE);
    while app.now().plus(Span::from_hours(11)) < end {
        pass(&app, Span::from_hours(11));
        ann.get("/console/me").await.expect(200);
        // That it is used is written with the next tick.
        app.rest().await;
    }
    app.set_clock(end.minus(minute));
    ann.get("/console/me").await.expect(200);
    app.set_clock(end);
    is_sent_to_sign_in(&ann.get("/console/me").await);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_is_out() {
    let app = app().await;
    let mut here = Visitor::signed_in(&app, Role::Viewer).await;
    let (before, csrf) = (here.cookie.clone(), here.csrf().await);
    here.send("/console/sign-out", &[]).await.expect(400);
    here.get("/console/me").await.expect(200);
    let got = here.send("/console/sign-out", &[("csrf", &csrf)]).await.expect(303);
    assert_eq!(got.header("location"), "/console/sign-in?said=signed_out");
    assert!(got.header("set-cookie").contains("Max-Age=0"), "{}", got.header("set-cookie"));
    assert!(here.get("/console/sign-in?said=signed_out").await.text().contains("You are signed out."));
    here.cookie = before;
    is_sent_to_sign_in(&here.get("/console/me").await);

    let mut there = Visitor::stranger(&app);
    there.sign_in("viewer@example.com", PASSWORD).await.expect(303);
    here.sign_in("viewer@example.com", PASSWORD).await.expect(303);
    there.get("/console/me").await.expect(200);
    here.post("/console/me/sessions", &[]).await.expect(303);
    is_sent_to_sign_in(&there.get("/console/me").await);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_outlived_its_session_is_not_sent_again() {
    let app = app().await;
    let mut ann = Visitor::signed_in(&app, Role::Viewer).await;
    let csrf = ann.csrf().await;
    pass(&app, limits::SESSION_IDLE);
    let got = ann.send("/console/me/name", &[("csrf", &csrf), ("name", "Other")]).await;
    assert_eq!((got.status, got.header("location")), (303, "/console/sign-in?back=%2Fconsole"));
    ann.sign_in("viewer@example.com", PASSWORD).await.expect(303);
    let got = ann.send("/console/me/name", &[("csrf", &csrf), ("name", "Other")]).await.expect(400);
    assert!(got.text().contains("Nothing was done"), "the form of the session before: {}", got.text());
    assert!(!ann.get("/console/me").await.text().contains("Other"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_hold_for_pages_and_forms() {
    let app = app().await;
    Visitor::signed_in(&app, Role::Admin).await;
    for role in [Role::Viewer, Role::Marketer, Role::Operator] {
        let mut visitor = Visitor::signed_in(&app, role).await;
        let page = visitor.get("/console").await.expect(200).text();
        for place in ["/console/people", "/console/tokens", "/console/audit"] {
            assert!(!page.contains(&format!("href=\"{place}\"")), "{role:?} is shown {place}");
            let refused = visitor.get(place).await.expect(403).text();
            assert!(refused.contains("Not for you"), "{refused}");
        }
        let name = format!("{}@example.com", role.as_str());
        for (place, fields) in [
            ("/console/people/new", vec![("email", "x@y.z"), ("name", "X"), ("role", "admin")]),
            (
                &format!("/console/people/{name}"),
                vec![("email", name.as_str()), ("name", "X"), ("role", "admin")],
            ),
            (&format!("/console/people/{name}/password"), vec![]),
            ("/console/people/admin@example.com/remove", vec![]),
            ("/console/tokens/new", vec![("name", "t"), ("scopes", "read"), ("life", "never")]),
        ] {
            visitor.post(place, &fields).await.expect(403);
        }
    }
    let people = app.engine().people().await.unwrap();
    assert_eq!(people.len(), 4);
    assert!(people.iter().all(|person| person.role.as_str() == person.name), "{people:?}");
    assert!(app.engine().tokens().await.unwrap().is_empty());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_is_whoever_has_the_link_and_there_is_one() {
    let app = app().await;
    let mut ann = Visitor::stranger(&app);
    assert!(ann.get("/console/sign-in").await.text().contains("There is no admin yet"));
    for wrong in ["/setup/x", "/setup/test-set-up-tokem"] {
        ann.get(wrong).await.expect(404);
        ann.send(wrong, &ANN).await.expect(404);
    }
    assert!(ann.get(&link()).await.expect(200).text().contains("You become the first admin"));
    for (name, wrong, why) in [
        ("email", "ann", "is not a mail address"),
        ("name", " ", "is empty"),
        ("password", "short", "at least 12 characters"),
        ("again", "four words make two", "two different passwords"),
    ] {
        let mut fields = ANN.map(|(known, value)| (known, if known == name { wrong } else { value }));
        if name == "password" {
            fields[3].1 = wrong;
        }
        let page = ann.send(&link(), &fields).await.expect(422).text();
        assert!(page.contains(why) && page.contains("aria-invalid=\"true\""), "{name}: {page}");
        assert!(!page.contains(PASSWORD), "a password is not sent back");
    }
    let got = ann.send(&link(), &ANN).await.expect(303);
    assert_eq!(got.header("location"), "/console?said=set_up");
    let page = ann.get("/console?said=set_up").await.expect(200).text();
    assert!(page.contains("signed in as the first admin") && page.contains("Ann Lee"), "{page}");
    let me = app.engine().people().await.unwrap().remove(0);
    assert_eq!((me.email.as_str(), me.role), ("ann@example.com", Role::Admin));

    let mut eve = Visitor::stranger(&app);
    eve.get(&link()).await.expect(404);
    let fields = ANN.map(|(name, value)| (name, if name == "email" { "eve@example.com" } else { value }));
    let got = eve.send(&link(), &fields).await.expect(404);
    assert_eq!(got.header("set-cookie"), "-");
    assert_eq!(app.engine().people().await.unwrap().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_set_ups_at_once_one_is_done() {
    let app = Arc::new(app().await);
    let tasks: Vec<_> = (0..6)
        .map(|n| {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                let email = format!("p{n}@example.com");
                let fields =
                    ANN.map(|(name, value)| (name, if name == "email" { email.as_str() } else { value }));
                Visitor::stranger(&app).send(&link(), &fields).await.status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.expect("an answer"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404, 404, 404, 404, 404]);
    assert_eq!(app.engine().people().await.unwrap().len(), 1);
    Arc::into_inner(app).expect("nobody else has it").finish().await;
}
