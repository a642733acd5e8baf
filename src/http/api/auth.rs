//! The middleware in front of the management API: nothing gets past it without the admin token.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use super::guard::{Verdict, bearer};
use super::state::ApiState;
use crate::http::problem::{ApiProblem, Code};

/// Lets a request through when it bears the admin token.
pub(super) async fn require_token<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match admitted(&request).await {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_left_body),
        // Answered here and not as an error, so that the headers that every answer bears are added.
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

async fn admitted(request: &ServiceRequest) -> Result<(), ApiProblem> {
    let state = request
        .app_data::<web::Data<ApiState>>()
        .ok_or_else(|| ApiProblem::new(Code::Internal, "the API was started without its state"))?;
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(bearer) else {
        return Err(ApiProblem::new(Code::Unauthorized, "send the header `Authorization: Bearer <token>`"));
    };
    let from = request.peer_addr().map(|address| address.ip());
    match state.guard.check(&state.engine, token, from).await? {
        Verdict::Right => Ok(()),
        Verdict::Wrong => Err(ApiProblem::new(Code::Unauthorized, "the token is not the admin token")),
        Verdict::Wait(secs) => {
            tracing::warn!(?from, "too many wrong admin tokens from one address");
            let detail = format!("too many wrong tokens from your address; come back in {secs} seconds");
            Err(ApiProblem::new(Code::TooManyAttempts, detail).retry_after(secs))
        }
    }
}
