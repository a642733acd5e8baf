//! The console's live debugger: what the page shows, how it goes on by itself, and what one event caused.

use std::time::Instant;

use serde_json::{Value, json};

use stagepost::domain::figures::{Family, Grain};
use stagepost::domain::people::Role;
use stagepost::domain::time::Span;
use stagepost::engine::NewPerson;

use crate::app::{PATIENCE, TestApp, app};
use crate::http::{Got, column, send};
use crate::studio::{FLOW, body, post_stage, studio};
use crate::support::api::{TOKEN, escape};
use crate::support::receiver::Receiver;

/// What somebody writes who would like it to be run.
pub const HOSTILE: &str = "<script>alert(1)</script>\"'&{{7*7}}";

/// A viewer at the console.
pub struct Viewer {
    cookie: String,
}

impl Viewer {
    pub async fn of(app: &TestApp) -> Self {
        let person = NewPerson {
            email: "viewer@example.com".to_owned(),
            name: "Vera".to_owned(),
            role: Role::Viewer,
            password: "four words make one".to_owned(),
        };
        let person = app.engine().add_person(person).await.expect("a person");
        let secret = app.engine().begin_session(person.id).await.expect("a session");
        Self { cookie: format!("stagepost_session={secret}") }
    }

    pub fn request(&self, app: &TestApp, path: &str) -> reqwest::RequestBuilder {
        app.request("GET", path).header("cookie", &self.cookie)
    }

    pub async fn get(&self, app: &TestApp, path: &str) -> Got {
        send(self.request(app, path)).await
    }

    /// The answer itself, wherever it says to go.
    pub async fn without_following(&self, app: &TestApp, path: &str) -> Got {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let request = client.build().expect("an HTTP client").get(format!("{}{path}", app.base()));
        send(request.header("cookie", &self.cookie)).await
    }

    /// A page that is there.
    pub async fn page(&self, app: &TestApp, path: &str) -> String {
        let got = self.get(app, path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        assert!(got.header("content-type").starts_with("text/html"), "{path}");
        got.text()
    }
}

/// A server with a source of each kind, a flow, an audience, a computed trait, and a destination that wants to hear of them.
async fn shop(receiver: &Receiver) -> TestApp {
    let app = app().await;
    app.apply(&json!({
        "source": [
            { "key": "studio", "kind": "studio", "write_key": "wk_studio" },
            { "key": "web", "kind": "http", "write_key": "wk_website" },
        ],
        "flow": [{ "name": FLOW, "initial": "initiation", "terminal": ["confirmed"] }],
        "destination": [{ "key": "crm", "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }], "events": "all" }],
        "audience": [{ "name": "Buyers", "query": "event('Bought').count() >= 1", "destinations": ["crm"] }],
        "trait": [{ "name": "Orders", "query": "event('Bought').count()", "destinations": ["crm"] }],
    }))
    .await;
    app
}

async fn track(app: &TestApp, user: &str, event: &str, message: &str) {
    let call = json!({ "userId": user, "event": event, "messageId": message, "writeKey": "wk_website", "properties": { "note": HOSTILE } });
    app.post_json("/v1/track", &call).await.expect(200);
}

/// The id of the newest event that the API lists.
async fn newest_event(app: &TestApp) -> String {
    let list = app.get("/api/events?type=track&limit=1").await;
    list["events"][0]["eventId"].as_str().expect("an event").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_rows_are_there_without_a_script() {
    let mut app = studio().await;
    app.allow_rejections();
    let viewer = Viewer::of(&app).await;
    let empty = viewer.page(&app, "/console/live").await;
    assert!(empty.contains("Nothing has arrived yet"), "{empty}");
    assert!(!empty.contains("wk_studio"), "a viewer is not told the write key: {empty}");
    // Whoever may define has a line to paste, until something came: then keys are shown once.
    let admin = crate::console_journeys::Browser::of(&app, Role::Admin).await;
    for place in ["/console", "/console/live"] {
        let page = admin.page(place).await;
        assert!(page.contains("-d stage=no_reply") && page.contains("/studio/wk_studio"), "{page}");
    }
    post_stage(&app, "u1", "initiation").await;
    for place in ["/console", "/console/live", "/console/live?outcome=rejected"] {
        assert!(!admin.page(place).await.contains("wk_studio"), "{place}");
    }
    let mut broken = body("u1", "initiation");
    broken["flow"] = "".into();
    broken["note"] = HOSTILE.into();
    app.post_json("/studio/wk_studio", &broken).await.expect(400);
    let page = viewer.page(&app, "/console/live").await;
    for part in ["Studio Flow Step", "missing_field", "rej_", "/console/users/u1", "data-stream=", "Reload"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains(HOSTILE), "{page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_stand_in_the_address() {
    let mut app = shop(&Receiver::taking_all()).await;
    app.allow_rejections();
    let viewer = Viewer::of(&app).await;
    track(&app, "u1", "Bought", "m1").await;
    track(&app, "u2", "Seen", "m2").await;
    post_stage(&app, "u3", "initiation").await;
    app.post_json("/v1/track", &json!({ "writeKey": "wk_website", "userId": "u1" })).await.expect(400);
    app.rest().await;
    let shown = async |query: &str| {
        let page = viewer.page(&app, &format!("/console/live?{query}")).await;
        let rows = page.split("id=\"live-rows\"").nth(1).and_then(|rest| rest.split("</tbody>").next());
        let rows = rows.expect("rows").to_owned();
        ["Bought", "Seen", "Studio Flow Step", "no_event"].map(|name| rows.contains(&format!("<b>{name}")))
    };
    assert_eq!(shown("").await, [true, true, true, true]);
    assert_eq!(shown("outcome=accepted").await, [true, true, true, false]);
    assert_eq!(shown("outcome=rejected").await, [false, false, false, true]);
    assert_eq!(shown("event=Bought").await, [true, false, false, false]);
    assert_eq!(shown("user=u2").await, [false, true, false, false]);
    assert_eq!(shown("source=studio").await, [false, false, true, false]);
    assert_eq!(shown("source=web").await, [true, true, false, true]);
    assert_eq!(shown("type=identify&source=").await, [false; 4]);
    // The API has the same ones.
    let of =
        async |query: &str| column(&app.get(&format!("/api/events?{query}")).await["events"], "messageId");
    assert_eq!(of("event=Bought&source=web").await, ["m1"]);
    assert_eq!(of("event=Bought&source=studio").await, [""; 0]);
    assert_eq!(viewer.get(&app, "/console/live?cursor=nonsense").await.status, 400);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_rows_are_on_further_pages() {
    let app = shop(&Receiver::taking_all()).await;
    let viewer = Viewer::of(&app).await;
    let batch: Vec<Value> = (0..130)
        .map(|n| json!({ "type": "track", "event": format!("Seen {n:03}"), "userId": "u1", "messageId": format!("m{n}") }))
        .collect();
    app.post_json("/v1/batch", &json!({ "writeKey": "wk_website", "batch": batch })).await.expect(200);
    app.rest().await;
    let first = viewer.page(&app, "/console/live?type=track").await;
    assert!(
        first.contains("Seen 129") && first.contains("Seen 030") && !first.contains("Seen 029"),
        "{first}"
    );
    let next = first.split("rel=\"next\"").next().and_then(|before| before.rsplit("href=\"").next());
    let next = next.and_then(|rest| rest.split('"').next()).expect("a next page").replace("&amp;", "&");
    let second = viewer.page(&app, &next).await;
    assert!(
        second.contains("Seen 029") && second.contains("Seen 000") && !second.contains("Seen 030"),
        "{second}"
    );
    assert!(!second.contains("live.js"), "an older page does not listen");
    app.finish().await;
}

/// Reads a stream until its text has `part`.
async fn until(stream: &mut reqwest::Response, text: &mut String, part: &str) {
    let begun = Instant::now();
    while !text.contains(part) {
        assert!(begun.elapsed() < PATIENCE, "{part} in {text}");
        text.push_str(&String::from_utf8_lossy(&stream.chunk().await.expect("a stream").expect("a line")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_goes_on_where_the_page_or_a_listener_left_off() {
    let mut app = shop(&Receiver::taking_all()).await;
    app.allow_rejections();
    let viewer = Viewer::of(&app).await;
    let page = viewer.page(&app, "/console/live").await;
    let after = page.split("data-after=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a place");
    // Between the page and its listening.
    track(&app, "u1", "Bought", "m1").await;
    app.post_json("/v1/track", &json!({ "writeKey": "wk_website" })).await.expect(400);
    let path = format!("/console/live/stream?source=web&after={}", escape(after));
    let mut stream = viewer.request(&app, &path).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut text = String::new();
    until(&mut stream, &mut text, "\"name\":\"Bought\"").await;
    until(&mut stream, &mut text, "\"outcome\":\"rejected\"").await;
    // Not this one: it has another source.
    post_stage(&app, "u2", "initiation").await;
    track(&app, "u1", "Seen", "m2").await;
    until(&mut stream, &mut text, "\"name\":\"Seen\"").await;
    until(&mut stream, &mut text, "\n\n").await;
    drop(stream);
    assert_eq!(text.matches("\"name\":\"Bought\"").count(), 1, "{text}");
    assert!(!text.contains("Studio Flow Step"), "{text}");
    for part in ["\"who_href\":\"/console/users/u1\"", "event: accepted", "event: rejected"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("wk_website"), "{text}");
    let last = text.rsplit("id: ").next().and_then(|rest| rest.split('\n').next()).expect("an id").to_owned();
    track(&app, "u1", "Missed", "m3").await;
    // A browser that comes back says so in a header, and its address has what it had first.
    let again = viewer.request(&app, &path).header("last-event-id", &last);
    let (mut stream, mut text) = (again.send().await.unwrap(), String::new());
    until(&mut stream, &mut text, "\"name\":\"Missed\"").await;
    drop(stream);
    assert!(!text.contains("\"rejected\""), "what was told is not told again: {text}");
    assert!(!text.contains("\"name\":\"Bought\"") || app.store().is_shared(), "{text}");
    let api = app.request("GET", "/api/events/stream?event=Missed&after=evt_00000000000000000000000000-0");
    let (mut stream, mut text) = (api.bearer_auth(TOKEN).send().await.unwrap(), String::new());
    until(&mut stream, &mut text, "\"messageId\":\"m3\"").await;
    drop(stream);
    assert!(!text.contains("\"messageId\":\"m1\""), "{text}");
    for wrong in ["/api/events/stream?after=x", "/api/events/stream?nothing=1"] {
        assert_eq!(app.call("GET", wrong, None).await.status, 400, "{wrong}");
    }
    assert_eq!(viewer.get(&app, "/console/live/stream?after=x").await.status, 400);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_to_be_told_is_said_to_be_missing() {
    let app = shop(&Receiver::taking_all()).await;
    let viewer = Viewer::of(&app).await;
    let batch: Vec<Value> =
        (0..600).map(|n| json!({ "type": "page", "userId": "u1", "messageId": format!("m{n}") })).collect();
    app.post_json("/v1/batch", &json!({ "writeKey": "wk_website", "batch": batch })).await.expect(200);
    let path = "/console/live/stream?after=evt_00000000000000000000000000-0";
    let (mut stream, mut text) = (viewer.request(&app, path).send().await.unwrap(), String::new());
    until(&mut stream, &mut text, "event: lag\ndata: {\"missed\":null}").await;
    while text.matches("event: accepted").count() < 500 {
        text.push_str(&String::from_utf8_lossy(&stream.chunk().await.expect("a stream").expect("a line")));
    }
    drop(stream);
    app.rest().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_shows_what_it_was_and_what_it_caused() {
    let app = shop(&Receiver::taking_all()).await;
    let viewer = Viewer::of(&app).await;
    track(&app, "u1", "Bought", "m1").await;
    app.rest().await;
    let page = viewer.page(&app, &format!("/console/live/{}", newest_event(&app).await)).await;
    for part in [
        "As it was posted",
        "[write key]",
        "Entered the audience",
        "/console/audiences/buyers",
        "/console/traits/orders",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(
        page.matches("/console/deliveries/dlv_").count(),
        3,
        "itself, the audience and the trait: {page}"
    );
    assert!(page.contains("/console/sources/web") && page.contains("/console/users/u1"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains("wk_website"), "{page}");

    let journey = post_stage(&app, "u2", "initiation").await;
    app.rest().await;
    let page = viewer.page(&app, &format!("/console/live/{}", newest_event(&app).await)).await;
    assert!(page.contains(&format!("/console/journeys/{journey}")) && page.contains("first step"), "{page}");

    let traits = json!({ "writeKey": "wk_website", "userId": "u1", "traits": { "plan": HOSTILE } });
    app.post_json("/v1/identify", &traits).await.expect(200);
    app.rest().await;
    let list = app.get("/api/events?type=identify").await;
    let page =
        viewer.page(&app, &format!("/console/live/{}", list["events"][0]["eventId"].as_str().unwrap())).await;
    assert!(page.contains("Trait <b>plan</b>") && !page.contains("<script>alert"), "{page}");

    for nothing in ["evt_00000000000000000000000000", "evt_x", "rej_1", "rej_x", "x"] {
        assert_eq!(viewer.get(&app, &format!("/console/live/{nothing}")).await.status, 404, "{nothing}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_batch_has_its_own_part_of_the_post() {
    let mut app = shop(&Receiver::taking_all()).await;
    app.allow_rejections();
    let viewer = Viewer::of(&app).await;
    let batch = json!([
        { "type": "track", "event": "First", "userId": "u1", "messageId": "m1" },
        { "type": "track", "userId": "u1" },
        { "type": "track", "event": "Third", "userId": "u1", "messageId": "m3" },
    ]);
    app.post_json("/v1/batch", &json!({ "writeKey": "wk_website", "batch": batch })).await.expect(200);
    app.rest().await;
    let page = viewer.page(&app, &format!("/console/live/{}", newest_event(&app).await)).await;
    let posted =
        page.split("As it was posted").nth(1).and_then(|rest| rest.split("</pre>").next()).expect("a post");
    assert!(posted.contains("Third") && posted.contains("m3") && !posted.contains("First"), "{posted}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_post_says_why() {
    let mut app = shop(&Receiver::taking_all()).await;
    app.allow_rejections();
    let viewer = Viewer::of(&app).await;
    let call = json!({ "writeKey": "wk_website", "userId": "u1", "note": HOSTILE });
    app.post_json("/v1/track", &call).await.expect(400);
    let refused = app.get("/api/events?type=rejected").await;
    let id = refused["events"][0]["id"].as_str().expect("an id").to_owned();
    let page = viewer.page(&app, &format!("/console/live/{id}")).await;
    for part in ["no_event", "<code>event</code>", "[write key]", "/console/sources/web"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("wk_website") && !page.contains("<script>alert"), "{page}");
    assert!(!refused.to_string().contains("wk_website"), "nor does the API tell the key: {refused}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_tells_how_much_was_refused_and_why() {
    let mut app = shop(&Receiver::taking_all()).await;
    app.allow_rejections();
    let viewer = Viewer::of(&app).await;
    for _ in 0..2 {
        app.post_json("/v1/track", &json!({ "writeKey": "wk_website", "userId": "u1" })).await.expect(400);
    }
    app.post_json("/v1/track", &json!({ "writeKey": "wk_nobodys", "userId": "u1", "event": "E" }))
        .await
        .expect(401);
    app.rest().await;
    let counted = async || {
        let (from, to) = (app.now().minus(Span::from_days(1)), app.now().plus(Span::from_days(1)));
        let mut counts = Vec::new();
        for source in ["web", ""] {
            let points = app
                .engine()
                .figures(Family::Refused, source, Grain::Minute, from, to)
                .await
                .expect("figures");
            counts.extend(points.into_iter().map(|point| (point.detail, point.count)));
        }
        counts
    };
    let known = counted().await;
    assert_eq!(known.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 1], "{known:?}");
    assert_eq!(known[0].0, "no_event");
    let page = viewer.page(&app, "/console").await;
    for part in ["<code>no_event</code> 2", "outcome=rejected"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    // No commit for each: they are gathered for a while.
    app.post_json("/v1/track", &json!({ "writeKey": "wk_website", "userId": "u1" })).await.expect(400);
    app.rest().await;
    assert_eq!(counted().await, known);
    app.advance(10_000).await;
    assert_eq!(counted().await[0].1, 3);
    app.finish().await;
}
