//! Shows a failing case so that a person can follow it.

use std::fmt::Write as _;

use serde_json::json;

use crate::case::{Case, START, Step, Then};
use crate::history::{Id, Post, What};
use crate::language::Millis;
use crate::world::Failure;

/// The definitions, what happened, and what was wrong in the end.
pub fn report(case: &Case, failure: &Failure) -> String {
    let mut text = String::from("instants are relative to the beginning of the case\n");
    let mut now = START;
    for step in &case.steps {
        match step {
            Step::Define { which, then } => {
                let then = match then {
                    Then::Done => String::new(),
                    Then::Broken(pieces) => format!(", broken after {pieces} pieces of work"),
                    Then::LeftOff(pieces) => format!(", left off after {pieces} pieces of work"),
                };
                for (place, form) in which {
                    let definition = &case.definitions[*place];
                    let form = &definition.forms[*form];
                    let of = if form.accounts { " of accounts" } else { "" };
                    writeln!(text, "{} define {}{of}{then}:\n    {}", at(now), definition.key, form.text)
                        .unwrap();
                }
            }
            Step::Arrive(posts) => {
                for (place, said) in posts.iter().enumerate() {
                    let together = if place > 0 { "  in the same request: " } else { "" };
                    writeln!(text, "{} {together}{}", at(now), post(said, now)).unwrap();
                }
            }
            Step::Pass { to, unseen } => {
                now = *to;
                writeln!(text, "{} the clock{}", at(now), if *unseen { ", unseen" } else { "" }).unwrap();
            }
            Step::Restart => writeln!(text, "{} restart", at(now)).unwrap(),
        }
    }
    match failure {
        Failure::Wrong(wrong) => {
            let form = case.definitions.iter().find(|definition| definition.key == wrong.key);
            let query = form.map_or("", |definition| &definition.forms.last().expect("a form").text);
            let owner = wrong.owner;
            writeln!(text, "at {}: {} of {owner:?} is not right\n    {query}", at(wrong.now), wrong.key)
                .unwrap();
            write!(text, "    expected {}\n    actual   {}", wrong.expected, wrong.actual).unwrap();
        }
        Failure::Refused(message) => write!(text, "refused: {message}").unwrap(),
    }
    text
}

fn at(at: Millis) -> String {
    format!("[{}]", span(at - START))
}

/// `-2d 3h 1ms`
fn span(mut length: Millis) -> String {
    let mut text = String::from(if length < 0 { "-" } else { "" });
    length = length.abs();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if length >= size {
            write!(text, "{}{unit} ", length / size).unwrap();
            length %= size;
        }
    }
    if text.len() < 2 { "0".to_owned() } else { text.trim_end().to_owned() }
}

fn post(post: &Post, now: Millis) -> String {
    let what = match &post.what {
        What::Track(name, fields) => format!("{name} {}", json!(fields)),
        What::Page(name, fields) => format!("page {name:?} {}", json!(fields)),
        What::Screen(name, fields) => format!("screen {name:?} {}", json!(fields)),
        What::Identify(traits) => format!("identify {}", json!(traits)),
        What::Group(group, traits) => format!("group g{group} {}", json!(traits)),
        What::Alias(Id::User(user)) => format!("alias u{user}"),
        What::Alias(Id::Anonymous(anonymous)) => format!("alias a{anonymous}"),
    };
    let context =
        if post.context.is_empty() { String::new() } else { format!(" context {}", json!(post.context)) };
    let late = span(post.at - now);
    let ids = [post.user.map(|user| format!("u{user}")), post.anonymous.map(|visitor| format!("a{visitor}"))];
    let who = ids.into_iter().flatten().collect::<Vec<_>>().join("/");
    format!("{who} {what} of {} (now {late}) {} from {}{context}", at(post.at), post.message, post.source)
}
