//! In front of the Profile API: a name for each request, the token, and a bound on calls.

use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use super::RequestIds;
use super::refusal::Refusal;
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::http::api::{ApiState, Verdict, basic};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Gives every answer the name of its request, and says that it is for the caller alone.
pub(super) async fn mark<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let id = request_id(&request);
    let mut answer = next.call(request).await?;
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    Ok(answer)
}

fn request_id(request: &ServiceRequest) -> Option<HeaderValue> {
    let now = request.app_data::<web::Data<ApiState>>()?.engine.clock().now();
    let ids = request.app_data::<RequestIds>()?;
    let id = ids.0.try_borrow_mut().ok()?.ksuid("req_", now);
    HeaderValue::from_str(&id).ok()
}

/// Lets a request through when it bears a token that may read and there are not too many of them.
pub(super) async fn admit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match admitted(&request).await {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_left_body),
        // Answered here and not as an error, so that the answer is marked.
        Err(refusal) => Ok(request.into_response(refusal.error_response()).map_into_right_body()),
    }
}

async fn admitted(request: &ServiceRequest) -> Result<(), Refusal> {
    let state = request.app_data::<web::Data<ApiState>>();
    let state = state.ok_or_else(|| Refusal::unauthorized("The server was started without its state."))?;
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(basic) else {
        let message = "Send the token as the user name of a Basic authorization, with an empty password.";
        return Err(Refusal::unauthorized(message));
    };
    let from = state.proxies.caller(request.request());
    match state.guard.check(&state.engine, &token, from).await? {
        // Only those who have the token can use up what there is.
        Verdict::Right(caller) if !caller.may(Scope::Read) => {
            Err(Refusal::forbidden("The token does not have the scope `read`."))
        }
        Verdict::Right(_) if state.profile_calls.take(Instant::now()) => Ok(()),
        Verdict::Right(_) => {
            Err(Refusal::too_many("Too many requests; slow down and try again.", limits::RETRY_AFTER_SECS))
        }
        Verdict::Wrong => Err(Refusal::unauthorized("The token is not the right one.")),
        Verdict::Wait(secs) => {
            tracing::warn!(?from, "too many wrong tokens from one address");
            Err(Refusal::too_many("Too many wrong tokens from your address.", secs))
        }
    }
}
