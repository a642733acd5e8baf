//! What a form sends: bounded, and read only after it is known that its sender may do what it asks for, and meant to.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::page::Refusal;
use super::texts;
use super::visit::Visit;
use crate::domain::people::Scope;
use crate::http::sign_in;

/// A form that nobody has looked at yet.
pub(super) struct Form(web::Bytes);

impl FromRequest for Form {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            // Bounded by what the scope says of its payloads.
            bytes.await.map(Self).map_err(|error| Refusal::unreadable(&error))
        })
    }
}

impl Form {
    /// Its fields, where the visitor may do `scope` and the form is one of our own pages that was made for his session.
    ///
    /// # Errors
    /// He may not, or it is not.
    pub fn admitted(&self, visit: &Visit, scope: Scope) -> Result<Fields, Refusal> {
        visit.needs(scope)?;
        let fields = self.unchecked();
        if !sign_in::verify(&visit.caller, fields.text("csrf")) {
            return Err(Refusal::invalid(visit, texts::text("wrong.csrf")));
        }
        Ok(fields)
    }

    /// Its fields, of a page that needs no session: where somebody signs in.
    pub fn unchecked(&self) -> Fields {
        Fields(
            form_urlencoded::parse(&self.0)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }
}

/// The fields of a form, in their order; a name may be there several times.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value under that name, without space around it; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// The same, exactly as it was typed: a password.
    pub fn exact(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// The first value under that name, without space around it; `None` where it is empty.
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// All values under that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box was ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }
}
