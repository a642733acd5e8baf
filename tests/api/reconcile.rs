//! Looking back: what Studio's API knows of runs that nobody told of.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use stagepost::delivery::http_client::HttpClient;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::ids::JourneyId;
use stagepost::domain::journey::Journey;
use stagepost::domain::time::Span;
use stagepost::reconcile::{Access, Pace, Reconciler, Round, StudioError};

use crate::app::{Setup, TestApp, app};
use crate::event_streams::{FLOW, FW, definitions, run};
use crate::http::column;
use crate::support::studio::{ACCOUNT, Execution, Studio, TOKEN};
use crate::support::wait::eventually;

const PHONE: &str = "+14155550100";

/// A flow that posts `asked` by a widget of ours, and `late` by one that the tool put in.
fn definition() -> Value {
    let post = |name: &str, url: &str, stage: &str| {
        json!({
            "name": name, "type": "make-http-request", "transitions": [],
            "properties": { "method": "POST", "url": url, "parameters": [{ "key": "stage", "value": stage }] },
        })
    };
    json!({ "description": "x", "initial_state": "Trigger", "states": [
        { "name": "Trigger", "type": "trigger", "properties": {}, "transitions": [] },
        post("tell_asked", "https://somewhere.example.com/studio/wk_studio", "asked"),
        post("stagepost_late", "https://elsewhere.example.com/x", "late"),
        post("tell_crm", "https://crm.example.com/studio/other", "crm"),
    ] })
}

async fn house() -> (TestApp, Studio) {
    let (app, studio) = (app().await, Studio::start(FW, definition()));
    let mut wanted = with_account(&studio);
    wanted["flow"][0]["escalation"] = json!([{
        "stage": "initiation", "after": "10m", "channel": "email", "to": ["ops@example.com"], "template": "no_reply",
    }]);
    app.apply(&wanted).await;
    (app, studio)
}

/// The definitions, and the account that Studio is asked with.
fn with_account(studio: &Studio) -> Value {
    let mut wanted = definitions();
    wanted["twilio"] = json!({
        "account_sid": ACCOUNT, "auth_token": TOKEN, "studio_base_url": studio.url(), "reconcile": true,
    });
    wanted
}

fn access(app: &TestApp) -> Access {
    Access::of(&app.engine().definitions()).expect("an account that looks back")
}

fn http() -> HttpClient {
    HttpClient::new(AddressPolicy::parse("127.0.0.0/8").expect("a policy")).expect("a client")
}

fn reconciler(app: &TestApp) -> Reconciler {
    Reconciler::new(app.engine().clone(), http(), Pace::new(Duration::from_millis(1)))
}

fn at(time: &str) -> String {
    format!("2026-11-21T{time}Z")
}

fn execution(
    number: u32,
    created: &str,
    ended: Option<&str>,
    steps: &[(&'static str, &'static str, &str)],
) -> Execution {
    Execution {
        sid: run(number),
        to: PHONE.to_owned(),
        created: at(created),
        ended: ended.map(at),
        user: Some(format!("u{number}")),
        steps: steps.iter().map(|(from, name, time)| (*from, *name, at(time))).collect(),
    }
}

async fn post(app: &TestApp, number: u32, stage: &str) -> JourneyId {
    let body = json!({
        "userID": format!("u{number}"), "phoneNumber": PHONE, "flow": FLOW, "stage": stage, "executionSid": run(number),
    });
    let got = app.post_json("/studio/wk_studio", &body).await.expect(200).json();
    got["journeyId"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

async fn journey(app: &TestApp, id: JourneyId) -> Journey {
    app.engine().journey(id).await.expect("an answer").expect("a journey")
}

fn stages(journey: &Journey) -> Vec<&str> {
    journey.steps.iter().map(|step| step.stage.as_str()).collect()
}

async fn events(app: &TestApp) -> Vec<Value> {
    app.get("/api/events?limit=100").await["events"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_post_is_repaired_and_once() {
    let (app, studio) = house().await;
    let id = post(&app, 1, "initiation").await;
    studio.remembers(execution(
        1,
        "10:00:00",
        None,
        &[
            ("Trigger", "incomingRequest", "10:00:01"),
            ("tell_asked", "failed", "10:00:02"),
            ("tell_crm", "failed", "10:00:03"),
            ("send_reminder", "timeout", "10:10:00"),
            ("tell_no_reply", "failed", "10:10:01"),
        ],
    ));
    app.advance(11 * 60_000).await;
    assert_eq!(journey(&app, id).await.status.as_str(), "stalled");
    let mut reconciler = reconciler(&app);
    let round = reconciler.round(&access(&app)).await.unwrap();
    assert_eq!(round, Round { looked_up: 1, recovered: 2, listed: 1 });
    let repaired = journey(&app, id).await;
    assert_eq!(stages(&repaired), ["initiation", "asked", "no_reply"]);
    assert_eq!((repaired.status.as_str(), repaired.stage.as_str()), ("active", "no_reply"));
    assert_eq!(repaired.stage_at.to_rfc3339(), "2026-11-21T10:10:00.000Z");
    let told = events(&app).await;
    assert_eq!(told[0]["properties"]["recovered"], true);
    assert_eq!(told[0]["messageId"], format!("studio:{}:FT{:032x}", run(1), 3));
    // Nothing is asked again at once, and later nothing is added.
    let asked = studio.asked().len();
    assert_eq!(reconciler.round(&access(&app)).await.unwrap().looked_up, 0);
    assert_eq!(studio.asked().len(), asked + 1, "{:?}", studio.asked());
    app.advance(70 * 60_000).await;
    let round = reconciler.round(&access(&app)).await.unwrap();
    assert_eq!((round.looked_up, round.recovered), (1, 0));
    assert_eq!(stages(&journey(&app, id).await), ["initiation", "asked", "no_reply"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_looks_back_by_itself() {
    let (app, studio) = house().await;
    let id = post(&app, 1, "initiation").await;
    let steps = [("Trigger", "incomingRequest", "10:00:01"), ("tell_asked", "failed", "10:00:02")];
    studio.remembers(execution(1, "10:00:00", None, &steps));
    app.advance(11 * 60_000).await;
    let looking_back = tokio::spawn(stagepost::reconcile::run(app.engine().clone(), http()));
    eventually("the lost post", Duration::from_secs(30), async || {
        (stages(&journey(&app, id).await) == ["initiation", "asked"]).then_some(())
    })
    .await;
    looking_back.abort();
    drop(looking_back.await);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_died_is_marked_unless_its_terminal_stage_was_lost() {
    let (app, studio) = house().await;
    let (died, lost) = (post(&app, 1, "initiation").await, post(&app, 2, "initiation").await);
    studio.remembers(execution(
        1,
        "09:58:00",
        Some("09:59:00"),
        &[("Trigger", "incomingRequest", "09:58:01")],
    ));
    studio.remembers(execution(2, "09:58:00", Some("09:59:00"), &[("split_reply", "match", "09:58:30")]));
    let mut looking = reconciler(&app);
    let round = looking.round(&access(&app)).await.unwrap();
    assert_eq!((round.looked_up, round.recovered, round.listed), (2, 3, 2));
    let journey_1 = journey(&app, died).await;
    assert_eq!(journey_1.died.unwrap().at.to_rfc3339(), "2026-11-21T09:59:00.000Z");
    let journey_2 = journey(&app, lost).await;
    assert_eq!((journey_2.status.as_str(), journey_2.died), ("completed", None));
    // It ended: nothing more is asked, by whoever looks.
    for mut again in [looking, reconciler(&app)] {
        let before = studio.asked().len();
        assert_eq!(again.round(&access(&app)).await.unwrap(), Round { listed: 2, ..Round::default() });
        assert_eq!(studio.asked().len(), before + 1);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_never_posted_is_found_and_a_second_sweep_adds_nothing() {
    let (app, studio) = house().await;
    let steps = [
        ("Trigger", "incomingRequest", "09:30:01"),
        ("tell_asked", "failed", "09:31:00"),
        ("send_reminder", "timeout", "09:40:00"),
        ("stagepost_late", "failed", "09:41:00"),
    ];
    studio.remembers(execution(1, "09:30:00", None, &steps));
    // One of whose user nothing is known, one that is too young to be missed, and one from before the window.
    studio.remembers(Execution { user: None, ..execution(2, "09:45:00", Some("09:50:00"), &[]) });
    studio.remembers(execution(3, "09:59:30", None, &[]));
    studio.remembers(execution(4, "08:30:00", None, &[]));
    let mut looking = reconciler(&app);
    let round = looking.round(&access(&app)).await.unwrap();
    assert_eq!(round, Round { looked_up: 2, recovered: 6, listed: 3 });
    let found = app.get("/api/journeys").await["journeys"].clone();
    // The second had only an address, which led to the first one's user if it was known by then.
    assert_eq!(column(&found, "executionSid").len(), 2);
    let first = found.as_array().unwrap().iter().find(|it| it["executionSid"] == json!(run(1))).unwrap();
    assert_eq!((&first["userId"], &first["stage"]), (&json!("u1"), &json!("late")));
    let id: JourneyId = first["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(stages(&journey(&app, id).await), ["initiation", "asked", "no_reply", "late"]);
    let before = events(&app).await.len();
    for mut again in [looking, reconciler(&app)] {
        assert_eq!(again.round(&access(&app)).await.unwrap().recovered, 0);
    }
    // Event Streams tell of the same.
    let told = json!({
        "type": "com.twilio.studio.flow.step.ended", "id": "EZ1",
        "data": {
            "execution_sid": run(1), "flow_sid": FW, "sid": format!("FT{:032x}", 2), "name": "timeout",
            "transitioned_from": "send_reminder", "transitioned_to": "next", "date_created": at("09:40:00"),
        },
    });
    app.post_json("/events/wk_events", &told).await.expect(200);
    assert_eq!(events(&app).await.len(), before);
    // A widget's post comes through after all.
    assert_eq!(post(&app, 1, "confirmed").await, id);
    assert_eq!(app.get("/api/journeys").await["journeys"].as_array().unwrap().len(), 2);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_slow_it_down() {
    let (app, studio) = house().await;
    studio.remembers(execution(1, "09:30:00", None, &[]));
    studio.refuses("/Executions", 429, 3);
    let begun = Instant::now();
    let round = reconciler(&app).round(&access(&app)).await.unwrap();
    assert_eq!((round.looked_up, round.recovered), (1, 1));
    // 10, 20 and 40 ms.
    assert!(begun.elapsed() >= Duration::from_millis(70), "{:?}", begun.elapsed());
    // Too often is too often.
    studio.refuses("/Executions", 429, 5);
    let failed = reconciler(&app).round(&access(&app)).await;
    assert!(matches!(failed, Err(StudioError::Unavailable(_))), "{failed:?}");
    let wrong = Access { password: "wrong".to_owned(), ..access(&app) };
    let refused = reconciler(&app).round(&wrong).await;
    assert!(matches!(refused, Err(StudioError::Refused(401))), "{refused:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_broke_off_is_gone_on_with_after_a_restart() {
    let mut app = Setup::new().on_disk().start().await;
    let studio = Studio::start(FW, definition());
    app.apply(&with_account(&studio)).await;
    for number in 1..=3 {
        studio.remembers(execution(
            number,
            "09:30:00",
            Some("09:40:00"),
            &[("send_reminder", "timeout", "09:35:00")],
        ));
    }
    // The newest come first: the last of the three can't be read.
    studio.refuses("/Executions/FN00000000000000000000000000000001/Steps", 500, 5);
    let mut looking = reconciler(&app);
    let broken = looking.round(&access(&app)).await;
    assert!(matches!(broken, Err(StudioError::Unavailable(_))), "{broken:?}");
    // Whoever could not look it up lets it rest, and goes on with the others.
    assert_eq!(looking.round(&access(&app)).await.unwrap().recovered, 0);
    drop(looking);
    assert_eq!(app.get("/api/journeys").await["journeys"].as_array().unwrap().len(), 2);
    app.restart().await;
    let round = reconciler(&app).round(&access(&app)).await.unwrap();
    assert_eq!(round.recovered, 3, "of the one that is missing");
    let found = app.get("/api/journeys").await["journeys"].clone();
    assert_eq!(column(&found, "stage"), ["no_reply"; 3]);
    assert_eq!(reconciler(&app).round(&access(&app)).await.unwrap().recovered, 0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cant_be_read_is_in_nobodys_way() {
    let (app, studio) = house().await;
    for number in 1..=3 {
        post(&app, number, "initiation").await;
        studio.remembers(execution(number, "08:30:00", None, &[("send_reminder", "timeout", "08:40:00")]));
    }
    // Any text may be posted as an execution.
    for (number, sid) in
        ["../../../Accounts", "FN1/../../FW", "FN0000000000000000000000000000000?"].iter().enumerate()
    {
        let body = json!({
            "userID": format!("odd{number}"), "phoneNumber": PHONE, "flow": FLOW, "stage": "initiation", "executionSid": sid,
        });
        app.post_json("/studio/wk_studio", &body).await.expect(200);
    }
    app.advance(11 * 60_000).await;
    // Whichever comes first, one is no use to anybody as long as it is read.
    studio.refuses("/Executions/FN00000000000000000000000000000001", 400, 1);
    studio.refuses("/Executions/FN00000000000000000000000000000003", 400, 1);
    let mut looking = reconciler(&app);
    let round = looking.round(&access(&app)).await.unwrap();
    assert_eq!((round.looked_up, round.recovered), (3, 1));
    let asked = studio.asked();
    assert!(asked.iter().all(|path| path.starts_with(&format!("/v2/Flows/{FW}"))), "{asked:?}");
    assert_eq!(asked.iter().filter(|path| path.contains("/Executions/")).count(), 4, "{asked:?}");
    // They are tried again, but not at once.
    assert_eq!(looking.round(&access(&app)).await.unwrap().looked_up, 0);
    app.advance(11 * 60_000).await;
    assert_eq!(looking.round(&access(&app)).await.unwrap().recovered, 2);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_stand_still_leave_room_for_the_others() {
    let (app, studio) = house().await;
    for number in 1..=110 {
        post(&app, number, "initiation").await;
    }
    app.advance(11 * 60_000).await;
    studio.remembers(execution(200, "09:30:00", None, &[]));
    let mut looking = reconciler(&app);
    let round = looking.round(&access(&app)).await.unwrap();
    assert_eq!(round, Round { looked_up: 101, recovered: 1, listed: 1 });
    assert_eq!(looking.round(&access(&app)).await.unwrap().looked_up, 10);
    assert_eq!(looking.round(&access(&app)).await.unwrap().looked_up, 0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_at_the_same_server_whatever_name_it_has_for_itself() {
    let (app, studio) = house().await;
    for number in 1..=3 {
        studio.remembers(execution(number, "09:30:00", None, &[]));
    }
    let other = Studio::start(FW, definition());
    studio.pages_at(&other.url());
    let round = reconciler(&app).round(&access(&app)).await.unwrap();
    assert_eq!(round.listed, 3);
    assert_eq!(other.asked(), [""; 0]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_account_that_is_to_look_back_does() {
    let (mut app, studio) = house().await;
    let asked = access(&app);
    assert_eq!((asked.every, asked.window), (Span::from_secs(300), Span::from_hours(1)));
    let shown = app.get("/api/destinations/twilio").await;
    assert_eq!(
        (&shown["reconcile"], &shown["reconcile_every"], &shown["reconcile_window"]),
        (&json!(true), &json!("5m"), &json!("1h"))
    );
    let mut wanted = with_account(&studio);
    wanted["twilio"]["reconcile_every"] = json!("10m");
    wanted["twilio"]["enabled"] = json!(false);
    app.apply(&wanted).await;
    assert!(Access::of(&app.engine().definitions()).is_none());
    app.allow_rejections();
    wanted["twilio"]["reconcile"] = json!(false);
    let refused = app.call("POST", "/api/apply", Some(&wanted)).await.expect(400).json();
    assert!(refused.to_string().contains("reconcile = true"), "{refused}");
    wanted["twilio"].as_object_mut().unwrap().remove("reconcile_every");
    wanted["twilio"]["enabled"] = json!(true);
    app.apply(&wanted).await;
    assert!(Access::of(&app.engine().definitions()).is_none());
    app.finish().await;
}
