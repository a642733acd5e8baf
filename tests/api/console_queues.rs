//! The console's pages on destinations' queues: how each fares, why something was not sent, and sending it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};
use stagepost::domain::people::Role;

use crate::app::{TestApp, app};
use crate::console_journeys::{Browser, between};
use crate::http::column;
use crate::support::receiver::{Receiver, Reply};

const MINUTE: i64 = 60_000;

/// A shop whose `crm` answers with the status set last, and gives up after a minute.
struct Shop {
    app: TestApp,
    mood: Arc<AtomicU16>,
    _receiver: Receiver,
}

impl Shop {
    async fn open() -> Self {
        let mood = Arc::new(AtomicU16::new(200));
        let read = Arc::clone(&mood);
        let receiver = Receiver::start(move |_, _| Reply::Status(read.load(Ordering::SeqCst)));
        let app = app().await;
        app.apply(&json!({
            "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
            "destination": [{
                "key": "crm", "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }], "events": "all",
                "retry_for": "1m", "pause_after": "never",
            }],
        }))
        .await;
        Self { app, mood, _receiver: receiver }
    }

    /// Somebody does something while `crm` answers like that, until it is known what comes of it.
    async fn sold(&self, who: (&str, &str), status: u16) {
        self.mood.store(status, Ordering::SeqCst);
        let mut call = json!({ "writeKey": "wk_website", "event": "Bought" });
        call[who.0] = who.1.into();
        self.app.post_json("/v1/track", &call).await.expect(200);
        for _ in 0..4 {
            self.app.advance(MINUTE).await;
        }
        self.app.rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_lead_to_their_deliveries_and_are_sent_again_alone() {
    let shop = Shop::open().await;
    let operator = Browser::of(&shop.app, Role::Operator).await;
    shop.sold(("userId", "ada"), 503).await;
    shop.sold(("userId", "bob"), 500).await;
    let page = operator.page("/console/destinations/crm").await;
    let place = "/console/deliveries?destination=crm&amp;status=dead&amp;httpStatus=503";
    assert!(page.contains(place), "{page}");
    let list = operator.page(&place.replace("&amp;", "&")).await;
    assert!(list.contains("/console/users/ada") && !list.contains("/console/users/bob"), "{list}");
    assert_eq!(operator.get("/console/deliveries?httpStatus=x").await.status, 400);

    shop.mood.store(200, Ordering::SeqCst);
    let group = [("status", "dead"), ("httpStatus", "503")];
    operator.send("/console/destinations/crm/replay", &group).await.expect(303);
    shop.app.rest().await;
    let page = operator.page("/console/destinations/crm").await;
    assert!(page.contains("1 put back · HTTP 503"), "{page}");
    let deliveries = shop.app.get("/api/deliveries?destination=crm").await;
    assert_eq!(column(&deliveries["deliveries"], "status"), ["dead", "delivered"], "bob's is left");
    shop.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_tells_what_it_did_not_put_back() {
    let shop = Shop::open().await;
    shop.app
        .apply(&json!({ "audience": [{
            "name": "Buyers", "query": "event('Bought').within(1 day).count() >= 1", "destinations": ["crm"],
        }] }))
        .await;
    shop.sold(("userId", "ada"), 503).await;
    // What was to be told of her is no longer true: it was told that she left.
    shop.mood.store(200, Ordering::SeqCst);
    shop.app.advance(25 * 60 * MINUTE).await;
    shop.app.rest().await;
    let operator = Browser::of(&shop.app, Role::Operator).await;
    operator.send("/console/destinations/crm/replay", &[("status", "dead")]).await.expect(303);
    shop.app.rest().await;
    let page = operator.page("/console/destinations/crm").await;
    let told = shop.app.get("/api/replays").await["replays"][0].clone();
    let left = told["superseded"].as_u64().expect("a number");
    assert!(left > 0, "{told}");
    assert!(
        page.contains(&format!("{left} is no longer true"))
            || page.contains(&format!("{left} are no longer true")),
        "{page}"
    );
    shop.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_resumed_by_hand_is_not_healthy_before_it_took_something() {
    let shop = Shop::open().await;
    let operator = Browser::of(&shop.app, Role::Operator).await;
    for user in ["ada", "bob", "eve", "joe", "liz"] {
        shop.sold(("userId", user), 503).await;
    }
    let place = "/console/destinations/crm";
    let word = |page: &str| between(between(page, "<h1>", "</h1>"), "badge", "/span").to_owned();
    let page = operator.page(place).await;
    assert!(word(&page).contains(">failing<"), "{page}");
    assert!(page.contains("data-confirm=\"This destination does not take"), "it is asked first: {page}");
    for act in ["pause", "resume"] {
        operator.send(&format!("{place}/{act}"), &[]).await.expect(303);
    }
    let page = operator.page(place).await;
    assert!(word(&page).contains(">not tried since<"), "{page}");
    assert!(operator.page("/console").await.contains(">not tried since<"));
    shop.sold(("userId", "kim"), 200).await;
    assert!(word(&operator.page(place).await).contains(">healthy<"));
    let rate = between(&operator.page(place).await, "attempts a minute, since", "</div>").to_owned();
    assert!(rate.contains("datetime=\"2026-11-21T09:00:00.000Z\""), "{rate}");
    shop.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answered_a_form_leads_to_its_page_when_it_is_opened_again() {
    let shop = Shop::open().await;
    let admin = Browser::of(&shop.app, Role::Admin).await;
    for (place, page) in [
        ("/console/destinations/crm/test", "/console/destinations/crm"),
        ("/console/sources/web/rotate", "/console/sources/web"),
    ] {
        assert_eq!(admin.get(place).await.expect(303).header("location"), page);
    }
    let tested = admin.send("/console/destinations/crm/test", &[]).await.expect(200).text();
    assert!(tested.contains("<b>POST</b>") && tested.contains("&quot;type&quot;: "), "{tested}");
    shop.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_tells_whose_it_is_and_why_in_words() {
    let shop = Shop::open().await;
    let viewer = Browser::of(&shop.app, Role::Viewer).await;
    shop.sold(("anonymousId", "a/1"), 200).await;
    let list = shop.app.get("/api/deliveries").await;
    let id = list["deliveries"][0]["id"].as_str().expect("an id");
    let page = viewer.page(&format!("/console/deliveries/{id}")).await;
    assert!(page.contains("/console/users/a%2F1?anonymous=true"), "{page}");
    assert!(page.contains("An event:"), "{page}");
    shop.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_of_destinations_and_sources_are_paged() {
    let app = app().await;
    let of = |kind: &str, number: usize| -> Value {
        let key = format!("it{number:03}");
        match kind {
            "source" => json!({ "key": key, "kind": "http" }),
            _ => json!({ "key": key, "kind": "webhook", "urls": [{ "url": "https://x.example.com/" }] }),
        }
    };
    let all = |kind: &str| (0..60).map(|number| of(kind, number)).collect::<Vec<_>>();
    app.apply(&json!({ "source": all("source"), "destination": all("destination") })).await;
    let viewer = Browser::of(&app, Role::Viewer).await;
    for (list, count) in [("sources", 60), ("destinations", 61)] {
        let (mut place, mut rows) = (format!("/console/{list}"), 0);
        loop {
            let page = viewer.page(&place).await;
            rows += page.matches(&format!("<tr><td><a href=\"/console/{list}/")).count();
            if !page.contains("rel=\"next\"") {
                break;
            }
            place = between(&page, "<nav class=\"pages\"", "rel=\"next\"").to_owned();
            place = between(&place, "href=\"", "\"").replace("&#x2f;", "/");
        }
        assert_eq!(rows, count, "{list}");
    }
    app.finish().await;
}
