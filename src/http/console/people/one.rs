//! One person: what he may do, his password, his sessions, and his removal.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::list::{role, sign_in_place};
use super::{Faults, again, may_grant, roles, scopes, sessions, tokens_of};
use crate::domain::people::{Person, PersonChange, Scope, check_name, login};
use crate::engine::made_password;
use crate::http::console::back;
use crate::http::console::form::{Fields, Form};
use crate::http::console::page::{Answer, Refusal};
use crate::http::console::see;
use crate::http::console::visit::Visit;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/people/{id}").route(web::get().to(show)).route(web::post().to(change)))
        .service(
            web::resource("/people/{id}/password")
                .route(web::get().to(back::to_page))
                .route(web::post().to(reset_password)),
        )
        .service(web::resource("/people/{id}/sessions").route(web::post().to(end_sessions)))
        .service(
            web::resource("/people/{id}/remove")
                .route(web::get().to(tell_consequences))
                .route(web::post().to(remove)),
        );
}

async fn show(visit: Visit, id: web::Path<String>) -> Answer {
    visit.needs(Scope::People)?;
    let person = find(&visit, &id).await?;
    Ok(visit.page("people/one.html", context(&visit, &person, &person.shown(), &Faults::default()).await?))
}

async fn change(visit: Visit, id: web::Path<String>, form: Form) -> Answer {
    let (person, fields) = meant(&visit, &id, &form).await?;
    let mut faults = Faults::default();
    let change = PersonChange {
        email: faults.check("email", login(fields.text("email"))),
        name: faults.check("name", check_name(fields.text("name"))),
        role: faults.take("role", role(fields.text("role"))),
        disabled: Some(fields.is_ticked("disabled")),
    };
    if let Some(role) = change.role {
        may_grant(&visit, role)?;
    }
    if faults.0.is_empty() {
        match visit.engine().acting(visit.caller.by()).change_person(person.id, change).await {
            Ok(changed) => return Ok(see(&format!("/console/people/{}?said=saved", changed.id))),
            Err(error) => faults = Faults::of_engine(error).map_err(|error| Refusal::of(&visit, error))?,
        }
    }
    let typed = json!({
        "email": fields.text("email"), "name": fields.text("name"), "role": fields.text("role"),
        "disabled": fields.is_ticked("disabled"),
    });
    Ok(again(&visit, "people/one.html", context(&visit, &person, &typed, &faults).await?))
}

async fn reset_password(visit: Visit, id: web::Path<String>, form: Form) -> Answer {
    let (person, _) = meant(&visit, &id, &form).await?;
    let password = made_password();
    let set = visit.engine().acting(visit.caller.by()).set_password(person.id, &password).await;
    set.map_err(|error| Refusal::of(&visit, error))?;
    visit.state.sign_ins.let_go(&person.email);
    let place = sign_in_place(&visit);
    let context = json!({ "person": person.shown(), "password": password, "is_new": false, "place": place });
    Ok(visit.page("people/password.html", context))
}

async fn end_sessions(visit: Visit, id: web::Path<String>, form: Form) -> Answer {
    let (person, _) = meant(&visit, &id, &form).await?;
    let ended = visit.engine().acting(visit.caller.by()).end_sessions(person.id).await;
    ended.map_err(|error| Refusal::of(&visit, error))?;
    Ok(see(&format!("/console/people/{}?said=sessions_ended", person.id)))
}

async fn tell_consequences(visit: Visit, id: web::Path<String>) -> Answer {
    visit.needs(Scope::People)?;
    let person = find(&visit, &id).await?;
    let context = consequences(&visit, &person, &Faults::default()).await?;
    Ok(visit.page("people/remove.html", context))
}

async fn remove(visit: Visit, id: web::Path<String>, form: Form) -> Answer {
    let (person, _) = meant(&visit, &id, &form).await?;
    let error = match visit.engine().acting(visit.caller.by()).remove_person(person.id).await {
        Ok(()) => return Ok::<HttpResponse, _>(see("/console/people?said=removed")),
        Err(error) => error,
    };
    let faults = Faults::of_engine(error).map_err(|error| Refusal::of(&visit, error))?;
    let context = consequences(&visit, &person, &faults).await?;
    Ok(again(&visit, "people/remove.html", context))
}

/// Whom a form is about, whose sender may do that to him.
async fn meant(visit: &Visit, id: &str, form: &Form) -> Result<(Person, Fields), Refusal> {
    let fields = form.admitted(visit, Scope::People)?;
    let person = find(visit, id).await?;
    may_grant(visit, person.role)?;
    Ok((person, fields))
}

/// The person with that id, or that address: the audit log knows people by theirs.
async fn find(visit: &Visit, id: &str) -> Result<Person, Refusal> {
    let people = visit.engine().people().await.map_err(|error| Refusal::of(visit, error))?;
    let found = people.into_iter().find(|person| person.id.to_string() == id || person.email == id);
    found.ok_or_else(|| Refusal::not_found(visit, "person"))
}

fn is_me(visit: &Visit, person: &Person) -> bool {
    visit.caller.session.as_ref().is_some_and(|session| session.person == person.id.to_string())
}

/// `typed` is what the form shows of him.
async fn context(visit: &Visit, person: &Person, typed: &Value, faults: &Faults) -> Result<Value, Refusal> {
    Ok(json!({
        "person": person.shown(), "is_me": is_me(visit, person), "typed": typed, "faults": faults.0,
        "roles": roles(), "scopes": scopes(person.role.scopes()),
        "sessions": sessions(visit, person.id).await?, "tokens": tokens_of(visit, person).await?,
    }))
}

/// What stays and what ends with him.
async fn consequences(visit: &Visit, person: &Person, faults: &Faults) -> Result<Value, Refusal> {
    Ok(json!({
        "person": person.shown(), "is_me": is_me(visit, person), "faults": faults.0,
        "tokens": tokens_of(visit, person).await?,
    }))
}
