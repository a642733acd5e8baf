//! `/act/{token}`: where the links of mails lead. A page that shows what a link is about and what it would do, and a button that does
//! it.
//!
//! A mail's links are followed by programs that look for viruses, too: GET and HEAD show, and only POST acts. A link is all that
//! somebody needs, and it is for one purpose ([`crate::domain::link`]); so the pages load nothing from elsewhere, name no address
//! to other sites, and are kept by nobody.

mod digest;
mod form;
mod journey;
mod page;
mod summary;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use self::form::Form;
use self::page::Page;
use super::api::ApiState;
use crate::domain::delivery::{Cause, Delivery, Payload, TwilioRequest};
use crate::domain::limits;
use crate::domain::link::{Link, LinkError, Links, Purpose};
use crate::domain::time::Timestamp;
use crate::engine::{By, Engine, EngineError};

/// Registers the pages; the state has to be there as `web::Data<ApiState>`.
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/act/{token}")
            .app_data(web::PayloadConfig::new(limits::MAX_FORM_BYTES))
            .route(web::get().to(show))
            .route(web::head().to(show))
            .route(web::post().to(act))
            .default_service(web::to(other_method)),
    );
}

/// A link that was checked, and what it came with.
struct Opened<'a> {
    engine: &'a Engine,
    links: &'a Links,
    link: Link,
    /// `None` where it is not kept any more.
    delivery: Option<Delivery>,
}

async fn show(state: web::Data<ApiState>, token: web::Path<String>) -> HttpResponse {
    answer(&state, &token, None).await
}

async fn act(
    state: web::Data<ApiState>,
    token: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
) -> HttpResponse {
    match body.map_err(|_| form::too_large()).and_then(|body| Form::read(&body)) {
        Ok(form) => answer(&state, &token, Some(form)).await,
        Err(page) => page.into_response(),
    }
}

async fn other_method(request: HttpRequest) -> HttpResponse {
    let text = format!("{} is not for links: open it, and press its button.", request.method());
    let mut response =
        Page::problem(StatusCode::METHOD_NOT_ALLOWED, "That is not how it goes", &text).into_response();
    let allowed = [Method::GET, Method::HEAD, Method::POST].map(|method| method.to_string()).join(", ");
    if let Ok(allowed) = allowed.parse() {
        response.headers_mut().insert(actix_web::http::header::ALLOW, allowed);
    }
    response
}

/// The page of the link; with a form, after what it is for was done.
async fn answer(state: &ApiState, token: &str, form: Option<Form>) -> HttpResponse {
    let page = match Opened::read(state, token).await {
        Ok(opened) => opened.page(form).await,
        Err(page) => page,
    };
    page.into_response()
}

impl<'a> Opened<'a> {
    async fn read(state: &'a ApiState, token: &str) -> Result<Self, Page> {
        let links = state.links.as_ref().ok_or_else(unknown)?;
        let link = links.key.open(token, state.engine.clock().now()).map_err(|error| match error {
            LinkError::Altered => unknown(),
            LinkError::Expired => expired(),
        })?;
        let delivery = state.engine.delivery(link.delivery).await.map_err(|error| failed(&error))?;
        Ok(Self { engine: &state.engine, links, link, delivery })
    }

    async fn page(self, form: Option<Form>) -> Page {
        match self.link.purpose.clone() {
            Purpose::Acknowledge(id) | Purpose::Resolve(id) | Purpose::Snooze(id, _) => {
                journey::page(&self, id, form).await
            }
            Purpose::AcknowledgeAll => digest::page(&self, form).await,
            Purpose::Unsubscribe { team, address } => {
                summary::page(&self, &team, &address, form.is_some()).await
            }
            // Those are for Twilio, elsewhere.
            Purpose::CallKey(_) | Purpose::Status(_) => unknown(),
        }
    }

    /// Whether a link for `purpose` came with the same delivery, so that whoever has this one has that, too. The mail of an alarm
    /// has them all; a message has one, and so has each journey of a digest.
    fn has_come_with(&self, purpose: &Purpose) -> bool {
        let is_alarm = |delivery: &Delivery| {
            matches!((&delivery.payload, &delivery.cause), (Payload::Email { .. }, Cause::Stall(_)))
        };
        *purpose == self.link.purpose || self.delivery.as_ref().is_some_and(is_alarm)
    }

    /// The link for something else that came with the same delivery, and ends when this one does: what stands behind `/act/`, and
    /// so beside this page.
    fn beside(&self, purpose: Purpose) -> String {
        self.links.key.sign(&Link { purpose, ..self.link })
    }

    /// When whoever has the link was told.
    fn told_at(&self) -> Timestamp {
        self.delivery.as_ref().map_or(self.link.delivery.made_at(), |delivery| delivery.created_at)
    }

    /// To whom the delivery went, where it is known.
    fn recipients(&self) -> &[String] {
        match self.delivery.as_ref().map(|delivery| &delivery.payload) {
            Some(Payload::Email { to, .. }) => to,
            Some(Payload::Twilio { request: TwilioRequest::Sms { to, .. }, .. }) => std::slice::from_ref(to),
            Some(Payload::Call(_) | Payload::Twilio { .. }) | None => &[],
        }
    }

    /// What a form says at first of who fills it in: the one who got the mail.
    fn reader(&self) -> &str {
        match self.recipients() {
            [reader] => reader,
            _ => "",
        }
    }

    /// Who acts. Without a name it is one of those who got the mail, for nobody else has the link.
    fn by(&self, form: &Form) -> By {
        let who = match (form.name.as_str(), self.recipients()) {
            ("", []) => "unknown".to_owned(),
            ("", [reader]) => reader.clone(),
            ("", readers) => format!("one of {}", readers.join(", ")),
            (name, _) => name.to_owned(),
        };
        let via = match self.delivery.as_ref().map(|delivery| &delivery.payload) {
            Some(Payload::Twilio { .. }) => "sms",
            Some(Payload::Call(_)) => "webhook",
            Some(Payload::Email { .. }) | None => "mail",
        };
        By { who: who.chars().take(limits::MAX_BY).collect(), reason: form.note.clone(), via }
    }
}

fn unknown() -> Page {
    let text = "It may have been cut off when it was copied, or belongs to another server. Open it from the mail itself.";
    Page::problem(StatusCode::NOT_FOUND, "This link does not work", text)
}

fn expired() -> Page {
    let text =
        "It is too old to act by. A newer mail on the same journey has links that work; so has the API.";
    Page::problem(StatusCode::GONE, "This link is over", text)
}

/// The engine could not do what it was asked.
fn failed(error: &EngineError) -> Page {
    match error {
        EngineError::Busy | EngineError::Unavailable(_) => Page::unavailable(),
        EngineError::Store(error) if error.is_passing() => Page::unavailable(),
        EngineError::NotFound { .. }
        | EngineError::Conflict(_)
        | EngineError::Staff(_)
        | EngineError::Invalid(_)
        | EngineError::Store(_) => {
            // Paths and keys are for the log, not for the page.
            tracing::error!(%error, "a link could not do what it is for");
            let text = "Nothing was done. The server's log says why.";
            Page::problem(StatusCode::INTERNAL_SERVER_ERROR, "That went wrong", text)
        }
    }
}
