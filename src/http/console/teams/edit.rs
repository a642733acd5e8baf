//! The editor of a team. Each button sends the whole form; but for saving, it is shown again as it was.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web;
use chrono_tz::TZ_VARIANTS;
use serde_json::{Value, json};

use super::super::faults;
use super::super::form::{Fields, Form};
use super::super::page::{Answer, Page, Refusal};
use super::super::see;
use super::super::texts::text;
use super::super::visit::Visit;
use super::form::{self, TeamForm, WEEK};
use crate::domain::definition::{Definition, Kind, Problem, Team, document};
use crate::domain::people::Scope;
use crate::http::api::definitions;

/// A team as it stands in its form.
struct Edited<'a> {
    visit: &'a Visit,
    /// Its key, where it exists.
    existing: Option<&'a str>,
    /// The key that was typed, where it does not.
    typed: &'a str,
    form: TeamForm,
}

pub(super) async fn new(visit: Visit) -> Answer {
    visit.needs(Scope::Define)?;
    let edited = Edited { visit: &visit, existing: None, typed: "", form: TeamForm::new() };
    edited.page(&[])
}

pub(super) async fn make(visit: Visit, sent: Form) -> Answer {
    let fields = sent.admitted(&visit, Scope::Define)?;
    let form = TeamForm::read(&fields);
    Edited { visit: &visit, existing: None, typed: fields.text("key"), form }.answer(&fields).await
}

pub(super) async fn show(visit: Visit, key: web::Path<String>) -> Answer {
    visit.needs(Scope::Define)?;
    let form = TeamForm::of(&*find(&visit, &key)?);
    Edited { visit: &visit, existing: Some(&key), typed: "", form }.page(&[])
}

pub(super) async fn change(visit: Visit, key: web::Path<String>, sent: Form) -> Answer {
    let fields = sent.admitted(&visit, Scope::Define)?;
    find(&visit, &key)?;
    let form = TeamForm::read(&fields);
    Edited { visit: &visit, existing: Some(&key), typed: "", form }.answer(&fields).await
}

fn find(visit: &Visit, key: &str) -> Result<std::sync::Arc<Team>, Refusal> {
    let found = visit.engine().definitions().teams.get(key).cloned();
    found.ok_or_else(|| Refusal::not_found(visit, "team"))
}

impl Edited<'_> {
    /// Does what the button says.
    async fn answer(mut self, fields: &Fields) -> Answer {
        if fields.text("do") != "save" {
            self.form.change(fields.text("do"));
            return self.page(&[]);
        }
        let wanted = match self.wanted() {
            Ok(wanted) => wanted,
            Err(problems) => return self.page(&problems),
        };
        let engine = self.visit.engine().acting(self.visit.caller.by());
        match definitions::apply_one(&engine, wanted).await {
            Ok(_) => Ok(see("/console/teams?said=saved")),
            Err(problem) if problem.errors().is_empty() => Err(Refusal::of(self.visit, problem)),
            Err(problem) => self.page(problem.errors()),
        }
    }

    /// The definition that was typed.
    fn wanted(&self) -> Result<Definition, Vec<Problem>> {
        let key = self.existing.unwrap_or(self.typed);
        let mut problems = Vec::new();
        if self.existing.is_none() && self.visit.engine().definitions().teams.contains_key(key) {
            problems.push(Problem::new("key", text("definition.taken")));
        }
        let key = Some(key).filter(|key| !key.is_empty());
        match document::read_one(Kind::Team, key, &self.form.definition()) {
            Ok(wanted) if problems.is_empty() => Ok(wanted),
            Ok(_) => Err(problems),
            Err(found) => {
                problems.extend(found);
                Err(problems)
            }
        }
    }

    fn page(&self, problems: &[Problem]) -> Answer {
        let wrong: BTreeMap<String, String> = faults::by_field(problems, form::field);
        let definitions = self.visit.engine().definitions();
        let zones: Vec<&str> = TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        let context: Value = json!({
            "key": self.existing,
            "typed_key": self.typed,
            "form": self.form,
            "lists": { "hours": self.form.hours, "on_call": self.form.on_call },
            "week": WEEK,
            "zones": zones,
            "flows": definitions.flows.keys().collect::<Vec<_>>(),
            "wrong": wrong,
        });
        let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        Ok(Page::new("team_edit.html", context).status(status).of(self.visit))
    }
}
