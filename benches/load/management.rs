//! What a benchmark asks the management API.

use std::time::Duration;

use serde_json::Value;

use super::client::Connection;
use super::server::{Server, TOKEN};

/// A connection that bears the admin token.
pub struct Management(Connection);

impl Management {
    pub async fn open(server: &Server) -> Self {
        Self(Connection::open(&server.address).await)
    }

    /// What stands at `path`.
    pub async fn get(&mut self, path: &str) -> Value {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        let (status, body) = self.0.ask(request.as_bytes()).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(body));
        serde_json::from_slice(body).expect("answers are JSON")
    }

    /// Posts nothing to `path`.
    pub async fn post(&mut self, path: &str) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n"
        );
        let (status, body) = self.0.ask(request.as_bytes()).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(body));
    }

    /// Sends `body` to `path`, which is to be answered with that status.
    pub async fn send(&mut self, method: &str, path: &str, body: &Value, wanted: u16) {
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, body) = self.0.ask(request.as_bytes()).await;
        assert_eq!(status, wanted, "{path}: {}", String::from_utf8_lossy(body));
    }

    /// Applies definitions beside those there are.
    pub async fn apply(&mut self, definitions: &Value) {
        self.send("POST", "/api/apply", definitions, 200).await;
    }

    /// The sum of all samples of a metric whose labels hold `label`.
    pub async fn metric(&mut self, name: &str, label: &str) -> u64 {
        let (status, body) = self.0.ask(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
        assert_eq!(status, 200, "metrics are there");
        let text = std::str::from_utf8(body).expect("metrics are text");
        let samples = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.strip_prefix(name)?;
            let is_it = labels.is_empty() || labels.starts_with('{');
            (is_it && labels.contains(label)).then(|| value.parse::<u64>().ok())?
        });
        samples.sum()
    }

    /// Waits until every audience and computed trait is live.
    pub async fn all_live(&mut self) {
        for kind in ["audiences", "traits"] {
            loop {
                let found = self.get(&format!("/api/{kind}")).await;
                let mut rows = found[kind].as_array().into_iter().flatten();
                if rows.all(|row| row["status"] == "live") {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
