//! The console's pages on users: who is found, and what is shown of one.

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::console_live::{HOSTILE, Viewer};
use crate::studio::FLOW;
use crate::support::api::escape;

async fn shop() -> TestApp {
    let app = app().await;
    app.apply(&json!({
        "source": [
            { "key": "studio", "kind": "studio", "write_key": "wk_studio" },
            { "key": "web", "kind": "http", "write_key": "wk_website" },
        ],
        "flow": [{ "name": FLOW, "initial": "initiation", "terminal": ["confirmed"] }],
        "audience": [{ "name": "Buyers", "query": "event('Bought').count() >= 1" }],
        "trait": [{ "name": "Orders", "query": "event('Bought').count()" }],
    }))
    .await;
    app
}

async fn post(app: &TestApp, kind: &str, mut call: Value) {
    call["writeKey"] = "wk_website".into();
    app.post_json(&format!("/v1/{kind}"), &call).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_box_finds_people_by_any_of_their_ids() {
    let app = shop().await;
    let viewer = Viewer::of(&app).await;
    assert!(viewer.page(&app, "/console/users").await.contains("0 profiles are known"));
    let traits = json!({ "email": "Ann@Example.com", "phone": "+14155550100" });
    post(&app, "identify", json!({ "userId": "u/1", "anonymousId": "a1", "traits": traits })).await;
    post(&app, "identify", json!({ "userId": "u2", "traits": { "email": "ann@example.com" } })).await;
    post(&app, "track", json!({ "anonymousId": "a2", "event": "Seen" })).await;
    app.rest().await;
    let found = async |query: String| {
        let got = viewer.without_following(&app, &format!("/console/users?{query}")).await;
        (got.status, got.header("location").to_owned())
    };
    // The only one who is found is shown.
    for (asked, place) in [
        ("u/1", "/console/users/u%2F1"),
        ("+14155550100", "/console/users/u%2F1"),
        ("a2", "/console/users/a2?anonymous=true"),
        ("a1", "/console/users/u%2F1"),
    ] {
        assert_eq!(found(format!("q={}", escape(asked))).await, (303, place.to_owned()), "{asked}");
    }
    assert_eq!(found("by=phone&q=+14155550100".to_owned()).await.0, 303, "a plus that became a space");
    assert_eq!(found("by=email&q=u2".to_owned()).await.0, 200);
    let both = viewer.page(&app, "/console/users?by=email&q=ANN%40example.com").await;
    assert!(
        both.contains("2 found")
            && both.contains("/console/users/u%2F1")
            && both.contains("/console/users/u2"),
        "{both}"
    );
    let nobody = viewer.page(&app, &format!("/console/users?q={}", escape(HOSTILE))).await;
    assert!(nobody.contains("Nobody found") && !nobody.contains("<script>alert"), "{nobody}");
    let long = viewer.page(&app, &format!("/console/users?q={}", "x".repeat(3000))).await;
    assert!(long.contains("Nobody found"));
    assert_eq!(viewer.get(&app, "/console/users/nobody").await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_tells_all_that_is_known_of_a_user() {
    let app = shop().await;
    let viewer = Viewer::of(&app).await;
    let traits = json!({ "email": "ann@example.com", "plan": HOSTILE, "address": { "city": HOSTILE } });
    post(&app, "identify", json!({ "userId": "u1", "anonymousId": "a1", "traits": traits })).await;
    post(&app, "group", json!({ "userId": "u1", "groupId": "acme" })).await;
    post(&app, "track", json!({ "userId": "u1", "event": "Bought" })).await;
    let stage =
        json!({ "userID": "u1", "phoneNumber": "+14155550100", "flow": FLOW, "stage": "<script>alert(1)" });
    app.post_json("/studio/wk_studio", &stage).await.expect(200);
    app.rest().await;
    let page = viewer.page(&app, "/console/users/u1").await;
    for part in [
        "ann@example.com",
        "+14155550100",
        "/console/audiences/buyers",
        "/console/traits/orders",
        "/console/journeys/jny_",
        "/console/live/evt_",
        "/console/users/acme?group=true",
        "plan",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    let visitor = viewer.page(&app, "/console/users/a1?anonymous=true").await;
    assert!(visitor.contains("a1 has become part of u1."), "{visitor}");
    let account = viewer.page(&app, "/console/users/acme?group=true").await;
    assert!(account.contains("1 user"), "{account}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_paged() {
    let app = shop().await;
    let viewer = Viewer::of(&app).await;
    for n in 0..15 {
        post(&app, "track", json!({ "userId": "u1", "event": format!("Seen {n:02}") })).await;
    }
    app.rest().await;
    let first = viewer.page(&app, "/console/users/u1/events").await;
    assert!(first.contains("Seen 14") && first.contains("Seen 05") && !first.contains("Seen 04"), "{first}");
    let next = first.split("rel=\"next\"").next().and_then(|before| before.rsplit("href=\"").next());
    let next = next.and_then(|rest| rest.split('"').next()).expect("a next page").replace("&amp;", "&");
    let second = viewer.page(&app, &next).await;
    assert!(
        second.contains("Seen 04") && second.contains("Seen 00") && !second.contains("Seen 05"),
        "{second}"
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_those_of_the_user_alone() {
    let receiver = crate::support::receiver::Receiver::taking_all();
    let app = shop().await;
    let viewer = Viewer::of(&app).await;
    let crm = json!({ "key": "crm", "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }], "events": "all" });
    app.put("/api/destinations/crm", crm).await;
    post(&app, "track", json!({ "userId": "u1", "event": "Bought" })).await;
    post(&app, "track", json!({ "userId": "u2", "event": "Bought" })).await;
    post(&app, "track", json!({ "anonymousId": "a1", "event": "Bought" })).await;
    app.rest().await;
    let page = viewer.page(&app, "/console/users/u1/deliveries").await;
    assert_eq!(page.matches("/console/deliveries/dlv_").count(), 1, "{page}");
    assert!(page.contains("An event:") && page.contains("/console/live/evt_"), "{page}");
    let dead = viewer.page(&app, "/console/users/u1/deliveries?status=dead").await;
    assert!(!dead.contains("/console/deliveries/dlv_"), "{dead}");
    let visitor = viewer.page(&app, "/console/users/a1/deliveries?anonymous=true").await;
    assert_eq!(visitor.matches("/console/deliveries/dlv_").count(), 1, "{visitor}");
    assert!(visitor.contains("name=\"anonymous\" value=\"true\""), "the filter keeps who it is: {visitor}");
    app.finish().await;
}
