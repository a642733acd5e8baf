//! Query parameters: known ones only, each read strictly.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::time::Timestamp;
use crate::http::problem::{ApiProblem, Code};

/// The query parameters of one request. An empty value (`?flow=`) is as good as none.
#[derive(Debug, Default)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads the query string of a call that knows the parameters `known`.
    ///
    /// # Errors
    /// A parameter that is not known or is there twice.
    pub fn read(request: &HttpRequest, known: &[&str]) -> Result<Self, ApiProblem> {
        Self::parse(request.query_string(), known)
    }

    fn parse(query: &str, known: &[&str]) -> Result<Self, ApiProblem> {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(invalid(&name, unknown(known)));
            }
            if values.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(invalid(&name, "is there more than once"));
            }
        }
        values.retain(|_, value| !value.is_empty());
        Ok(Self(values))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A text to keep.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// The texts of a comma-separated list, without spaces around them; absent is none.
    pub fn list(&self, name: &str) -> Vec<String> {
        let all = self.text(name).unwrap_or_default().split(',').map(str::trim);
        all.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// The user named by `userId`.
    pub fn user(&self) -> Option<UserKey> {
        self.text("userId").map(UserKey::user)
    }

    /// An instant.
    ///
    /// # Errors
    /// The value is no instant.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiProblem> {
        let read = |text| {
            Timestamp::parse_lenient(text).ok_or_else(|| {
                invalid(name, format!("`{text}` is not an RFC 3339 time such as 2026-11-21T10:00:00.000Z"))
            })
        };
        self.text(name).map(read).transpose()
    }

    /// The two ends `from` (included) and `to` (not included) of a range of time.
    ///
    /// # Errors
    /// One is no instant, or `to` is not after `from`.
    pub fn range(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiProblem> {
        let (from, to) = (self.time("from")?, self.time("to")?);
        match (from, to) {
            (Some(first), Some(last)) if last <= first => Err(invalid("to", "has to be later than `from`")),
            _ => Ok((from, to)),
        }
    }

    /// `true` or `false`; absent is `false`.
    ///
    /// # Errors
    /// Anything else.
    pub fn flag(&self, name: &str) -> Result<bool, ApiProblem> {
        let read = |text: &str| text.parse::<bool>().ok();
        Ok(self.choice(name, &["true", "false"], read)?.unwrap_or(false))
    }

    /// One of the values `allowed`, which `read` understands.
    ///
    /// # Errors
    /// Another value.
    pub fn choice<T>(
        &self,
        name: &str,
        allowed: &[&str],
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiProblem> {
        let one = |text| {
            let refused = || invalid(name, format!("`{text}` is not one of {}", allowed.join(", ")));
            read(text).ok_or_else(refused)
        };
        self.text(name).map(one).transpose()
    }

    /// A whole number from `least` to `most`.
    ///
    /// # Errors
    /// Anything else.
    pub fn number<T: FromStr + PartialOrd + Display>(
        &self,
        name: &str,
        least: T,
        most: T,
    ) -> Result<Option<T>, ApiProblem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if is_digits && (&least..=&most).contains(&&number) => Ok(Some(number)),
            _ => Err(invalid(name, format!("`{text}` is not a whole number from {least} to {most}"))),
        }
    }

    /// `limit`, where it is not given the default.
    ///
    /// # Errors
    /// Not a number from 1 to `limits::MAX_PAGE`.
    pub fn limit(&self) -> Result<usize, ApiProblem> {
        Ok(self.number("limit", 1, limits::MAX_PAGE)?.unwrap_or(limits::DEFAULT_PAGE))
    }

    /// `limit` and `cursor`.
    ///
    /// # Errors
    /// As [`Self::limit`].
    pub fn page(&self) -> Result<PageRequest, ApiProblem> {
        Ok(PageRequest { limit: self.limit()?, cursor: self.owned("cursor") })
    }
}

/// A parameter that is not as it should be.
pub fn invalid(name: &str, message: impl Into<String>) -> ApiProblem {
    ApiProblem::field(Code::InvalidParameter, name, message)
}

fn unknown(known: &[&str]) -> String {
    if known.is_empty() {
        "is not known; this call takes no query parameters".to_owned()
    } else {
        format!("is not known; this call takes {}", known.join(", "))
    }
}

/// Extracted by calls that take no query parameters: refuses any.
#[derive(Debug)]
pub struct NoParams;

impl FromRequest for NoParams {
    type Error = ApiProblem;
    type Future = Ready<Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Params::read(request, &[]).map(|_| Self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(problem: ApiProblem) -> String {
        problem.errors()[0].field.clone()
    }

    #[test]
    fn limits_and_cursors() {
        let page = |query| Params::parse(query, &["limit", "cursor"]).and_then(|params| params.page());
        assert_eq!(page("").unwrap().limit, 100);
        assert_eq!(page("limit=").unwrap().limit, 100);
        assert_eq!(page("limit=1000&cursor=a%2Bb").unwrap().cursor.as_deref(), Some("a+b"));
        for query in ["limit=0", "limit=1001", "limit=-1", "limit=%2B5", "limit=ten", "limit=1.5"] {
            assert_eq!(field(page(query).unwrap_err()), "limit", "{query}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_named() {
        let problem = Params::parse("flwo=x", &["flow", "stage"]).unwrap_err();
        assert!(problem.to_string().contains("flow, stage"), "{problem}");
        assert_eq!(field(problem), "flwo");
        assert_eq!(field(Params::parse("flow=a&flow=b", &["flow"]).unwrap_err()), "flow");
        assert!(Params::parse("a=1", &[]).is_err());
    }

    #[test]
    fn times_flags_and_choices() {
        let read = |query| Params::parse(query, &["from", "to", "prune", "status"]).unwrap();
        assert!(read("from=yesterday").time("from").is_err());
        assert!(read("from=2026-01-02&to=2026-01-02").range().is_err());
        assert!(read("from=2026-01-01&to=2026-01-02").range().is_ok());
        assert!(read("prune=true").flag("prune").unwrap());
        assert!(!read("").flag("prune").unwrap());
        assert!(read("prune=1").flag("prune").is_err());
        let status = |query| read(query).choice("status", &["on"], |text| (text == "on").then_some(1));
        assert_eq!(status("status=on").unwrap(), Some(1));
        assert!(status("status=off").unwrap_err().to_string().contains("on"));
    }
}
