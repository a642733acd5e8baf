//! The editor of destinations: what each kind needs, and what it would send of a sample, before it is saved.

mod preview;
mod settings_of;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::form::{Fields, Form};
use super::page::{Answer, Page, Refusal};
use super::render::segment;
use super::see;
use super::settings::{self, ByField, Setting};
use super::texts::text;
use super::visit::Visit;
use crate::domain::definition::{Definition, Kind, Problem, document, render};
use crate::domain::limits::MAX_URLS;
use crate::domain::people::Scope;
use crate::domain::preset;
use crate::http::api::definitions;
use settings_of::{Group, OWN_KINDS};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/destinations/new").route(web::get().to(new)).route(web::post().to(make)))
        .service(
            web::resource("/destinations/{key}/edit")
                .route(web::get().to(show))
                .route(web::post().to(change)),
        );
}

/// A destination as it stands in the form.
struct Edited<'a> {
    visit: &'a Visit,
    /// Its key, where it exists.
    existing: Option<&'a str>,
    kind: String,
    groups: Vec<Group>,
    typed: ByField,
}

async fn new(visit: Visit) -> Answer {
    visit.needs(Scope::Define)?;
    let Some(kind) = visit.asked("kind") else { return Ok(choose(&visit)) };
    let mut edited = Edited::of_kind(&visit, None, kind)?;
    edited.typed = [("enabled".to_owned(), "true".to_owned())].into();
    Ok(edited.page(&ByField::new(), None))
}

/// The kinds to choose from.
fn choose(visit: &Visit) -> HttpResponse {
    let own = OWN_KINDS.map(|kind| {
        let (name, what) =
            (format!("destination_edit.kinds.{kind}"), format!("destination_edit.what.{kind}"));
        json!({ "key": kind, "name": text(&name), "what": text(&what) })
    });
    let presets =
        preset::all().iter().map(|it| json!({ "key": it.key, "name": it.name, "what": it.description }));
    let kinds: Vec<Value> = own.into_iter().chain(presets).collect();
    visit.page("destination_new.html", json!({ "kinds": kinds }))
}

async fn make(visit: Visit, sent: Form) -> Answer {
    let fields = sent.admitted(&visit, Scope::Define)?;
    let kind = visit.asked("kind").unwrap_or_default().to_owned();
    let edited = Edited::of_kind(&visit, None, &kind)?.sent(&fields);
    edited.answer(&fields).await
}

async fn show(visit: Visit, key: web::Path<String>) -> Answer {
    visit.needs(Scope::Define)?;
    let (kind, shown) = known(&visit, &key)?;
    let shown = settings_of::without_usual(&kind, shown);
    let urls = room_for(shown["urls"].as_array().map_or(0, Vec::len));
    let mut edited = Edited::of_kind(&visit, Some(&key), &kind)?;
    edited.groups = settings_of::of(&kind, urls);
    edited.typed = settings::typed(&edited.settings(), &shown);
    Ok(edited.page(&ByField::new(), None))
}

async fn change(visit: Visit, key: web::Path<String>, sent: Form) -> Answer {
    let fields = sent.admitted(&visit, Scope::Define)?;
    let (kind, _) = known(&visit, &key)?;
    let edited = Edited::of_kind(&visit, Some(&key), &kind)?.sent(&fields);
    edited.answer(&fields).await
}

/// How many addresses there are fields for, where there are so many: one more, as long as there may be more.
fn room_for(addresses: usize) -> usize {
    (addresses + 1).min(MAX_URLS).max(addresses)
}

/// The kind of that destination, and what the API shows of it.
fn known(visit: &Visit, key: &str) -> Result<(String, Value), Refusal> {
    let definitions = visit.engine().definitions();
    let it = definitions.destinations.get(key).ok_or_else(|| Refusal::not_found(visit, "destination"))?;
    Ok((it.kind.as_str().to_owned(), render::destination(it)))
}

impl<'a> Edited<'a> {
    fn of_kind(visit: &'a Visit, existing: Option<&'a str>, kind: &str) -> Result<Self, Refusal> {
        if !settings_of::is_kind(kind) {
            return Err(Refusal::not_found(visit, "kind"));
        }
        let groups = settings_of::of(kind, 1);
        Ok(Self { visit, existing, kind: kind.to_owned(), groups, typed: ByField::new() })
    }

    /// With what was sent; the addresses of a webhook without those that were left empty.
    fn sent(mut self, fields: &Fields) -> Self {
        let place = |index: usize, member: &str| format!("urls[{index}].{member}");
        let mut addresses = Vec::new();
        // One more than there may be, so that it is said.
        for index in 0..=MAX_URLS {
            let (url, headers) = (fields.text(&place(index, "url")), fields.text(&place(index, "headers")));
            if !url.is_empty() || !headers.is_empty() {
                addresses.push((url, headers));
            }
        }
        self.groups = settings_of::of(&self.kind, room_for(addresses.len()));
        self.typed = settings::sent(&self.settings(), fields);
        self.typed.retain(|name, _| !name.starts_with("urls["));
        for (index, (url, headers)) in addresses.into_iter().enumerate() {
            self.typed.insert(place(index, "url"), url.to_owned());
            self.typed.insert(place(index, "headers"), headers.to_owned());
        }
        self
    }

    fn settings(&self) -> Vec<Setting> {
        let own = self.existing.is_none().then(settings_of::key);
        own.into_iter().chain(self.groups.iter().flat_map(|group| group.settings.clone())).collect()
    }

    /// Saves, or shows what would be sent.
    async fn answer(self, fields: &Fields) -> Answer {
        let wanted = match self.wanted() {
            Ok(wanted) => wanted,
            Err(problems) => return Ok(self.page(&settings::faults(&self.settings(), &problems), None)),
        };
        if fields.text("do") == "preview" {
            return match preview::of(self.visit, wanted, fields).await {
                Ok(preview) => Ok(self.page(&ByField::new(), Some(preview))),
                Err(problems) => Ok(self.page(&settings::faults(&self.settings(), &problems), None)),
            };
        }
        let key = wanted.key().to_owned();
        let engine = self.visit.engine().acting(self.visit.caller.by());
        match definitions::apply_one(&engine, wanted).await {
            Ok(_) => Ok(see(&format!("/console/destinations/{}?said=saved", segment(&key)))),
            Err(problem) if problem.errors().is_empty() => Err(Refusal::of(self.visit, problem)),
            Err(problem) => Ok(self.page(&settings::faults(&self.settings(), problem.errors()), None)),
        }
    }

    /// The definition that was typed.
    fn wanted(&self) -> Result<Definition, Vec<Problem>> {
        let (mut body, mut problems) = settings::definition(&self.settings(), &self.typed);
        body["kind"] = self.kind.as_str().into();
        let key = self.existing.or_else(|| body["key"].as_str()).map(str::to_owned);
        let definitions = self.visit.engine().definitions();
        if self.existing.is_none()
            && key.as_ref().is_some_and(|key| definitions.destinations.contains_key(key))
        {
            problems.push(Problem::new("key", text("definition.taken")));
        }
        problems.extend(document::unreplaced(&body));
        match document::read_one(Kind::Destination, key.as_deref(), &body) {
            Ok(wanted) if problems.is_empty() => Ok(wanted),
            Ok(_) => Err(problems),
            Err(found) => {
                problems.extend(found);
                Err(problems)
            }
        }
    }

    fn page(&self, wrong: &ByField, preview: Option<Value>) -> HttpResponse {
        let shown = |settings: &[Setting]| -> Vec<Value> {
            settings.iter().map(|setting| setting.shown(&self.typed, wrong)).collect()
        };
        let groups =
            self.groups.iter().map(|group| json!({ "name": group.name, "fields": shown(&group.settings) }));
        let preset = preset::find(&self.kind);
        let own = || text(&format!("destination_edit.kinds.{}", self.kind));
        let what = || text(&format!("destination_edit.what.{}", self.kind));
        let context = json!({
            "key": self.existing,
            "kind": self.kind,
            "kind_name": preset.map_or_else(own, |preset| preset.name.clone()),
            "what": preset.map_or_else(what, |preset| preset.description.clone()),
            "key_field": settings_of::key().shown(&self.typed, wrong),
            "groups": groups.collect::<Vec<_>>(),
            "wrong": wrong,
            "preview": preview,
            "takes_calls": self.kind != "twilio",
        });
        let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        Page::new("destination_edit.html", context).status(status).of(self.visit)
    }
}
