//! `/api/people` and `/api/me`: who works with the console, and what each of them may do.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use super::body::{Body, Members};
use super::endpoint::Endpoint;
use super::params::NoParams;
use super::state::ApiState;
use crate::domain::definition::Problem;
use crate::domain::ids::PersonId;
use crate::domain::people::{Fault, Person, PersonChange, Role, Scope, check_name, login};
use crate::engine::{Engine, EngineError, NewPerson};
use crate::http::caller::Caller;
use crate::http::problem::{ApiProblem, Code};

/// Longest of the texts that are checked further, in characters.
pub(super) const MAX_TEXT: usize = 1000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/me").get_open(me),
        Endpoint::at("/api/people").get_as(Scope::People, list).post(Scope::People, add),
        Endpoint::at("/api/people/{id}")
            .get_as(Scope::People, one)
            .put(Scope::People, change)
            .delete(Scope::People, remove),
        Endpoint::at("/api/people/{id}/password").put(Scope::People, set_password),
        Endpoint::at("/api/people/{id}/sessions").delete(Scope::People, end_sessions),
    ]
}

async fn me(caller: Caller, _: NoParams) -> Answer {
    let session = caller.session.as_ref();
    Ok(HttpResponse::Ok().json(json!({
        "name": caller.name,
        "scopes": caller.scopes,
        "role": session.map(|session| session.role),
        "person": session.map(|session| &session.person),
        "csrfToken": session.map(|session| &session.csrf),
    })))
}

async fn list(state: web::Data<ApiState>, _: NoParams) -> Answer {
    let people = state.engine.people().await?;
    let people: Vec<Value> = people.iter().map(Person::shown).collect();
    Ok(HttpResponse::Ok().json(json!({ "people": people })))
}

async fn one(state: web::Data<ApiState>, id: web::Path<String>, _: NoParams) -> Answer {
    Ok(HttpResponse::Ok().json(find(&state.engine, &id).await?.shown()))
}

async fn add(state: web::Data<ApiState>, caller: Caller, _: NoParams, body: Body) -> Answer {
    let words = body.object(&["email", "name", "role", "password"])?;
    let mut problems = Vec::new();
    let email = required("email", checked(&words, "email", login)?, &mut problems);
    let name = required("name", checked(&words, "name", check_name)?, &mut problems);
    let role = required("role", role(&words)?, &mut problems);
    let password = required("password", words.text("password", MAX_TEXT)?.map(str::to_owned), &mut problems);
    let (Some(email), Some(name), Some(role), Some(password)) = (email, name, role, password) else {
        return Err(ApiProblem::fields(Code::InvalidBody, problems));
    };
    may_grant(&caller, role)?;
    let person = NewPerson { email, name, role, password };
    let added = state.engine.acting(caller.by()).add_person(person).await.map_err(of_body)?;
    let place = ("Location", format!("/api/people/{}", added.id));
    Ok(HttpResponse::Created().insert_header(place).json(added.shown()))
}

async fn change(
    state: web::Data<ApiState>,
    caller: Caller,
    id: web::Path<String>,
    _: NoParams,
    body: Body,
) -> Answer {
    let words = body.object(&["email", "name", "role", "disabled"])?;
    let change = PersonChange {
        email: checked(&words, "email", login)?,
        name: checked(&words, "name", check_name)?,
        role: role(&words)?,
        disabled: words.get("disabled").map(|_| words.flag("disabled")).transpose()?,
    };
    let person = find(&state.engine, &id).await?;
    may_grant(&caller, person.role)?;
    may_grant(&caller, change.role.unwrap_or(person.role))?;
    let changed = state.engine.acting(caller.by()).change_person(person.id, change).await.map_err(of_body)?;
    Ok(HttpResponse::Ok().json(changed.shown()))
}

async fn remove(state: web::Data<ApiState>, caller: Caller, id: web::Path<String>, _: NoParams) -> Answer {
    let person = find(&state.engine, &id).await?;
    may_grant(&caller, person.role)?;
    state.engine.acting(caller.by()).remove_person(person.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn set_password(
    state: web::Data<ApiState>,
    caller: Caller,
    id: web::Path<String>,
    _: NoParams,
    body: Body,
) -> Answer {
    let words = body.object(&["password"])?;
    let password = words.text("password", MAX_TEXT)?;
    let password = password.ok_or_else(|| ApiProblem::field(Code::InvalidBody, "password", "is missing"))?;
    let person = find(&state.engine, &id).await?;
    may_grant(&caller, person.role)?;
    state.engine.acting(caller.by()).set_password(person.id, password).await.map_err(of_body)?;
    state.sign_ins.let_go(&person.email);
    Ok(HttpResponse::NoContent().finish())
}

async fn end_sessions(
    state: web::Data<ApiState>,
    caller: Caller,
    id: web::Path<String>,
    _: NoParams,
) -> Answer {
    let person = find(&state.engine, &id).await?;
    may_grant(&caller, person.role)?;
    state.engine.acting(caller.by()).end_sessions(person.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A text that is no id names nobody.
async fn find(engine: &Engine, id: &str) -> Result<Person, ApiProblem> {
    let found = match id.parse::<PersonId>() {
        Ok(id) => engine.person(id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| ApiProblem::not_found("person", id))
}

/// Nobody makes somebody, or becomes somebody by setting his password, who may do more than he.
fn may_grant(caller: &Caller, role: Role) -> Result<(), ApiProblem> {
    match role.scopes().iter().find(|scope| !caller.may(**scope)) {
        None => Ok(()),
        Some(scope) => Err(lacks(*scope)),
    }
}

/// The caller would give away what he does not have.
pub(super) fn lacks(scope: Scope) -> ApiProblem {
    let detail = format!("this would give the scope `{}`, which the caller does not have", scope.as_str());
    ApiProblem::new(Code::Forbidden, detail)
}

/// A text of a body that is checked further.
pub(super) fn checked(
    words: &Members,
    name: &str,
    check: impl Fn(&str) -> Result<String, Fault>,
) -> Result<Option<String>, ApiProblem> {
    let checked = words.text(name, MAX_TEXT)?.map(check).transpose();
    checked.map_err(|why| ApiProblem::field(Code::InvalidBody, name, why.to_string()))
}

/// Notes what is missing.
pub(super) fn required<T>(name: &str, value: Option<T>, problems: &mut Vec<Problem>) -> Option<T> {
    if value.is_none() {
        problems.push(Problem::new(name, "is missing"));
    }
    value
}

fn role(words: &Members) -> Result<Option<Role>, ApiProblem> {
    let Some(name) = words.text("role", MAX_TEXT)? else { return Ok(None) };
    let role = Role::ALL.into_iter().find(|role| role.as_str() == name);
    let names = Role::ALL.map(Role::as_str).join(", ");
    let refused = || ApiProblem::field(Code::InvalidBody, "role", format!("is not one of {names}"));
    role.map(Some).ok_or_else(refused)
}

/// What the engine finds wrong is in the body.
fn of_body(error: EngineError) -> ApiProblem {
    match error {
        EngineError::Invalid(problems) => ApiProblem::fields(Code::InvalidBody, problems),
        other => other.into(),
    }
}
