//! The console's first page: what it counts, and where its numbers lead.

use serde_json::json;
use stagepost::domain::people::Role;

use crate::app::app;
use crate::console_journeys::{Browser, between, with_ladder};
use crate::studio::post_stage;
use crate::support::receiver::{Receiver, Reply};

const MINUTE: i64 = 60_000;

/// The number on the tile that leads there.
fn tile<'p>(page: &'p str, place: &str) -> &'p str {
    between(page, &format!("href=\"{place}\"><b>"), "</b>")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_human_is_told_apart_from_what_stalls() {
    let app = with_ladder().await;
    let operator = Browser::of(&app, Role::Operator).await;
    let mut journeys = Vec::new();
    for user in ["ada", "bob", "eve"] {
        journeys.push(post_stage(&app, user, "no_reply").await);
    }
    app.advance(31 * MINUTE).await;
    let page = operator.page("/console").await;
    let numbers = |page: &str| {
        [tile(page, "/console/inbox"), tile(page, "/console/journeys?status=stalled")].map(str::to_owned)
    };
    assert_eq!(numbers(&page), ["3", "3"]);
    let place = format!("/console/journeys/{}", journeys[0]);
    let shown = operator.page(&place).await;
    let seen = between(&shown, "name=\"seen\" value=\"", "\"");
    operator.send(&place, &[("act", "acknowledge"), ("seen", seen)]).await.expect(303);
    assert_eq!(numbers(&operator.page("/console").await), ["2", "3"], "the inbox has two");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_what_was_not_sent_lead_to_it_and_deliveries_count_once() {
    // Hers is taken at the second try, his never.
    let receiver = Receiver::start(|request, number| {
        let is_hers = request.json()["userId"] == "ada";
        Reply::Status(if is_hers && number > 0 {
            200
        } else if is_hers {
            500
        } else {
            400
        })
    });
    let app = app().await;
    app.apply(&json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": [{
            "key": "crm", "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }], "events": "all",
        }],
    }))
    .await;
    let viewer = Browser::of(&app, Role::Viewer).await;
    let page = viewer.page("/console").await;
    assert!(page.contains("An admin can let the first event in"), "{page}");
    for user in ["ada", "bob"] {
        let call = json!({ "writeKey": "wk_website", "userId": user, "event": "Bought" });
        app.post_json("/v1/track", &call).await.expect(200);
        app.advance(10 * MINUTE).await;
        app.rest().await;
    }
    let page = viewer.page("/console").await;
    assert_eq!(tile(&page, "/console/deliveries?status=failed"), "1");
    assert_eq!(tile(&page, "/console/deliveries?status=dead"), "0");
    let chart = between(&page, "Deliveries that came to an end", "</section>");
    assert!(
        chart.contains("delivered: 1") && chart.contains("failed: 1") && !chart.contains("retry"),
        "{chart}"
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sources_than_colours_are_told_together() {
    let app = app().await;
    let source = |number: usize| json!({ "key": format!("shop{number}"), "kind": "http", "write_key": format!("wk_shop_{number}") });
    app.apply(&json!({ "source": (0..8).map(source).collect::<Vec<_>>() })).await;
    for number in 0..8 {
        for user in 0..=number {
            let key = format!("wk_shop_{number}");
            let call = json!({ "writeKey": key, "userId": format!("u{user}"), "event": "Seen" });
            app.post_json("/v1/track", &call).await.expect(200);
        }
    }
    app.rest().await;
    let page = Browser::of(&app, Role::Viewer).await.page("/console").await;
    let chart = between(&page, "Events taken in", "</figure>");
    assert!(chart.contains("shop7: 8") && chart.contains("others: 6") && !chart.contains("shop0"), "{chart}");
    app.finish().await;
}
