//! What the browser and Kotlin libraries ask before they start (shape of Segment's settings, as their SDKs read it).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;
use url::{Position, Url};

use super::incoming::Incoming;
use super::refusal::Refusal;
use crate::domain::definition::SourceKind;
use crate::domain::ingest::{Code, IngestError, form};
use crate::http::reply;

/// `GET /v1/projects/{write_key}/settings`, also without `/v1`.
pub(super) fn show(incoming: &Incoming<'_>, write_key: &str) -> Result<HttpResponse, Refusal> {
    let key = form::percent_decoded(write_key).unwrap_or_default();
    let source = incoming.source(Some(&key), SourceKind::Http).map_err(|_| {
        Refusal::unknown(
            IngestError::at(Code::NotFound, "writeKey", "no http source has this write key"),
            b"",
        )
    })?;
    let public = incoming.config().and_then(|config| config.public_url.as_ref());
    let host = public.map_or_else(|| incoming.host().unwrap_or_default().to_owned(), api_host);
    let settings = json!({
        "integrations": {"Segment.io": {"apiKey": source.write_key, "apiHost": format!("{host}/v1")}},
        "plan": {"track": {"__default": {"enabled": true}}},
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    });
    Ok(reply::json(StatusCode::OK, settings.to_string()))
}

/// Host, port and path, without the scheme: the library chooses that.
fn api_host(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPath].trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_no_scheme() {
        for (url, host) in [
            ("https://stagepost.example.com", "stagepost.example.com"),
            ("http://user:pass@127.0.0.1:8080/x/?q#f", "127.0.0.1:8080/x"),
        ] {
            assert_eq!(api_host(&Url::parse(url).unwrap()), host);
        }
    }
}
