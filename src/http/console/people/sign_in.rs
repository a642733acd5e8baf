//! Signing in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{held, with_cookie};
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::http::api::ApiState;
use crate::http::console::back::own_page;
use crate::http::console::form::Form;
use crate::http::console::page::{Answer, Page, Refusal};
use crate::http::console::see;
use crate::http::console::texts::text;
use crate::http::console::visit::Visit;
use crate::http::sign_in::{self, Refused};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let small = web::PayloadConfig::new(limits::MAX_STRANGERS_FORM);
    config
        .service(
            web::resource("/sign-in")
                .app_data(small)
                .route(web::get().to(ask))
                .route(web::post().to(sign_in)),
        )
        .service(web::resource("/sign-out").route(web::post().to(sign_out)));
}

async fn ask(request: HttpRequest, state: web::Data<ApiState>) -> Answer {
    let query = form_urlencoded::parse(request.query_string().as_bytes());
    let back = query.into_iter().find(|(name, _)| name == "back").map(|(_, value)| value);
    let back = own_page(back.as_deref().unwrap_or_default());
    if sign_in::caller_of(&request, &state).await?.is_some() {
        return Ok(see(back));
    }
    let is_set_up = state.engine.is_set_up().await?;
    Ok(page(("", back), "", is_set_up).of_stranger(&request))
}

/// The form: who wants to sign in, and where he goes then; why he was not let in.
fn page((email, back): (&str, &str), wrong: &str, is_set_up: bool) -> Page {
    Page::new(
        "people/sign_in.html",
        json!({ "email": email, "back": back, "wrong": wrong, "is_set_up": is_set_up }),
    )
}

async fn sign_in(request: HttpRequest, state: web::Data<ApiState>, form: Form) -> Answer {
    let fields = form.unchecked();
    let (email, back) = (fields.text("email"), own_page(fields.text("back")));
    let refused = match sign_in::sign_in(&request, &state, email, fields.exact("password")).await {
        Ok(cookie) => return Ok(with_cookie(see(back), &cookie)?),
        Err(refused) => refused,
    };
    let (status, why, wait) = match refused {
        Refused::Held(wait) => (StatusCode::TOO_MANY_REQUESTS, held(wait), Some(wait)),
        Refused::CrossSite => (StatusCode::FORBIDDEN, text("sign_in.cross_site"), None),
        Refused::Wrong | Refused::NoSetUp => (StatusCode::UNPROCESSABLE_ENTITY, text("sign_in.wrong"), None),
        Refused::Engine(error) => return Err(error.into()),
    };
    let shown: String = email.chars().take(limits::MAX_LOGIN_BYTES).collect();
    let is_set_up = state.engine.is_set_up().await?;
    let mut response: HttpResponse =
        page((&shown, back), &why, is_set_up).status(status).of_stranger(&request);
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, (wait.to_std().as_secs() + 1).into());
    }
    Ok(response)
}

async fn sign_out(visit: Visit, request: HttpRequest, form: Form) -> Answer {
    form.admitted(&visit, Scope::Read)?;
    let cookie =
        sign_in::sign_out(&request, &visit.state).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(with_cookie(see("/console/sign-in?said=signed_out"), &cookie)?)
}
