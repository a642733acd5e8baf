//! Deleting an audience or computed trait: first what that comes to, then the deed.

use serde_json::json;

use super::super::form::Form;
use super::super::page::{Answer, Refusal};
use super::super::remove::Question;
use super::super::see;
use super::super::texts::{filled, text};
use super::super::visit::Visit;
use super::{found, kind, one, place};
use crate::domain::definition::{Class, Computation, Status};
use crate::domain::people::Scope;
use crate::http::api::definitions::beside;

/// What deleting it comes to.
pub(super) async fn page(visit: &Visit, class: Class, key: &str) -> Answer {
    visit.needs(Scope::Audiences)?;
    let it = found(visit, class, key)?;
    let counts = visit.engine().counts().await.map_err(|error| Refusal::of(visit, error))?;
    let size = beside(visit.engine(), &it, &counts).size;
    let question = Question::of(visit, kind(class), key, &it.name, consequences(&it, size));
    let mut context = json!(Question { is_leaving: it.status == Status::Leaving, ..question });
    context["class"] = class.as_str().into();
    context["key"] = key.into();
    context["size"] = size.into();
    context["destinations"] = json!(it.destinations);
    context["used_by"] = one::used_by(visit, &it).into();
    Ok(visit.page("audience_delete.html", context))
}

fn consequences(it: &Computation, size: u64) -> Vec<String> {
    let members = || filled("audiences.lose", &[("n", &size.to_string())]);
    let mut lines: Vec<String> = (it.class == Class::Audience).then(members).into_iter().collect();
    lines.push(filled("audiences.trait_stays", &[("key", &it.key)]));
    lines.extend([text("audiences.unasked"), text("audiences.no_way_back")]);
    lines
}

/// Does it.
pub(super) async fn post(visit: &Visit, class: Class, key: &str, form: &Form) -> Answer {
    let fields = form.admitted(visit, Scope::Audiences)?;
    found(visit, class, key)?;
    let exit = class == Class::Audience && fields.text("exit") == "true";
    visit
        .engine()
        .acting(visit.caller.by())
        .remove(kind(class), key, exit)
        .await
        .map_err(|error| Refusal::of(visit, error))?;
    // One whose members are being told is there until the last one was; that may be a moment or an hour.
    let said = if exit && found(visit, class, key).is_ok() { "deleting" } else { "removed" };
    Ok(see(&format!("/console/{}?said={said}", place(class))))
}
