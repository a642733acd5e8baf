//! From a form to its query.

use super::test::length;
use super::{Condition, Events, Filter, Form, Group, Groups, Join, Measure, PeriodKind, Subject, Wrong};
use crate::domain::query::format::{Duration, quoted};
use crate::domain::query::path::Path;
use crate::domain::query::{MAX_SESSION, MAX_TEXT_CHARACTERS, MIN_SESSION, Query};

impl Form {
    /// The query that it says.
    ///
    /// # Errors
    /// Every field that is not right.
    pub fn to_query(&self) -> Result<Query, Vec<Wrong>> {
        let mut writer = Writer::default();
        let text = match self {
            Self::Condition(groups) => writer.groups(groups),
            Self::Value(events) => writer.events("v.", events, true),
        };
        if !writer.wrong.is_empty() {
            return Err(writer.wrong);
        }
        let query = match self {
            Self::Condition(_) => Query::parse(&text),
            Self::Value(_) => Query::parse_value(&text),
        };
        query.map_err(|error| vec![Wrong { field: "form".to_owned(), message: error.message }])
    }
}

#[derive(Default)]
struct Writer {
    wrong: Vec<Wrong>,
}

impl Writer {
    fn wrong(&mut self, field: String, message: impl Into<String>) {
        self.wrong.push(Wrong { field, message: message.into() });
    }

    /// What is right, or nothing once it was said what is wrong.
    fn right(&mut self, at: &str, field: &str, text: Result<String, String>) -> String {
        text.unwrap_or_else(|message| {
            self.wrong(format!("{at}{field}"), message);
            String::new()
        })
    }

    fn groups(&mut self, form: &Groups) -> String {
        if form.groups.is_empty() {
            self.wrong("form".to_owned(), "has no condition yet; add one");
        }
        let groups: Vec<String> =
            form.groups.iter().enumerate().map(|(index, group)| self.group(index, group)).collect();
        joined(form.join, &groups)
    }

    fn group(&mut self, index: usize, group: &Group) -> String {
        if group.conditions.is_empty() {
            self.wrong(format!("g{index}"), "has no condition yet; add one, or remove the group");
        }
        let conditions = group.conditions.iter().enumerate();
        let conditions: Vec<String> = conditions
            .map(|(place, condition)| self.condition(&format!("g{index}.c{place}"), condition))
            .collect();
        let text = joined(group.join, &conditions);
        format!("{}({text})", if group.negated { "NOT " } else { "" })
    }

    fn condition(&mut self, at: &str, condition: &Condition) -> String {
        let (known, inside) = (self.wrong.len(), format!("{at}."));
        let text = match &condition.subject {
            Subject::Events(events, test) => {
                let events_text = self.events(&inside, events, false);
                let test = self.right(&inside, "value", test.text(events.measure.is_count()));
                events_text + &test
            }
            Subject::Trait(path, test) => {
                let path = self.right(&inside, "trait", path_text(path, true));
                let test = self.right(&inside, "value", test.text(false));
                format!("trait({path}){test}")
            }
            Subject::Audience(key) => {
                let key = self.right(&inside, "audience", key_text(key));
                format!("trait({key}) = true")
            }
        };
        if self.wrong.len() == known
            && let Err(error) = Query::parse(&text)
        {
            self.wrong(at.to_owned(), error.message);
        }
        if condition.negated { format!("NOT {text}") } else { text }
    }

    fn events(&mut self, at: &str, events: &Events, is_value: bool) -> String {
        let name = self.right(at, "event", name_text(&events.name));
        let mut text = format!("event({name})");
        if !events.filters.is_empty() {
            let filters = events.filters.iter().enumerate();
            let filters: Vec<String> =
                filters.map(|(place, filter)| self.filter(&format!("{at}f{place}."), filter)).collect();
            text += &format!(".where({})", joined(events.join, &filters));
        }
        text += &self.period(at, events, is_value);
        text + &self.measure(at, events, is_value)
    }

    fn filter(&mut self, at: &str, filter: &Filter) -> String {
        let place = if filter.context { "context" } else { "property" };
        let path = self.right(at, "path", path_text(&filter.path, true));
        let test = self.right(at, "value", filter.test.text(false));
        format!("{place}({path}){test}")
    }

    fn period(&mut self, at: &str, events: &Events, is_value: bool) -> String {
        let period = &events.period;
        let mut read = |field: &str, number: &str| {
            let span = length(number, period.hours);
            span.map_err(|message| self.wrong(format!("{at}{field}"), message)).ok()
        };
        match period.kind {
            PeriodKind::Ever => String::new(),
            PeriodKind::Within => {
                read("far", &period.far).map_or_else(String::new, |far| format!(".within({})", Duration(far)))
            }
            PeriodKind::Between => {
                let (near, far) = (read("near", &period.near), read("far", &period.far));
                let Some((near, far)) = near.zip(far) else { return String::new() };
                if near >= far {
                    self.wrong(format!("{at}far"), "is longer ago than the other end");
                }
                format!(".between({}, {})", Duration(near), Duration(far))
            }
            PeriodKind::Session => {
                let Some(pause) = read("far", &period.far) else { return String::new() };
                if !is_value {
                    self.wrong(format!("{at}period"), "sessions are for computed traits only");
                } else if pause < MIN_SESSION || pause > MAX_SESSION {
                    self.wrong(format!("{at}far"), "a session's pause is 1 hour to 90 days");
                }
                format!(".expires_after({})", Duration(pause))
            }
        }
    }

    fn measure(&mut self, at: &str, events: &Events, is_value: bool) -> String {
        if events.measure == Measure::List && !is_value {
            self.wrong(
                format!("{at}measure"),
                "a list is no value to compare; count what is different in it",
            );
        }
        if !events.measure.takes_property() {
            return ".count()".to_owned();
        }
        let path = self.right(at, "property", path_text(&events.property, false));
        match events.measure {
            Measure::Different => format!(".unique(property({path})).count()"),
            Measure::List => format!(".unique(property({path}))"),
            Measure::Mode => format!(".mode(property({path}), 1)"),
            other => format!(".{}(property({path}))", other.as_str()),
        }
    }
}

fn joined(join: Join, items: &[String]) -> String {
    items.join(match join {
        Join::All => " AND ",
        Join::Any => " OR ",
    })
}

fn name_text(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("is missing".to_owned());
    }
    if name.chars().count() > MAX_TEXT_CHARACTERS {
        return Err(format!("is longer than {MAX_TEXT_CHARACTERS} characters"));
    }
    Ok(quoted(name))
}

fn path_text(path: &str, many: bool) -> Result<String, String> {
    let text = name_text(path)?;
    let path = Path::parse(path.trim())?;
    if path.is_many() && !many {
        return Err("is one value of an event, and `$` stands for several".to_owned());
    }
    Ok(text)
}

/// A key is a name of its own, not a path.
fn key_text(key: &str) -> Result<String, String> {
    let key = key.trim();
    if key.contains(['.', '\\']) { Err("is no key of an audience".to_owned()) } else { name_text(key) }
}
