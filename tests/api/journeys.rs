//! Journeys as the API shows them.

use serde_json::{Value, json};

use crate::http::{column, keys};
use crate::studio::{FLOW, body, post_stage, studio};

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_is_shown_with_its_steps() {
    let app = studio().await;
    let mut first = body("u1", "initiation");
    first["executionSid"] = "FN1".into();
    let answer = app.post_json("/studio/wk_studio", &first).await.expect(200).json();
    let id = answer["journeyId"].as_str().unwrap();
    app.advance(1500).await;
    let mut second = body("u1", "asked");
    second["executionSid"] = "FN1".into();
    let again = app.post_json("/studio/wk_studio", &second).await.expect(200).json();
    assert_eq!(again["journeyId"], id);
    let journey = app.get(&format!("/api/journeys/{id}")).await;
    for (field, wanted) in [
        ("id", json!(id)),
        ("userId", json!("u1")),
        ("phoneNumber", json!("+14155550100")),
        ("flow", json!(FLOW)),
        ("stage", json!("asked")),
        ("status", json!("active")),
        ("executionSid", json!("FN1")),
        ("startedAt", json!("2026-11-21T10:00:00.000Z")),
        ("updatedAt", json!("2026-11-21T10:00:01.500Z")),
        ("escalations", json!([])),
        (
            "steps",
            json!([
                {
                    "stage": "initiation", "at": "2026-11-21T10:00:00.000Z",
                    "receivedAt": "2026-11-21T10:00:00.000Z", "messageId": answer["messageId"],
                },
                {
                    "stage": "asked", "at": "2026-11-21T10:00:01.500Z",
                    "receivedAt": "2026-11-21T10:00:01.500Z", "messageId": again["messageId"],
                },
            ]),
        ),
    ] {
        assert_eq!(journey[field], wanted, "{field}");
    }
    let user = app.get("/api/users/u1").await;
    for field in ["userId", "traits", "audiences", "externalIds", "journeys", "recentEvents"] {
        assert!(user.get(field).is_some(), "{field} in {user}");
    }
    // What its ladder does next is said where it is asked for alone.
    let mut listed = journey;
    let (next, expires_at) = (listed["nextLevel"].take(), listed["expiresAt"].take());
    assert_eq!((next, expires_at), (Value::Null, json!("2026-12-21T10:00:01.500Z")));
    listed.as_object_mut().unwrap().retain(|field, _| !["nextLevel", "expiresAt"].contains(&field.as_str()));
    assert_eq!(user["journeys"], json!([listed]));
    assert_eq!(user["recentEvents"][0]["messageId"], again["messageId"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn journeys_are_filtered_and_paged() {
    let app = studio().await;
    for user in ["a", "b", "c", "d"] {
        post_stage(&app, user, "initiation").await;
        app.advance(1000).await;
    }
    post_stage(&app, "b", "confirmed").await;
    let users =
        async |query: &str| column(&app.get(&format!("/api/journeys{query}")).await["journeys"], "userId");
    assert_eq!(users("").await, ["d", "c", "b", "a"]);
    assert_eq!(users("?status=completed").await, ["b"]);
    assert_eq!(users("?stage=initiation&status=active").await, ["d", "c", "a"]);
    assert_eq!(users("?userId=a").await, ["a"]);
    assert_eq!(users("?flow=other").await, [""; 0]);
    assert_eq!(users(&format!("?flow={FLOW}&limit=2")).await, ["d", "c"]);
    assert_eq!(users("?from=2026-11-21T10:00:01Z&to=2026-11-21T10:00:03Z").await, ["c", "b"]);
    let mut path = "/api/journeys?limit=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = app.get(&path).await;
        assert_eq!(keys(&page), ["journeys", "cursor"]);
        seen.extend(column(&page["journeys"], "userId"));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/api/journeys?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, ["d", "c", "b", "a"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_nobody_defined_is_recorded_and_listed_as_such() {
    let app = studio().await;
    let mut post = body("u1", "hello");
    post["flow"] = "unheard of".into();
    let answer = app.post_json("/studio/wk_studio", &post).await.expect(200).json();
    let journey = app.get(&format!("/api/journeys/{}", answer["journeyId"].as_str().unwrap())).await;
    assert_eq!((&journey["flow"], &journey["status"]), (&json!("unheard of"), &json!("active")));
    let flows = app.get("/api/flows").await["flows"].clone();
    assert_eq!(column(&flows, "name"), [FLOW, "unheard of"]);
    assert_eq!(flows[0]["configured"], true);
    assert_eq!(flows[1], json!({ "name": "unheard of", "configured": false }));
    let funnel = app.get("/api/flows/unheard%20of/funnel").await;
    assert_eq!(funnel["stages"][0]["stage"], "hello");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_run_supersedes_the_one_before() {
    let app = studio().await;
    let first = post_stage(&app, "u1", "initiation").await;
    app.advance(60_000).await;
    let second = post_stage(&app, "u1", "initiation").await;
    assert_ne!(first, second);
    let status = async |id: &str| app.get(&format!("/api/journeys/{id}")).await["status"].clone();
    assert_eq!((status(&first).await, status(&second).await), (json!("superseded"), json!("active")));
    assert_eq!(post_stage(&app, "u1", "confirmed").await, second);
    assert_eq!(status(&second).await, "completed");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_journey_expires() {
    let app = studio().await;
    let id = post_stage(&app, "u1", "initiation").await;
    app.advance(31 * 86_400_000).await;
    assert_eq!(app.get(&format!("/api/journeys/{id}")).await["status"], "expired");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_funnel_counts_who_came_how_far() {
    let app = studio().await;
    for (user, stages) in [
        ("a", &["initiation", "asked", "confirmed"][..]),
        ("b", &["initiation", "asked"]),
        ("c", &["initiation", "asked", "cancelled"]),
        ("d", &["initiation"]),
    ] {
        for stage in stages {
            post_stage(&app, user, stage).await;
            app.advance(10_000).await;
        }
    }
    let funnel = app.get(&format!("/api/flows/{FLOW}/funnel")).await;
    assert_eq!(funnel["journeys"], 4);
    let rows: Vec<Value> = funnel["stages"].as_array().unwrap().clone();
    let row = |stage: &str| rows.iter().find(|row| row["stage"] == stage).unwrap();
    assert_eq!(column(&funnel["stages"], "stage")[..2], ["initiation", "asked"]);
    for (stage, journeys, share, median) in [
        ("initiation", 4, 1.0, Value::Null),
        ("asked", 3, 0.75, json!(10.0)),
        ("confirmed", 1, 0.25, json!(10.0)),
        ("cancelled", 1, 0.25, json!(10.0)),
    ] {
        let row = row(stage);
        assert_eq!((&row["journeys"], &row["share"]), (&json!(journeys), &json!(share)), "{stage}");
        assert_eq!(row["medianSecondsFromPrevious"], median, "{stage}");
    }
    let later = app.get(&format!("/api/flows/{FLOW}/funnel?from=2026-11-21T10:01:00Z")).await;
    assert_eq!(later["journeys"], 1);
    app.finish().await;
}
