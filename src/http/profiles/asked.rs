//! The query parameters of the Profile API. Unknown ones are passed over, as Segment does.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::domain::time::Timestamp;

/// What a call asks for beside the profile.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    path: String,
    values: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn read(request: &HttpRequest) -> Self {
        Self::parse(request.path(), request.query_string())
    }

    fn parse(path: &str, query: &str) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            values.entry(name.into_owned()).or_insert(value.into_owned());
        }
        Self { path: path.to_owned(), values }
    }

    /// A text; an empty one is as good as none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The texts of a comma-separated list.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let all = self.text(name).unwrap_or_default().split(',').map(str::trim);
        all.filter(|text| !text.is_empty())
    }

    /// How many rows a page is to have.
    ///
    /// # Errors
    /// Not a number from 1 to `most`.
    pub(super) fn limit(&self, (default, most): (usize, usize)) -> Result<usize, Refusal> {
        let Some(text) = self.text("limit") else { return Ok(default) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|limit| digits && (1..=most).contains(limit))
            .ok_or_else(|| Refusal::parameter("limit", &format!("is not a whole number from 1 to {most}")))
    }

    /// `true` or `false`; absent is `false`.
    ///
    /// # Errors
    /// Anything else.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        let Some(text) = self.text(name) else { return Ok(false) };
        text.parse().map_err(|_| Refusal::parameter(name, "is neither `true` nor `false`"))
    }

    /// An instant.
    ///
    /// # Errors
    /// None in ISO 8601.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let read = |text| {
            Timestamp::parse_lenient(text).ok_or_else(|| Refusal::parameter(name, "is no ISO 8601 time"))
        };
        self.text(name).map(read).transpose()
    }

    /// Where a numbered list goes on: its `next`, from 0.
    ///
    /// # Errors
    /// No number.
    pub(super) fn place(&self) -> Result<usize, Refusal> {
        let Some(text) = self.text("next") else { return Ok(0) };
        text.parse().map_err(|_| Refusal::parameter("next", "is not a cursor of this list"))
    }

    /// Segment's cursor: where the next page begins, if there is one.
    pub(super) fn cursor(&self, limit: usize, next: Option<&str>) -> Value {
        json!({ "url": self.path, "has_more": next.is_some(), "next": next.unwrap_or(""), "limit": limit })
    }
}

/// The rows of a list from `place` on, at most `limit`, and the place of the first one behind them.
pub(super) fn part<T>(rows: Vec<T>, place: usize, limit: usize) -> (Vec<T>, Option<String>) {
    let next = place.saturating_add(limit);
    let next = (next < rows.len()).then(|| next.to_string());
    (rows.into_iter().skip(place).take(limit).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_unknown_ones_passed_over() {
        let asked = Asked::parse("/p", "limit=5&include=a,%20b,,&verbose=true&start=2018-01-02&x=y&next=");
        assert_eq!(asked.limit((10, 200)), Ok(5));
        assert_eq!(asked.list("include").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((asked.flag("verbose"), asked.flag("other")), (Ok(true), Ok(false)));
        assert_eq!(asked.time("start").unwrap().unwrap().to_rfc3339(), "2018-01-02T00:00:00.000Z");
        assert_eq!(asked.place(), Ok(0));
        assert_eq!(Asked::default().limit((10, 200)), Ok(10));
        for wrong in ["0", "201", "-1", "+5", "ten", "1.5", "99999999999999999999"] {
            assert!(Asked::parse("", &format!("limit={wrong}")).limit((10, 200)).is_err(), "{wrong}");
        }
        assert!(Asked::parse("", "start=yesterday").time("start").is_err());
        assert!(Asked::parse("", "verbose=1").flag("verbose").is_err());
        assert!(Asked::parse("", "next=x").place().is_err());
    }

    #[test]
    fn lists_are_cut_into_parts() {
        let rows = || vec![1, 2, 3];
        assert_eq!(part(rows(), 0, 2), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(part(rows(), 2, 2), (vec![3], None));
        assert_eq!(part(rows(), 0, 3), (vec![1, 2, 3], None));
        assert_eq!(part(rows(), usize::MAX, 3), (vec![], None));
    }
}
