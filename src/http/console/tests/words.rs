//! `texts.toml` has what pages say, and nothing that none does.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{files, sources};
use crate::domain::people::{Fault, StaffError};
use crate::http::console::{render, texts};
use crate::http::problem::Code;

/// Names of texts, as `people.title`.
#[derive(Default)]
struct Names {
    used: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Names {
    /// Notes that something says that, or all of a section.
    fn uses(&mut self, name: &str, place: &str) {
        let found = name.split('.').try_fold(texts::all(), |texts, part| texts.get(part));
        match found {
            Some(found) => leaves(found, name, &mut self.used),
            None => self.wrong.push(format!("{place}: {name}")),
        }
    }
}

fn leaves(texts: &Value, name: &str, found: &mut BTreeSet<String>) {
    match texts.as_object() {
        Some(inner) => {
            for (part, texts) in inner {
                let name = if name.is_empty() { part.clone() } else { format!("{name}.{part}") };
                leaves(texts, &name, found);
            }
        }
        None => {
            found.insert(name.to_owned());
        }
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_' || letter == '.'
}

/// What stands between `{{` and `}}`, or `{%` and `%}`.
fn expressions(template: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (open, close) in [("{{", "}}"), ("{%", "%}")] {
        for part in template.split(open).skip(1) {
            found.push(part.split(close).next().unwrap_or_default());
        }
    }
    found
}

/// Audiences and traits share templates, which call their section `own`: the template as it is for each of the two.
fn of_each_class(template: &str) -> Vec<String> {
    let sections = ["t[place]", "t[draft.place]"];
    if !sections.iter().any(|section| template.contains(section)) {
        return vec![template.to_owned()];
    }
    let of_class = |class: &str| {
        let text = sections.iter().fold(template.to_owned(), |text, section| {
            // That it is called so says nothing yet.
            text.replace(&format!("{{% set own = {section} %}}"), "").replace(section, &format!("t.{class}"))
        });
        [" ", "(", "{"]
            .iter()
            .fold(text, |text, before| text.replace(&format!("{before}own."), &format!("{before}t.{class}.")))
    };
    ["audiences", "traits"].map(of_class).to_vec()
}

/// The names behind each `t.` of an expression.
fn names_in(expression: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("t.") {
        let before = expression[..at].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || "._'\"".contains(letter)) {
            continue;
        }
        let rest = &expression[at + 2..];
        let end = rest.find(|letter| !is_of_name(letter)).unwrap_or(rest.len());
        found.push(rest[..end].trim_end_matches('.'));
    }
    found
}

/// The texts in quotes of a source.
fn quoted(source: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some((_, after)) = rest.split_once('"') {
        let mut escaped = false;
        let end = after.find(|letter| {
            let is_end = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            is_end
        });
        let Some(end) = end else { break };
        found.push(&after[..end]);
        rest = &after[end + 1..];
    }
    found
}

/// Names that a source says: whole ones in quotes, and `section.{}` for all of a section.
fn named_in_source(text: &str, place: &str, names: &mut Names) {
    for quote in quoted(text) {
        let is_file = [".html", ".js", ".css", ".svg", ".toml"].iter().any(|ending| quote.ends_with(ending));
        let name = quote.split_once(".{").map_or(quote, |(section, _)| section);
        let Some((section, _)) = quote.split_once('.').filter(|_| !is_file) else { continue };
        if name.chars().all(is_of_name) && texts::all().get(section).is_some() {
            names.uses(name, place);
        }
    }
}

#[test]
fn all_words_are_in_one_file_and_none_is_for_nothing() {
    let mut names = Names::default();
    for (path, text) in files("templates/console", ".html") {
        let place = path.display().to_string();
        for text in of_each_class(&text) {
            let expressions = expressions(&text);
            expressions.iter().flat_map(|it| names_in(it)).for_each(|name| names.uses(name, &place));
        }
    }
    for (path, text) in sources() {
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        named_in_source(text, &path.display().to_string(), &mut names);
    }
    assert!(names.wrong.is_empty(), "not in texts.toml:\n{}", names.wrong.join("\n"));
    let mut all = BTreeSet::new();
    leaves(texts::all(), "", &mut all);
    let sources = sources();
    let quoted: BTreeSet<String> =
        sources.iter().flat_map(|(_, text)| quoted(text)).map(|name| name.replace('.', "_")).collect();
    // Settings are called by the name of their section and their own; what was done has a test of its own.
    let is_setting = |name: &str| match name.split('.').collect::<Vec<_>>()[..] {
        [section, "fields" | "hints", setting] => quoted.contains(section) && quoted.contains(setting),
        _ => false,
    };
    let idle = all.difference(&names.used).filter(|name| !name.starts_with("said.") && !is_setting(name));
    let idle: Vec<&String> = idle.collect();
    assert!(idle.is_empty(), "nothing says: {idle:?}");
}

#[test]
fn what_was_done_is_said_in_words_that_there_are() {
    let mut said = BTreeSet::new();
    for (_, text) in sources() {
        for (at, _) in text.match_indices("said=") {
            let rest = &text[at + "said=".len()..];
            let end = rest.find(|letter| !is_of_name(letter)).unwrap_or(rest.len());
            said.extend(Some(rest[..end].to_owned()).filter(|name| !name.is_empty()));
        }
    }
    let known: BTreeSet<String> = texts::all()["said"].as_object().unwrap().keys().cloned().collect();
    let missing: Vec<&String> = said.difference(&known).collect();
    assert!(missing.is_empty(), "not in [said]: {missing:?}");
    // Some choose among them by name.
    let sources = sources();
    let named = sources.iter().flat_map(|(_, text)| quoted(text)).filter(|name| known.contains(*name));
    said.extend(named.map(str::to_owned));
    let idle: Vec<&String> = known.difference(&said).collect();
    assert!(idle.is_empty(), "nothing says: {idle:?}");
}

#[test]
fn what_is_not_found_has_a_name() {
    for (path, text) in sources() {
        for part in text.split("not_found(").skip(1) {
            let arguments = part.split([')', ';', '{']).next().unwrap_or_default();
            for what in quoted(arguments) {
                assert!(texts::all()["things"].get(what).is_some(), "{}: {what}", path.display());
            }
        }
    }
}

#[test]
fn what_is_refused_has_words() {
    let staff = [
        StaffError::Unknown,
        StaffError::Taken(String::new()),
        StaffError::LastAdmin,
        StaffError::TooMany,
        StaffError::SetUp,
    ];
    let names = Code::ALL.map(|code| ("problems", code.as_str())).into_iter();
    let names = names.chain(Fault::ALL.map(|fault| ("faults", fault.code().0)));
    let names = names.chain(staff.iter().map(|error| ("staff", error.code().0)));
    let loops = ["store", "writer", "timers", "queue", "database"];
    for (section, name) in names.chain(loops.map(|name| ("loops", name))) {
        assert!(texts::all()[section].get(name).is_some(), "{section}.{name}");
    }
}

#[test]
fn every_template_can_be_read() {
    for (path, _) in files("templates/console", ".html") {
        let path = path.to_string_lossy().into_owned();
        let (_, name) = path.split_once("templates/console/").unwrap();
        render::check(name).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn names_are_found_where_they_stand() {
    assert_eq!(names_in(" t.people.title|fill(n=count.t.x) "), ["people.title"]);
    assert_eq!(names_in(" 't.no' if t.frame.theme[x] else t.a.b "), ["frame.theme", "a.b"]);
    assert_eq!(expressions("a {{ b }} c {% d %}"), [" b ", " d "]);
    assert_eq!(quoted(r#"a("b", "c\"d")"#), ["b", "c\\\"d"]);
}
