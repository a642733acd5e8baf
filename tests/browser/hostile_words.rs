//! What people type, and what stands in addresses, is text, too.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::hostile::{harmless, look_everywhere};
use crate::scene::Scene;
use crate::support::api::escape;

/// Places where people can leave words, as the first word of each.
const PLACES: [&str; 16] = [
    "AudienceName",
    "Description",
    "TraitName",
    "QueryText",
    "FlowName",
    "StageName",
    "MessageText",
    "OnCallName",
    "Acknowledged",
    "Snoozed",
    "Resolved",
    "PauseReason",
    "PersonName",
    "TokenName",
    "HeaderValue",
    "TriggerText",
];

/// Pages, and what can stand in their addresses.
const ADDRESSES: [&str; 22] = [
    "/console?said=X&theme=X",
    "/console/X",
    "/console/users?q=X&by=X",
    "/console/users/X?anonymous=true",
    "/console/users/X/deliveries?status=X",
    "/console/users/X/events?cursor=X",
    "/console/journeys?flow=X&stage=X&status=X&user=X&from=X&to=X&cursor=X",
    "/console/journeys/X",
    "/console/inbox?tab=X&cursor=X",
    "/console/flows?define=X&cursor=X",
    "/console/flows/X",
    "/console/flows/X/edit",
    "/console/live?outcome=X&type=X&event=X&user=X&source=X&cursor=X",
    "/console/live/X",
    "/console/audiences?q=X&status=X&cursor=X",
    "/console/audiences/buyers?user=X&per=X&cursor=X",
    "/console/traits/total_spend?user=X&cursor=X",
    "/console/deliveries?destination=X&status=X&userId=X&q=X&cursor=X",
    "/console/destinations/new?kind=X",
    "/console/sources/new?kind=X",
    "/console/people?cursor=X",
    "/console/audit?by=X&subject=X&from=X&to=X&cursor=X",
];

/// The same for somebody who has not signed in.
const STRANGERS: [&str; 4] = ["/console/sign-in?back=X&said=X", "/console/X?X=X", "/setup/X", "/act/X"];

/// What is defined, in all words that a definition can have.
fn definitions(scene: &Scene) -> Value {
    let mail = json!({ "channel": "email", "to": ["on_call:night"], "template": "no_reply" });
    let text =
        json!({ "channel": "sms", "to": ["on_call:night"], "text": hostile!("MessageText"), "via": "phone" });
    json!({
        "source": [{ "key": "till", "kind": "studio", "properties": [hostile!("PropertyName")] }],
        "team": [{
            "key": "night", "time_zone": "Europe/Brussels",
            "on_call": [{ "name": hostile!("OnCallName"), "email": "night@example.com", "phone": "+14155550100" }],
        }],
        "flow": [{
            "name": hostile!("FlowName"), "initial": hostile!("StageName"), "terminal": [hostile!("Terminal")], "team": "night",
            "escalation": [{ "stage": hostile!("StageName"), "after": "1h", "actions": [mail, text] }],
        }],
        "destination": [
            {
                "key": "odd", "kind": "webhook", "trigger": r#"event = "TriggerText<script>window.__owned=1</script>'><img src=x data-owned>""#,
                "urls": [{ "url": scene.crm.url("/hook?<script>window.__owned=1</script>"), "headers": { "X-Team": hostile!("HeaderValue") } }],
            },
            { "key": "phone", "kind": "twilio", "account_sid": format!("AC{}", "0".repeat(32)), "auth_token": "0".repeat(32), "from": "+14155550100" },
        ],
        "audience": [{
            "name": hostile!("AudienceName"), "description": hostile!("Description"), "destinations": ["odd"],
            "query": format!("event({}).count() >= 1", quoted(hostile!("QueryText"))),
        }],
        "trait": [{ "name": hostile!("TraitName"), "query": format!("event({}).count()", quoted(hostile!("QueryText"))) }],
    })
}

/// As a text of the query language.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "\\'"))
}

/// Does something with a journey that waits, and says why.
async fn act(scene: &Scene, user: &str, act: &str, mut body: Value, reason: &str) {
    let id = scene.stalled(user).await;
    body["reason"] = reason.into();
    scene.app.call("POST", &format!("/api/journeys/{id}/{act}"), Some(&body)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_type_is_text_on_every_page() {
    let scene = Scene::start().await;
    scene.app.apply(&definitions(&scene)).await;
    act(&scene, "ada", "acknowledge", json!({}), hostile!("Acknowledged")).await;
    act(&scene, "bob", "snooze", json!({ "for": "1h" }), hostile!("Snoozed")).await;
    act(&scene, "eve", "resolve", json!({}), hostile!("Resolved")).await;
    scene.stage("joe", "initiation").await;
    scene
        .studio(json!({ "userID": "joe", "flow": hostile!("FlowName"), "stage": hostile!("StageName") }))
        .await;
    for (path, body) in [
        ("/api/destinations/crm/pause", json!({ "reason": hostile!("PauseReason") })),
        (
            "/api/tokens",
            json!({ "name": "TokenName<script>window.__owned=1</script>\"'>", "scopes": ["read"] }),
        ),
        (
            "/api/people",
            json!({
                "name": "PersonName<script>window.__owned=1</script>\"'>", "email": "a\"<b>'@example.com", "role": "viewer",
                "password": "some words that nobody guesses",
            }),
        ),
    ] {
        let got = scene.app.call("POST", path, Some(&body)).await;
        assert!(got.status < 300, "{path}: {}", got.text());
    }
    let browser = scene.browser_of("admin").await;
    let more = [
        "/console/destinations/odd",
        "/console/destinations/odd/edit",
        "/console/inbox?tab=acknowledged",
        "/console/inbox?tab=snoozed",
    ];
    let mut more = more.map(str::to_owned).to_vec();
    let flow = escape(hostile!("FlowName")).replace('+', "%20");
    more.extend([
        format!("/console/flows/{flow}"),
        format!("/console/flows/{flow}/edit"),
        "/console/audit".to_owned(),
    ]);
    look_everywhere(&browser, &PLACES, &more).await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_addresses_is_text_on_every_page() {
    let scene = Scene::start().await;
    let (browser, stranger) = (scene.browser_of("admin").await, Browser::at(scene.app.base()).await);
    let long = "W".repeat(600);
    for words in [hostile!("X"), "javascript:window.__owned=1", "{{191*7919}}\u{202e}\0\r\n", &long] {
        let words = escape(words).replace('+', "%20");
        for (browser, path) in
            ADDRESSES.map(|it| (&browser, it)).into_iter().chain(STRANGERS.map(|it| (&stranger, it)))
        {
            let path = path.replace('X', &words);
            browser.go(&path).await;
            harmless(browser, &path).await;
        }
    }
    scene.finish([browser, stranger]).await;
}
