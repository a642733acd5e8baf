//! Chromium and the program that drives it: one of each for a browser, over a folder of their own, and gone with it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::support::peers;

/// How Chromium is started: it draws without a screen, may be run by root in a container, and asks nobody anything.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Nothing is found but the server: a page that needs anything else shows it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A running browser and its driver; both are killed when this is dropped.
pub struct Driver {
    driver: Child,
    browser: Option<u64>,
    /// Held, since the driver would end if it could say nothing more.
    _said: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Driver {
    /// Starts both; scripts of pages are run or not.
    pub async fn start(scripts: bool) -> (Self, Client) {
        peers::chromium();
        let folder = tempfile::tempdir().expect("a folder for the browser");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver");
        let mut said = BufReader::new(driver.stdout.take().expect("what the driver says"));
        let port = port(&mut said);
        let capabilities = capabilities(&folder, scripts);
        let mut this = Self { driver, browser: None, _said: said, _folder: folder };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a session of the browser");
        let started = client.capabilities().and_then(|them| them.get("goog:processID"));
        this.browser = started.and_then(Value::as_u64);
        assert!(this.browser.is_some(), "the driver does not say which process the browser is");
        (this, client)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(browser) = self.browser {
            // Its other processes go with it. The shell has `kill` built in; the program of that name may be missing.
            let _ = Command::new("sh")
                .args(["-c", &format!("kill -KILL {browser}")])
                .stderr(Stdio::null())
                .status();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that the driver says it listens on.
fn port(said: &mut impl BufRead) -> u16 {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(said.read_line(&mut line).expect("the driver's words") > 0, "chromedriver ended at once");
        if let Some((_, port)) = line.split_once("successfully on port ") {
            return port.trim().trim_end_matches('.').parse().expect("a port");
        }
    }
}

fn capabilities(folder: &TempDir, scripts: bool) -> Capabilities {
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
    let blocked = if scripts { json!({}) } else { json!({ "javascript": 2 }) };
    let wanted = json!({
        "browserName": "chrome",
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": { "profile": { "default_content_setting_values": blocked } },
        },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    wanted.as_object().expect("an object").clone()
}

/// A command of Chromium's driver that WebDriver does not know: where it is, below the session, and its body.
#[derive(Debug)]
pub struct Extra(pub &'static str, pub Value);

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}
