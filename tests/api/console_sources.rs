//! Sources in the console and the API: their write keys, shown once and rotated, and what is to be copied.

use serde_json::json;
use stagepost::domain::people::Role;

use crate::app::{TestApp, app};
use crate::console_journeys::{Browser, between};
use crate::http::send;

const DAY: i64 = 24 * 60 * 60_000;

async fn website() -> TestApp {
    let app = app().await;
    app.apply(&json!({ "source": [
        { "key": "studio", "kind": "studio", "write_key": "wk_studio", "twilio_auth_tokens": ["t0ps3cr3t"] },
        { "key": "web", "kind": "http", "write_key": "wk_website" },
    ] }))
    .await;
    app
}

/// The status of an event that is posted with that key.
async fn track(app: &TestApp, write_key: &str) -> u16 {
    let body = json!({ "userId": "u1", "event": "Order Completed" }).to_string();
    let request = app.request("POST", "/v1/track").basic_auth(write_key, Some(""));
    send(request.header("content-type", "application/json").body(body)).await.status
}

/// What stands for the present key on the source's page.
async fn masked(admin: &Browser<'_>) -> String {
    let page = admin.page("/console/sources/web").await;
    between(&page, "name=\"seen\" value=\"", "\"").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_rotate_at_once_one_does() {
    let app = website().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let seen = masked(&admin).await;
    let fields = [("seen", seen.as_str())];
    let rotate = || admin.send("/console/sources/web/rotate", &fields);
    let made = [rotate(), rotate(), rotate(), rotate()];
    let statuses = futures_util::future::join_all(made).await.into_iter().map(|got| got.status);
    let mut statuses: Vec<u16> = statuses.collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
    let source = &app.engine().definitions().sources["web"];
    assert_eq!(source.previous_write_key.as_ref().map(|it| it.write_key.as_str()), Some("wk_website"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_key_is_rotated_with_both_valid_meanwhile() {
    let mut app = website().await;
    app.allow_rejections();
    let admin = Browser::of(&app, Role::Admin).await;
    let seen = masked(&admin).await;
    let page = admin.send("/console/sources/web/rotate", &[("seen", &seen)]).await.expect(200).text();
    let key = between(between(&page, "id=\"write-key\"", "</pre>"), ">", "<").to_owned();
    assert!(key.starts_with("wk_") && key.len() == 35, "{key}");
    assert!(page.contains(&format!("writeKey: &#39;{key}&#39;")), "{page}");
    assert_eq!((track(&app, &key).await, track(&app, "wk_website").await), (200, 200));
    let later = admin.page("/console/sources/web").await;
    assert!(!later.contains(&key) && !later.contains("wk_website") && later.contains("WRITE_KEY"), "{later}");

    // A second one would cut off those that have not changed over.
    let now = between(&later, "<p><code>", "<").to_owned();
    for (seen, why) in [(&seen, "was given another key since"), (&now, "there can&#39;t be three")] {
        let refused = admin.send("/console/sources/web/rotate", &[("seen", seen)]).await.expect(409).text();
        assert!(refused.contains(why) && !refused.contains(&key), "{refused}");
    }
    assert_eq!(app.call("POST", "/api/sources/web/rotate", None).await.expect(409).code(), "conflict");
    let shown = app.get("/api/sources/web").await;
    assert_eq!((&shown["write_key"], &shown["previous_write_key"]), (&json!(key), &json!("wk_website")));
    assert_eq!(shown["previous_write_key_until"], "2026-11-28T10:00:00.000Z");

    assert_eq!(admin.send("/console/sources/web/end-previous", &[]).await.status, 303);
    assert_eq!((track(&app, &key).await, track(&app, "wk_website").await), (200, 401));
    let again = app.call("POST", "/api/sources/web/rotate", None).await.expect(200).json();
    let newest = again["write_key"].as_str().expect("a key").to_owned();
    app.advance(7 * DAY).await;
    assert_eq!((track(&app, &newest).await, track(&app, &key).await), (200, 401));
    let audit = app.get("/api/audit").await.to_string();
    for secret in [&key, &newest, "wk_website"] {
        assert!(!audit.contains(secret), "the audit log holds no keys");
    }
    app.call("DELETE", "/api/sources/web/previous-write-key", None).await.expect(204);
    app.call("DELETE", "/api/sources/none/previous-write-key", None).await.expect(404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_define_sees_or_changes_keys() {
    let app = website().await;
    let operator = Browser::of(&app, Role::Operator).await;
    for place in ["/api/sources", "/api/sources/web"] {
        let shown = operator.page(place).await;
        assert!(!shown.contains("wk_website") && shown.contains("********"), "{shown}");
    }
    let page = operator.page("/console/sources/web").await;
    assert!(!page.contains("/rotate") && !page.contains("/edit"), "{page}");
    for place in [
        "/console/sources/web/rotate",
        "/console/sources/web/end-previous",
        "/console/sources/web/edit",
        "/console/sources/new",
    ] {
        assert_eq!(operator.send(place, &[]).await.status, 403, "{place}");
    }
    let admin = Browser::of(&app, Role::Admin).await;
    assert_eq!(admin.send_without_csrf("/console/sources/web/rotate", &[]).await.status, 400);
    assert_eq!(track(&app, "wk_website").await, 200);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_made_and_changed() {
    let app = website().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let place = "/console/sources/new?kind=studio";
    let page = admin.send(place, &[("key", "Bad Key\"><script>")]).await.expect(422).text();
    assert!(page.contains("aria-invalid=\"true\"") && page.contains("must be 1 to 64 characters"), "{page}");
    assert!(page.contains("Bad Key&quot;&gt;&lt;script&gt;") && !page.contains("\"><script>"), "{page}");
    assert!(
        admin.send(place, &[("key", "web")]).await.expect(422).text().contains("There is one with this key")
    );
    assert_eq!(admin.send(place, &[]).await.status, 422);

    let made =
        admin.send(place, &[("key", "calls"), ("properties", "appointment\nclinic")]).await.expect(200);
    let key = app.get("/api/sources/calls").await["write_key"].as_str().expect("a key").to_owned();
    assert!(made.text().contains(&format!("/studio/{key}")), "{}", made.text());
    assert!(
        made.text().contains("{{flow.data.userID}}") && made.text().contains("{{contact.channel.address}}")
    );
    assert_eq!(app.get("/api/sources/calls").await["properties"], json!(["appointment", "clinic"]));

    // Tokens that are not shown are kept.
    let page = admin.page("/console/sources/studio/edit").await;
    assert!(!page.contains("t0ps3cr3t"), "{page}");
    let shown = between(between(&page, "name=\"twilio_auth_tokens\"", "</textarea>"), "\n", "<").to_owned();
    let tokens = format!("{shown}\nanother-token");
    let changed = admin.send("/console/sources/studio/edit", &[("twilio_auth_tokens", &tokens)]).await;
    assert_eq!(changed.expect(303).header("location"), "/console/sources/studio?said=saved");
    let kept = &app.engine().definitions().sources["studio"];
    assert_eq!(kept.twilio_auth_tokens, ["t0ps3cr3t", "another-token"]);
    assert_eq!(kept.write_key, "wk_studio");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_what_came() {
    let mut app = website().await;
    app.allow_rejections();
    let viewer = Browser::of(&app, Role::Viewer).await;
    assert!(viewer.page("/console/sources/web").await.contains("none in 30 days"));
    track(&app, "wk_website").await;
    track(&app, "wk_website").await;
    let form = "application/x-www-form-urlencoded";
    let refused = app.post_text("/studio/wk_studio", form, "userID=u1&stage=%3Cb%3Ex%3C/b%3E").await;
    assert_eq!(refused.status, 403);
    app.rest().await;
    let list = viewer.page("/console/sources").await;
    assert!(list.contains("Events in 24 h: 2") && list.contains("datetime=\"2026-11-21T10:00:00"), "{list}");
    let one = viewer.page("/console/sources/studio").await;
    assert!(one.contains("bad_signature") && one.contains("/console/live/rej_"), "{one}");
    assert!(one.contains("signature is required"), "{one}");
    assert_eq!(viewer.get("/console/sources/none").await.status, 404);
    // Two days later it is still known, to the hour.
    app.advance(2 * DAY).await;
    let viewer = Browser::of(&app, Role::Operator).await;
    for place in ["/console/sources", "/console/sources/web"] {
        let page = viewer.page(place).await;
        assert!(page.contains("datetime=\"2026-11-21T10:00:00"), "{place}: {page}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nobody_used_is_shown_to_who_may_define() {
    let app = website().await;
    let (admin, viewer) = (Browser::of(&app, Role::Admin).await, Browser::of(&app, Role::Viewer).await);
    assert!(admin.page("/console/sources/web").await.contains("curl -u wk_website:"));
    assert!(!viewer.page("/console/sources/web").await.contains("wk_website"));
    track(&app, "wk_website").await;
    app.rest().await;
    assert!(!admin.page("/console/sources/web").await.contains("wk_website"), "it came with it");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_no_properties_are_kept_stays() {
    let app = website().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let place = "/console/sources/studio/edit";
    let none = [("no_properties", "true")];
    admin.send(place, &none).await.expect(303);
    assert_eq!(app.get("/api/sources/studio").await["properties"], json!([]));
    let page = admin.page(place).await;
    let at = between(&page, "name=\"no_properties\"", ">");
    assert!(at.contains("checked"), "{page}");
    let both = admin.send(place, &[none[0], ("properties", "clinic")]).await.expect(422).text();
    assert!(both.contains("Either name the properties"), "{both}");
    admin.send(place, &[("properties", "")]).await.expect(303);
    assert_eq!(
        app.get("/api/sources/studio").await.get("properties").cloned().unwrap_or_default(),
        json!(null)
    );
    app.finish().await;
}
