//! Making and changing an audience or computed trait.
//!
//! Whatever button is pressed posts the whole page, and the page comes back with what follows of it: that is how it works without
//! a script. The script presses the same buttons while somebody types, and puts in what changed.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::super::form::Form;
use super::super::page::{Answer, Page, Refusal};
use super::super::render::segment;
use super::super::see;
use super::super::texts;
use super::super::visit::Visit;
use super::draft::Draft;
use super::{found, hints, kind, place, preview};
use crate::domain::definition::Class;
use crate::domain::people::Scope;
use crate::http::api::definitions;
use crate::http::problem::Code;

const TEMPLATE: &str = "audience_edit.html";

/// The empty page, or that of one that exists.
pub(super) async fn page(visit: &Visit, class: Class, key: Option<&str>) -> Answer {
    visit.needs(Scope::Audiences)?;
    let draft = match key {
        Some(key) => Draft::of(visit, &*found(visit, class, key)?),
        None => Draft::blank(class),
    };
    answer(visit, &draft, Value::Null, true).await
}

/// A button was pressed.
pub(super) async fn post(visit: &Visit, class: Class, key: Option<&str>, form: &Form) -> Answer {
    let fields = form.admitted(visit, Scope::Audiences)?;
    if let Some(key) = key {
        found(visit, class, key)?;
    }
    let mut draft = Draft::posted(class, key, &fields);
    let mut previewed = Value::Null;
    match fields.text("do") {
        "save" => {
            if let Some(key) = save(visit, class, key, &mut draft).await? {
                return Ok(see(&format!("/console/{}/{}?said=saved", place(class), segment(&key))));
            }
        }
        "preview" => {
            if let Some(query) = draft.settle(visit) {
                previewed = preview::found(visit, &draft, query).await;
            }
        }
        "to-form" => {
            draft.take_text(visit);
        }
        "to-text" => {
            draft.take_form();
        }
        "anew" => draft.begin_anew(),
        "" | "check" => {
            draft.settle(visit);
        }
        action => draft.change(action),
    }
    // The script has the names already.
    answer(visit, &draft, previewed, fields.text("part").is_empty()).await
}

async fn answer(visit: &Visit, draft: &Draft, preview: Value, whole: bool) -> Answer {
    let names = match whole {
        true => hints::names(visit).await.map_err(|error| Refusal::of(visit, error))?,
        false => json!({ "events": [], "properties": [], "traits": [], "audiences": [] }),
    };
    // What the script asked while somebody types is no failure; a page that was sent and is wrong is one.
    let status = if whole && draft.is_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let context = json!({ "draft": draft.shown(visit), "preview": preview, "names": names });
    Ok(Page::new(TEMPLATE, context).status(status).of(visit))
}

/// The key, once it is in force; `None` where something is wrong, which the draft says then.
async fn save(
    visit: &Visit,
    class: Class,
    key: Option<&str>,
    draft: &mut Draft,
) -> Result<Option<String>, Refusal> {
    draft.settle(visit);
    let read = definitions::read_one(kind(class), key, &draft.body());
    let wanted = match read {
        Ok(wanted) if !draft.is_wrong() => wanted,
        Ok(_) => return Ok(None),
        Err(problem) => {
            draft.note(problem.errors());
            return Ok(None);
        }
    };
    let made = wanted.key().to_owned();
    if key.is_none() && visit.engine().definitions().get(kind(class), &made).is_some() {
        let message = texts::filled("editor.taken", &[("key", &made)]);
        draft.note(&[crate::domain::definition::Problem::new("name", message)]);
        return Ok(None);
    }
    match definitions::apply_one(&visit.engine().acting(visit.caller.by()), wanted).await {
        Ok(_) => Ok(Some(made)),
        Err(problem) if problem.code() == Code::InvalidDefinition && !problem.errors().is_empty() => {
            draft.note(problem.errors());
            Ok(None)
        }
        Err(problem) => Err(Refusal::of(visit, problem)),
    }
}
