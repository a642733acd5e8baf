//! Lines that pages show to be tried, read as a shell reads them and sent as `curl` sends them.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::browser::Browser;
use crate::http::{Got, send};

/// Writes down what it is called with, instead of the program.
const CURL: &str = r#"curl() { for word in "$@"; do printf '%s\0' "$word"; done; }"#;

/// Runs the line that stands on the page under this id.
pub async fn run_from(browser: &Browser, id: &str) -> Got {
    run(&line(browser, id).await).await
}

/// The line that stands on the page under this id.
pub async fn line(browser: &Browser, id: &str) -> String {
    let text = browser.script(&format!("return document.getElementById('{id}').textContent"), vec![]).await;
    text.as_str().expect("a line").to_owned()
}

/// Runs a line.
pub async fn run(line: &str) -> Got {
    let words = Command::new("sh").args(["-c", &format!("{CURL}\n{line}")]).output().expect("sh");
    assert!(words.status.success(), "{line}: {}", String::from_utf8_lossy(&words.stderr));
    let words = String::from_utf8(words.stdout).expect("text");
    let (mut url, mut headers, mut data) = (None, Vec::new(), Vec::new());
    let mut words = words.split_terminator('\0');
    while let Some(word) = words.next() {
        match word {
            "-H" => {
                let (name, value) =
                    words.next().and_then(|header| header.split_once(": ")).expect("a header");
                headers.push((name, value.to_owned()));
            }
            "-d" => data.push(words.next().expect("data")),
            "-u" => headers.push(("authorization", basic(words.next().expect("a name")))),
            word => assert!(url.replace(word).is_none() && !word.starts_with('-'), "`{word}` in {line}"),
        }
    }
    let is_typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !data.is_empty() && !is_typed {
        headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    }
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = url.unwrap_or_else(|| panic!("no address in {line}"));
    let mut request = if data.is_empty() { client.get(url) } else { client.post(url) };
    for (name, value) in headers {
        request = request.header(name, value);
    }
    send(request.body(data.join("&"))).await
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(user))
}
