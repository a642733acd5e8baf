//! A reader over a JSON value that notes every problem it meets instead of stopping at the first.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::suggest::did_you_mean;
use crate::domain::definition::Problem;
use crate::domain::time::Span;

/// The problems met so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Notes a problem.
    pub fn add(&self, field: &str, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem::new(field, message));
    }

    /// Notes what was found wrong elsewhere.
    pub fn extend(&self, problems: Vec<Problem>) {
        self.0.borrow_mut().extend(problems);
    }

    /// All of them.
    pub fn into_all(self) -> Vec<Problem> {
        self.0.into_inner()
    }

    /// `read` when nothing was wrong, otherwise all that was.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Vec<Problem>> {
        let problems = self.0.into_inner();
        match read {
            Some(read) if problems.is_empty() => Ok(read),
            Some(_) | None => Err(problems),
        }
    }
}

/// What a message calls a value. It never shows a text: that may be a secret.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Field<'v, 'p> {
    /// Its path: `flow[0].escalation[1].after`.
    pub at: String,
    pub value: &'v Value,
    problems: &'p Problems,
}

impl<'v, 'p> Field<'v, 'p> {
    pub fn new(at: impl Into<String>, value: &'v Value, problems: &'p Problems) -> Self {
        Self { at: at.into(), value, problems }
    }

    /// Notes a problem with it.
    pub fn problem(&self, message: impl Into<String>) {
        self.problems.add(&self.at, message);
    }

    /// Notes a problem with something in it: `place` begins with a `.` or `[`, or is empty.
    pub fn problem_within(&self, place: &str, message: impl Into<String>) {
        self.problems.add(&format!("{}{place}", self.at), message);
    }

    /// `None`, and a problem that says what should stand here.
    fn expected<T>(&self, what: &str) -> Option<T> {
        self.problem(format!("expected {what}, found {}", describe(self.value)));
        None
    }

    /// A text that is not empty.
    pub fn text(&self) -> Option<&'v str> {
        match self.value {
            Value::String(text) if text.trim().is_empty() => {
                self.problem("must not be empty");
                None
            }
            Value::String(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.expected("a text in quotes")
            }
        }
    }

    /// A text that `check` accepts, as what it makes of it.
    pub fn parse<T>(&self, check: impl FnOnce(&'v str) -> Result<T, String>) -> Option<T> {
        check(self.text()?).map_err(|message| self.problem(message)).ok()
    }

    pub fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.expected("true or false"))
    }

    /// A whole number within `range`.
    pub fn number(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let wanted = || format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| range.contains(number)).or_else(|| self.expected(&wanted()))
    }

    /// A duration within `range`.
    pub fn span(&self, range: RangeInclusive<Span>) -> Option<Span> {
        let Value::String(text) = self.value else {
            return self.expected("a duration in quotes such as \"90s\", \"30m\", \"2h\" or \"7d\"");
        };
        let span: Span = text.parse().map_err(|error| self.problem(format!("{error}"))).ok()?;
        if range.contains(&span) {
            return Some(span);
        }
        self.problem(format!("must be from {} to {}, not {span}", range.start(), range.end()));
        None
    }

    /// One of the words of `choices`; a word of `later` is said to be not available yet.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)], later: &[&str]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*chosen);
        }
        if later.contains(&text) {
            self.problem(not_available(&format!("`{text}`")));
            return None;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let hint = did_you_mean(text, words.iter().copied());
        self.problem(format!("expected {}, found another text{hint}", words.join(" or ")));
        None
    }

    /// The items of a list that has at most `most`.
    pub fn items(&self, most: usize) -> Option<Vec<Self>> {
        let Value::Array(items) = self.value else {
            let hint = if self.value.is_object() { "; write [[double brackets]] for one" } else { "" };
            self.problem(format!("expected a list [ … ], found {}{hint}", describe(self.value)));
            return None;
        };
        if items.len() > most {
            self.problem(format!("has {} items; at most {most} are possible", items.len()));
            return None;
        }
        let item = |(index, value)| Self::new(format!("{}[{index}]", self.at), value, self.problems);
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The items of a list, each a text that `check` accepts and none twice.
    pub fn texts(
        &self,
        most: usize,
        check: impl Fn(&'v str) -> Result<&'v str, String>,
    ) -> Option<Vec<String>> {
        let mut texts: Vec<String> = Vec::new();
        for item in self.items(most)? {
            let Some(text) = item.parse(&check) else { continue };
            if texts.iter().any(|known| known == text) {
                item.problem(format!("`{text}` is listed twice"));
            } else {
                texts.push(text.to_owned());
            }
        }
        Some(texts)
    }

    /// The items of a list as [`Self::texts`] reads it, at least one `what`.
    pub fn some_texts(
        &self,
        most: usize,
        what: &str,
        check: impl Fn(&'v str) -> Result<&'v str, String>,
    ) -> Option<Vec<String>> {
        let texts = self.texts(most, check)?;
        self.not_empty(what).then_some(texts)
    }

    /// The same, where one may be written without the list around it.
    pub fn one_or_more(
        &self,
        most: usize,
        what: &str,
        check: impl Fn(&'v str) -> Result<&'v str, String>,
    ) -> Option<Vec<String>> {
        if self.value.is_string() {
            return self.parse(check).map(|text| vec![text.to_owned()]);
        }
        self.some_texts(most, what, check)
    }

    /// Whether it is anything but an empty list; that is a problem.
    pub fn not_empty(&self, what: &str) -> bool {
        let is_empty = self.value.as_array().is_some_and(Vec::is_empty);
        if is_empty {
            self.problem(format!("name at least one {what}"));
        }
        !is_empty
    }

    pub fn table(&self) -> Option<Table<'v, 'p>> {
        match self.value {
            Value::Object(map) => {
                Some(Table { at: self.at.clone(), map, asked: Vec::new(), problems: self.problems })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.expected("a table { … }")
            }
        }
    }
}

/// A table of which every key has to be asked for; [`Table::close`] notes those that were not.
pub(super) struct Table<'v, 'p> {
    at: String,
    map: &'v Map<String, Value>,
    asked: Vec<&'static str>,
    problems: &'p Problems,
}

impl<'v, 'p> Table<'v, 'p> {
    /// The path of `key` in this table.
    pub fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    fn field(&self, key: &str, value: &'v Value) -> Field<'v, 'p> {
        Field::new(self.path(key), value, self.problems)
    }

    /// The value of `key`, if there is one; `null` is none.
    pub fn optional(&mut self, key: &'static str) -> Option<Field<'v, 'p>> {
        self.asked.push(key);
        self.map.get(key).filter(|value| !value.is_null()).map(|value| self.field(key, value))
    }

    /// The value of `key`; it is a problem if there is none.
    pub fn required(&mut self, key: &'static str) -> Option<Field<'v, 'p>> {
        let field = self.optional(key);
        if field.is_none() {
            self.problem(key, "is missing");
        }
        field
    }

    /// Notes a problem with `key`.
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        self.problems.add(&self.path(key), message);
    }

    /// Notes a problem with the path `at`, which is one of the whole document.
    pub fn problem_at(&self, at: &str, message: impl Into<String>) {
        self.problems.add(at, message);
    }

    /// Every key and its value.
    pub fn entries(&self) -> impl Iterator<Item = (&'v str, Field<'v, 'p>)> {
        self.map.iter().map(|(key, value)| (key.as_str(), self.field(key, value)))
    }

    /// Lets keys pass that say nothing about what is wanted.
    pub fn ignore(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// Notes keys that nobody asked for; those of `later` are said to be not available yet.
    pub fn close(self, later: &[&str]) {
        for key in self.map.keys() {
            if self.asked.contains(&key.as_str()) {
                continue;
            }
            if later.contains(&key.as_str()) {
                self.problem(key, not_available(&format!("`{key}`")));
            } else {
                let hint = did_you_mean(key, self.asked.iter().copied());
                self.problem(key, format!("unknown key `{key}`{hint}"));
            }
        }
    }
}

/// What is said of `what` where a later version will have it.
pub(super) fn not_available(what: &str) -> String {
    format!("{what} is not available in this version")
}
