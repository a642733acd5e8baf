//! Making a source, and changing what it takes. Its kind and write key are not changed here.

use actix_web::http::StatusCode;
use actix_web::web;
use serde_json::{Value, json};

use super::super::form::{Fields, Form};
use super::super::page::{Answer, Page, Refusal};
use super::super::render::segment;
use super::super::see;
use super::super::settings::{self, ByField, How, Setting, Words};
use super::super::texts::text;
use super::super::visit::Visit;
use super::{lines, one};
use crate::domain::definition::{Kind, Problem, SourceKind, document, render};
use crate::domain::people::Scope;
use crate::http::api::definitions;
use crate::http::problem::ApiProblem;

/// The labels and hints of settings.
const WORDS: Words = ("source_edit.fields", "source_edit.hints");

/// The kinds that are offered, the first unless another is chosen.
const KINDS: [SourceKind; 3] = [SourceKind::Studio, SourceKind::Http, SourceKind::EventStreams];

/// The field that says that no properties are kept: where none are named, all are.
const NO_PROPERTIES: &str = "no_properties";

/// What can be filled in for a source of that kind.
fn settings(kind: SourceKind) -> Vec<Setting> {
    let setting = |name, how| Setting::new(WORDS, name, how);
    let mut settings = Vec::new();
    if lines::can_be_signed(kind) {
        settings.push(setting("twilio_auth_tokens", How::Lines));
    }
    if kind == SourceKind::Studio {
        settings.push(setting("properties", How::Lines));
        settings.push(setting(NO_PROPERTIES, How::Check));
    }
    settings
}

fn kind_asked(visit: &Visit) -> SourceKind {
    let asked = visit.asked("kind").unwrap_or_default();
    KINDS.into_iter().find(|kind| kind.as_str() == asked).unwrap_or(KINDS[0])
}

pub(super) async fn new(visit: Visit) -> Answer {
    visit.needs(Scope::Define)?;
    Ok(form(&visit, None, kind_asked(&visit), &ByField::new(), &ByField::new()))
}

/// Makes one, and shows its page with the write key.
pub(super) async fn make(visit: Visit, sent: Form) -> Answer {
    let fields = sent.admitted(&visit, Scope::Define)?;
    let (kind, key) = (kind_asked(&visit), fields.text("key"));
    let is_there = visit.engine().definitions().sources.contains_key(key);
    let taken = is_there.then(|| Problem::new("key", text("definition.taken")));
    match save(&visit, kind, (!key.is_empty()).then_some(key), &fields, taken).await? {
        None => one::made(&visit, key).await,
        Some(shown_again) => Ok(shown_again),
    }
}

pub(super) async fn show(visit: Visit, key: web::Path<String>) -> Answer {
    visit.needs(Scope::Define)?;
    let (kind, shown) = known(&visit, &key)?;
    let mut typed = settings::typed(&settings(kind), &shown);
    if shown["properties"] == json!([]) {
        typed.insert(NO_PROPERTIES.to_owned(), "true".to_owned());
    }
    Ok(form(&visit, Some(&key), kind, &typed, &ByField::new()))
}

pub(super) async fn change(visit: Visit, key: web::Path<String>, sent: Form) -> Answer {
    let fields = sent.admitted(&visit, Scope::Define)?;
    let (kind, _) = known(&visit, &key)?;
    let place = format!("/console/sources/{}?said=saved", segment(&key));
    Ok(save(&visit, kind, Some(&key), &fields, None).await?.unwrap_or_else(|| see(&place)))
}

fn known(visit: &Visit, key: &str) -> Result<(SourceKind, Value), Refusal> {
    let definitions = visit.engine().definitions();
    let source = definitions.sources.get(key).ok_or_else(|| Refusal::not_found(visit, "source"))?;
    Ok((source.kind, render::source(source, false)))
}

/// Puts the source in force; answers the form with what is wrong, where something is.
async fn save(
    visit: &Visit,
    kind: SourceKind,
    key: Option<&str>,
    fields: &Fields,
    taken: Option<Problem>,
) -> Result<Option<actix_web::HttpResponse>, Refusal> {
    let mut settings = settings(kind);
    let typed = settings::sent(&settings, fields);
    let (mut body, mut problems) = settings::definition(&settings, &typed);
    body["kind"] = kind.as_str().into();
    let keeps_none = body.as_object_mut().and_then(|body| body.remove(NO_PROPERTIES));
    if keeps_none == Some(true.into()) {
        if body.get("properties").is_some() {
            problems.push(Problem::new(NO_PROPERTIES, text("source_edit.either")));
        }
        body["properties"] = json!([]);
    }
    problems.extend(taken);
    problems.extend(document::unreplaced(&body));
    match document::read_one(Kind::Source, key, &body) {
        Err(found) => problems.extend(found),
        Ok(wanted) if problems.is_empty() => {
            let engine = visit.engine().acting(visit.caller.by());
            match definitions::apply_one(&engine, wanted).await {
                Ok(_) => return Ok(None),
                Err(problem) if problem.errors().is_empty() => return Err(Refusal::of(visit, problem)),
                Err(problem) => problems.extend_from_slice(ApiProblem::errors(&problem)),
            }
        }
        Ok(_) => {}
    }
    settings.push(Setting::new(WORDS, "key", How::Text));
    let wrong = settings::faults(&settings, &problems);
    let mut typed = typed;
    typed.insert("key".to_owned(), key.unwrap_or_default().to_owned());
    let existing = visit.engine().definitions().sources.contains_key(key.unwrap_or_default());
    let existing = key.filter(|_| existing && visit.path.ends_with("/edit"));
    Ok(Some(form(visit, existing, kind, &typed, &wrong)))
}

fn form(
    visit: &Visit,
    existing: Option<&str>,
    kind: SourceKind,
    typed: &ByField,
    wrong: &ByField,
) -> actix_web::HttpResponse {
    let mut fields = settings(kind);
    if existing.is_none() {
        fields.insert(0, Setting::new(WORDS, "key", How::Text));
    }
    let fields: Vec<Value> = fields.iter().map(|setting| setting.shown(typed, wrong)).collect();
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let context = json!({
        "key": existing,
        "kind": kind.as_str(),
        "kinds": KINDS.map(SourceKind::as_str),
        "fields": fields,
        "wrong": wrong,
    });
    Page::new("source_edit.html", context).status(status).of(visit)
}
