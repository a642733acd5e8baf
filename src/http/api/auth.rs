//! The middleware in front of the management API: nothing gets past it without a token or a session, and nobody does what he
//! may not.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};

use super::guard::{Verdict, bearer};
use super::state::ApiState;
use crate::domain::people::Scope;
use crate::http::caller::Caller;
use crate::http::problem::{ApiProblem, Code};
use crate::http::sign_in;

/// What a changing call brings along beside the cookie of a session: no page of another site can set it.
const CSRF_HEADER: &str = "x-csrf-token";

/// Lets a request through when it bears a token, or the cookie of a session; handlers are told whose.
pub(super) async fn require_caller<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match admitted(&request).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await.map(ServiceResponse::map_into_left_body)
        }
        // Answered here and not as an error, so that the headers that every answer bears are added.
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

/// Lets a request through when its caller may do that.
pub(super) async fn require_scope<B: MessageBody + 'static>(
    scope: Scope,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let may = request.extensions().get::<Caller>().is_some_and(|caller| caller.may(scope));
    if may {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    let detail = format!("this needs the scope `{}`, which the caller does not have", scope.as_str());
    let problem = ApiProblem::new(Code::Forbidden, detail);
    Ok(request.into_response(problem.error_response()).map_into_right_body())
}

async fn admitted(request: &ServiceRequest) -> Result<Caller, ApiProblem> {
    let state = request
        .app_data::<web::Data<ApiState>>()
        .ok_or_else(|| ApiProblem::new(Code::Internal, "the API was started without its state"))?;
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header.and_then(bearer) {
        Some(token) => with_token(request, state, token).await,
        None => with_session(request, state).await,
    }
}

async fn with_token(request: &ServiceRequest, state: &ApiState, token: &str) -> Result<Caller, ApiProblem> {
    let from = state.proxies.caller(request.request());
    match state.guard.check(&state.engine, token, from).await? {
        Verdict::Right(caller) => Ok(caller),
        Verdict::Wrong => Err(ApiProblem::new(
            Code::Unauthorized,
            "the token is not the admin token, nor one that was made here and is not over",
        )),
        Verdict::Wait(secs) => {
            tracing::warn!(?from, "too many wrong tokens from one address");
            let detail = format!("too many wrong tokens from your address; come back in {secs} seconds");
            Err(ApiProblem::new(Code::TooManyAttempts, detail).retry_after(secs))
        }
    }
}

async fn with_session(request: &ServiceRequest, state: &ApiState) -> Result<Caller, ApiProblem> {
    let Some(caller) = sign_in::caller_of(request.request(), state).await? else {
        return Err(ApiProblem::new(Code::Unauthorized, "send the header `Authorization: Bearer <token>`"));
    };
    let token = request.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    if request.method().is_safe() || token.is_some_and(|token| sign_in::verify(&caller, token)) {
        return Ok(caller);
    }
    let detail = "a call that changes something needs the header `X-CSRF-Token` beside the session's cookie; `GET /api/me` has it";
    Err(ApiProblem::new(Code::Forbidden, detail))
}
