//! The editor of destinations: what each kind needs, secrets that stay, errors beside fields, the preview.

use serde_json::{Value, json};
use stagepost::domain::definition::DestinationKind;
use stagepost::domain::people::Role;

use crate::app::{TestApp, app};
use crate::console_journeys::{Browser, between};
use crate::support::receiver::Receiver;

async fn with_crm(url: &str) -> TestApp {
    let app = app().await;
    app.apply(&json!({ "destination": [{
        "key": "crm", "kind": "webhook", "shared_secret": "s3cr3t-s3cr3t",
        "urls": [{ "url": url, "headers": { "X-Token": "t0ps3cr3t", "X-Team": "growth" } }],
        "expire_after": "7d", "gzip": true,
    }] }))
    .await;
    app
}

/// The fields of the form on a page, as a browser would send them.
fn fields(page: &str) -> Vec<(String, String)> {
    let form = between(page, "class=\"buttons bar\"", "</form>");
    let plain = |text: &str| {
        let text = text.replace("&quot;", "\"").replace("&#39;", "'").replace("&#x2f;", "/");
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    };
    let mut fields = Vec::new();
    for tag in
        form.split('<').filter(|tag| ["input ", "textarea ", "select "].iter().any(|it| tag.starts_with(it)))
    {
        let name = between(tag, " name=\"", "\"");
        let value = if tag.starts_with("textarea") {
            tag.split_once(">\n").map_or("", |(_, value)| value)
        } else if tag.starts_with("select") {
            let options = between(&form[form.find(tag).expect("it")..], ">", "</select>");
            options
                .split("<option")
                .find(|it| it.contains(" selected"))
                .map_or("", |it| between(it, "value=\"", "\""))
        } else if tag.contains("checkbox") && !tag.contains(" checked") {
            continue;
        } else {
            between(tag, "value=\"", "\"")
        };
        fields.push((name.to_owned(), plain(value)));
    }
    fields
}

fn with<'f>(fields: &'f [(String, String)], changes: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let kept = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let kept = kept.filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    kept.chain(changes.iter().copied()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_touched_stays_secrets_included() {
    let app = with_crm("https://crm.example.com/hook").await;
    let admin = Browser::of(&app, Role::Admin).await;
    let page = admin.page("/console/destinations/crm/edit").await;
    assert!(!page.contains("s3cr3t"), "{page}");
    let (before, fields) = (app.get("/api/destinations/crm").await, fields(&page));
    let place = "/console/destinations/crm/edit";
    let saved = admin.send(place, &with(&fields, &[("do", "save")])).await.expect(303);
    assert_eq!(saved.header("location"), "/console/destinations/crm?said=saved");
    assert_eq!(app.get("/api/destinations/crm").await, before, "nothing was changed");
    let changes = [
        ("do", "save"),
        ("timeout", "9s"),
        ("expire_after", "never"),
        ("urls[1].url", "https://other.example.com/"),
    ];
    admin.send(place, &with(&fields, &changes)).await.expect(303);
    let after = app.get("/api/destinations/crm").await;
    assert_eq!((&after["timeout"], &after["expire_after"]), (&json!("9s"), &json!("never")));
    let definitions = app.engine().definitions();
    let DestinationKind::Webhook { urls, signing, gzip } = &definitions.destinations["crm"].kind else {
        panic!("another kind")
    };
    assert_eq!(signing.shared_secret.as_deref(), Some("s3cr3t-s3cr3t"));
    assert_eq!((urls.len(), urls[0].headers["X-Token"].as_str(), *gzip), (2, "t0ps3cr3t", true));
    // Emptied, it is gone.
    admin.send(place, &with(&fields, &[("do", "save"), ("shared_secret", "")])).await.expect(303);
    assert_eq!(app.get("/api/destinations/crm").await.get("shared_secret"), None);
    // A secret does not follow to another address.
    let moved = [("do", "save"), ("urls[0].url", "https://thief.example.com/")];
    let page = admin.send(place, &with(&fields, &moved)).await.expect(422).text();
    assert!(page.contains("X-Token: ******** stands for the secret that is kept"), "{page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_has_a_form() {
    let app = app().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let kinds = admin.page("/console/destinations/new").await;
    for (kind, filled_in) in [
        ("webhook", vec![("urls[0].url", "https://a.example.com/hook"), ("urls[0].headers", "X-A: b")]),
        (
            "webhook_action",
            vec![
                ("mapping.url", "https://b.example.com/"),
                ("mapping.data", "{\"id\": {\"@path\": \"$.userId\"}}"),
            ],
        ),
        (
            "pendo",
            vec![("region", "eu"), ("api_key", "0123456789abcdef0123456789abcdef"), ("calls", "track")],
        ),
        ("slack", vec![("webhook_url", "https://hooks.slack.com/services/T0/B0/abc")]),
        ("teams", vec![("webhook_url", "https://teams.example.com/hook")]),
        (
            "twilio",
            vec![
                ("account_sid", "AC0123456789abcdef0123456789abcdef"),
                ("auth_token", "t0ken"),
                ("from", "+15551234567"),
            ],
        ),
    ] {
        let place = format!("/console/destinations/new?kind={kind}");
        assert!(kinds.contains(&format!("href=\"{place}\"")), "{kind}");
        let fresh = fields(&admin.page(&place).await);
        let key = format!("my_{kind}");
        let typed = [filled_in, vec![("do", "save"), ("key", &key)]].concat();
        let saved = admin.send(&place, &with(&fresh, &typed)).await;
        assert_eq!(saved.status, 303, "{kind}: {}", saved.text());
        let defined = app.get(&format!("/api/destinations/{key}")).await;
        assert_eq!(
            (&defined["kind"], defined["enabled"].as_bool()),
            (&json!(kind), defined.get("enabled").map(|_| true))
        );
        // What was saved is shown, and saved again as it is.
        let edit = format!("/console/destinations/{key}/edit");
        let shown = fields(&admin.page(&edit).await);
        admin.send(&edit, &with(&shown, &[("do", "save")])).await.expect(303);
        assert_eq!(app.get(&format!("/api/destinations/{key}")).await, defined, "{kind}");
    }
    assert!(admin.page("/console/destinations/new?kind=hello_customer").await.contains("touchpoint_id"));
    assert_eq!(admin.get("/console/destinations/new?kind=none").await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_are_none_of_something_stays() {
    let app = app().await;
    app.apply(&json!({ "destination": [
        {
            "key": "plain", "kind": "webhook", "urls": [{ "url": "https://a.example.com/" }],
            "integration_names": [],
        },
        { "key": "chat", "kind": "slack", "webhook_url": "https://hooks.slack.com/services/T0/B0/abc", "profile_traits": [] },
    ] }))
    .await;
    let admin = Browser::of(&app, Role::Admin).await;
    for key in ["plain", "chat"] {
        let (edit, shown) = (format!("/console/destinations/{key}/edit"), format!("/api/destinations/{key}"));
        let before = app.get(&shown).await;
        let fields = fields(&admin.page(&edit).await);
        admin.send(&edit, &with(&fields, &[("do", "save")])).await.expect(303);
        assert_eq!(app.get(&shown).await, before, "{key}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said_where_it_is_typed_and_more_than_may_be_is_said_too() {
    let app = app().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let place = "/console/destinations/new?kind=webhook";
    let page = admin.send(place, &[("do", "save"), ("key", "x")]).await.expect(422).text();
    let hint = between(between(&page, "id=\"f-urls[0].url-hint\"", "</div>"), "class=\"wrong\">", "<");
    assert!(hint.contains("is missing"), "{page}");
    let names: Vec<String> = (0..2000).map(|number| format!("urls[{number}].url")).collect();
    let mut typed: Vec<(&str, &str)> = vec![("do", "save"), ("key", "x")];
    typed.extend(names.iter().map(|name| (name.as_str(), "https://a.example.com/")));
    let page = admin.send(place, &typed).await.expect(422).text();
    assert!(page.contains("at most 5"), "{page}");
    assert!(page.matches("name=\"urls[").count() <= 12, "{page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_stands_beside_its_field() {
    let app = app().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let place = "/console/destinations/new?kind=webhook_action";
    let typed = [
        ("do", "save"),
        ("key", "x"),
        ("mapping.url", "https://x.example.com/"),
        ("mapping.data", "{\"a\": "),
        ("timeout", "<script>alert(1)</script>"),
        ("max_in_flight", "many"),
        ("trigger", "event ="),
        ("more", "{\"unknown\": 1}"),
    ];
    let page = admin.send(place, &typed).await.expect(422).text();
    let beside = |name: &str| {
        between(between(&page, &format!("id=\"f-{name}-hint\""), "</div>"), "class=\"wrong\">", "<")
    };
    assert!(beside("mapping.data").contains("This is no JSON"), "{page}");
    assert!(beside("timeout").contains("is not a duration"), "{page}");
    assert!(beside("max_in_flight").contains("a whole number"), "{page}");
    assert!(page.contains("unknown key") && !page.contains("<script>alert"), "{page}");
    assert_eq!(app.get("/api/destinations").await["destinations"], json!([]));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_maps_a_sample_and_sends_nothing() {
    let receiver = Receiver::taking_all();
    let app = with_crm(&receiver.url("/hook")).await;
    let admin = Browser::of(&app, Role::Admin).await;
    let place = "/console/destinations/new?kind=webhook_action";
    let url = receiver.url("/mapped");
    let event = json!({ "type": "track", "userId": "u7", "event": "<i>Bought</i>" }).to_string();
    let typed = [
        ("do", "preview"),
        ("key", "mapped"),
        ("enabled", "true"),
        ("mapping.url", url.as_str()),
        ("mapping.data", "{\"who\": {\"@path\": \"$.userId\"}, \"what\": {\"@path\": \"$.event\"}}"),
        ("sample_event", event.as_str()),
    ];
    let page = admin.send(place, &typed).await.expect(200).text();
    assert!(page.contains("&quot;who&quot;: &quot;u7&quot;") && page.contains("/mapped"), "{page}");
    assert!(!page.contains("<i>Bought"), "{page}");
    let wrong = admin.send(place, &with(&[], &[&typed[..5], &[("sample_event", "{")]].concat())).await;
    assert!(wrong.expect(200).text().contains("This is no JSON"));
    // With secrets that are kept, which are not shown.
    let edit = "/console/destinations/crm/edit";
    let fields = fields(&admin.page(edit).await);
    let page = admin.send(edit, &with(&fields, &[("do", "preview"), ("sample_type", "identify")])).await;
    let page = page.expect(200).text();
    assert!(page.contains("x-team") && page.contains("growth") && !page.contains("t0ps3cr3t"), "{page}");
    assert!(receiver.requests().is_empty());
    assert_eq!(app.get("/api/destinations").await["destinations"].as_array().map(Vec::len), Some(1));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_define_edits() {
    let app = with_crm("https://crm.example.com/hook").await;
    let operator = Browser::of(&app, Role::Operator).await;
    assert!(!operator.page("/console/destinations/crm").await.contains("/edit"));
    for place in ["/console/destinations/crm/edit", "/console/destinations/new?kind=webhook"] {
        assert_eq!(operator.get(place).await.status, 403, "{place}");
        assert_eq!(operator.send(place, &[("do", "save")]).await.status, 403, "{place}");
    }
    let admin = Browser::of(&app, Role::Admin).await;
    assert_eq!(
        admin.send_without_csrf("/console/destinations/crm/edit", &[("do", "save")]).await.status,
        400
    );
    assert_eq!(app.get("/api/destinations/crm").await["urls"][0]["headers"]["X-Team"], Value::from("growth"));
    app.finish().await;
}
