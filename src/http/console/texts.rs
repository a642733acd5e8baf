//! The words of all pages: `templates/console/texts.toml`, one file, ready for translation.

use std::sync::LazyLock;

use serde_json::Value;

static TEXTS: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../templates/console/texts.toml");
    toml::from_str(text).expect("the built-in texts are TOML, which a test reads")
});

/// All of them, as templates know them by `t`.
pub(super) fn all() -> &'static Value {
    &TEXTS
}

/// The text with that name, `section.name`; the name itself where there is none.
pub(super) fn text(name: &str) -> String {
    let found = name.split('.').try_fold(all(), |texts, part| texts.get(part));
    found.and_then(Value::as_str).unwrap_or(name).to_owned()
}

/// The item of a list with that name, from 0 on; empty where there is none.
pub(super) fn item(name: &str, place: usize) -> String {
    let found = name.split('.').try_fold(all(), |texts, part| texts.get(part));
    found.and_then(|list| list.get(place)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The text for a word of ours, such as a status; the word itself where the section has none.
pub(super) fn word(section: &str, word: &str) -> String {
    all().get(section).and_then(|words| words.get(word)).and_then(Value::as_str).unwrap_or(word).to_owned()
}

/// A text with `{name}` replaced by what `values` say; of two forms with `|` between, the first where `n` is 1.
pub(super) fn filled(name: &str, values: &[(&str, &str)]) -> String {
    fill(&text(name), values)
}

/// `text` with its places filled.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let is_one = values.iter().any(|(name, value)| *name == "n" && *value == "1");
    let form = match text.split_once('|') {
        Some((one, many)) => {
            if is_one {
                one
            } else {
                many
            }
        }
        None => text,
    };
    let mut filled = String::with_capacity(form.len());
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        // What was put in is not looked at again: it may hold braces of its own.
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(value),
            None => {
                filled.push('{');
                filled.push_str(name);
                filled.push('}');
            }
        }
        rest = behind;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once() {
        assert_eq!(fill("{n} member|{n} members", &[("n", "1")]), "1 member");
        assert_eq!(fill("{n} member|{n} members", &[("n", "2")]), "2 members");
        assert_eq!(fill("a {x} {y} {", &[("x", "{y}"), ("y", "!")]), "a {y} ! {");
        assert_eq!(fill("{unknown}", &[]), "{unknown}");
        assert_eq!(text("frame.skip"), "Skip to the content");
        assert_eq!(text("no.such"), "no.such");
        assert_eq!((word("states", "dead"), word("states", "odd")), ("dead".to_owned(), "odd".to_owned()));
        assert_eq!(
            (item("calendar.months", 11), item("calendar.months", 12)),
            ("Dec".to_owned(), String::new())
        );
    }
}
