//! Segment's Profile API: what is known of a user or an account, for code that reads it from Segment today.
//!
//! Paths, replies and errors are Segment's, not those of the management API. A server has one space, so that any name of one
//! is as good; the token is the admin token, as the user of a Basic authorization. There is no CORS: the token opens
//! everything, so these calls are for servers.

mod admit;
mod asked;
mod bucket;
mod events;
mod find;
mod ids;
mod links;
mod metadata;
mod refusal;
mod traits;

use std::cell::RefCell;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde_json::Value;

use self::asked::Asked;
use self::find::Collection;
use self::refusal::Refusal;
use super::api::ApiState;
use crate::clock::entropy;
use crate::domain::ids::IdSource;
use crate::domain::profile::Profile;

pub(super) use bucket::Bucket;

/// Where the calls are; the second is the older one.
const PREFIXES: [&str; 2] = ["/v1/spaces", "/v1/namespaces"];
/// A call below them; a slash at the end does not matter.
const CALL: [&str; 2] = [
    "/{space}/collections/{collection}/profiles/{id}/{what}",
    "/{space}/collections/{collection}/profiles/{id}/{what}/",
];

/// The worker's own maker of request ids; workers share nothing, so nothing is locked.
struct RequestIds(RefCell<IdSource>);

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Traits,
    ExternalIds,
    Events,
    Metadata,
    Links,
}

impl What {
    const ALL: [Self; 5] = [Self::Traits, Self::ExternalIds, Self::Events, Self::Metadata, Self::Links];

    fn as_str(self) -> &'static str {
        match self {
            Self::Traits => "traits",
            Self::ExternalIds => "external_ids",
            Self::Events => "events",
            Self::Metadata => "metadata",
            Self::Links => "links",
        }
    }
}

/// Registers the calls; before those of ingest, whose paths begin with `/v1`, too. Runs once per worker. The state has to be
/// there as `web::Data<ApiState>`.
pub fn configure(config: &mut web::ServiceConfig) {
    config.app_data(RequestIds(RefCell::new(IdSource::new(entropy()))));
    for prefix in PREFIXES {
        config.service(
            web::scope(prefix)
                .service(web::resource(CALL).to(answer))
                .default_service(web::to(no_such_path))
                // The last one wrapped is the first one asked: refusals are marked, too.
                .wrap(from_fn(admit::admit))
                .wrap(from_fn(admit::mark)),
        );
    }
}

/// The paths that are registered, for the test of the OpenAPI document.
#[cfg(test)]
pub(super) fn paths() -> Vec<String> {
    let path = |what: What| format!("{}{}", PREFIXES[0], CALL[0].replace("{what}", what.as_str()));
    What::ALL.into_iter().map(path).collect()
}

/// A call that was let in.
struct Call<'a> {
    state: &'a ApiState,
    collection: Collection,
    profile: Profile,
    asked: Asked,
}

async fn answer(request: HttpRequest, state: web::Data<ApiState>) -> Result<HttpResponse, Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::wrong_method());
    }
    type Parts = (String, String, String, String);
    let parts = web::Path::<Parts>::extract(&request).await;
    let (_space, collection, id, what) =
        parts.map_err(|_| Refusal::validation("the path has characters that can't be read"))?.into_inner();
    let Some(what) = What::ALL.into_iter().find(|known| known.as_str() == what) else {
        return no_such_path(request).await;
    };
    let asked = Asked::read(&request);
    let collection = Collection::named(&collection)?;
    let profile = find::profile(&state.engine, collection, &id).await?;
    let call = Call { state: &state, collection, profile, asked };
    let shown: Value = match what {
        What::Traits => traits::show(&call)?,
        What::ExternalIds => ids::show(&call)?,
        What::Events => events::show(&call).await?,
        What::Metadata => metadata::show(&call).await?,
        What::Links => links::show(&call).await?,
    };
    Ok(HttpResponse::Ok().json(shown))
}

async fn no_such_path(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let path: String = request.path().chars().take(200).collect();
    Err(Refusal::not_found(format!("There is no `{path}`; /api/docs lists what there is.")))
}
