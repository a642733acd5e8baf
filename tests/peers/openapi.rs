//! The server against its own OpenAPI document: schemathesis makes calls of it, good ones and bad ones, and holds every answer to
//! it. No answer may be a fault of the server's, have a status, type or shape that is not described, or be given without the token.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::{Api, TOKEN};
use crate::support::peers;
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::wait::eventually;

/// Something of each kind, so that calls find something.
const DEFINITIONS: &str = include_str!("openapi.toml");
const SOON: Duration = Duration::from_secs(15);

/// Somebody who stalled, ordered, and belongs to an account; answers the ids of his journey and of a call that was sent.
async fn somebody(api: &Api) -> (String, String) {
    let step = json!({"userID": "u1", "phoneNumber": "+15551234567", "flow": "appointment_confirmation", "stage": "no_reply"});
    let journey =
        api.post("/studio/wk_reception", &step).await.body["journeyId"].as_str().expect("an id").to_owned();
    for (path, mut call) in [
        ("/v1/identify", json!({"traits": {"email": "u1@example.com"}})),
        ("/v1/track", json!({"event": "Order Completed", "properties": {"total": 42}})),
        ("/v1/group", json!({"groupId": "clinic-7", "traits": {"name": "Clinic Brugge"}})),
    ] {
        call["userId"] = "u1".into();
        call["writeKey"] = "wk_webshop".into();
        api.post(path, &call).await;
    }
    let sent = eventually("the call about the order was sent", SOON, async || {
        let list = api.get("/api/deliveries?destination=crm&status=delivered").await;
        list["deliveries"][0]["id"].as_str().map(str::to_owned)
    });
    (journey, sent.await)
}

/// Every call of the document: method, path, and what is said of it.
fn calls(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let of_path = |(path, item): (&String, &Value)| {
        let calls = item.as_object().expect("calls").clone().into_iter();
        let calls = calls.filter(|(method, _)| method != "parameters");
        calls.map(|(method, call)| (method.to_uppercase(), path.clone(), call)).collect::<Vec<_>>()
    };
    paths.flat_map(of_path).collect()
}

/// A path with something in place of what is called there.
fn address(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "nobody" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_or_done_without_a_token() {
    let server = Server::new("").with("STAGEPOST_STORE", "memory:").started().await;
    let document = server.api().get("/api/openapi.json").await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut asked = 0;
    for (method, path, call) in calls(&document) {
        let needed =
            call.get("security").unwrap_or(&document["security"]).as_array().expect("ways to say who one is");
        if needed.is_empty() || needed.contains(&json!({})) {
            continue;
        }
        let url = format!("{}{}", server.api().base(), address(&path));
        let mut request = client.request(method.parse().expect("a method"), url);
        if call.get("requestBody").is_some() {
            request = request.header("content-type", "application/json").body("{}");
        }
        let status = request.send().await.expect("an answer").status().as_u16();
        assert_eq!(status, 401, "{method} {path}");
        assert!(call["responses"]["401"].is_object(), "{method} {path}: the document does not say so");
        asked += 1;
    }
    assert!(asked > 70, "only {asked} calls need somebody");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_document_says() {
    let receiver = Receiver::taking_all();
    let server = Server::new(&DEFINITIONS.replace("RECEIVER", &receiver.url("/hook")))
        .with("STAGEPOST_STORE", "memory:")
        .started()
        .await;
    let (journey, delivery) = somebody(server.api()).await;
    let folder = server.folder().to_owned();
    let mut schemathesis = Command::new(peers::schemathesis());
    schemathesis
        .arg("--config-file")
        .arg(peers::script("schemathesis.toml"))
        .args(["run", &format!("{}/api/openapi.json", server.api().base())])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--seed", "1"])
        .env("OPENAPI_TOKEN", TOKEN)
        .env("OPENAPI_JOURNEY", journey)
        .env("OPENAPI_DELIVERY", delivery)
        .current_dir(folder);
    let output = tokio::task::spawn_blocking(move || schemathesis.output().expect("schemathesis"));
    let output = output.await.expect("schemathesis");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // It looked at all of them, but for the one that never ends, and the one that it took the document from.
    let calls = calls(&server.api().get("/api/openapi.json").await).len();
    assert!(said.contains(&format!("Tested: {}", calls - 2)), "{calls} calls: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_holds_to_its_schema() {
    let server = Server::new("").with("STAGEPOST_STORE", "memory:").started().await;
    let document = server.api().get("/api/openapi.json").await.to_string();
    let file = server.folder().join("openapi.json");
    std::fs::write(&file, document).expect("the document's file");
    let output = Command::new(peers::python())
        .arg(peers::script("openapi_examples.py"))
        .stdin(std::fs::File::open(file).expect("the document's file"))
        .output()
        .expect("python");
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    let count = said.strip_suffix(" examples\n").and_then(|count| count.parse::<usize>().ok());
    assert!(count.is_some_and(|count| count > 100), "{said}{wrong}");
}
