//! A strict stand-in for Twilio's four services, made from what is known of them: it refuses whatever they would (and writes down
//! that it had to), keeps what it was asked for, lists it, and can be told to fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use stagepost::clock::Clock;
use stagepost::domain::time::{Span, Timestamp};

use super::receiver::{Receiver, Reply, Request};

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub const FLOW: &str = "FW00000000000000000000000000000001";
pub const WORKSPACE: &str = "WS00000000000000000000000000000001";
pub const FROM: &str = "+15005550006";

/// How long it takes until lists show what was made.
const LISTING_LAG: Span = Span::from_secs(4);

/// How one request that makes something is answered, in place of the usual way.
#[derive(Clone, Debug)]
pub enum Turn {
    /// With this status and Twilio's code; nothing is made.
    Refuse(u16, u32),
    /// 429, with a `Retry-After` in seconds.
    Later(u32),
    /// It is made, and the connection breaks before the answer.
    LoseAnswer,
    /// It is made, and no answer ever comes.
    Hang,
    /// It is not made, and the connection breaks.
    LoseRequest,
    /// It is made, and answered with what is no JSON.
    Garble,
}

/// A thing that was made.
#[derive(Clone, Debug)]
pub struct Made {
    pub kind: &'static str,
    pub sid: String,
    pub fields: Vec<(String, String)>,
    /// What lists show of it, and from when on.
    pub row: Value,
    pub listed_at: Timestamp,
}

impl Made {
    pub fn field(&self, name: &str) -> &str {
        value(&self.fields, name).unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    made: Vec<Made>,
    turns: VecDeque<Turn>,
    /// What a real Twilio would have refused.
    violations: Vec<String>,
    opted_out: Vec<String>,
    lists_fail: bool,
    is_locked: bool,
}

pub struct FakeTwilio {
    receiver: Receiver,
    state: Arc<Mutex<State>>,
}

impl FakeTwilio {
    /// One whose time is that of `clock`.
    pub fn start(clock: Clock) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let kept = Arc::clone(&state);
        let receiver =
            Receiver::start(move |request, _| kept.lock().expect("the fake").answer(request, &clock));
        Self { receiver, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the fake")
    }

    /// The table `[twilio]` that leads here.
    pub fn table(&self) -> Value {
        let url = self.receiver.url("");
        json!({
            "account_sid": ACCOUNT, "auth_token": TOKEN, "from": FROM, "workspace_sid": WORKSPACE, "rate_limit": 100,
            "api_base_url": url, "studio_base_url": url, "taskrouter_base_url": url,
        })
    }

    /// How the next requests that make something are answered.
    pub fn next(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state().turns.extend(turns);
    }

    /// Whether lists can be had.
    pub fn fail_lists(&self, fail: bool) {
        self.state().lists_fail = fail;
    }

    /// Whether the credentials are refused.
    pub fn lock(&self, is_locked: bool) {
        self.state().is_locked = is_locked;
    }

    pub fn opt_out(&self, number: &str) {
        self.state().opted_out.push(number.to_owned());
    }

    /// What was made so far.
    pub fn made(&self) -> Vec<Made> {
        self.state().made.clone()
    }

    /// The requests that came, as `POST /…/Calls.json`.
    pub fn asked(&self) -> Vec<String> {
        let path = |request: &Request| request.path.split('?').next().unwrap_or_default().to_owned();
        self.receiver
            .requests()
            .iter()
            .map(|request| format!("{} {}", request.method, path(request)))
            .collect()
    }

    /// What was asked for that Twilio would not have taken, beside what a test wants to be refused.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }
}

/// The signature of a form that is posted to `url`.
pub fn signature(url: &str, fields: &[(&str, &str)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).expect("a key");
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn is_sid(text: &str, prefix: &str) -> bool {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_number(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|rest| rest.len() >= 7 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_json_object(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
}

/// Says that the connection ends with it, as the receiver's do: nobody is to use it again.
fn reply(status: u16, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"))
}

fn error(status: u16, code: u32, message: &str) -> Reply {
    let body = json!({ "code": code, "message": message, "more_info": "https://www.twilio.com/docs/errors", "status": status });
    reply(status, &body.to_string())
}

impl State {
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply {
        let basic = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
        if self.is_locked || request.header("authorization") != Some(&basic) {
            return error(401, 20003, "Authenticate");
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["2010-04-01", "Accounts", account]) if *account == format!("{ACCOUNT}.json") => {
                reply(200, &json!({ "sid": ACCOUNT, "status": "active", "type": "Full" }).to_string())
            }
            ("GET", [.., sid, "Context"]) => self.context(sid),
            ("GET", _) => self.list(&parts, &pairs(query.as_bytes()), clock.now()),
            ("POST", _) => self.make(request, &parts, clock),
            _ => error(405, 20004, "Method not allowed"),
        }
    }

    /// What is asked for by `parts`, and what is wrong with the form.
    fn check(&self, parts: &[&str], form: &[(String, String)]) -> (&'static str, Vec<String>) {
        let mut wrong = Vec::new();
        let mut must = |is: bool, what: &str| {
            if !is {
                wrong.push(what.to_owned())
            }
        };
        let field = |name: &str| value(form, name).unwrap_or_default();
        let callback = field("StatusCallback");
        must(callback.is_empty() || callback.starts_with("http"), "StatusCallback is no URL");
        let kind = match parts {
            ["2010-04-01", "Accounts", ACCOUNT, "Calls.json"] => {
                must(is_number(field("To")) && is_number(field("From")), "To and From have to be numbers");
                let twiml = field("Twiml");
                must((1..=4000).contains(&twiml.chars().count()), "Twiml has to be of 1 to 4000 characters");
                must(twiml.starts_with("<?xml") && twiml.ends_with("</Response>"), "Twiml is no TwiML");
                let events = ["initiated", "ringing", "answered", "completed"];
                let named = form.iter().filter(|(name, _)| name == "StatusCallbackEvent");
                must(named.into_iter().all(|(_, event)| events.contains(&event.as_str())), "no such event");
                "call"
            }
            ["2010-04-01", "Accounts", ACCOUNT, "Messages.json"] => {
                must(is_number(field("To")), "To has to be a number");
                must(
                    is_number(field("From")) || is_sid(field("MessagingServiceSid"), "MG"),
                    "there is no sender",
                );
                must(
                    (1..=1600).contains(&field("Body").encode_utf16().count()),
                    "Body has to be of 1 to 1600",
                );
                "message"
            }
            ["v2", "Flows", flow, "Executions"] => {
                must(is_sid(flow, "FW"), "no flow");
                must(is_number(field("To")) && is_number(field("From")), "To and From have to be numbers");
                must(is_json_object(field("Parameters")), "Parameters have to be a JSON object");
                "execution"
            }
            ["v1", "Workspaces", workspace, "Tasks"] => {
                must(is_sid(workspace, "WS"), "no workspace");
                must(is_json_object(field("Attributes")), "Attributes have to be a JSON object");
                "task"
            }
            _ => {
                must(false, "there is nothing there");
                "nothing"
            }
        };
        (kind, wrong)
    }

    fn make(&mut self, request: &Request, parts: &[&str], clock: &Clock) -> Reply {
        let form = pairs(&request.body);
        let (kind, mut wrong) = self.check(parts, &form);
        if request.header("content-type") != Some("application/x-www-form-urlencoded") {
            wrong.push("not a form".to_owned());
        }
        if !wrong.is_empty() {
            self.violations.extend(wrong.clone());
            return error(400, 20001, &wrong.join("; "));
        }
        let to = value(&form, "To").unwrap_or_default().to_owned();
        let turn = self.turns.pop_front();
        match &turn {
            Some(Turn::Refuse(status, code)) => return error(*status, *code, "refused"),
            Some(Turn::Later(seconds)) => return Reply::RetryAfter(429, *seconds),
            Some(Turn::LoseRequest) => return Reply::Close,
            _ => {}
        }
        if kind == "message" && self.opted_out.contains(&to) {
            return error(400, 21610, "Attempt to send to unsubscribed recipient");
        }
        let is_active = |made: &Made| {
            made.kind == "execution" && made.field("To") == to && made.row["status"] == "active"
        };
        if kind == "execution" && self.made.iter().any(is_active) {
            return error(409, 20409, "An execution is already active for this contact");
        }
        let row = self.keep(kind, form, clock);
        match turn {
            Some(Turn::LoseAnswer) => Reply::Close,
            Some(Turn::Hang) => Reply::Hang,
            Some(Turn::Garble) => reply(201, "<html>"),
            _ => reply(201, &row.to_string()),
        }
    }

    fn keep(&mut self, kind: &'static str, fields: Vec<(String, String)>, clock: &Clock) -> Value {
        let prefix = match kind {
            "call" => "CA",
            "message" => "SM",
            "execution" => "FN",
            _ => "WT",
        };
        let sid = format!("{prefix}{:032x}", self.made.len() + 1);
        let now = clock.now();
        let field = |name: &str| value(&fields, name).unwrap_or_default();
        let row = match kind {
            "execution" => json!({
                "sid": sid, "status": "active", "contact_channel_address": field("To"), "date_created": now.to_rfc3339(),
            }),
            "task" => {
                json!({ "sid": sid, "assignment_status": "pending", "attributes": field("Attributes") })
            }
            _ => json!({
                "sid": sid, "status": "queued", "to": field("To"), "from": field("From"), "body": field("Body"),
                "direction": "outbound-api", "date_created": now.to_chrono().to_rfc2822(),
            }),
        };
        self.made.push(Made { kind, sid, fields, row: row.clone(), listed_at: now.plus(LISTING_LAG) });
        row
    }

    fn list(&mut self, parts: &[&str], query: &[(String, String)], now: Timestamp) -> Reply {
        if self.lists_fail {
            return error(503, 20503, "Service unavailable");
        }
        let asked = |name: &str| value(query, name);
        let (kind, name) = match parts.last() {
            Some(&"Calls.json") => ("call", "calls"),
            Some(&"Messages.json") => ("message", "messages"),
            Some(&"Executions") => ("execution", "executions"),
            Some(&"Tasks") => ("task", "tasks"),
            _ => return error(404, 20404, "Not found"),
        };
        let day = asked("StartTime>").or_else(|| asked("DateSent>"));
        if day.is_some_and(|day| day.len() != 10) {
            self.violations.push("lists are asked for by day".to_owned());
        }
        let wanted = asked("EvaluateTaskAttributes").map(|text| text.rsplit('"').nth(1).unwrap_or_default());
        let rows: Vec<&Value> = self
            .made
            .iter()
            .rev()
            .filter(|made| made.kind == kind && made.listed_at <= now)
            .filter(|made| {
                ["To", "From"].iter().all(|it| asked(it).is_none_or(|value| value == made.field(it)))
            })
            .filter(|made| wanted.is_none_or(|id| made.field("Attributes").contains(id)))
            .map(|made| &made.row)
            .collect();
        let list = json!({ name: rows, "next_page_uri": null, "meta": { "next_page_url": null } });
        reply(200, &list.to_string())
    }

    fn context(&self, sid: &str) -> Reply {
        let made = self.made.iter().find(|made| made.sid == sid);
        let parameters =
            made.map(|made| made.field("Parameters")).and_then(|text| serde_json::from_str(text).ok());
        let data: Value = parameters.unwrap_or_default();
        reply(200, &json!({ "context": { "flow": { "data": data } } }).to_string())
    }
}
