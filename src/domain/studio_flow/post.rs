//! The widget that posts a stage.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use url::Url;

use super::flow::{State, StudioFlow, text};
use crate::domain::limits::MAX_NAME_BYTES;

/// The stage that a run begins with.
pub const INITIATION: &str = "initiation";

/// The type of the widget that posts.
pub const HTTP_REQUEST: &str = "make-http-request";
const FORM: &str = "application/x-www-form-urlencoded;charset=utf-8";
/// What names of own posts begin with.
pub const PREFIX: &str = "stagepost_";

/// Where posts go: the address of a Studio source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostAddress {
    url: Url,
    text: String,
}

impl PostAddress {
    /// The address for the source with this write key on this server.
    ///
    /// # Errors
    /// A message that names what is wrong with either.
    pub fn new(server: &str, key: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("the server `{server}` {why}");
        let base = server.trim_end_matches('/');
        let url = Url::parse(base).map_err(|error| {
            wrong(&format!("is not a URL such as https://stagepost.example.com: {error}"))
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("must begin with https:// and name a host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("must not have a query or a fragment"));
        }
        if url.path_segments().is_some_and(|mut parts| parts.any(|part| part == "studio")) {
            return Err(wrong(
                "is the address of a source: give the host only, the write key goes into --key",
            ));
        }
        if key.starts_with("sp_") {
            // Nor is the token repeated here, where it may end up in a log.
            return Err("the key is an admin token (sp_…), which must not get into a flow: give the write key of the Studio \
                source (wk_…), which is in its URL, /studio/wk_…; GET /api/sources shows it"
                .to_owned());
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if key.is_empty() || !key.bytes().all(is_plain) {
            return Err(format!(
                "`{key}` is no write key; the server prints that of its Studio source (wk_…), and GET /api/sources shows it"
            ));
        }
        Ok(Self { url, text: format!("{base}/studio/{key}") })
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL as it can be shown: the write key and a password are secrets.
    pub fn shown(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}/studio/…", self.url.scheme(), self.url.path().trim_end_matches('/'))
    }

    /// Why posts to it would be unsafe or never arrive, if so.
    pub fn warning(&self) -> Option<&'static str> {
        let is_local = match self.url.host()? {
            url::Host::Ipv4(ip) => ip.is_loopback(),
            url::Host::Ipv6(ip) => ip.is_loopback(),
            url::Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        };
        match (is_local, self.url.scheme()) {
            (true, _) => Some("the server is this machine, which Twilio does not reach: good for tests only"),
            (false, "http") => Some(
                "the server's address is http: names, numbers and the write key would cross the net unencrypted",
            ),
            (false, _) => None,
        }
    }
}

/// Liquid for the user's id, as a flow has it that the API starts.
pub const USER: &str = "{{flow.data.userID}}";
/// Liquid for the telephone number that a flow speaks to.
pub const PHONE: &str = "{{contact.channel.address}}";

/// What posts say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where they go.
    pub address: PostAddress,
    /// The flow's name.
    pub flow: String,
    /// Liquid for the user's id.
    pub user: String,
    /// Liquid for the user's phone number.
    pub phone: String,
    /// Stages by transition (`send_1/timeout`), before what is proposed; an empty one leaves the post out.
    pub stages: Vec<(String, String)>,
}

impl Settings {
    /// Settings with the usual variables for user and phone number.
    pub fn new(address: PostAddress, flow: &str) -> Self {
        Self {
            address,
            flow: flow.to_owned(),
            user: USER.to_owned(),
            phone: PHONE.to_owned(),
            stages: Vec::new(),
        }
    }
}

/// Why a flow or stage can't have this name, if so.
pub(super) fn name_problem(name: &str) -> Option<String> {
    if name.len() > MAX_NAME_BYTES {
        let start: String = name.chars().take(40).collect();
        Some(format!("`{start}…` is longer than {MAX_NAME_BYTES} bytes"))
    } else if name.chars().any(char::is_control) {
        Some(format!("{name:?} has control characters"))
    } else {
        None
    }
}

/// Whether a state posts to stagepost: to this very address, or to one of the same shape.
pub(super) fn is_post(state: State<'_>, address: Option<&PostAddress>) -> bool {
    let Some(url) = post_url(state) else { return false };
    address.is_some_and(|address| address.as_str() == url.trim_end_matches('/'))
        || key_in(url).is_some_and(|key| key.starts_with("wk_") || state.name().starts_with(PREFIX))
}

/// Whether a state is a post that was made here.
pub(super) fn is_own(state: State<'_>, address: Option<&PostAddress>) -> bool {
    state.name().starts_with(PREFIX) && is_post(state, address)
}

/// What the own posts of `flow` say in that parameter; `None` where they say different things, or nothing.
pub fn agreed(flow: &StudioFlow, key: &str) -> Option<String> {
    let own = flow.states().filter(|state| is_own(*state, None));
    let mut said = own.filter_map(|state| parameter(state, key)).filter(|value| !value.is_empty());
    let first = said.next()?;
    said.all(|value| value == first).then(|| first.to_owned())
}

/// The own posts of `before` that tell of another stage in `after`, or are gone there.
pub fn restaged(before: &StudioFlow, after: &StudioFlow) -> Vec<String> {
    let stages: HashMap<&str, Option<&str>> =
        after.states().map(|state| (state.name(), stage(state))).collect();
    let own = before.states().filter(|state| is_own(*state, None));
    own.filter(|state| stages.get(state.name()) != Some(&stage(*state)))
        .map(|state| state.name().to_owned())
        .collect()
}

/// The stage that a post tells of, by its parameters.
pub fn stage(state: State<'_>) -> Option<&str> {
    parameter(state, "stage")
}

fn post_url(state: State<'_>) -> Option<&str> {
    (state.kind() == HTTP_REQUEST).then(|| state.property("url")?.as_str()).flatten()
}

/// The write key of an address `…/studio/KEY`. Not parsed as a URL: authors may have Liquid in theirs.
pub fn key_in(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next()?.trim_end_matches('/');
    let (before, key) = path.rsplit_once('/')?;
    (before.ends_with("/studio") && !key.is_empty()).then_some(key)
}

fn parameter<'a>(state: State<'a>, key: &str) -> Option<&'a str> {
    let parameters = state.property("parameters")?.as_array()?;
    parameters
        .iter()
        .find(|parameter| text(parameter, "key") == key)
        .map(|parameter| text(parameter, "value"))
}

/// A post's fields in the order in which they are written. `None` for one that it should not have.
fn fields<'a>(
    settings: &'a Settings,
    stage: &'a str,
    reply: Option<&'a str>,
) -> [(&'static str, Option<&'a str>); 7] {
    [
        ("userID", Some(&settings.user)),
        ("phoneNumber", Some(&settings.phone)),
        ("flow", Some(&settings.flow)),
        ("stage", Some(stage)),
        ("executionSid", Some("{{flow.sid}}")),
        ("flowSid", Some("{{flow.flow_sid}}")),
        ("reply", reply),
    ]
}

/// A new post, at `offset` on the canvas, that leads to `next` whatever becomes of it: an outage of ours must not stop a flow.
pub(super) fn new(
    name: &str,
    settings: &Settings,
    stage: &str,
    reply: Option<&str>,
    offset: (i64, i64),
    next: Option<&str>,
) -> Value {
    let parameters: Vec<Value> = fields(settings, stage, reply)
        .into_iter()
        .filter_map(|(key, value)| Some(json!({ "key": key, "value": value? })))
        .collect();
    let transition = |event: &str| match next {
        Some(next) => json!({ "next": next, "event": event }),
        None => json!({ "event": event }),
    };
    json!({
        "name": name,
        "type": HTTP_REQUEST,
        "transitions": [transition("success"), transition("failed")],
        "properties": {
            "offset": { "x": offset.0, "y": offset.1 },
            "method": "POST",
            "content_type": FORM,
            "parameters": parameters,
            "url": settings.address.as_str(),
        },
    })
}

/// Brings what an own post says up to date; what else stands in it stays.
pub(super) fn update(post: &mut Value, settings: &Settings, stage: &str, reply: Option<&str>) {
    let Some(properties) = object(post, "properties") else { return };
    for (key, value) in [("method", "POST"), ("content_type", FORM), ("url", settings.address.as_str())] {
        put(properties, key, value);
    }
    // A body would go before the parameters.
    properties.shift_remove("body");
    let parameters = properties.entry("parameters").or_insert_with(|| Value::Array(Vec::new()));
    if !parameters.is_array() {
        *parameters = Value::Array(Vec::new());
    }
    let Some(parameters) = parameters.as_array_mut() else { return };
    for (key, value) in fields(settings, stage, reply) {
        let known = parameters.iter().position(|parameter| text(parameter, "key") == key);
        match (known, value) {
            (Some(place), Some(value)) => {
                if let Some(parameter) = parameters[place].as_object_mut() {
                    put(parameter, "value", value);
                }
            }
            (Some(place), None) => {
                parameters.remove(place);
            }
            (None, Some(value)) => parameters.push(json!({ "key": key, "value": value })),
            (None, None) => {}
        }
    }
}

fn object<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(key)?.as_object_mut()
}

/// Sets a text; one that is the same already keeps its place.
fn put(object: &mut Map<String, Value>, key: &str, value: &str) {
    object.insert(key.to_owned(), Value::from(value));
}
