//! Who asks for a page, and for which.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::frame;
use super::page::{Page, Refusal};
use crate::domain::people::Scope;
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError};
use crate::http::api::ApiState;
use crate::http::caller::Caller;
use crate::http::sign_in;

/// Longest address of a page, in bytes: filters stand in it.
const MAX_QUERY: usize = 4096;

/// Somebody who has signed in asks for a page.
pub(super) struct Visit {
    /// Who.
    pub caller: Caller,
    /// What all handlers share.
    pub state: web::Data<ApiState>,
    /// The instant.
    pub now: Timestamp,
    /// The page's path, without its query.
    pub path: String,
    /// What stands behind the `?`, name by name, in its order.
    pub query: Vec<(String, String)>,
    /// The theme that was chosen: `light`, `dark`, or empty for that of the system.
    pub theme: String,
}

impl Visit {
    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.state.engine
    }

    /// The value of a filter; empty is absent.
    pub fn asked(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// This page with `changes` made to its query: a value set, or taken out where there is none.
    pub fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let kept = self
            .query
            .iter()
            .filter(|(name, value)| !value.is_empty() && !changes.iter().any(|(changed, _)| changed == name));
        query.extend_pairs(kept);
        query.extend_pairs(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
        let query = query.finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// What of a list that is in the order of its keys stands on this page, `rows` of it at most, and where the next page is.
    pub fn rows<'k, T>(
        &self,
        all: impl IntoIterator<Item = (&'k str, T)>,
        rows: usize,
    ) -> (Vec<(&'k str, T)>, Option<String>) {
        let after = self.asked("cursor").unwrap_or_default();
        let mut all = all.into_iter().filter(|(key, _)| *key > after);
        let shown: Vec<_> = all.by_ref().take(rows).collect();
        let last = shown.last().filter(|_| all.next().is_some()).map(|(key, _)| *key);
        (shown, self.next(last))
    }

    /// Where the next page of a list is.
    pub fn next(&self, cursor: Option<&str>) -> Option<String> {
        cursor.map(|cursor| self.with(&[("cursor", Some(cursor)), ("said", None)]))
    }

    /// Makes sure that he may do that.
    ///
    /// # Errors
    /// He may not.
    pub fn needs(&self, scope: Scope) -> Result<(), Refusal> {
        if self.caller.may(scope) { Ok(()) } else { Err(Refusal::forbidden(self, scope)) }
    }

    /// The page made of `templates/console/<template>`.
    pub fn page(&self, template: &'static str, context: Value) -> HttpResponse {
        Page::new(template, context).of(self)
    }
}

impl FromRequest for Visit {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state = request.app_data::<web::Data<ApiState>>().cloned();
            let state = state.ok_or_else(|| {
                EngineError::Unavailable("the console was started without its state".to_owned())
            })?;
            let path = request.path().to_owned();
            let Some(caller) = sign_in::caller_of(&request, &state).await? else {
                return Err(Refusal::sign_in(&request));
            };
            let query = request.query_string().as_bytes();
            let query = form_urlencoded::parse(query.get(..MAX_QUERY).unwrap_or(query));
            let query = query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            let theme = frame::theme(&request);
            let now = state.engine.clock().now();
            let visit = Self { caller, state, now, path, query, theme };
            visit.needs(Scope::Read)?;
            Ok(visit)
        })
    }
}
