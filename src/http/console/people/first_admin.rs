//! The set-up: whoever has the link that the server printed becomes the first admin.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Resource, web};
use serde_json::{Value, json};

use super::{Faults, with_cookie};
use crate::domain::limits;
use crate::domain::people::{Role, check_name, check_password, login};
use crate::engine::NewPerson;
use crate::http::api::ApiState;
use crate::http::console::form::{Fields, Form};
use crate::http::console::page::{Answer, Page};
use crate::http::console::see;
use crate::http::console::texts::text;
use crate::http::sign_in::{self, Refused};

/// `/setup/{token}`, which is no place of the console's.
pub(in crate::http::console) fn first_admin() -> Resource {
    web::resource("/setup/{token}")
        .app_data(web::PayloadConfig::new(limits::MAX_STRANGERS_FORM))
        .route(web::get().to(ask))
        .route(web::post().to(set_up))
}

async fn ask(request: HttpRequest, state: web::Data<ApiState>, token: web::Path<String>) -> Answer {
    if !sign_in::can_set_up(&state, &token).await? {
        return Ok(over(&request));
    }
    Ok(page(&Fields::default(), &Faults::default()).of_stranger(&request))
}

async fn set_up(
    request: HttpRequest,
    state: web::Data<ApiState>,
    token: web::Path<String>,
    form: Form,
) -> Answer {
    let fields = form.unchecked();
    if !sign_in::can_set_up(&state, &token).await? {
        return Ok(over(&request));
    }
    let faults = match read(&fields) {
        Ok(person) => match sign_in::set_up(&request, &state, &token, person).await {
            Ok(cookie) => return Ok(with_cookie(see("/console?said=set_up"), &cookie)?),
            Err(Refused::NoSetUp) => return Ok(over(&request)),
            Err(refused) => Faults::of_refused(refused, super::ALL)?,
        },
        Err(faults) => faults,
    };
    Ok(page(&fields, &faults).status(StatusCode::UNPROCESSABLE_ENTITY).of_stranger(&request))
}

fn read(fields: &Fields) -> Result<NewPerson, Faults> {
    let mut faults = Faults::default();
    let email = faults.check("email", login(fields.text("email")));
    let name = faults.check("name", check_name(fields.text("name")));
    let password = fields.exact("password");
    faults.check("password", check_password(password, email.as_deref().unwrap_or_default()));
    if password != fields.exact("again") {
        faults.note("again", text("me.not_the_same"));
    }
    match (email, name) {
        (Some(email), Some(name)) if faults.0.is_empty() => {
            Ok(NewPerson { email, name, role: Role::Admin, password: password.to_owned() })
        }
        (Some(_) | None, Some(_) | None) => Err(faults),
    }
}

fn page(fields: &Fields, faults: &Faults) -> Page {
    let typed: Value = json!({ "email": fields.text("email"), "name": fields.text("name") });
    Page::new(
        "people/set_up.html",
        json!({ "typed": typed, "faults": faults.0, "least": limits::MIN_PASSWORD_CHARS }),
    )
}

/// The link leads nowhere: it is an old one, or none, or has done its work.
fn over(request: &HttpRequest) -> HttpResponse {
    let context =
        json!({ "title": text("set_up.over_title"), "text": text("set_up.over"), "to_sign_in": true });
    Page::new("message_alone.html", context).status(StatusCode::NOT_FOUND).of_stranger(request)
}
