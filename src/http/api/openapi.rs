//! `GET /api/openapi.json`: the API's own description.
//!
//! The document is kept by hand; a test holds it to what is registered, in both directions.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use super::params::NoParams;
use super::state::ApiState;
use crate::http::problem::{ApiProblem, Code};

const DOCUMENT: &str = include_str!("openapi.json");
/// The calls and schemas of people, tokens and the audit log.
const PEOPLE: &str = include_str!("openapi/people.json");

/// The document with this version and the server's address filled in.
pub(super) fn filled_in(public_url: &str) -> Result<Value, ApiProblem> {
    let read = |text| {
        serde_json::from_str(text).map_err(|error| {
            ApiProblem::new(Code::Internal, format!("the OpenAPI document is damaged: {error}"))
        })
    };
    let mut document: Value = read(DOCUMENT)?;
    merge(&mut document, read(PEOPLE)?);
    say_scopes(&mut document);
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["servers"][0]["url"] = if public_url.is_empty() { "/" } else { public_url }.into();
    Ok(document)
}

/// Adds the members of one object to another's, at any depth.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
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

    #[test]
    fn the_version_is_this_one() {
        assert_eq!(filled_in("").unwrap()["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(filled_in("https://x").unwrap()["servers"][0]["url"], "https://x");
    }
}
