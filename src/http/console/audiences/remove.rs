//! Deleting an audience or computed trait: first what that comes to, then the deed.

use serde_json::json;

use super::super::form::Form;
use super::super::page::{Answer, Refusal};
use super::super::see;
use super::super::visit::Visit;
use super::{found, kind, list, one, place};
use crate::domain::definition::{Class, Status, plan};
use crate::domain::people::Scope;
use crate::http::api::definitions::beside;

/// What deleting it comes to.
pub(super) async fn page(visit: &Visit, class: Class, key: &str) -> Answer {
    visit.needs(Scope::Audiences)?;
    let it = found(visit, class, key)?;
    let counts = visit.engine().counts().await.map_err(|error| Refusal::of(visit, error))?;
    let size = beside(visit.engine(), &it, &counts).size;
    let needed = plan::needed_by(&visit.engine().definitions(), kind(class), key);
    Ok(visit.page(
        "audience_delete.html",
        json!({
            "class": class.as_str(), "place": place(class), "key": key, "name": it.name, "size": size,
            "state": list::state(&it), "is_leaving": it.status == Status::Leaving, "destinations": it.destinations,
            "needed": needed, "used_by": one::used_by(visit, &it),
        }),
    ))
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
