//! Deleting sources, destinations and flows in the console: what it comes to is told first, and what is needed stays.

use serde_json::json;
use stagepost::domain::people::Role;

use crate::app::{TestApp, app};
use crate::console_journeys::Browser;
use crate::http::send;
use crate::studio::post_stage;

async fn house() -> TestApp {
    let app = app().await;
    app.apply(&json!({
        "source": [
            { "key": "studio", "kind": "studio", "write_key": "wk_studio" },
            { "key": "web", "kind": "http", "write_key": "wk_website" },
        ],
        "flow": [{ "name": "appointment_confirmation", "initial": "initiation", "terminal": ["confirmed"] }],
        "destination": [
            { "key": "crm", "kind": "webhook", "urls": [{ "url": "http://127.0.0.1:4599/hook" }], "sources": ["web"] },
            { "key": "old", "kind": "webhook", "urls": [{ "url": "http://127.0.0.1:4599/old" }], "events": "none" },
        ],
        "audience": [{ "name": "Buyers", "query": "event('Bought').count() >= 1", "destinations": ["crm"] }],
    }))
    .await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_goes_with_its_key() {
    let mut app = house().await;
    app.allow_rejections();
    let admin = Browser::of(&app, Role::Admin).await;
    assert!(admin.page("/console/sources/web").await.contains("/console/sources/web/delete"));
    let page = admin.page("/console/sources/web/delete").await;
    assert!(
        page.contains("source `web` is still named by `crm`") && !page.contains("class=\"danger\""),
        "{page}"
    );
    let refused = admin.send("/console/sources/web/delete", &[]).await.expect(409).text();
    assert!(refused.contains("source `web` is still named by `crm`"), "{refused}");

    post_stage(&app, "u1", "initiation").await;
    app.rest().await;
    let page = admin.page("/console/sources/studio/delete").await;
    assert!(
        page.contains("It took in 1 event in the last 24 hours") && page.contains("Delete this source"),
        "{page}"
    );
    let gone = admin.send("/console/sources/studio/delete", &[]).await.expect(303);
    assert_eq!(gone.header("location"), "/console/sources?said=removed");
    let form = "application/x-www-form-urlencoded";
    assert_eq!(app.post_text("/studio/wk_studio", form, "userID=u1").await.status, 401);
    assert_eq!(admin.get("/console/sources/studio/delete").await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_goes_when_nothing_sends_to_it() {
    let app = house().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let page = admin.page("/console/destinations/crm/delete").await;
    assert!(page.contains("destination `crm` is still used by `buyers`"), "{page}");
    assert_eq!(admin.send("/console/destinations/crm/delete", &[]).await.status, 409);
    let page = admin.page("/console/destinations/old/delete").await;
    assert!(page.contains("0 deliveries that wait for it are not sent any more"), "{page}");
    admin.send("/console/destinations/old/delete", &[]).await.expect(303);
    assert!(!app.engine().definitions().destinations.contains_key("old"));
    // Mails are no definition.
    assert_eq!(admin.get("/console/destinations/email/delete").await.status, 404);
    assert!(!admin.page("/console/destinations/email").await.contains("/delete\""));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_goes_and_its_journeys_stay() {
    let app = house().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let id = post_stage(&app, "u1", "initiation").await;
    app.rest().await;
    let page = admin.page("/console/flows/appointment_confirmation/delete").await;
    assert!(page.contains("Its 1 open journey goes on, but nobody is told"), "{page}");
    admin.send("/console/flows/appointment_confirmation/delete", &[]).await.expect(303);
    assert!(app.engine().definitions().flows.is_empty());
    assert!(admin.page(&format!("/console/journeys/{id}")).await.contains("not defined"));
    assert_eq!(admin.get("/console/flows/appointment_confirmation/delete").await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_deletes_who_may_not_define() {
    let app = house().await;
    let operator = Browser::of(&app, Role::Operator).await;
    let admin = Browser::of(&app, Role::Admin).await;
    for (place, shown) in [
        ("/console/sources/studio", "/console/sources/studio/delete"),
        ("/console/destinations/old", "/console/destinations/old/delete"),
        ("/console/flows/appointment_confirmation", "/console/flows/appointment_confirmation/delete"),
    ] {
        assert!(admin.page(place).await.contains(shown), "{place}");
        assert!(!operator.page(place).await.contains("/delete\""), "{place}");
        assert_eq!(operator.get(shown).await.status, 403, "{shown}");
        assert_eq!(operator.send(shown, &[]).await.status, 403, "{shown}");
        assert_eq!(admin.send_without_csrf(shown, &[]).await.status, 400, "{shown}");
    }
    assert_eq!(app.engine().definitions().sources.len(), 2);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_revoked_on_a_page_that_asks() {
    let app = house().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let wanted = json!({ "name": "night <b>", "scopes": ["read"] });
    let made = app.call("POST", "/api/tokens", Some(&wanted)).await.expect(201).json();
    let id = made["id"].as_str().expect("an id").to_owned();
    let place = format!("/console/tokens/{id}/revoke");
    assert!(admin.page("/console/tokens").await.contains(&format!("href=\"{place}\"")));
    let page = admin.page(&place).await;
    assert!(page.contains("Revoke night &lt;b&gt;?") && page.contains("see what is here"), "{page}");
    assert!(page.contains("<form method=\"post\""), "it needs no script");
    let secret = made["token"].as_str().expect("the token").to_owned();
    let read = async || send(app.request("GET", "/api/me").bearer_auth(&secret)).await.status;
    assert_eq!(read().await, 200, "asking is not doing");
    admin.send(&place, &[]).await.expect(303);
    assert_eq!(read().await, 401);
    assert_eq!(admin.get(&place).await.status, 404);
    let operator = Browser::of(&app, Role::Operator).await;
    assert_eq!(operator.get(&place).await.status, 403);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_takes_the_place_of_a_form() {
    let app = house().await;
    let webhook = json!({ "kind": "webhook", "urls": [{ "url": "http://127.0.0.1:4599/hook" }] });
    let audience = json!({ "name": "New", "query": "event('A').count() >= 1" });
    for (kind, body) in [
        ("sources", &json!({ "kind": "http" })),
        ("destinations", &webhook),
        ("teams", &json!({ "time_zone": "UTC" })),
        ("audiences", &audience),
        ("traits", &json!({ "name": "New", "query": "event('A').count()" })),
    ] {
        let refused = app.call("PUT", &format!("/api/{kind}/new"), Some(body)).await;
        assert!(
            refused.status == 400 && refused.text().contains("can't be `new`"),
            "{kind}: {} {}",
            refused.status,
            refused.text()
        );
    }
    // A flow's form stands behind its name.
    app.call("PUT", "/api/flows/new", Some(&json!({}))).await.expect(201);
    let admin = Browser::of(&app, Role::Admin).await;
    assert!(admin.page("/console/flows/new").await.contains("<h1>new</h1>"));
    app.finish().await;
}
