//! What goes on once the demo is there: a call every second or so, through the front door as any other.

use std::time::Duration;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::Client;
use serde_json::{Value, json};

use super::cast::User;
use super::plan::{Act, plan};
use super::week::Week;
use crate::clock::Clock;
use crate::domain::event::{Call, Event, STUDIO_STEP};

/// Posts that a server refuses, of which there are always some: sent as they are.
const WRONG: [(&str, &str); 4] = [
    ("/studio/wk_demo_studio", r#"{"userID":"p1003","flow":"appointment_confirmation"}"#),
    (
        "/studio/wk_demo_studio",
        r#"{"userID":"p1007","phoneNumber":"+32471000222","flow":"visit_feedback","stage":"rated","reply":"it was "fine""}"#,
    ),
    (
        "/studio/wk_of_last_year",
        r#"{"userID":"p1001","phoneNumber":"+32471000000","flow":"visit_reminder","stage":"attending"}"#,
    ),
    ("/v1/track", r#"{"userId":"p1010","properties":{"total":20}}"#),
];

/// Posts until it is dropped.
pub(super) async fn go_on(base_url: String, seed: u64, users: Vec<User>, clock: Clock) {
    let Ok(client) = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build() else { return };
    while client.get(format!("{base_url}/readyz")).send().await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut random = StdRng::seed_from_u64(!seed);
    for wrong in WRONG {
        send(&client, &base_url, wrong.0, wrong.1.to_owned()).await;
    }
    loop {
        // Of another week, only the order in which things happen is taken.
        let (seed, week) = (random.random(), Week::until(clock.now()));
        for planned in plan(seed, &users, week) {
            let Act::Post { event, .. } = planned.act else { continue };
            let Some((path, body)) = request(*event, seed) else { continue };
            tokio::time::sleep(Duration::from_millis(random.random_range(700..2000))).await;
            if random.random_bool(0.03) {
                let wrong = WRONG[random.random_range(0..WRONG.len())];
                send(&client, &base_url, wrong.0, wrong.1.to_owned()).await;
            }
            send(&client, &base_url, path, body.to_string()).await;
        }
    }
}

/// The post that the event came from, had it come just now; `None` where it says nothing new.
fn request(event: Event, seed: u64) -> Option<(&'static str, Value)> {
    let user_id = event.user_id?;
    let call = match event.call {
        Call::Track { event, mut properties } if event == STUDIO_STEP => {
            // Runs of this week are others than those of the last one.
            if let Some(number) =
                properties.get("executionSid").and_then(Value::as_str).and_then(|it| it.get(18..))
            {
                let sid = format!("FN{seed:016x}{number}");
                properties.insert("executionSid".to_owned(), sid.into());
            }
            properties.insert("userID".to_owned(), user_id.into());
            return Some(("/studio/wk_demo_studio", Value::Object(properties)));
        }
        Call::Track { event, properties } => {
            ("/v1/track", json!({ "event": event, "properties": properties }))
        }
        Call::Page { name, .. } => ("/v1/page", json!({ "name": name })),
        // They are known already.
        Call::Identify { .. } | Call::Screen { .. } | Call::Group { .. } | Call::Alias { .. } => return None,
    };
    let (path, mut body) = call;
    body["userId"] = user_id.into();
    body["writeKey"] = "wk_demo_shop".into();
    Some((path, body))
}

/// Whatever comes of it: the demo goes on, and what the server refuses is to be seen in its debugger.
async fn send(client: &Client, base_url: &str, path: &str, body: String) {
    let request =
        client.post(format!("{base_url}{path}")).header("content-type", "application/json").body(body);
    if let Err(error) = request.send().await {
        tracing::debug!(%error, path, "a post of the demo did not arrive");
    }
}
