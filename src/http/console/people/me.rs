//! What everybody sets for himself: name, password, theme, and the end of his sessions.

use actix_web::{HttpRequest, web};
use serde_json::{Value, json};

use super::{Faults, again, in_words, scopes, sessions, with_cookie};
use crate::domain::limits;
use crate::domain::people::{Person, PersonChange, Scope, check_name, check_password};
use crate::domain::time::Span;
use crate::http::console::form::Form;
use crate::http::console::page::{Answer, Refusal};
use crate::http::console::texts::text;
use crate::http::console::visit::Visit;
use crate::http::console::{render, see};
use crate::http::sign_in;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/me").route(web::get().to(show)))
        .service(web::resource("/me/name").route(web::post().to(rename)))
        .service(web::resource("/me/password").route(web::post().to(change_password)))
        .service(web::resource("/me/sessions").route(web::post().to(sign_out_everywhere)))
        .service(web::resource("/me/sessions/{name}").route(web::post().to(end_session)));
}

async fn show(visit: Visit) -> Answer {
    let me = me(&visit).await?;
    Ok(visit.page("people/me.html", context(&visit, &me, &me.name, &Faults::default()).await?))
}

async fn rename(visit: Visit, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::Read)?;
    let me = me(&visit).await?;
    let typed = fields.text("name");
    let name = match check_name(typed) {
        Ok(name) => name,
        Err(why) => {
            let mut faults = Faults::default();
            faults.note("name", in_words(why));
            return Ok(again(&visit, "people/me.html", context(&visit, &me, typed, &faults).await?));
        }
    };
    let change = PersonChange { name: Some(name), ..PersonChange::default() };
    let changed = visit.engine().acting(visit.caller.by()).change_person(me.id, change).await;
    changed.map_err(|error| Refusal::of(&visit, error))?;
    Ok(see("/console/me?said=saved"))
}

async fn change_password(visit: Visit, request: HttpRequest, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::Read)?;
    let me = me(&visit).await?;
    let (present, new) = (fields.exact("present"), fields.exact("password"));
    let mut faults = Faults::default();
    faults.check("password", check_password(new, &me.email));
    if new != fields.exact("again") {
        faults.note("again", text("me.not_the_same"));
    }
    if faults.0.is_empty() {
        match sign_in::change_password(&request, &visit.state, &visit.caller, present, new).await {
            Ok(cookie) => return Ok(with_cookie(see("/console/me?said=password_changed"), &cookie)?),
            Err(refused) => {
                faults =
                    Faults::of_refused(refused, "present").map_err(|error| Refusal::of(&visit, error))?;
            }
        }
    }
    Ok(again(&visit, "people/me.html", context(&visit, &me, &me.name, &faults).await?))
}

async fn sign_out_everywhere(visit: Visit, request: HttpRequest, form: Form) -> Answer {
    form.admitted(&visit, Scope::Read)?;
    let cookie = sign_in::sign_out_everywhere(&request, &visit.state, &visit.caller).await;
    let cookie = cookie.map_err(|error| Refusal::of(&visit, error))?;
    Ok(with_cookie(see("/console/sign-in?said=signed_out_everywhere"), &cookie)?)
}

async fn end_session(visit: Visit, name: web::Path<String>, form: Form) -> Answer {
    form.admitted(&visit, Scope::Read)?;
    let me = me(&visit).await?;
    let ended = visit.engine().acting(visit.caller.by()).end_one_session(me.id, &name).await;
    ended.map_err(|error| Refusal::of(&visit, error))?;
    Ok(see("/console/me?said=session_ended"))
}

/// Whoever asks, as he is kept.
async fn me(visit: &Visit) -> Result<Person, Refusal> {
    let id = visit.caller.session.as_ref().and_then(|session| session.person.parse().ok());
    let Some(id) = id else { return Err(Refusal::not_found(visit, "person")) };
    let person = visit.engine().person(id).await.map_err(|error| Refusal::of(visit, error))?;
    person.ok_or_else(|| Refusal::not_found(visit, "person"))
}

async fn context(visit: &Visit, me: &Person, name: &str, faults: &Faults) -> Result<Value, Refusal> {
    let lasting = |span: Span| render::lasting(span.to_std().as_secs_f64());
    Ok(json!({
        "sessions": sessions(visit, me.id).await?,
        "me": me.shown(),
        "name": name,
        "scopes": scopes(&visit.caller.scopes),
        "faults": faults.0,
        "least": limits::MIN_PASSWORD_CHARS,
        "idle": lasting(limits::SESSION_IDLE),
        "life": lasting(limits::SESSION_LIFE),
    }))
}
