//! Track calls as an SDK sends them, alone or in batches.

use super::client::post;

/// The write key of the source that takes them.
pub const WRITE_KEY: &str = "wk_http_bench";

/// That source's definition.
pub const SOURCE: &str = r#"
[[source]]
key = "http"
kind = "http"
write_key = "wk_http_bench"
"#;

/// A track as JSON. `timestamp` is its time, empty for now; `properties` the inside of an object.
pub fn track(user: &str, event: &str, message_id: &str, timestamp: &str, properties: &str) -> String {
    let timestamp =
        if timestamp.is_empty() { String::new() } else { format!(r#","timestamp":"{timestamp}""#) };
    format!(
        r#"{{"type":"track","userId":"{user}","event":"{event}","messageId":"{message_id}"{timestamp},"properties":{{{properties}}}}}"#
    )
}

/// A post of one call.
pub fn single(call: &str) -> Vec<u8> {
    let fields = call.strip_prefix('{').expect("an object");
    post("/v1/track", "application/json", &format!(r#"{{"writeKey":"{WRITE_KEY}",{fields}"#))
}

/// A post of several calls.
pub fn batch(calls: impl Iterator<Item = String>) -> Vec<u8> {
    let calls: Vec<String> = calls.collect();
    let body = format!(r#"{{"writeKey":"{WRITE_KEY}","batch":[{}]}}"#, calls.join(","));
    post("/v1/batch", "application/json", &body)
}
