//! Studio's API, as far as Twilio documents it and stagepost asks it: strict about what it is asked.

use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;

use super::receiver::{Receiver, Reply, Request};

/// The account that it knows.
pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
/// Its auth token.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Rows on a page, whatever is asked for.
const PAGE: usize = 2;

/// An execution that it remembers.
#[derive(Clone, Debug, Default)]
pub struct Execution {
    pub sid: String,
    pub to: String,
    pub created: String,
    /// When it ended.
    pub ended: Option<String>,
    /// `userID` of its context.
    pub user: Option<String>,
    /// What was left, by which event, and when.
    pub steps: Vec<(&'static str, &'static str, String)>,
}

#[derive(Default)]
struct State {
    flow: String,
    revision: u64,
    definition: Value,
    executions: Vec<Execution>,
    /// Requests whose path has this are refused so often with this status.
    refusals: Vec<(&'static str, u16, usize)>,
    /// Where lists go on, in place of this server.
    elsewhere: Option<String>,
}

/// The API of one flow.
pub struct Studio {
    state: Arc<Mutex<State>>,
    receiver: Receiver,
}

impl Studio {
    pub fn start(flow: &str, definition: Value) -> Self {
        let state = State { flow: flow.to_owned(), revision: 1, definition, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let kept = Arc::clone(&state);
        let receiver = Receiver::start(move |request, _| kept.lock().expect("the state").answer(request));
        Self { state, receiver }
    }

    pub fn url(&self) -> String {
        self.receiver.url("")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    pub fn remembers(&self, execution: Execution) {
        self.state().executions.push(execution);
    }

    /// Refuses the next requests whose path has `part`.
    pub fn refuses(&self, part: &'static str, status: u16, times: usize) {
        self.state().refusals.push((part, status, times));
    }

    pub fn pages_at(&self, base: &str) {
        self.state().elsewhere = Some(base.to_owned());
    }

    /// The paths that it was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.receiver.requests().iter().map(|request| request.path.clone()).collect()
    }
}

fn error(status: u16, code: u32, message: &str) -> Reply {
    reply(status, &json!({ "code": code, "message": message, "status": status, "more_info": "" }))
}

fn reply(status: u16, body: &Value) -> Reply {
    let body = body.to_string();
    Reply::Raw(format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn is_sid(text: &str, prefix: &str) -> bool {
    let hex = text.strip_prefix(prefix).unwrap_or_default();
    hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        let basic = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
        if request.header("authorization") != Some(&basic) {
            return error(401, 20003, "Authenticate");
        }
        if request.method != "GET" || !request.body.is_empty() {
            return error(405, 20004, "Method not allowed");
        }
        let refusal =
            self.refusals.iter_mut().find(|(part, _, times)| *times > 0 && request.path.contains(part));
        if let Some((_, status, times)) = refusal {
            *times -= 1;
            return error(*status, 20429, "Too Many Requests");
        }
        let base = format!("http://{}", request.header("host").expect("a host"));
        let url: Url = format!("{base}{}", request.path).parse().expect("a URL");
        let path: Vec<&str> = url.path().split('/').skip(1).collect();
        match path[..] {
            ["v2", "Flows", flow] if is_sid(flow, "FW") && flow == self.flow => reply(
                200,
                &json!({
                    "sid": flow, "revision": self.revision, "status": "published", "definition": self.definition,
                }),
            ),
            ["v2", "Flows", flow, "Executions", ref rest @ ..] if flow == self.flow => {
                self.executions(&url, rest, &base)
            }
            _ => error(404, 20404, "The requested resource was not found"),
        }
    }

    fn executions(&self, url: &Url, rest: &[&str], base: &str) -> Reply {
        let [sid, rest @ ..] = rest else { return self.list(url, base) };
        let found = self.executions.iter().find(|it| it.sid == **sid && is_sid(sid, "FN"));
        let Some(found) = found else { return error(404, 20404, "The requested resource was not found") };
        match rest {
            [] => reply(200, &self.shown(found)),
            ["Context"] => {
                let data = found.user.as_ref().map_or(json!({}), |user| json!({ "userID": user }));
                reply(200, &json!({ "execution_sid": sid, "context": { "flow": { "data": data } } }))
            }
            ["Steps"] => {
                let step = |(number, (from, name, at)): (usize, &(&str, &str, String))| {
                    json!({
                        "sid": format!("FT{number:032x}"), "name": name, "transitioned_from": from,
                        "transitioned_to": "next", "type": "x", "parent_step_sid": null, "date_created": at,
                    })
                };
                // The newest come first.
                let rows = found.steps.iter().enumerate().map(step).rev().collect();
                self.page(url, base, "steps", rows, &["PageSize", "Page"])
            }
            _ => error(404, 20404, "The requested resource was not found"),
        }
    }

    fn list(&self, url: &Url, base: &str) -> Reply {
        let from =
            url.query_pairs().find(|(key, _)| key == "DateCreatedFrom").map(|(_, value)| value.into_owned());
        // Twilio's documents and libraries write whole seconds.
        if from
            .as_ref()
            .is_some_and(|from| from.len() != "2026-11-21T10:00:00Z".len() || !from.ends_with('Z'))
        {
            return error(400, 20001, "DateCreatedFrom is no ISO 8601 date-time of whole seconds");
        }
        let is_in = |it: &&Execution| from.as_ref().is_none_or(|from| it.created.as_str() >= &from[..19]);
        let rows = self.executions.iter().filter(is_in).map(|it| self.shown(it)).rev().collect();
        let known = ["PageSize", "Page", "DateCreatedFrom", "DateCreatedTo", "status"];
        self.page(url, base, "executions", rows, &known)
    }

    fn page(&self, url: &Url, base: &str, key: &str, rows: Vec<Value>, known: &[&str]) -> Reply {
        if let Some((odd, _)) = url.query_pairs().find(|(key, _)| !known.contains(&key.as_ref())) {
            return error(400, 20001, &format!("unknown parameter {odd}"));
        }
        let number = |key: &str| {
            let found = url.query_pairs().find(|(known, _)| known == key);
            found.and_then(|(_, value)| value.parse::<usize>().ok())
        };
        if number("PageSize").is_none_or(|size| size == 0 || size > 1000) {
            return error(400, 20006, "Page size must be from 1 to 1000");
        }
        let page = number("Page").unwrap_or_default();
        let more = rows.len() > (page + 1) * PAGE;
        let base = self.elsewhere.as_deref().unwrap_or(base);
        let query: String = url
            .query_pairs()
            .filter(|(key, _)| key != "Page")
            .map(|(key, value)| format!("{key}={}&", value.replace(':', "%3A")))
            .collect();
        let next = more.then(|| format!("{base}{}?{query}Page={}", url.path(), page + 1));
        let rows: Vec<Value> = rows.into_iter().skip(page * PAGE).take(PAGE).collect();
        reply(200, &json!({ (key): rows, "meta": { "next_page_url": next, "page": page, "key": key } }))
    }

    fn shown(&self, it: &Execution) -> Value {
        json!({
            "sid": it.sid, "account_sid": ACCOUNT, "flow_sid": self.flow, "contact_channel_address": it.to,
            "flow_version": self.revision, "context": {}, "status": if it.ended.is_some() { "ended" } else { "active" },
            "date_created": it.created, "date_updated": it.ended.as_ref().unwrap_or(&it.created),
        })
    }
}
