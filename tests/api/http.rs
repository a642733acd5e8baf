//! Requests to the server under test.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::app::TestApp;
use crate::support::api::TOKEN;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Got {
    /// The value of a header, `-` where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("-", |value| value.to_str().expect("a header of text"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{} {}: {error}", self.status, self.text()))
    }

    /// The same, which has to have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The `code` of an error.
    #[track_caller]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or("-").to_owned()
    }
}

impl TestApp {
    /// A request without any authorization.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().expect("a method");
        self.client().request(method, format!("{}{path}", self.base()))
    }

    /// A request with the admin token.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Got {
        let request = self.request(method, path).bearer_auth(TOKEN);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        send(request).await
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let got = self.call("GET", path, None).await;
            assert_eq!(got.status, 200, "GET {path} at {place}: {}", got.text());
            got.json()
        }
    }

    pub async fn put(&self, path: &str, body: Value) -> Value {
        let got = self.call("PUT", path, Some(&body)).await;
        assert!(got.status == 200 || got.status == 201, "PUT {path}: {} {}", got.status, got.text());
        self.rest().await;
        got.json()
    }

    /// Applies a document of definitions, and lets what follows from it happen.
    pub async fn apply(&self, document: &Value) -> Value {
        let got = self.call("POST", "/api/apply", Some(document)).await;
        assert_eq!(got.status, 200, "{}", got.text());
        self.rest().await;
        got.json()
    }

    /// Posts JSON without the token, as sources do.
    pub async fn post_json(&self, path: &str, body: &Value) -> Got {
        self.post_text(path, "application/json", body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Got {
        send(self.request("POST", path).header("content-type", content_type).body(body)).await
    }
}

pub async fn send(request: RequestBuilder) -> Got {
    let response = request.send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("the answer's body").to_vec();
    Got { status, headers, bytes }
}

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("gzip into memory");
    encoder.finish().expect("gzip into memory")
}

/// The keys of an object, in their order.
#[track_caller]
pub fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

/// The strings under `field` of each row of a list.
#[track_caller]
pub fn column(rows: &Value, field: &str) -> Vec<String> {
    let rows = rows.as_array().unwrap_or_else(|| panic!("no list: {rows}"));
    rows.iter().map(|row| row[field].as_str().unwrap_or("-").to_owned()).collect()
}
