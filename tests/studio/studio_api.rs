//! Twilio's Studio API as far as flows are concerned, strict in what it takes.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::receiver::{Receiver, Reply, Request};

pub const FLOW: &str = "FW0123456789abcdef0123456789abcdef";
pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub const TOKEN: &str = "the-auth-token";

/// One account with one flow.
pub struct StudioApi {
    receiver: Receiver,
    flow: Arc<Mutex<Value>>,
}

impl StudioApi {
    pub fn with(definition: Value) -> Self {
        let flow = json!({ "sid": FLOW, "account_sid": ACCOUNT, "friendly_name": "Visit Confirmation", "status": "published",
            "revision": 7, "definition": definition });
        let flow = Arc::new(Mutex::new(flow));
        let kept = Arc::clone(&flow);
        let receiver = Receiver::start(move |request, _| {
            let (status, body) = answer(request, &mut kept.lock().expect("the flow"));
            closing(status, &body.to_string())
        });
        Self { receiver, flow }
    }

    pub fn url(&self) -> String {
        self.receiver.url("")
    }

    pub fn flow(&self) -> Value {
        self.flow.lock().expect("the flow").clone()
    }

    /// What was asked of it: `POST /v2/Flows/Validate`, and so on.
    pub fn calls(&self) -> Vec<String> {
        self.receiver
            .requests()
            .iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }
}

/// An answer after which the connection is closed, and that says so: nothing is sent over it once more.
pub fn closing(status: u16, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"))
}

fn answer(request: &Request, flow: &mut Value) -> (u16, Value) {
    let allowed = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    if request.header("authorization") != Some(&allowed) {
        return error(401, 20003, "Authenticate");
    }
    let one = format!("/v2/Flows/{FLOW}");
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", path) if path == one => (200, flow.clone()),
        ("POST", "/v2/Flows/Validate") => match form(request, &["FriendlyName", "Status", "Definition"]) {
            Ok(fields) => match flaws(&fields[2]) {
                None => (200, json!({ "valid": true })),
                Some(refusal) => refusal,
            },
            Err(refusal) => refusal,
        },
        ("POST", path) if path == one => match form(request, &["Status", "Definition", "CommitMessage"]) {
            Ok(fields) => {
                if let Some(refusal) = flaws(&fields[1]) {
                    return refusal;
                }
                flow["definition"] = serde_json::from_str(&fields[1]).expect("checked");
                flow["status"] = json!(fields[0]);
                flow["revision"] = json!(flow["revision"].as_u64().expect("a number") + 1);
                (200, flow.clone())
            }
            Err(refusal) => refusal,
        },
        ("GET" | "POST", _) => error(404, 20404, "The requested resource was not found"),
        _ => error(405, 20004, "Method not allowed"),
    }
}

fn error(status: u16, code: u32, message: &str) -> (u16, Value) {
    (status, json!({ "code": code, "message": message, "more_info": "", "status": status }))
}

/// The values of exactly these fields.
fn form(request: &Request, names: &[&str]) -> Result<Vec<String>, (u16, Value)> {
    let media = request.header("content-type").unwrap_or_default();
    if !media.starts_with("application/x-www-form-urlencoded") {
        return Err(error(415, 20415, "Unsupported media type"));
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
    if fields.iter().any(|(name, _)| !names.contains(&name.as_str())) {
        return Err(error(400, 20001, "Unknown parameter"));
    }
    let value = |name: &&str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let values: Option<Vec<String>> = names.iter().map(value).collect();
    let values = values.ok_or_else(|| error(400, 20001, "Missing required parameter"))?;
    let status = names.iter().position(|name| *name == "Status").expect("always there");
    match values[status].as_str() {
        "draft" | "published" => Ok(values),
        _ => Err(error(400, 20001, "Invalid status")),
    }
}

/// What Studio would not take: types that it does not know.
fn flaws(definition: &str) -> Option<(u16, Value)> {
    const KNOWN: [&str; 11] = [
        "trigger",
        "send-and-wait-for-reply",
        "send-message",
        "split-based-on",
        "set-variables",
        "make-http-request",
        "run-function",
        "make-outgoing-call-v2",
        "gather-input-on-call",
        "send-to-flex",
        "fork-stream",
    ];
    let Ok(definition) = serde_json::from_str::<Value>(definition) else {
        return Some(error(400, 20001, "Definition is not JSON"));
    };
    let states = definition["states"].as_array().cloned().unwrap_or_default();
    let errors: Vec<Value> = states
        .iter()
        .enumerate()
        .filter(|(_, state)| !KNOWN.contains(&state["type"].as_str().unwrap_or_default()))
        .map(|(place, _)| json!({ "property_path": format!("#/states/{place}/type"), "message": "is no known type" }))
        .collect();
    (!errors.is_empty()).then(|| {
        (400, json!({ "code": 20001, "message": "Flow definition is invalid", "status": 400, "details": { "errors": errors } }))
    })
}
