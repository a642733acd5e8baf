//! Bodies of management calls: JSON, bounded, with errors that name the place.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, web};
use serde_json::{Map, Value};

use crate::domain::definition::Problem;
use crate::domain::limits;
use crate::http::problem::{ApiProblem, Code};

/// The bytes of a body, at most `limits::MAX_API_BODY`.
#[derive(Debug)]
pub struct Body(web::Bytes);

impl FromRequest for Body {
    type Error = ApiProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiProblem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move { bytes.await.map(Self).map_err(|error| refused(&error)) })
    }
}

fn refused(error: &actix_web::Error) -> ApiProblem {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => {
            ApiProblem::new(Code::TooLarge, format!("a body has at most {} bytes", limits::MAX_API_BODY))
        }
        _ => ApiProblem::new(Code::InvalidBody, format!("the body could not be read: {error}")),
    }
}

impl Body {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is not JSON; the message has line and column.
    pub fn json(&self) -> Result<Value, ApiProblem> {
        serde_json::from_slice(&self.0).map_err(|error| {
            let problem =
                if self.0.is_empty() { "the body is empty; send JSON".to_owned() } else { error.to_string() };
            ApiProblem::field(Code::MalformedJson, "", problem)
        })
    }

    /// Makes sure that there is no body: what it would say is said by the parameters of the query.
    ///
    /// # Errors
    /// There is one, other than an empty object.
    pub fn none(&self) -> Result<(), ApiProblem> {
        if self.0.is_empty() || self.json()? == Value::Object(Map::new()) {
            return Ok(());
        }
        let problem = "takes no body: write what is meant into the query, `?status=failed&since=…`";
        Err(ApiProblem::field(Code::InvalidBody, "", problem))
    }

    /// The body as a JSON object with none but the members `known`.
    ///
    /// # Errors
    /// It is not JSON, not an object, or has another member.
    pub fn object(&self, known: &[&str]) -> Result<Members, ApiProblem> {
        Members::read(self.json()?, known)
    }

    /// As [`Self::object`], but there need not be a body.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub fn optional_object(&self, known: &[&str]) -> Result<Members, ApiProblem> {
        if self.0.trim_ascii().is_empty() { Ok(Members(Map::new())) } else { self.object(known) }
    }
}

/// The members of a small JSON object.
#[derive(Debug)]
pub struct Members(Map<String, Value>);

impl Members {
    pub(super) fn read(value: Value, known: &[&str]) -> Result<Self, ApiProblem> {
        let Value::Object(members) = value else {
            return Err(ApiProblem::field(Code::InvalidBody, "", "the body has to be a JSON object"));
        };
        let unknown = |name: &&String| !known.contains(&name.as_str());
        let message = format!("is not known; known are {}", known.join(", "));
        let errors: Vec<_> =
            members.keys().filter(unknown).map(|name| Problem::new(name, message.clone())).collect();
        if errors.is_empty() { Ok(Self(members)) } else { Err(ApiProblem::fields(Code::InvalidBody, errors)) }
    }

    /// A member as it is; `null` is as good as absent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A member that is true or false; absent means false.
    pub fn flag(&self, name: &str) -> Result<bool, ApiProblem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(ApiProblem::field(Code::InvalidBody, name, "must be true or false")),
        }
    }

    /// A text of at most `most` characters; `null` is as good as absent.
    ///
    /// # Errors
    /// Another type, or too long.
    pub fn text(&self, name: &str, most: usize) -> Result<Option<&str>, ApiProblem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= most => Ok(Some(text)),
            Some(Value::String(_)) => {
                Err(ApiProblem::field(Code::InvalidBody, name, format!("has more than {most} characters")))
            }
            Some(_) => Err(ApiProblem::field(Code::InvalidBody, name, "has to be a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static str) -> Body {
        Body(web::Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn malformed_json_has_line_and_column() {
        let problem = body("{\n  \"by\": nobody}").json().unwrap_err();
        assert_eq!(problem.code(), Code::MalformedJson);
        assert!(problem.to_string().contains("line 2 column"), "{problem}");
    }

    #[test]
    fn members_are_known_texts() {
        assert_eq!(body(" ").optional_object(&["by"]).unwrap().text("by", 5).unwrap(), None);
        let members = body(r#"{"by":"ann","reason":7}"#).object(&["by", "reason"]).unwrap();
        assert_eq!(members.text("by", 5).unwrap(), Some("ann"));
        assert!(members.text("by", 2).is_err());
        assert_eq!(members.text("reason", 5).unwrap_err().errors()[0].field, "reason");
        assert_eq!(body(r#"{"why":"x"}"#).object(&["by"]).unwrap_err().errors()[0].field, "why");
        assert!(body("[]").object(&["by"]).is_err());
    }
}
