//! A small client for stagepost.

use std::time::Duration;

use serde_json::Value;

/// The admin token that test servers are started with.
pub const TOKEN: &str = "test-admin-token-0123456789abcde";

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; `null` where it is no JSON.
    pub body: Value,
}

/// Talks to one server; cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    token: String,
    client: reqwest::Client,
}

impl Api {
    /// A client for the server at `base`.
    pub fn new(base: &str) -> Self {
        Self::with_timeout(base, Duration::from_secs(20))
    }

    /// The same, with as much patience as that.
    pub fn with_timeout(base: &str, timeout: Duration) -> Self {
        // The first test of a binary installs the provider; the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(timeout).build().expect("an HTTP client");
        Self { base: base.to_owned(), token: TOKEN.to_owned(), client }
    }

    /// The same for a server with that admin token.
    pub fn with_token(self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self }
    }

    /// The server's address, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Posts JSON as a source does: without the admin token.
    pub async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<Answer> {
        let request = self.client.post(format!("{}{path}", self.base));
        read(request.header("content-type", "application/json").body(body.to_string())).await
    }

    /// Posts JSON as a source does, and insists on a 200.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let answer = self.try_post(path, body).await.unwrap_or_else(|error| panic!("POST {path}: {error}"));
        assert_eq!(answer.status, 200, "POST {path} {body}: {}", answer.body);
        answer
    }

    /// Reads with the admin token.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        read(self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token)).await
    }

    /// Reads with the admin token, and insists on a 200.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.try_get(path).await.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.body
    }

    /// All rows of a list, page by page; `path` has its `?` already, `rows` is the field that holds them.
    pub async fn rows(&self, path: &str, rows: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = None::<String>;
        loop {
            let from = cursor.map_or_else(String::new, |cursor| format!("&cursor={}", escape(&cursor)));
            let mut page = self.get(&format!("{path}&limit=1000{from}")).await;
            match page[rows].take() {
                Value::Array(found) => all.extend(found),
                other => panic!("GET {path}: `{rows}` is {other}"),
            }
            cursor = page["cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return all;
            }
        }
    }
}

/// `text` as it may stand in a query.
pub fn escape(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
}
