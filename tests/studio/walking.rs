//! Flows that were given posts are walked through, and a running server has the journeys.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::{fixture, shown, studio, studio_in};
use crate::interpreter::Act::{IsNotReached, IsSilent, Replies};
use crate::interpreter::{Act, Run};
use crate::studio_api::{ACCOUNT, FLOW, StudioApi, TOKEN};
use crate::support::server::Server;
use crate::support::wait::eventually;

const DEFINITIONS: &str = r#"
[[source]]
key = "studio"
kind = "studio"
write_key = "wk_studio"

[[flow]]
name = "appointment_confirmation"
initial = "initiation"
terminal = ["confirmed", "cancelled"]

[[flow.escalation]]
stage = "no_reply"
after = "1s"
channel = "email"
to = ["ops@example.com"]
template = "no_reply"
"#;

/// The journey of a user: its status, and its stages in order.
async fn journey(server: &Server, user: &str) -> (String, Vec<String>, Value) {
    let shown = server.api().get(&format!("/api/users/{user}")).await;
    let journeys = shown["journeys"].as_array().expect("journeys").clone();
    assert_eq!(journeys.len(), 1, "{shown}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let stages =
        journeys[0]["steps"].as_array().expect("steps").iter().map(|step| text(&step["stage"])).collect();
    (text(&journeys[0]["status"]), stages, shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_template_gives_the_journeys_that_people_make() {
    let server = Server::new(DEFINITIONS).started().await;
    let flow = studio(&["template", "--server", server.api().base(), "--key", "wk_studio"]).ok().json();
    let cases: [(&str, &[Act], &str, &[&str]); 6] = [
        ("yes", &[Replies(" Yes")], "completed", &["initiation", "confirmed", "confirmed"]),
        ("no", &[Replies("n")], "completed", &["initiation", "cancelled", "cancelled"]),
        (
            "late",
            &[IsSilent, Replies("1")],
            "completed",
            &["initiation", "no_reply", "confirmed", "confirmed"],
        ),
        (
            "what",
            &[Replies("who \"are\" you? 100% & +1=2")],
            "active",
            &["initiation", "other_reply", "other_reply"],
        ),
        ("unreachable", &[IsNotReached], "active", &["initiation", "failed"]),
        ("silent", &[IsSilent, IsSilent], "stalled", &["initiation", "no_reply", "no_reply"]),
    ];
    for (user, acts, status, stages) in cases {
        let sid = format!("FN{:0>32}", user.len());
        Run::new(&flow, &sid, user, "+14155550100", acts).walk().await;
        let found = eventually("the status", Duration::from_secs(20), async || {
            let found = journey(&server, user).await;
            (found.0 == status).then_some(found)
        })
        .await;
        assert_eq!(found.1, stages, "{user}");
        let shown = &found.2["journeys"][0];
        assert_eq!((&shown["executionSid"], &shown["phoneNumber"]), (&json!(sid), &json!("+14155550100")));
    }
    let events = server.api().rows("/api/events?userId=what", "events").await;
    let replies: Vec<&Value> =
        events.iter().map(|event| &event["properties"]["reply"]).filter(|it| it.is_string()).collect();
    assert_eq!(replies, [&json!("who \"are\" you? 100% & +1=2")], "{events:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authors_flow_is_instrumented_and_walked_through() {
    let server = Server::new(DEFINITIONS).started().await;
    let folder = tempfile::tempdir().expect("a folder");
    let stages = shown(&folder.path().join("stages.toml"));
    fs::write(&stages, "\"which_digit/match_2\" = \"cancelled\"\n").expect("the stages");
    let words = ["--server", server.api().base(), "--key", "wk_studio", "--flow", "appointment_confirmation"];
    let path = fixture("confirmation.json");
    let flow = studio(&[&["instrument", &path, "--stages", &stages], &words[..]].concat()).ok().json();
    let before: Value = serde_json::from_str(&fs::read_to_string(&path).expect("the fixture")).expect("JSON");
    let cases: [(&str, &[Act], &[&str]); 4] = [
        ("digit", &[Replies("1")], &["initiation", "confirmed"]),
        ("word", &[Replies("ok")], &["initiation", "confirmed"]),
        ("again", &[Replies("?"), Replies("2")], &["initiation", "other_reply", "cancelled"]),
        ("day", &[Replies("3"), Replies("Tuesday")], &["initiation", "reschedule", "replied"]),
    ];
    for (user, acts, stages) in cases {
        let sid = format!("FN{:0>32}", user.len());
        let passed = Run::new(&flow, &sid, user, "whatsapp:+14155550100", acts).walk().await;
        assert_eq!(journey(&server, user).await.1, stages, "{user}");
        // Posts aside, the way is the one that the author drew.
        let plain = Run::new(&before, &sid, user, "whatsapp:+14155550100", acts).walk().await;
        let passed: Vec<String> = passed.into_iter().filter(|name| !name.starts_with("stagepost_")).collect();
        assert_eq!(passed, plain);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_flow_is_fetched_compared_pushed_and_walked_through() {
    let server = Server::new(DEFINITIONS).started().await;
    let clinic = fs::read_to_string(fixture("clinic.json")).expect("the fixture");
    let twilio = StudioApi::with(serde_json::from_str(&clinic).expect("JSON"));
    let (base, url) = (server.api().base().to_owned(), twilio.url());
    let instrument = |more: &[&str]| {
        let words = ["instrument", FLOW, "--server", &base, "--key", "wk_studio", "--studio-base-url", &url];
        let environment = [
            ("TWILIO_ACCOUNT_SID", ACCOUNT),
            ("TWILIO_AUTH_TOKEN", TOKEN),
            ("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS", "127.0.0.0/8"),
        ];
        studio_in(&[&words[..], &["--flow", "appointment_confirmation"], more].concat(), &environment, "")
            .ok()
    };
    let diff = instrument(&["--diff"]).out;
    assert!(diff.contains("-  on timeout: (end)\n+  on timeout: stagepost_remind_visit_timeout\n"), "{diff}");
    instrument(&["--push"]);
    assert_eq!(instrument(&["--diff"]).out, "", "the draft has it all");
    let flow = twilio.flow()["definition"].clone();
    let cases: [(&str, &[Act], &[&str]); 3] = [
        ("comes", &[Replies("Y")], &["initiation", "confirmed"]),
        ("silent", &[IsSilent], &["initiation", "no_reply"]),
        ("unreachable", &[IsNotReached], &["initiation", "failed"]),
    ];
    for (user, acts, stages) in cases {
        Run::new(&flow, &format!("FN{:0>32}", user.len()), user, "+14155550100", acts).walk().await;
        assert_eq!(journey(&server, user).await.1, stages, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_stops_no_flow() {
    let mut server = Server::new(DEFINITIONS).started().await;
    let flow = studio(&["template", "--server", server.api().base(), "--key", "wk_studio"]).ok().json();
    server.kill9();
    let passed = Run::new(&flow, "FN1", "u1", "+14155550100", &[IsSilent, Replies("yes")]).walk().await;
    let seen: Vec<&str> =
        passed.iter().map(String::as_str).filter(|name| !name.starts_with("stagepost_")).collect();
    assert_eq!(seen, ["Trigger", "ask", "remind", "read_late_reply", "thank_confirmed"]);
}
