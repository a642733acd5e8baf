//! Levels that ask Twilio for calls, messages, executions and tasks: what is asked, what is done where no answer comes, and what
//! Twilio's callbacks do.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::app::{OPERATOR, TestApp, app};
use crate::http::{Got, send};
use crate::studio::{definitions, post_stage};
use crate::support::twilio::{
    ACCOUNT, ACCOUNTS_TOKEN, FLOW, FROM, FakeTwilio, TOKEN, Turn, WORKSPACE, signature,
};

const MINUTE: i64 = 60_000;
const ANN: &str = "+15551230001";

/// A server and a Twilio; `levels` are those of the flow.
async fn serving(levels: Value) -> (TestApp, FakeTwilio) {
    serving_with(levels, json!({})).await
}

/// The same, with these settings of `[twilio]` beside the usual ones.
async fn serving_with(levels: Value, settings: Value) -> (TestApp, FakeTwilio) {
    let app = app().await;
    let twilio = FakeTwilio::start(app.clock());
    let mut document = definitions();
    document["flow"][0]["escalation"] = levels;
    document["flow"][0]["team"] = json!("desk");
    document["team"] = json!([{
        "key": "desk", "time_zone": "UTC",
        "on_call": [{ "days": "mon-sun", "from": "00:00", "until": "24:00", "name": "Ann", "phone": [ANN], "email": ["ann@example.com"] }],
    }]);
    document["twilio"] = twilio.table();
    let settings = settings.as_object().expect("as it is").clone();
    document["twilio"].as_object_mut().expect("as it is").extend(settings);
    app.apply(&document).await;
    (app, twilio)
}

fn level(after: &str, action: Value) -> Value {
    let mut level = json!({ "stage": "no_reply", "after": after });
    level.as_object_mut().expect("as it is").extend(action.as_object().expect("as it is").clone());
    level
}

fn call() -> Value {
    json!({ "channel": "call", "to": [ANN] })
}

fn sms() -> Value {
    json!({ "channel": "sms", "to": [ANN], "text": "{{ journey.userId }} waits: {{ links.acknowledge }}" })
}

/// The deliveries to Twilio, oldest first.
async fn deliveries(app: &TestApp) -> Vec<Value> {
    let list = app.get("/api/deliveries?destination=twilio").await;
    let mut shown = Vec::new();
    for row in list["deliveries"].as_array().expect("as it is").iter().rev() {
        shown.push(app.get(&format!("/api/deliveries/{}", row["id"].as_str().expect("as it is"))).await);
    }
    shown
}

/// The only one.
async fn delivery(app: &TestApp) -> Value {
    let all = deliveries(app).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].clone()
}

/// Posts a callback as Twilio does.
async fn call_back(app: &TestApp, url: &str, fields: &[(&str, &str)]) -> Got {
    let path = url.strip_prefix(app.base()).expect("our address");
    send(form(app.request("POST", path), fields).header("x-twilio-signature", signature(url, fields))).await
}

fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// The address where the key of the newest call goes.
fn action(twiml: &str) -> String {
    let action = twiml.split("action=\"").nth(1).expect("an action").split('"').next().expect("as it is");
    action.replace("&amp;", "&")
}

async fn journey(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/journeys/{id}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_of_mail_call_and_task_is_walked_until_somebody_presses_the_key() {
    let mail = json!({ "channel": "email", "to": ["ops@example.com"], "template": "no_reply" });
    let task =
        json!({ "channel": "task", "workspace_sid": WORKSPACE, "attributes": { "skill": "scheduling" } });
    let (app, twilio) =
        serving(json!([level("30m", mail), level("1h", call()), level("2h", task), level("3h", call()),]))
            .await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!((app.mails().len(), twilio.made().len()), (1, 0));
    app.advance(30 * MINUTE).await;
    let made = twilio.made();
    assert_eq!((made.len(), made[0].kind), (1, "call"));
    assert_eq!((made[0].field("To"), made[0].field("From")), (ANN, FROM));
    assert!(
        made[0].field("Twiml").contains("u1")
            && made[0].field("Twiml").contains("<Say>Press 1 to acknowledge.</Say>")
    );
    app.advance(60 * MINUTE).await;
    let made = twilio.made();
    assert_eq!((made.len(), made[1].kind), (2, "task"));
    let attributes: Value = serde_json::from_str(made[1].field("Attributes")).unwrap();
    assert_eq!((&attributes["skill"], &attributes["userID"]), (&json!("scheduling"), &json!("u1")));
    let shown = deliveries(&app).await;
    assert_eq!(attributes["stagepostDelivery"], shown[1]["id"]);
    assert_eq!(shown[0]["receipt"]["sid"], json!(made[0].sid));

    let fields = [("CallSid", made[0].sid.as_str()), ("Digits", "1"), ("To", ANN)];
    let got = call_back(&app, &action(made[0].field("Twiml")), &fields).await.expect(200);
    assert_eq!(got.header("content-type"), "text/xml; charset=utf-8");
    assert!(got.text().contains("Acknowledged"), "{}", got.text());
    let shown = journey(&app, &id).await;
    let word = &shown["acknowledged"];
    assert!(
        word.to_string().contains(&format!("Ann ({ANN})")) && word.to_string().contains("\"call\""),
        "{word}"
    );
    let again = call_back(&app, &action(made[0].field("Twiml")), &fields).await.expect(200);
    assert!(again.text().contains("acknowledged by Ann"), "{}", again.text());
    app.advance(120 * MINUTE).await;
    assert_eq!(twilio.made().len(), 2, "the ladder stopped");
    assert_eq!(twilio.violations(), [""; 0]);
    app.finish().await;
}

/// What was queued for a journey says nothing any more once somebody dealt with that: nobody is rung up at night for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_queued_call_of_a_journey_that_was_dealt_with_is_not_made() {
    for (deal, reason) in [("confirmed", "over"), ("acknowledge", "acknowledged"), ("snooze", "snoozed")] {
        let (app, twilio) = serving(json!([level("30m", call())])).await;
        let id = post_stage(&app, "u1", "no_reply").await;
        app.advance(29 * MINUTE).await;
        app.call("POST", "/api/destinations/twilio/pause", None).await.expect(200);
        app.advance(MINUTE).await;
        assert_eq!(delivery(&app).await["status"], "pending");
        app.advance(1_000).await;
        match deal {
            "confirmed" => drop(post_stage(&app, "u1", "confirmed").await),
            "acknowledge" => {
                app.call("POST", &format!("/api/journeys/{id}/acknowledge"), None).await.expect(200);
            }
            _ => {
                let body = json!({ "for": "2h", "by": "ada" });
                app.call("POST", &format!("/api/journeys/{id}/snooze"), Some(&body)).await.expect(200);
            }
        }
        app.call("POST", "/api/destinations/twilio/resume", None).await.expect(200);
        app.advance(1_000).await;
        let shown = delivery(&app).await;
        assert_eq!((&shown["status"], twilio.made().len()), (&json!("superseded"), 0), "{deal}: {shown:#}");
        assert!(shown["reason"].as_str().expect("one").contains(reason), "{deal}: {}", shown["reason"]);
        // Who puts it back wants it made.
        let path = format!("/api/deliveries/{}/replay", shown["id"].as_str().expect("one"));
        app.call("POST", &path, None).await;
        app.advance(1_000).await;
        assert_eq!(
            (&delivery(&app).await["status"], twilio.made().len()),
            (&json!("delivered"), 1),
            "{deal}"
        );
        app.finish().await;
    }
}

/// Where no answer came to a call, it may have been made: what is said of it when it is taken back says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_have_been_made_is_not_said_to_be_unsent() {
    let (app, twilio) = serving(json!([level("30m", call())])).await;
    twilio.next([Turn::LoseAnswer]);
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!(delivery(&app).await["attempts"][0]["status"], "unsure");
    post_stage(&app, "u1", "confirmed").await;
    app.advance(20_000).await;
    let shown = delivery(&app).await;
    let reason = "not sent again: the journey was over before it could be sent";
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("superseded"), &json!(reason)), "{shown:#}");
    assert_eq!(twilio.made().len(), 1);
    app.finish().await;
}

/// Who a journey is about is no operator: what goes to him has nothing to act by.
#[tokio::test(flavor = "multi_thread")]
async fn the_person_whom_a_journey_is_about_gets_no_links_and_no_key_to_press() {
    let to = json!(["{{ journey.phoneNumber }}"]);
    let text = "Please confirm.{{ links.acknowledge }}{{ link }}";
    let call = json!({ "channel": "call", "to": to, "text": "Please confirm." });
    let sms = json!({ "channel": "sms", "to": to, "text": text });
    let (app, twilio) = serving(json!([level("30m", call), level("1h", sms)])).await;
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    app.advance(30 * MINUTE).await;
    let made = twilio.made();
    assert_eq!(made.len(), 2, "{made:#?}");
    let twiml = made[0].field("Twiml");
    assert!(twiml.contains("Please confirm.") && !twiml.contains("Gather"), "{twiml}");
    assert_eq!(made[1].field("Body"), "Please confirm.");
    app.finish().await;
}

/// Twilio's answer repeats the message, and who reads what is kept of it must not be able to act.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_kept_of_a_message_holds_its_link() {
    let (app, twilio) = serving(json!([level("30m", sms())])).await;
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let made = twilio.made();
    assert!(made[0].field("Body").contains("/act/"));
    let shown = delivery(&app).await;
    assert!(!shown.to_string().contains("/act/"), "a link is kept: {shown:#}");
    let snippet = shown["attempts"][0]["responseSnippet"].as_str().expect("one");
    assert!(snippet.contains(&made[0].sid) && !snippet.contains(ANN), "{snippet}");
    // The message had one link, and its page opens no other.
    let path = made[0].field("Body").split_once(app.base()).expect("our address").1;
    let page = send(app.request("GET", path)).await.expect(200).text();
    assert!(page.contains(">Acknowledge<") && !page.contains(">Resolve<"), "{page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_repeats_the_message_and_not_for_ever() {
    let (app, twilio) = serving(json!([level("30m", call())])).await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let mut twiml = twilio.made()[0].field("Twiml").to_owned();
    for _ in 0..3 {
        twiml = call_back(&app, &action(&twiml), &[("Digits", "7")]).await.expect(200).text();
        assert!(twiml.contains("u1") && twiml.contains("Gather"), "{twiml}");
    }
    let last = call_back(&app, &action(&twiml), &[("Digits", "7")]).await.expect(200).text();
    assert!(last.contains("means nothing") && !last.contains("Gather"), "{last}");
    // What was closed meanwhile is not acknowledged.
    post_stage(&app, "u1", "confirmed").await;
    let closed = call_back(&app, &action(&twiml), &[("Digits", "1")]).await.expect(200).text();
    assert!(closed.contains("completed"), "{closed}");
    assert_eq!(journey(&app, &id).await["status"], "completed");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_answer_was_lost_is_found_and_made_once() {
    for turn in [Turn::LoseAnswer, Turn::Garble] {
        let (app, twilio) = serving(json!([level("30m", call())])).await;
        twilio.next([turn]);
        post_stage(&app, "u1", "no_reply").await;
        app.advance(30 * MINUTE).await;
        let shown = delivery(&app).await;
        assert_eq!(
            (&shown["status"], &shown["attempts"][0]["status"]),
            (&json!("pending"), &json!("unsure"))
        );
        twilio.fail_lists(true);
        app.advance(20_000).await;
        assert_eq!(delivery(&app).await["attempts"][1]["status"], "sought", "still not known");
        twilio.fail_lists(false);
        app.advance(60_000).await;
        let shown = delivery(&app).await;
        assert_eq!(
            (&shown["status"], &shown["receipt"]["sid"]),
            (&json!("delivered"), &json!(twilio.made()[0].sid))
        );
        assert_eq!(twilio.made().len(), 1);
        assert_eq!(twilio.violations(), [""; 0]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_found_is_an_operators_and_his_replay_makes_it() {
    let (app, twilio) = serving(json!([level("30m", call())])).await;
    twilio.next([Turn::LoseRequest]);
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    app.advance(20_000).await;
    let shown = delivery(&app).await;
    assert_eq!(shown["status"], "ambiguous");
    assert!(shown["reason"].as_str().unwrap().contains("a replay looks once more"), "{}", shown["reason"]);
    assert_eq!(twilio.made().len(), 0, "nothing was repeated blindly");
    let path = format!("/api/deliveries/{}/replay", shown["id"].as_str().unwrap());
    app.call("POST", &path, None).await;
    app.advance(1_000).await;
    assert_eq!(delivery(&app).await["status"], "delivered");
    assert_eq!(twilio.made().len(), 1);
    let asked = twilio.asked();
    assert!(asked[asked.len() - 2].starts_with("GET"), "it looked first: {asked:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_only_waited_is_made_whatever_else_called_that_number() {
    let (app, twilio) = serving(json!([level("30m", call())])).await;
    post_stage(&app, "u1", "no_reply").await;
    app.advance(29 * MINUTE).await;
    app.call("POST", "/api/destinations/twilio/pause", None).await.expect(200);
    app.advance(21 * MINUTE).await;
    // Another program calls the same number from the same one.
    let url = format!(
        "{}/2010-04-01/Accounts/{ACCOUNT}/Calls.json",
        twilio.table()["api_base_url"].as_str().unwrap().trim_end_matches('/')
    );
    let fields = [("To", ANN), ("From", FROM), ("Twiml", "<?xml version=\"1.0\"?><Response/></Response>")];
    let request = form(app.client().post(url), &fields).basic_auth(ACCOUNT, Some(TOKEN));
    assert_eq!(request.send().await.unwrap().status(), 201);
    app.advance(20 * MINUTE).await;
    app.call("POST", "/api/destinations/twilio/resume", None).await.expect(200);
    app.rest().await;
    let (shown, made) = (delivery(&app).await, twilio.made());
    assert_eq!(made.len(), 2, "the alarm was made: {shown:#}");
    assert_eq!((&shown["status"], &shown["receipt"]["sid"]), (&json!("delivered"), &json!(made[1].sid)));
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 1, "{shown:#}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_over_a_restart_is_not_taken_for_what_was_made_before() {
    let (mut app, twilio) = serving(json!([level("30m", call())])).await;
    twilio.next([Turn::Later(30)]);
    post_stage(&app, "u1", "no_reply").await;
    app.advance(28_000).await;
    post_stage(&app, "u2", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!(twilio.made().len(), 1, "u2's call");
    app.call("POST", "/api/destinations/twilio/pause", None).await.expect(200);
    app.advance(30_000).await;
    app.allow_pending();
    app.restart().await;
    app.call("POST", "/api/destinations/twilio/resume", None).await.expect(200);
    app.advance(1_000).await;
    assert_eq!(twilio.made().len(), 2, "each alarm was made");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_had_no_time_for_is_asked_for_again_without_a_doubt() {
    let (app, twilio) = serving(json!([level("30m", call())])).await;
    twilio.next([Turn::Later(30)]);
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!(delivery(&app).await["attempts"][0]["status"], "retry");
    app.advance(29_000).await;
    assert_eq!(twilio.made().len(), 0, "not before its time");
    app.advance(1_000).await;
    assert_eq!(twilio.made().len(), 1);
    assert_eq!(twilio.asked().iter().filter(|it| it.starts_with("GET")).count(), 0, "it was never in doubt");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_lost_is_known_by_what_it_says_and_who_opted_out_is_left_alone() {
    let (app, twilio) = serving(json!([level("30m", sms()), level("1h", sms()), level("2h", sms())])).await;
    twilio.next([Turn::LoseAnswer]);
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    app.advance(20_000).await;
    assert_eq!(delivery(&app).await["status"], "delivered");
    let message = twilio.made()[0].clone();
    assert!(
        message.field("Body").starts_with(&format!("u1 waits: {}/act/", app.base())),
        "{}",
        message.field("Body")
    );
    let status = message.field("StatusCallback");
    call_back(&app, status, &[("MessageSid", &message.sid), ("MessageStatus", "delivered")])
        .await
        .expect(204);
    call_back(&app, status, &[("MessageSid", &message.sid), ("MessageStatus", "sent")]).await.expect(204);
    let receipt = delivery(&app).await["receipt"].clone();
    assert_eq!((&receipt["status"], &receipt["reached"]), (&json!("delivered"), &json!(true)));

    twilio.opt_out(ANN);
    app.advance(30 * MINUTE).await;
    let asked = twilio.asked().len();
    let shown = deliveries(&app).await;
    assert_eq!((&shown[1]["status"], &shown[1]["receipt"]["errorCode"]), (&json!("failed"), &json!(21610)));
    assert!(shown[1]["reason"].as_str().unwrap().contains("opted out"), "{}", shown[1]["reason"]);
    app.advance(60 * MINUTE).await;
    assert_eq!(deliveries(&app).await[2]["status"], "failed");
    assert_eq!(twilio.asked().len(), asked, "he is not asked about again");
    assert_eq!(twilio.violations(), [""; 0]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_answers_lets_the_next_level_fire_at_once() {
    let (app, twilio) = serving(json!([level("30m", call()), level("5h", sms())])).await;
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let made = twilio.made();
    let (url, sid) = (made[0].field("StatusCallback").to_owned(), made[0].sid.clone());
    for status in ["ringing", "initiated"] {
        call_back(&app, &url, &[("CallSid", &sid), ("CallStatus", status)]).await.expect(204);
    }
    assert_eq!(delivery(&app).await["receipt"]["status"], "ringing", "nothing goes back");
    app.rest().await;
    assert_eq!(twilio.made().len(), 1);
    call_back(&app, &url, &[("CallSid", &sid), ("CallStatus", "no-answer")]).await.expect(204);
    app.advance(1_000).await;
    let made = twilio.made();
    assert_eq!((made.len(), made.last().unwrap().kind), (2, "message"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_flow_stands_in_the_way_of_a_second_one_unless_it_is_ours() {
    let run = json!({ "channel": "studio_execution", "flow_sid": FLOW, "to": ["+15557770001"], "parameters": { "why": "stall" } });
    let (app, twilio) = serving(json!([level("30m", run.clone()), level("1h", run)])).await;
    // Its answer is lost: it is found by what it was begun with.
    twilio.next([Turn::LoseAnswer]);
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    app.advance(20_000).await;
    let first = delivery(&app).await;
    assert_eq!(
        (&first["status"], &first["receipt"]["sid"]),
        (&json!("delivered"), &json!(twilio.made()[0].sid))
    );
    let parameters: Value = serde_json::from_str(twilio.made()[0].field("Parameters")).unwrap();
    assert_eq!((&parameters["why"], &parameters["userID"]), (&json!("stall"), &json!("u1")));
    // The second one is another's.
    app.advance(30 * MINUTE).await;
    let second = deliveries(&app).await[1].clone();
    assert_eq!(second["status"], "failed");
    assert!(
        second["reason"].as_str().unwrap().contains("one flow for a contact at a time"),
        "{}",
        second["reason"]
    );
    assert!(second["reason"].as_str().unwrap().contains("code 20409"), "with Twilio's own words");
    assert_eq!(second["attempts"][0]["httpStatus"], 409);
    assert_eq!(twilio.violations(), [""; 0]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_do_not_hold_pause_it_and_a_test_says_so() {
    let (app, twilio) = serving(json!([level("30m", call())])).await;
    let good = app.call("POST", "/api/destinations/twilio/test", None).await.expect(200).json();
    assert_eq!(
        (&good["status"], &good["sent"], &good["httpStatus"]),
        (&json!("delivered"), &json!(true), &json!(200))
    );
    for token in [TOKEN, ACCOUNTS_TOKEN] {
        assert!(!good.to_string().contains(token), "{good}");
    }
    assert!(good["responseSnippet"].as_str().expect("one").contains("The clinic"), "{good}");
    twilio.lock(true);
    let bad = app.call("POST", "/api/destinations/twilio/test", None).await.expect(200).json();
    assert!(bad["error"].as_str().unwrap().contains("20003"), "{bad}");
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let shown = app.get("/api/destinations/twilio").await;
    assert_eq!((&shown["health"]["state"], &shown["auth_token"]), (&json!("paused"), &json!("********")));
    let told = app.mails().iter().any(|(_, mail)| mail.contains(OPERATOR));
    assert!(told, "the operators have a mail");
    twilio.lock(false);
    app.advance(60 * MINUTE).await;
    assert_eq!(delivery(&app).await["status"], "delivered", "it goes on by itself");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_twilio_is_believed() {
    let (mut app, twilio) = serving(json!([level("30m", call())])).await;
    app.allow_rejections();
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let url = action(twilio.made()[0].field("Twiml"));
    let status = twilio.made()[0].field("StatusCallback").to_owned();
    let path = url.strip_prefix(app.base()).unwrap().to_owned();
    let digits = [("Digits", "1")];
    // No signature; one of something else; an altered link; a link for something else.
    assert_eq!(send(form(app.request("POST", &path), &digits)).await.expect(403).code(), "bad_signature");
    let other = signature(&url, &[("Digits", "2")]);
    let forged = form(app.request("POST", &path), &digits).header("x-twilio-signature", other);
    assert_eq!(send(forged).await.expect(403).code(), "bad_signature");
    let altered = url.replace("/twilio/", "/twilio/A");
    assert_eq!(call_back(&app, &altered, &digits).await.expect(403).code(), "bad_link");
    let swapped = status.replace("/status", "/key");
    assert_eq!(call_back(&app, &swapped, &digits).await.expect(403).code(), "bad_link");
    let swapped = url.replace("/key", "/status");
    assert_eq!(call_back(&app, &swapped, &[("CallStatus", "busy")]).await.expect(403).code(), "bad_link");
    // A link scanner gets nothing, and a body has its bounds.
    assert!(app.call("GET", &path, None).await.status >= 400);
    let long = "x".repeat(100_000);
    assert_eq!(call_back(&app, &url, &[("Digits", &long)]).await.status, 413);
    assert_eq!(journey(&app, &id).await["acknowledged"], Value::Null);
    app.advance(8 * 24 * 60 * MINUTE).await;
    assert_eq!(call_back(&app, &url, &digits).await.expect(403).code(), "bad_link");
    let rejected = app.engine().debugger().rejections(20);
    assert!(rejected.len() >= 7, "{rejected:#?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_an_earlier_call_does_not_stand_for_its_replay() {
    let (app, twilio) = serving(json!([level("30m", call())])).await;
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let first = twilio.made()[0].clone();
    let fields = [("CallSid", first.sid.as_str()), ("CallStatus", "no-answer")];
    call_back(&app, first.field("StatusCallback"), &fields).await.expect(204);
    app.call("POST", "/api/destinations/twilio/pause", None).await.expect(200);
    let path = format!("/api/deliveries/{}/replay", delivery(&app).await["id"].as_str().unwrap());
    app.call("POST", &path, None).await;
    assert_eq!(delivery(&app).await["status"], "pending");
    call_back(&app, first.field("StatusCallback"), &fields).await.expect(204);
    assert_eq!(delivery(&app).await["status"], "pending", "that was the first call");
    app.call("POST", "/api/destinations/twilio/resume", None).await.expect(200);
    app.advance(2_000).await;
    let second = twilio.made()[1].clone();
    let fields = [("CallSid", second.sid.as_str()), ("CallStatus", "completed")];
    call_back(&app, second.field("StatusCallback"), &fields).await.expect(204);
    let receipt = delivery(&app).await["receipt"].clone();
    assert_eq!((&receipt["sid"], &receipt["status"]), (&json!(second.sid), &json!("completed")));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_twilio_is_asked_again_and_a_broken_one_is_looked_at() {
    let (app, twilio) = serving(json!([level("30m", call())])).await;
    twilio.next([Turn::Refuse(429, 20429), Turn::Refuse(503, 20503)]);
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!(delivery(&app).await["attempts"][0]["status"], "retry");
    app.advance(20_000).await;
    assert_eq!(delivery(&app).await["attempts"][1]["status"], "unsure");
    app.advance(40_000).await;
    assert_eq!(delivery(&app).await["status"], "ambiguous");
    assert_eq!(twilio.made().len(), 0, "nothing was repeated blindly");
    let posts = twilio.asked().iter().filter(|it| it.starts_with("POST")).count();
    assert_eq!(posts, 2, "{:?}", twilio.asked());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_service_whose_answer_never_came_is_found() {
    let service = "MG00000000000000000000000000000001";
    let settings = json!({ "messaging_service_sid": service, "timeout": "1s" });
    let (app, twilio) = serving_with(json!([level("30m", sms())]), settings).await;
    twilio.next([Turn::Hang]);
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!(delivery(&app).await["attempts"][0]["status"], "unsure");
    app.advance(20_000).await;
    let (shown, made) = (delivery(&app).await, twilio.made());
    assert_eq!((made.len(), made[0].field("MessagingServiceSid"), made[0].field("From")), (1, service, ""));
    assert_eq!((&shown["status"], &shown["receipt"]["sid"]), (&json!("delivered"), &json!(made[0].sid)));
    assert_eq!(twilio.violations(), [""; 0]);
    app.finish().await;
}
