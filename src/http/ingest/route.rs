//! Which call an ingest path is (Segment's HTTP API, its SDKs' short forms, the pixel, Studio's stage posts, Twilio's
//! Event Streams).

use actix_web::http::Method;

use crate::domain::ingest::segment::CallType;

/// What an ingest path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// A stage post, with the write key in the path or not.
    Studio { write_key: Option<&'a str> },
    /// A batch of Twilio's Event Streams, with the write key in the path or not.
    EventStreams { write_key: Option<&'a str> },
    /// One call.
    Single(CallType),
    /// A batch of calls.
    Batch,
    /// The browser library's own metrics; answered, not kept.
    Metrics,
    /// A call in a query, answered with an image.
    Pixel(CallType),
    /// What the browser and Kotlin libraries ask before they start.
    Settings { write_key: &'a str },
}

impl<'a> Route<'a> {
    /// The route at `path`; one slash at the end does not matter.
    pub(super) fn find(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match (first, rest) {
            ("v1", rest) => Self::versioned(rest),
            ("studio", "") => Some(Self::Studio { write_key: None }),
            ("studio", key) => (!key.contains('/')).then_some(Self::Studio { write_key: Some(key) }),
            ("events", "") => Some(Self::EventStreams { write_key: None }),
            ("events", key) => (!key.contains('/')).then_some(Self::EventStreams { write_key: Some(key) }),
            ("projects", rest) => Self::settings(rest),
            _ => None,
        }
    }

    fn versioned(rest: &'a str) -> Option<Self> {
        if let Some(call_type) = CallType::by_name(rest).or_else(|| CallType::by_letter(rest)) {
            return Some(Self::Single(call_type));
        }
        match rest {
            "batch" | "import" | "b" => Some(Self::Batch),
            "m" => Some(Self::Metrics),
            _ => match rest.split_once('/')? {
                ("pixel", name) => CallType::by_name(name).map(Self::Pixel),
                ("projects", rest) => Self::settings(rest),
                _ => None,
            },
        }
    }

    fn settings(rest: &'a str) -> Option<Self> {
        let write_key = rest.strip_suffix("/settings")?;
        (!write_key.is_empty() && !write_key.contains('/')).then_some(Self::Settings { write_key })
    }

    /// Whether it takes `method`.
    pub(super) fn takes(self, method: &Method) -> bool {
        match self {
            Self::Studio { .. } => method == Method::GET || method == Method::POST,
            Self::EventStreams { .. } | Self::Single(_) | Self::Batch | Self::Metrics => {
                method == Method::POST
            }
            Self::Pixel(_) | Self::Settings { .. } => method == Method::GET,
        }
    }

    /// The methods it takes, for `Allow`.
    pub(super) fn allow(self) -> &'static str {
        match self {
            Self::Studio { .. } => "GET, POST, OPTIONS",
            Self::EventStreams { .. } | Self::Single(_) | Self::Batch | Self::Metrics => "POST, OPTIONS",
            Self::Pixel(_) | Self::Settings { .. } => "GET, OPTIONS",
        }
    }

    /// Its name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Studio { .. } => "studio",
            Self::EventStreams { .. } => "event_streams",
            Self::Single(_) => "single",
            Self::Batch => "batch",
            Self::Metrics => "metrics",
            Self::Pixel(_) => "pixel",
            Self::Settings { .. } => "settings",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_contract() {
        let call_types = [
            ("track", CallType::Track),
            ("identify", CallType::Identify),
            ("page", CallType::Page),
            ("screen", CallType::Screen),
            ("group", CallType::Group),
            ("alias", CallType::Alias),
        ];
        for (name, call_type) in call_types {
            assert_eq!(Route::find(&format!("/v1/{name}")), Some(Route::Single(call_type)));
            assert_eq!(Route::find(&format!("/v1/{name}/")), Some(Route::Single(call_type)));
            assert_eq!(Route::find(&format!("/v1/{}", &name[..1])), Some(Route::Single(call_type)));
            assert_eq!(Route::find(&format!("/v1/pixel/{name}")), Some(Route::Pixel(call_type)));
            assert_eq!(Route::find(&format!("/v1/pixel/{name}/")), Some(Route::Pixel(call_type)));
        }
        for batch in ["/v1/batch", "/v1/import", "/v1/import/", "/v1/b"] {
            assert_eq!(Route::find(batch), Some(Route::Batch));
        }
        assert_eq!(Route::find("/v1/m"), Some(Route::Metrics));
        assert_eq!(Route::find("/studio/"), Some(Route::Studio { write_key: None }));
        assert_eq!(Route::find("/studio/wk_x/"), Some(Route::Studio { write_key: Some("wk_x") }));
        assert_eq!(Route::find("/events"), Some(Route::EventStreams { write_key: None }));
        assert_eq!(Route::find("/events/wk_x/"), Some(Route::EventStreams { write_key: Some("wk_x") }));
        for settings in ["/v1/projects/k/settings", "/projects/k/settings", "/projects/k/settings/"] {
            assert_eq!(Route::find(settings), Some(Route::Settings { write_key: "k" }));
        }
        for nothing in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v2/track",
            "/v1/track//",
            "/v1/tracks",
            "/v1/pixel",
            "/v1/pixel/t",
            "/v1/track/x",
            "/studio/a/b",
            "/events/a/b",
            "/projects/settings",
            "/projects//settings",
            "/projects/a/b/settings",
            "/studios",
            "//v1/track",
        ] {
            assert_eq!(Route::find(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn allow_names_what_is_taken() {
        for path in [
            "/studio/k",
            "/events/k",
            "/v1/track",
            "/v1/batch",
            "/v1/m",
            "/v1/pixel/track",
            "/projects/k/settings",
        ] {
            let route = Route::find(path).unwrap();
            for method in
                [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::PATCH]
            {
                let named = route.allow().split(", ").any(|name| name == method.as_str());
                assert_eq!(named, route.takes(&method), "{method} {path}");
            }
        }
    }
}
