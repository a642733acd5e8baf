//! `stagepost demo` as whoever runs it sees it: a week that is there at once, and goes on.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

#[path = "support/mod.rs"]
mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::api::Api;
use crate::support::ports::free_port;
use crate::support::wait::eventually;

/// How long it may take until it is there; a machine with other things to do, and a build that is not optimised.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long until something happens of itself, which it does every second or two.
const SOON: Duration = Duration::from_secs(20);

/// A demo that runs.
struct Demo {
    child: Child,
    output: PathBuf,
    _folder: tempfile::TempDir,
}

impl Demo {
    /// Starts a small one, and waits until it listens.
    async fn started() -> (Self, Api) {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("output");
        let file = File::create(&output).expect("a file for what it prints");
        let listen = format!("127.0.0.1:{}", free_port());
        let child = Command::new(env!("CARGO_BIN_EXE_stagepost"))
            .args(["demo", "--listen", &listen, "--users", "60", "--seed", "7"])
            .env("TMPDIR", folder.path())
            .env("STAGEPOST_STORE", "sled:/nobody/has/such/a/folder")
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the file once more"))
            .stderr(file)
            .spawn()
            .expect("the program");
        let mut demo = Self { child, output, _folder: folder };
        let base = format!("http://{listen}");
        let open = Api::new(&base);
        eventually("the demo is ready", PATIENCE, async || {
            let ended = demo.child.try_wait().expect("its state");
            assert!(ended.is_none(), "it ended: {}", demo.said());
            open.try_get("/readyz").await.ok().filter(|answer| answer.status == 200).map(drop)
        })
        .await;
        let said = demo.said();
        let token = said.split("admin token ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let token = token.unwrap_or_else(|| panic!("no token in {said}"));
        (demo, Api::new(&base).with_token(token))
    }

    /// What it printed.
    fn said(&self) -> String {
        std::fs::read_to_string(&self.output).expect("what it printed")
    }

    /// The folder that it says it keeps everything in.
    fn folder(&self) -> PathBuf {
        let said = self.said();
        let path = said.split("Everything is in ").nth(1).and_then(|rest| rest.split(',').next());
        Path::new(path.expect("where everything is")).to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn count(api: &Api, path: &str, rows: &str) -> usize {
    api.rows(path, rows).await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_is_there_and_goes_on() {
    let (mut demo, api) = Demo::started().await;
    for status in ["active", "stalled", "completed", "resolved", "expired"] {
        assert!(count(&api, &format!("/api/journeys?status={status}"), "journeys").await > 0, "{status}");
    }
    let journeys = api.rows("/api/journeys?", "journeys").await;
    let days: std::collections::BTreeSet<&str> =
        journeys.iter().map(|journey| &journey["startedAt"].as_str().expect("a time")[..10]).collect();
    assert!(days.len() >= 7, "{days:?}");
    let acted = journeys.iter().filter(|journey| journey["resolved"]["reason"].as_str().is_some());
    assert!(acted.count() > 0, "nobody resolved anything");

    for audience in api.get("/api/audiences").await["audiences"].as_array().expect("audiences") {
        assert_eq!(audience["status"], "live", "{audience:#}");
    }
    let sizes = api.get("/api/audiences/ordered_today/sizes").await;
    assert!(sizes["entered"].as_u64() > Some(0) && sizes["exited"].as_u64() > Some(0), "{sizes:#}");

    for (destination, status) in
        [("newsletter", "dead"), ("crm", "delivered"), ("warehouse", "delivered"), ("email", "delivered")]
    {
        let path = format!("/api/deliveries?destination={destination}&status={status}");
        assert!(count(&api, &path, "deliveries").await > 0, "{destination}");
    }
    assert_eq!(api.get("/api/people").await["people"].as_array().expect("people").len(), 6);
    let audit = api.get("/api/audit").await.to_string();
    for subject in ["audience big_spenders", "destination warehouse", "person tom.claes@clinic.example"] {
        assert!(audit.contains(subject), "no word of {subject}");
    }

    // It goes on: calls come in, good ones and bad ones.
    let newest = async || api.get("/api/events?type=track&limit=1").await["events"][0]["eventId"].clone();
    let before = newest().await;
    eventually("something else happens", SOON, async || (newest().await != before).then_some(())).await;
    let refused: Value = api.get("/api/events?type=rejected").await;
    assert!(!refused["events"].as_array().expect("events").is_empty());

    // Nothing is left of it.
    let folder = demo.folder();
    assert!(folder.join("store").is_dir() && folder.join("mail").is_dir(), "{}", folder.display());
    let stopped = Command::new("sh").args(["-c", &format!("kill -TERM {}", demo.child.id())]).status();
    assert!(stopped.expect("sh").success());
    let status =
        eventually("it has stopped", PATIENCE, async || demo.child.try_wait().expect("its state")).await;
    assert!(status.success(), "{status}: {}", demo.said());
    assert!(!folder.exists(), "{} is still there", folder.display());
}
