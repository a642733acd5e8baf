//! `GET /api/openapi.json`: the API's own description.
//!
//! The document is kept by hand, in one file for each subject (`openapi/`), and is put together when it is first asked for. Tests
//! hold it to what is registered, in both directions, and schemathesis (tests/peers) holds the server to it.

use std::sync::LazyLock;

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::Answer;
use super::params::NoParams;
use super::state::ApiState;
use crate::http::problem::{ApiProblem, Code};

/// What all calls share, with the order of the subjects.
const BASE: &str = include_str!("openapi/base.json");

/// Calls and schemas of each subject.
const SUBJECTS: [(&str, &str); 15] = [
    ("ingest", include_str!("openapi/ingest.json")),
    ("sources", include_str!("openapi/sources.json")),
    ("teams", include_str!("openapi/teams.json")),
    ("flows", include_str!("openapi/flows.json")),
    ("destinations", include_str!("openapi/destinations.json")),
    ("audiences", include_str!("openapi/audiences.json")),
    ("traits", include_str!("openapi/traits.json")),
    ("apply", include_str!("openapi/apply.json")),
    ("journeys", include_str!("openapi/journeys.json")),
    ("users", include_str!("openapi/users.json")),
    ("profile_api", include_str!("openapi/profile_api.json")),
    ("deliveries", include_str!("openapi/deliveries.json")),
    ("people", include_str!("openapi/people.json")),
    ("debugger", include_str!("openapi/debugger.json")),
    ("operations", include_str!("openapi/operations.json")),
];

static WHOLE: LazyLock<Result<Value, String>> = LazyLock::new(put_together);

fn put_together() -> Result<Value, String> {
    let read = |subject: &str, text: &str| -> Result<Value, String> {
        serde_json::from_str(text).map_err(|error| format!("openapi/{subject}.json: {error}"))
    };
    let mut whole = read("base", BASE)?;
    for (subject, text) in SUBJECTS {
        let mut part = read(subject, text)?;
        for (name, section) in sections(&mut part) {
            let known = whole.pointer_mut(&name).and_then(Value::as_object_mut);
            let known = known.ok_or_else(|| format!("openapi/base.json has no {name}"))?;
            for (key, value) in section {
                if known.insert(key.clone(), value).is_some() {
                    return Err(format!("openapi/{subject}.json: {name}/{key} is there twice"));
                }
            }
        }
    }
    say_scopes(&mut whole);
    Ok(whole)
}

/// `/paths` and each of `/components/…` of one file.
fn sections(part: &mut Value) -> Vec<(String, Map<String, Value>)> {
    let mut found = Vec::new();
    if let Some(paths) = part["paths"].as_object_mut() {
        found.push(("/paths".to_owned(), std::mem::take(paths)));
    }
    for (name, section) in part["components"].as_object_mut().into_iter().flatten() {
        if let Some(section) = section.as_object_mut() {
            found.push((format!("/components/{name}"), std::mem::take(section)));
        }
    }
    found
}

/// The document with this version and the server's address filled in.
pub(super) fn filled_in(public_url: &str) -> Result<Value, ApiProblem> {
    let whole = WHOLE.as_ref().map_err(|error| {
        ApiProblem::new(Code::Internal, format!("the OpenAPI document is damaged: {error}"))
    })?;
    let mut document = whole.clone();
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["servers"][0]["url"] = if public_url.is_empty() { "/" } else { public_url }.into();
    Ok(document)
}

/// Says of each call what its caller has to be allowed, as it is registered, and how it is answered where he is not.
fn say_scopes(document: &mut Value) {
    for endpoint in super::endpoints() {
        for (method, scope) in endpoint.scopes() {
            let call = &mut document["paths"][endpoint.path()][method.as_str().to_lowercase()];
            call["security"] = json!([{ "token": [] }, { "session": [] }]);
            if let Some(scope) = scope {
                call["x-scope"] = scope.as_str().into();
                call["responses"]["403"] = json!({ "$ref": "#/components/responses/Forbidden" });
            }
        }
    }
}

pub(super) async fn document(state: web::Data<ApiState>, _: NoParams) -> Answer {
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .json(filled_in(&state.public_url)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::preset;
    use crate::http::api::{endpoints, open_endpoints};
    use crate::http::{operations, profiles};

    fn described(document: &Value) -> BTreeSet<(String, String)> {
        let mut calls = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                calls.insert((path.clone(), method.to_uppercase()));
            }
        }
        calls
    }

    /// What is no call of the API: ingest, what links open, and what Twilio calls back.
    fn is_elsewhere(path: &str) -> bool {
        path.starts_with("/studio")
            || path.starts_with("/events")
            || path.starts_with("/act/")
            || path.starts_with("/twilio/")
            || (path.starts_with("/v1/") && !path.starts_with("/v1/spaces/"))
    }

    #[test]
    fn describes_every_call_and_no_other() {
        let registered: BTreeSet<_> = endpoints()
            .iter()
            .chain(&open_endpoints())
            .chain(&operations::endpoints())
            .flat_map(|endpoint| {
                endpoint
                    .methods()
                    .map(|method| (endpoint.path().to_owned(), method.to_string()))
                    .collect::<Vec<_>>()
            })
            .chain(profiles::paths().into_iter().map(|path| (path, "GET".to_owned())))
            .collect();
        let described: BTreeSet<_> =
            described(&filled_in("").unwrap()).into_iter().filter(|(path, _)| !is_elsewhere(path)).collect();
        let missing: Vec<_> = registered.difference(&described).collect();
        assert!(missing.is_empty(), "registered, not described: {missing:?}");
        let extra: Vec<_> = described.difference(&registered).collect();
        assert!(extra.is_empty(), "described, not registered: {extra:?}");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_call_is_whole() {
        fn walk(document: &Value, value: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(reference)) = members.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    members.values().for_each(|member| walk(document, member));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = filled_in("https://stagepost.example").unwrap();
        walk(&document, &document);
        let mut names = BTreeSet::new();
        for (path, method) in described(&document) {
            let call = &document["paths"][&path][method.to_lowercase()];
            assert!(names.insert(call["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            assert!(!call["summary"].as_str().unwrap().is_empty(), "{method} {path}");
            assert!(!call["responses"].as_object().unwrap().is_empty(), "{method} {path}");
            for placeholder in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = placeholder.split('}').next().unwrap();
                let known = |list: &Value| {
                    list.as_array()
                        .is_some_and(|all| all.iter().any(|it| it["name"] == name && it["in"] == "path"))
                };
                let item = &document["paths"][&path];
                assert!(known(&item["parameters"]) || known(&call["parameters"]), "{path}: {name}");
            }
        }
    }

    #[test]
    fn lists_every_code() {
        let document = filled_in("").unwrap();
        let listed = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
        let codes: Vec<_> = Code::ALL.into_iter().map(Code::as_str).collect();
        assert_eq!(*listed, serde_json::json!(codes));
    }

    /// The content of a body or answer, and whether an example of it is there.
    fn contents(document: &Value, of: &Value) -> Vec<(String, bool)> {
        let reference = of["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        let of = reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(of);
        let content = of["content"].as_object().into_iter().flatten();
        content
            .map(|(name, it)| (name.clone(), !it["example"].is_null() || !it["examples"].is_null()))
            .collect()
    }

    #[test]
    fn every_body_and_every_answer_in_json_has_an_example() {
        let document = filled_in("").unwrap();
        let mut without = Vec::new();
        for (path, method) in described(&document) {
            let call = &document["paths"][&path][method.to_lowercase()];
            let answers = call["responses"].as_object().unwrap().iter();
            let all =
                answers.map(|(status, of)| (status.as_str(), of)).chain([("body", &call["requestBody"])]);
            for (place, of) in all {
                let bare =
                    contents(&document, of).into_iter().any(|(name, has)| name.contains("json") && !has);
                // The document itself is left out: it would stand in itself.
                if bare && path != "/api/openapi.json" {
                    without.push(format!("{method} {path}: {place}"));
                }
            }
        }
        assert!(without.is_empty(), "no example: {without:#?}");
    }

    #[test]
    fn describes_the_settings_of_every_preset() {
        let document = filled_in("").unwrap();
        let schemas = &document["components"]["schemas"];
        for preset in preset::all() {
            let reference = &schemas["Destination"]["discriminator"]["mapping"][&preset.key];
            let pointer = reference.as_str().and_then(|it| it.strip_prefix('#')).expect(&preset.key);
            let schema = document.pointer(pointer).unwrap();
            let described: BTreeSet<&str> =
                schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            let known: BTreeSet<&str> =
                preset.settings.iter().map(|setting| setting.key.as_str()).chain(["kind"]).collect();
            assert_eq!(described, known, "{}", preset.key);
            for setting in &preset.settings {
                let is_required = schema["required"].as_array().unwrap().iter().any(|it| *it == setting.key);
                assert_eq!(is_required, setting.required && setting.default.is_none(), "{}", setting.key);
            }
        }
    }

    #[test]
    fn the_version_is_this_one() {
        assert_eq!(filled_in("").unwrap()["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(filled_in("https://x").unwrap()["servers"][0]["url"], "https://x");
    }
}
