//! The console's pages on journeys: the inbox, the list, one with its timeline, and what operators do there.

use serde_json::json;
use stagepost::domain::people::Role;
use stagepost::engine::NewPerson;

use crate::app::{TestApp, app};
use crate::http::{Got, send};
use crate::studio::{FLOW, body, definitions, post_stage};

const MINUTE: i64 = 60_000;

/// A person's browser. It goes nowhere by itself.
pub struct Browser<'a> {
    app: &'a TestApp,
    client: reqwest::Client,
    cookie: String,
}

impl<'a> Browser<'a> {
    /// Somebody with that role, signed in.
    pub async fn of(app: &'a TestApp, role: Role) -> Self {
        let email = format!("{}@example.com", role.as_str());
        let name = format!("The {}", role.as_str());
        let new = NewPerson { email, name, role, password: "a long enough password".to_owned() };
        let person = app.engine().add_person(new).await.expect("a person");
        let secret = app.engine().begin_session(person.id).await.expect("a session");
        Self { cookie: format!("stagepost_session={secret}"), ..Self::of_nobody(app) }
    }

    /// Somebody who did not sign in.
    fn of_nobody(app: &'a TestApp) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { app, client: client.build().expect("a client"), cookie: String::new() }
    }

    fn request(&self, method: reqwest::Method, place: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{place}", self.app.base())).header("cookie", &self.cookie)
    }

    pub async fn get(&self, place: &str) -> Got {
        send(self.request(reqwest::Method::GET, place)).await
    }

    /// The page there, which has to be one.
    pub async fn page(&self, place: &str) -> String {
        self.get(place).await.expect(200).text()
    }

    /// Sends a form as a page of his would.
    pub async fn send(&self, place: &str, fields: &[(&str, &str)]) -> Got {
        let page = self.page("/console/journeys").await;
        let csrf = between(&page, "name=\"csrf\" content=\"", "\"").to_owned();
        self.send_without_csrf(place, &[fields, &[("csrf", csrf.as_str())]].concat()).await
    }

    pub async fn send_without_csrf(&self, place: &str, fields: &[(&str, &str)]) -> Got {
        let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(reqwest::Method::POST, place);
        send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }
}

/// What stands between two texts.
#[track_caller]
pub fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).map_or(rest, |(found, _)| found)
}

/// Everything that stands behind `before`, up to a quote.
fn all<'t>(page: &'t str, before: &str) -> Vec<&'t str> {
    page.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The journeys that forms of a page act on.
fn acted_on(page: &str) -> Vec<&str> {
    all(page, "<form method=\"post\" action=\"/console/journeys/")
}

/// A server whose flow has a team and two levels.
pub async fn with_ladder() -> TestApp {
    let app = app().await;
    let mut document = definitions();
    document["team"] = json!([{ "key": "ops", "time_zone": "Europe/Brussels" }]);
    document["flow"][0]["team"] = "ops".into();
    let level = |after: &str| json!({ "stage": "no_reply", "after": after, "channel": "email", "to": ["ops@example.com"], "template": "no_reply" });
    document["flow"][0]["escalation"] = json!([level("30m"), level("2h")]);
    app.apply(&document).await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_shows_who_waits_and_what_people_said() {
    let app = with_ladder().await;
    let mut ids = Vec::new();
    for user in ["first", "second", "<script>alert(1)</script>"] {
        ids.push(post_stage(&app, user, "no_reply").await);
        app.advance(1000).await;
    }
    post_stage(&app, "on his way", "initiation").await;
    let ann = Browser::of(&app, Role::Operator).await;
    assert!(ann.page("/console/inbox").await.contains("Nobody waits"));
    app.advance(31 * MINUTE).await;
    let page = ann.page("/console/inbox").await;
    assert_eq!(acted_on(&page), ids, "the oldest first");
    assert!(page.contains("Level 1: mail") && page.contains("Next: Level 2: mail"), "{page}");
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script>alert"),
        "{page}"
    );

    let act = async |id: &str, act: &str| {
        let seen =
            between(&ann.page(&format!("/console/journeys/{id}")).await, "name=\"seen\" value=\"", "\"")
                .to_owned();
        let fields = [("act", act), ("note", "called <back>"), ("tab", "waiting"), ("seen", seen.as_str())];
        ann.send(&format!("/console/journeys/{id}"), &fields).await.expect(303).header("location").to_owned()
    };
    assert_eq!(act(&ids[0], "acknowledge").await, "/console/inbox?tab=waiting&said=journey_acknowledged");
    assert_eq!(act(&ids[1], "snooze_hour").await, "/console/inbox?tab=waiting&said=journey_snoozed");
    let of_tab =
        async |tab: &str| ann.page(&format!("/console/inbox?tab={tab}&said=journey_acknowledged")).await;
    assert_eq!(acted_on(&of_tab("waiting").await), ids[2..]);
    let acknowledged = of_tab("acknowledged").await;
    assert_eq!(acted_on(&acknowledged), ids[..1]);
    assert!(acknowledged.contains("by operator@example.com") && acknowledged.contains("called &lt;back&gt;"));
    assert!(acknowledged.contains("raises no further alarms"), "what was done is said");
    assert_eq!(acted_on(&of_tab("snoozed").await), ids[1..2]);
    assert_eq!(act(&ids[2], "resolve").await, "/console/inbox?tab=waiting&said=journey_resolved");
    assert!(of_tab("waiting").await.contains("Nobody waits"));
    app.advance(61 * MINUTE).await;
    assert_eq!(acted_on(&of_tab("waiting").await), ids[1..2], "the snooze is over");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_has_those_first_that_wait_for_longest() {
    let app = with_ladder().await;
    let begun_first = post_stage(&app, "u1", "asked").await;
    let stuck_first = post_stage(&app, "u2", "no_reply").await;
    app.advance(5 * MINUTE).await;
    assert_eq!(post_stage(&app, "u1", "no_reply").await, begun_first);
    app.advance(31 * MINUTE).await;
    let ann = Browser::of(&app, Role::Operator).await;
    assert_eq!(acted_on(&ann.page("/console/inbox").await), [stuck_first, begun_first]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_comes_a_page_at_a_time() {
    let app = with_ladder().await;
    let mut ids = Vec::new();
    for user in 0..60 {
        ids.push(post_stage(&app, &format!("u{user}"), "no_reply").await);
    }
    app.advance(31 * MINUTE).await;
    let ann = Browser::of(&app, Role::Operator).await;
    let page = ann.page("/console/inbox").await;
    let first: Vec<String> = acted_on(&page).iter().map(ToString::to_string).collect();
    assert_eq!(first, ids[..50]);
    let next =
        between(&page, "<a class=\"button\" href=\"/console/inbox?", "\" rel=\"next\"").replace("&amp;", "&");
    assert_eq!(acted_on(&ann.page(&format!("/console/inbox?{next}")).await), ids[50..]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_is_told_from_its_beginning_to_what_is_to_come() {
    let app = with_ladder().await;
    let mut late = body("u1", "initiation");
    late["timestamp"] = "2026-11-21T09:50:00Z".into();
    app.post_json("/studio/wk_studio", &late).await.expect(200);
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let ann = Browser::of(&app, Role::Operator).await;
    let place = format!("/console/journeys/{id}");
    let page = ann.page(&place).await;
    let timeline = between(&page, "What happened", "</section>");
    for told in [
        "2026-11-21T09:50:00.000Z", // when it happened, and when it was told
        "2026-11-21T10:00:00.000Z",
        "Level 1",
        "mail to ops@example.com",
        "delivered",
        "1 attempt",
    ] {
        assert!(timeline.contains(told), "{told} in {timeline}");
    }
    let to_come = between(&page, "To come", "</section>");
    assert!(to_come.contains("Level 2") && to_come.contains("2026-11-21T12:00:00.000Z"), "{to_come}");
    assert!(to_come.contains("Given up") && to_come.contains("2026-12-21T10:00:00.000Z"), "{to_come}");

    let seen = between(&page, "name=\"seen\" value=\"", "\"").to_owned();
    let act = async |fields: &[(&str, &str)]| {
        ann.send(&place, &[fields, &[("seen", seen.as_str())]].concat()).await
    };
    // Nothing of what was typed is lost where something of it is wrong.
    for until in ["", "soon", "2026-11-21T11:00", "2027-06-01T09:00"] {
        let got = act(&[("act", "snooze_until"), ("until", until), ("note", "at <lunch>")])
            .await
            .expect(422)
            .text();
        assert!(
            got.contains("aria-invalid=\"true\"") && got.contains("at &lt;lunch&gt;</textarea>"),
            "{until}: {got}"
        );
    }
    let long = "x".repeat(1001);
    assert!(
        act(&[("act", "resolve"), ("note", &long)])
            .await
            .expect(422)
            .text()
            .contains("At most 1000 characters")
    );
    act(&[("act", "explode")]).await.expect(422);
    // 14:00 in Brussels is 13:00 UTC.
    let done = act(&[("act", "snooze_until"), ("until", "2026-11-21T14:00")]).await.expect(303);
    assert_eq!(done.header("location"), format!("{place}?said=journey_snoozed"));
    let page = ann.page(&place).await;
    assert!(between(&page, "To come", "</section>").contains("2026-11-21T13:00:00.000Z"), "{page}");
    // The journey goes on before he presses the button.
    app.advance(MINUTE).await;
    post_stage(&app, "u1", "asked").await;
    assert!(act(&[("act", "resolve")]).await.expect(409).text().contains("the journey moved on"));
    post_stage(&app, "u1", "confirmed").await;
    let page = ann.page(&place).await;
    assert!(page.contains("completed") && !page.contains("name=\"act\""), "there is nothing more to do");
    ann.get("/console/journeys/jny_nonsense").await.expect(404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_act_and_only_from_their_own_pages() {
    let app = with_ladder().await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(31 * MINUTE).await;
    let place = format!("/console/journeys/{id}");
    for role in [Role::Viewer, Role::Marketer] {
        let bob = Browser::of(&app, role).await;
        for page in ["/console/inbox", place.as_str()] {
            assert!(!bob.page(page).await.contains("name=\"act\""), "{page}");
        }
        bob.send(&place, &[("act", "resolve")]).await.expect(403);
    }
    let ann = Browser::of(&app, Role::Operator).await;
    for csrf in [&[][..], &[("csrf", "")], &[("csrf", "00")]] {
        let got = ann.send_without_csrf(&place, &[csrf, &[("act", "resolve")]].concat()).await.expect(400);
        assert!(got.text().contains("Nothing was done"), "{}", got.text());
    }
    assert_eq!(app.get(&format!("/api/journeys/{id}")).await["status"], "stalled");
    let stranger = Browser::of_nobody(&app).get("/console/inbox?tab=snoozed").await.expect(303);
    assert_eq!(stranger.header("location"), "/console/sign-in?back=%2Fconsole%2Finbox%3Ftab%3Dsnoozed");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn journeys_are_listed_by_what_stands_in_the_address() {
    let app = with_ladder().await;
    for (user, stage) in [("a", "initiation"), ("b", "asked"), ("c", "confirmed"), ("d", "no_reply")] {
        post_stage(&app, user, stage).await;
        app.advance(1000).await;
    }
    app.advance(31 * MINUTE).await;
    let ann = Browser::of(&app, Role::Viewer).await;
    let listed = async |query: &str| -> String {
        let page = ann.page(&format!("/console/journeys{query}")).await;
        all(&page, "<a href=\"/console/users/").concat()
    };
    assert_eq!(listed("").await, "dcba");
    for (query, expected) in [
        ("?status=stalled", "d"),
        ("?stage=asked", "b"),
        ("?user=c", "c"),
        (&*format!("?flow={FLOW}&status=active"), "ba"),
        ("?flow=other", ""),
        ("?from=2026-11-21&to=2026-11-21", "dcba"),
        ("?from=2026-11-22", ""),
        ("?flow=&stage=&status=&user=&from=&to=", "dcba"),
    ] {
        assert_eq!(listed(query).await, expected, "{query}");
    }
    let page =
        ann.get("/console/journeys?from=soon&status=asleep&stage=%22%3E%3Cb%3E").await.expect(422).text();
    assert!(
        page.contains("Write a day")
            && page.contains("no such status")
            && page.contains("&quot;&gt;&lt;b&gt;"),
        "{page}"
    );
    ann.get("/console/journeys?cursor=nonsense").await.expect(400);
    app.finish().await;
}
