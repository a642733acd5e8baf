//! Segment's own clients send to stagepost and believe its answers.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::peers;
use crate::support::server::Server;

const DEFINITIONS: &str = r#"
[[source]]
key = "app"
kind = "http"
write_key = "wk_application"
"#;

/// Runs a client to its end, off the test's own thread.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the client's program"))
        .await
        .expect("the client")
}

fn node(host: &str, write_key: &str, user: &str) -> Command {
    let mut command = peers::node();
    command.arg(peers::script("node_client.mjs")).args([host, write_key, user]);
    command
}

fn python(host: &str, write_key: &str, user: &str, options: &[&str]) -> Command {
    let script: PathBuf = peers::script("python_client.py");
    let mut command = Command::new(peers::python());
    command.arg(script).args([host, write_key, user]).args(options);
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The six calls that the scripts make are stored, once each, with their fields.
async fn assert_stored(server: &Server, user: &str, library: &str) -> Vec<Value> {
    let events = server.api().rows(&format!("/api/events?userId={user}"), "events").await;
    let of = |kind: &str| {
        let found: Vec<&Value> = events.iter().filter(|event| event["type"] == kind).collect();
        assert_eq!(found.len(), 1, "one {kind} of {user} in {events:#?}");
        found[0]
    };
    assert_eq!(events.len(), 6, "{events:#?}");
    assert_eq!(of("identify")["traits"], json!({"email": format!("{user}@example.com"), "plan": "pro"}));
    assert_eq!(of("track")["event"], "Order Completed");
    assert_eq!(of("track")["properties"]["total"], 12.5);
    assert_eq!(of("page")["properties"]["url"], "https://example.com/docs");
    assert!(of("page")["name"].is_string() && of("page")["category"].is_string());
    assert_eq!(of("screen")["properties"]["dark"], true);
    assert_eq!(of("group")["groupId"], "g1");
    assert_eq!(of("group")["traits"], json!({"name": "Initech"}));
    assert_eq!(of("alias")["previousId"], format!("{user}-before"));
    for event in &events {
        assert_eq!(event["userId"], user, "{event}");
        assert_eq!(event["context"]["library"]["name"], library, "{event}");
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_client_is_taken_at_its_word() {
    let server = Server::new(DEFINITIONS).started().await;
    let output = run(node(server.api().base(), "wk_application", "node-user")).await;
    assert!(output.status.success(), "{}", said(&output));
    let events = assert_stored(&server, "node-user", "@segment/analytics-node").await;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (kind, message_id) = line.split_once(' ').expect("a call and its messageId");
        let known = events.iter().any(|event| event["type"] == kind && event["messageId"] == message_id);
        assert!(known, "{line} in {events:#?}");
    }

    let refused = run(node(server.api().base(), "wk_wrong", "node-refused")).await;
    assert_eq!(
        refused.status.code(),
        Some(1),
        "a wrong key has to be an error to the client: {}",
        said(&refused)
    );
    assert!(said(&refused).contains("401"), "{}", said(&refused));
    assert!(server.api().rows("/api/events?userId=node-refused", "events").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_is_taken_at_its_word() {
    let server = Server::new(DEFINITIONS).started().await;
    for (user, options) in [("python-user", &[][..]), ("gzip-user", &["gzip"][..])] {
        let output = run(python(server.api().base(), "wk_application", user, options)).await;
        assert!(output.status.success(), "{}", said(&output));
        assert_stored(&server, user, "analytics-python").await;
    }

    let refused = run(python(server.api().base(), "wk_wrong", "python-refused", &[])).await;
    assert_eq!(
        refused.status.code(),
        Some(1),
        "a wrong key has to be an error to the client: {}",
        said(&refused)
    );
    assert!(said(&refused).contains("(401)"), "{}", said(&refused));
    assert!(server.api().rows("/api/events?userId=python-refused", "events").await.is_empty());
}
