//! A definition while it is edited: what was typed, on both sides, and what is wrong with it.
//!
//! The query stands there twice, as a form and as a text, with how both were when the page was made. So it is known which side
//! was changed, and that one holds; were both, the author is asked.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value, json};

use super::super::form::Fields;
use super::super::texts::text;
use super::super::visit::Visit;
use super::{builder, place};
use crate::domain::definition::{Class, Computation, History, Problem};
use crate::domain::key::snake_case_key;
use crate::domain::query::builder::{Form, Measure, Operator, PeriodKind};
use crate::domain::query::{Query, QueryError, Target};

/// What is in the page.
pub(super) struct Draft {
    class: Class,
    /// Of one that exists.
    key: Option<String>,
    pub name: String,
    description: String,
    text: String,
    text_was: String,
    form: Option<Form>,
    form_was: String,
    destinations: Vec<String>,
    emit: Vec<String>,
    enabled: bool,
    include_anonymous: bool,
    accounts: bool,
    /// `all`, `off` or `last`, and how far back.
    history: (String, String),
    wrong: BTreeMap<String, String>,
    /// What is wrong with the text, and the line with its caret.
    text_wrong: Option<(String, String)>,
}

impl Draft {
    /// A new one.
    pub fn blank(class: Class) -> Self {
        let form = builder::blank(class);
        Self {
            class,
            key: None,
            name: String::new(),
            description: String::new(),
            text: String::new(),
            text_was: String::new(),
            form_was: fingerprint(&form),
            form: Some(form),
            destinations: Vec::new(),
            emit: vec!["identify".to_owned()],
            enabled: true,
            include_anonymous: false,
            accounts: false,
            history: ("all".to_owned(), String::new()),
            wrong: BTreeMap::new(),
            text_wrong: None,
        }
    }

    /// One that exists.
    pub fn of(visit: &Visit, it: &Computation) -> Self {
        let form = Form::from_query(&it.query, &|key| is_audience(visit, key));
        let query = it.query.to_string();
        Self {
            key: Some(it.key.clone()),
            name: it.name.clone(),
            description: it.description.clone(),
            text: query.clone(),
            text_was: query,
            form_was: form.as_ref().map(fingerprint).unwrap_or_default(),
            form,
            destinations: it.destinations.clone(),
            emit: it.emit.iter().map(|emit| emit.as_str().to_owned()).collect(),
            enabled: it.enabled,
            include_anonymous: it.include_anonymous,
            accounts: it.target == Target::Accounts,
            history: match it.history {
                History::All => ("all".to_owned(), String::new()),
                History::Off => ("off".to_owned(), String::new()),
                History::Last(span) => ("last".to_owned(), span.to_string()),
            },
            ..Self::blank(it.class)
        }
    }

    /// What was posted.
    pub fn posted(class: Class, key: Option<&str>, fields: &Fields) -> Self {
        let owned = |name: &str| fields.text(name).to_owned();
        Self {
            class,
            key: key.map(str::to_owned),
            name: owned("name"),
            description: owned("description").replace("\r\n", "\n"),
            text: owned("query").replace("\r\n", "\n"),
            text_was: owned("query_was").replace("\r\n", "\n"),
            form: builder::read(fields, class),
            form_was: owned("form_was"),
            destinations: fields.all("destinations").map(str::to_owned).collect(),
            emit: fields.all("emit").map(str::to_owned).collect(),
            enabled: fields.is_ticked("enabled"),
            include_anonymous: fields.is_ticked("include_anonymous"),
            accounts: fields.text("target") == "accounts",
            history: (owned("history"), owned("history_span")),
            wrong: BTreeMap::new(),
            text_wrong: None,
        }
    }

    /// Whether something was found to be wrong.
    pub fn is_wrong(&self) -> bool {
        self.text_wrong.is_some() || !self.wrong.is_empty()
    }

    /// Whom a preview is about.
    pub fn whom(&self, query: &Query) -> (Target, bool) {
        let target = if self.accounts { Target::Accounts } else { query.target() };
        (target, self.include_anonymous)
    }

    /// Does what a button of the form says; the text follows, as far as the form is right.
    pub fn change(&mut self, action: &str) {
        if let Some(form) = &mut self.form {
            builder::change(form, action);
            // What is still missing in a condition that was just added is no mistake yet.
            if let Ok(query) = form.to_query() {
                self.text = query.to_string();
                self.agree();
            }
        }
    }

    /// Brings both sides together; the query, if it is right.
    pub fn settle(&mut self, visit: &Visit) -> Option<Query> {
        let form_changed = self.form.as_ref().is_some_and(|form| fingerprint(form) != self.form_was);
        match (self.text != self.text_was, form_changed) {
            (true, true) => {
                let said = self.form.as_ref().and_then(|form| form.to_query().ok());
                if said.is_none() || said != parse(self.class, &self.text).ok() {
                    self.text_wrong = Some((text("editor.both"), String::new()));
                    return None;
                }
                self.take_form()
            }
            (false, true) => self.take_form(),
            // A page on which nothing was filled in yet is wrong where it is to be filled in.
            (false, false) if self.text.is_empty() && self.form.is_some() => self.take_form(),
            (_, false) => self.take_text(visit),
        }
    }

    /// The form holds.
    pub fn take_form(&mut self) -> Option<Query> {
        let Some(form) = &self.form else { return None };
        match form.to_query() {
            Ok(query) => {
                self.text = query.to_string();
                self.agree();
                Some(query)
            }
            Err(wrong) => {
                for wrong in wrong {
                    self.wrong.entry(wrong.field).or_insert(wrong.message);
                }
                None
            }
        }
    }

    /// The text holds.
    pub fn take_text(&mut self, visit: &Visit) -> Option<Query> {
        match parse(self.class, &self.text) {
            Ok(query) => {
                let shows = self.form.as_ref().and_then(|form| form.to_query().ok());
                // A form that says the same stays as it was arranged.
                if shows.as_ref() != Some(&query) {
                    self.form = Form::from_query(&query, &|key| is_audience(visit, key));
                }
                self.agree();
                Some(query)
            }
            Err(error) => {
                self.text_wrong = Some((error.to_string(), error.caret(&self.text)));
                None
            }
        }
    }

    /// An empty form in place of one that could not be shown.
    pub fn begin_anew(&mut self) {
        let form = builder::blank(self.class);
        self.form_was = fingerprint(&form);
        self.form = Some(form);
        self.text = String::new();
        self.text_was = String::new();
    }

    fn agree(&mut self) {
        self.text_was.clone_from(&self.text);
        self.form_was = self.form.as_ref().map(fingerprint).unwrap_or_default();
    }

    /// The definition as the API takes it.
    pub fn body(&self) -> Value {
        let history = match self.history.0.as_str() {
            "off" => Value::Bool(false),
            "last" => self.history.1.as_str().into(),
            _ => Value::Bool(true),
        };
        let mut body = json!({
            "name": self.name, "query": self.text, "destinations": self.destinations, "enabled": self.enabled,
            "include_anonymous": self.include_anonymous, "history": history,
        });
        if !self.description.is_empty() {
            body["description"] = self.description.as_str().into();
        }
        if self.accounts {
            body["target"] = "accounts".into();
        }
        // What is computed of accounts has nothing to choose.
        if !self.accounts || self.emit.iter().any(|emit| emit != "identify") {
            body["emit"] = json!(self.emit);
        }
        body
    }

    /// Notes what is wrong where it stands.
    pub fn note(&mut self, problems: &[Problem]) {
        for problem in problems {
            let field = problem.field.split('[').next().unwrap_or_default();
            match field {
                // Its own side says more of it, with the place.
                "query" if self.is_wrong() => {}
                "query" => self.text_wrong = Some((problem.message.clone(), String::new())),
                field => {
                    self.wrong.entry(field.to_owned()).or_insert_with(|| problem.message.clone());
                }
            }
        }
    }

    /// What the template draws.
    pub fn shown(&self, visit: &Visit) -> Value {
        let definitions = visit.engine().definitions();
        let destination = |key: &String| json!({ "key": key, "on": self.destinations.contains(key) });
        // Twilio is sent no calls: the levels of flows ask it.
        let destinations = definitions.destinations.values().filter(|it| it.kind.twilio().is_none());
        let key = self.key.clone().or_else(|| snake_case_key(&self.name).ok());
        let operators =
            |some: &mut dyn Iterator<Item = Operator>| some.map(Operator::as_str).collect::<Vec<_>>();
        let is_trait = self.class == Class::Trait;
        json!({
            "class": self.class.as_str(), "place": place(self.class), "key": key, "exists": self.key.is_some(),
            "name": self.name, "description": self.description,
            "query": self.text, "query_was": self.text_was, "form_was": self.form_was,
            "form": self.form.as_ref().map(builder::shown), "value_type": self.value_type(),
            "destinations": destinations.map(|it| destination(&it.key)).collect::<Vec<_>>(),
            "identify": self.emit.iter().any(|emit| emit == "identify"), "track": self.emit.iter().any(|emit| emit == "track"),
            "enabled": self.enabled, "include_anonymous": self.include_anonymous, "accounts": self.accounts,
            "history": self.history.0, "history_span": self.history.1,
            "wrong": self.wrong, "text_wrong": self.text_wrong.as_ref().map(|(message, caret)| json!({ "message": message, "caret": caret })),
            "operators": operators(&mut Operator::all()), "count_operators": operators(&mut Operator::COUNT.into_iter()),
            "measures": Measure::ALL.into_iter().filter(|it| is_trait || *it != Measure::List).map(Measure::as_str).collect::<Vec<_>>(),
            "periods": PeriodKind::ALL.into_iter().filter(|it| is_trait || *it != PeriodKind::Session).map(PeriodKind::as_str).collect::<Vec<_>>(),
        })
    }

    /// What a computed trait yields, by its name in `texts.toml`.
    fn value_type(&self) -> Option<&'static str> {
        let Some(Form::Value(events)) = &self.form else { return None };
        Some(match events.measure {
            Measure::Count
            | Measure::Sum
            | Measure::Average
            | Measure::Minimum
            | Measure::Maximum
            | Measure::Different => "number",
            Measure::Mode => "text",
            Measure::List => "list",
            Measure::First | Measure::Last => "any",
        })
    }
}

fn is_audience(visit: &Visit, key: &str) -> bool {
    visit.engine().definitions().audiences.contains_key(key)
}

fn parse(class: Class, text: &str) -> Result<Query, QueryError> {
    match class {
        Class::Audience => Query::parse(text),
        Class::Trait => Query::parse_value(text),
    }
}

/// Tells a form from any other: only to see whether it was changed.
fn fingerprint(form: &Form) -> String {
    let mut hasher = DefaultHasher::new();
    form.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
