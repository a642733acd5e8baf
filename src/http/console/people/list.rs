//! Everybody, and one more.

use actix_web::web;
use serde_json::{Value, json};

use super::{Faults, again, may_grant, part, roles};
use crate::domain::people::{Person, Role, Scope, check_name, login};
use crate::engine::{NewPerson, made_password};
use crate::http::console::form::{Fields, Form};
use crate::http::console::page::{Answer, Refusal};
use crate::http::console::texts::text;
use crate::http::console::visit::Visit;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/people").route(web::get().to(list)))
        .service(web::resource("/people/new").route(web::get().to(new)).route(web::post().to(add)));
}

async fn list(visit: Visit) -> Answer {
    visit.needs(Scope::People)?;
    let all = visit.engine().people().await.map_err(|error| Refusal::of(&visit, error))?;
    let (count, me) = (all.len(), visit.caller.session.as_ref().map(|session| session.person.as_str()));
    let behind = |person: &Person, cursor: &str| person.email.as_str() > cursor;
    let (rows, next) = part(all, visit.asked("cursor"), behind, |person| person.email.clone());
    let rows: Vec<Value> = rows
        .iter()
        .map(|person| {
            let mut shown = person.shown();
            shown["isMe"] = (Some(person.id.to_string().as_str()) == me).into();
            shown
        })
        .collect();
    let context = json!({
        "rows": rows, "count": count, "roles": roles(), "next": visit.next(next.as_deref()),
    });
    Ok(visit.page("people/list.html", context))
}

async fn new(visit: Visit) -> Answer {
    visit.needs(Scope::People)?;
    Ok(visit.page("people/new.html", context(&Fields::default(), &Faults::default())))
}

async fn add(visit: Visit, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::People)?;
    let mut faults = Faults::default();
    let email = faults.check("email", login(fields.text("email")));
    let name = faults.check("name", check_name(fields.text("name")));
    let role = faults.take("role", role(fields.text("role")));
    let (Some(email), Some(name), Some(role)) = (email, name, role) else {
        return Ok(again(&visit, "people/new.html", context(&fields, &faults)));
    };
    may_grant(&visit, role)?;
    let password = made_password();
    let person = NewPerson { email, name, role, password: password.clone() };
    match visit.engine().acting(visit.caller.by()).add_person(person).await {
        // Shown in the answer itself: a password is in no address, and kept nowhere.
        Ok(person) => {
            Ok(visit.page("people/password.html", json!({ "person": person.shown(), "password": password, "is_new": true, "place": sign_in_place(&visit) })))
        }
        Err(error) => {
            let faults = Faults::of_engine(error).map_err(|error| Refusal::of(&visit, error))?;
            Ok(again(&visit, "people/new.html", context(&fields, &faults)))
        }
    }
}

/// Where people sign in.
pub(super) fn sign_in_place(visit: &Visit) -> String {
    format!("{}/console/sign-in", visit.state.public_url)
}

/// Reads the name of a role.
pub(super) fn role(name: &str) -> Result<Role, String> {
    Role::ALL.into_iter().find(|role| role.as_str() == name).ok_or_else(|| text("faults.no_role"))
}

fn context(fields: &Fields, faults: &Faults) -> Value {
    json!({
        "typed": {
            "email": fields.text("email"), "name": fields.text("name"),
            "role": fields.given("role").unwrap_or(Role::Viewer.as_str()),
        },
        "roles": roles(), "faults": faults.0,
    })
}
