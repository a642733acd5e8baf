//! What an action's mappings make of one event, checked: the parts of a request.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};
use url::Url;

use crate::delivery::destinations::envelope;
use crate::delivery::json;
use crate::domain::definition::Action;
use crate::domain::definition::document::check_http_url;
use crate::domain::limits::{MAX_CALL_BYTES, MAX_HEADER_BYTES, MAX_HEADERS};
use crate::domain::mapping::Mapping;

/// The parts of a request for one event.
pub(super) struct Mapped {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// The JSON text of the data, as JavaScript writes it; `None` where the data are missing.
    pub text: Option<String>,
    /// What was expected of the data and is not there.
    pub note: Option<String>,
}

impl Mapped {
    /// What `action` makes of `event`, a JSON object.
    ///
    /// # Errors
    /// What keeps a request from being made, with the field; never a value of the event. It would be the same on every try.
    pub(super) fn of(action: &Action, event: &Value) -> Result<Self, String> {
        let url = url(made("url", &action.url, event)?)?;
        let method = method(made("method", &action.method, event)?)?;
        let headers = headers(made("headers", &action.headers, event)?, action.auth.is_some())?;
        let data = made("data", &action.data, event)?;
        let lacks = |paths: &[String]| -> Vec<String> {
            paths.iter().filter(|path| is_none(data.as_ref(), path)).map(|path| format!("`{path}`")).collect()
        };
        if let [first, rest @ ..] = lacks(&action.required).as_slice() {
            let (names, verb) = if rest.is_empty() {
                (first.clone(), "is")
            } else {
                (format!("{first}, {}", rest.join(", ")), "are")
            };
            return Err(format!("{names} {verb} required, and the mapping made none"));
        }
        let expected = lacks(&action.expected);
        let note = (!expected.is_empty())
            .then(|| format!("sent without what the receiver expects: {}", expected.join(", ")));
        let text = data.as_ref().map(json::stringify);
        if let Some(text) = &text
            && text.len() > MAX_CALL_BYTES
        {
            let bytes = text.len();
            return Err(format!("`data` comes to {bytes} bytes, more than the {MAX_CALL_BYTES} of one call"));
        }
        Ok(Self { method, url, headers, text, note })
    }
}

impl Mapped {
    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        self.url.as_str().len() + headers.sum::<usize>() + self.text.as_ref().map_or(0, String::len)
    }
}

fn made(field: &str, mapping: &Mapping, event: &Value) -> Result<Option<Value>, String> {
    mapping.evaluate(event).map_err(|error| format!("the mapping of `{field}` failed at {error}"))
}

fn url(value: Option<Value>) -> Result<Url, String> {
    let Some(Value::String(text)) = value else {
        return Err(format!("`url` has to be a text, and the mapping made {}", described(value.as_ref())));
    };
    check_http_url(&text).map_err(|problem| format!("`url`, as the mapping made it, {problem}"))?;
    text.parse().map_err(|error| format!("`url`, as the mapping made it, is not a URL: {error}"))
}

fn method(value: Option<Value>) -> Result<Method, String> {
    match value.as_ref().and_then(Value::as_str) {
        Some("POST") => Ok(Method::POST),
        Some("PUT") => Ok(Method::PUT),
        Some("PATCH") => Ok(Method::PATCH),
        Some(_) => Err("`method` has to be POST, PUT or PATCH, and the mapping made another text".to_owned()),
        None => {
            let made = described(value.as_ref());
            Err(format!("`method` has to be POST, PUT or PATCH, and the mapping made {made}"))
        }
    }
}

/// Texts; numbers and truth values as texts. What is null or missing is left out.
fn headers(value: Option<Value>, has_auth: bool) -> Result<HeaderMap, String> {
    let members = match value {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(members)) => members,
        Some(other) => {
            let made = described(Some(&other));
            return Err(format!("`headers` has to be an object, and the mapping made {made}"));
        }
    };
    if members.len() > MAX_HEADERS {
        return Err(format!("`headers` has more than {MAX_HEADERS} members"));
    }
    let mut headers = HeaderMap::with_capacity(members.len());
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => json::stringify(&value),
            Value::Array(_) | Value::Object(_) => {
                let made = described(Some(&value));
                let name = envelope::shown_name(&name);
                return Err(format!(
                    "`headers`: the header {name} has to be a text, and the mapping made {made}"
                ));
            }
        };
        if text.len() > MAX_HEADER_BYTES {
            let name = envelope::shown_name(&name);
            return Err(format!("`headers`: the header {name} is longer than {MAX_HEADER_BYTES} bytes"));
        }
        if has_auth && name.eq_ignore_ascii_case("authorization") {
            return Err(
                "`headers`: the destination's `auth` sets `authorization`; take one of them away".to_owned()
            );
        }
        let (name, value) =
            envelope::added(&name, &text).map_err(|problem| format!("`headers`: {problem}"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// What sort of value it is, for people.
fn described(value: Option<&Value>) -> &'static str {
    match value {
        None => "none",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a truth value",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}

/// Whether there is nothing at `path` (`user.id`, `list.0.name`): it is missing, null, a text of nothing but spaces, or an array
/// or object without members.
fn is_none(data: Option<&Value>, path: &str) -> bool {
    let mut at = data;
    for key in path.split('.') {
        at = match at {
            Some(Value::Object(members)) => members.get(key),
            Some(Value::Array(entries)) => key.parse::<usize>().ok().and_then(|index| entries.get(index)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => return true,
        };
    }
    match at {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(Value::Array(entries)) => entries.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::Bool(_) | Value::Number(_)) => false,
    }
}
