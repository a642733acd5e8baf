//! Paths into the payload: `$.properties.list[0].id`, `properties['two words']`.
//!
//! The splitting, and the walk that stops at the first falsy value and gives that, are those of Segment's mapping kit.
//! So a key with a dot in it cannot be reached, and quotes in a path are never part of a key. Of JavaScript's built-in
//! properties only `length` (of texts in UTF-16 units, and of arrays) is known.

use serde_json::Value;

use super::budget::Budget;
use super::error::Failure;
use super::resolved::{Resolved, is_falsy};

/// A read path. Without segments it leads to the whole payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    segments: Vec<String>,
}

impl Path {
    /// Reads the text of a `@path` or `@arrayPath`, where the first `$.` means the payload. Any text is a path.
    pub(super) fn parse(text: &str) -> Self {
        Self::parse_bare(&text.replacen("$.", "", 1))
    }

    /// Reads the text between the braces of a template, where `$` is a key like any other.
    pub(super) fn parse_bare(text: &str) -> Self {
        let mut segments = Vec::new();
        let mut segment = String::new();
        let mut before = None;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            // A bracket that holds neither a number nor a quoted text belongs to the key.
            let splits = match letter {
                '.' => true,
                '[' => letters.peek().copied().is_some_and(is_index_or_quote),
                ']' => before.is_some_and(is_index_or_quote),
                _ => false,
            };
            before = Some(letter);
            if !splits {
                segment.push(letter);
                continue;
            }
            if letter == ']' {
                while letters.next_if_eq(&']').is_some() {}
            }
            finish(&mut segment, &mut segments);
        }
        finish(&mut segment, &mut segments);
        Self { segments }
    }

    /// What it leads to in the payload; a payload of None is a missing one.
    pub(super) fn walk<'p>(
        &self,
        payload: Option<&'p Value>,
        budget: &mut Budget,
    ) -> Result<Resolved<'p>, Failure> {
        let mut at = payload;
        for (place, key) in self.segments.iter().enumerate() {
            let is_last = place + 1 == self.segments.len();
            at = match at {
                None => return Ok(Resolved::Missing),
                Some(value) if is_falsy(value) => return Ok(Resolved::Borrowed(value)),
                Some(Value::Array(entries)) if key == "length" => return Ok(length(entries.len(), is_last)),
                Some(Value::String(text)) if key == "length" => {
                    budget.read(text.len())?;
                    return Ok(length(text.encode_utf16().count(), is_last));
                }
                Some(Value::Object(members)) => members.get(key),
                Some(Value::Array(entries)) => index(key).and_then(|index| entries.get(index)),
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => None,
            };
        }
        Ok(at.map_or(Resolved::Missing, Resolved::Borrowed))
    }
}

fn is_index_or_quote(letter: char) -> bool {
    letter.is_ascii_digit() || matches!(letter, '\'' | '"')
}

/// Ends a segment. What is empty before its quotes are taken away is no segment; `''` is the empty key.
fn finish(segment: &mut String, segments: &mut Vec<String>) {
    if !segment.is_empty() {
        segments.push(segment.replace(['\'', '"'], ""));
        segment.clear();
    }
}

/// A length, or what comes after it: a length of 0 is falsy and stays, other numbers have no members.
fn length(length: usize, is_last: bool) -> Resolved<'static> {
    if is_last || length == 0 { Resolved::Owned(length.into()) } else { Resolved::Missing }
}

/// The array index that a key names: JavaScript knows no leading zeros.
fn index(key: &str) -> Option<usize> {
    let canonical = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { key.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_as_the_original_splits_it() {
        for (text, expected) in [
            ("$.a.b", &["a", "b"][..]),
            ("a.b", &["a", "b"]),
            ("", &[]),
            (".", &[]),
            ("$.", &[]),
            ("...", &[]),
            ("$", &["$"]),
            ("list[0].id", &["list", "0", "id"]),
            ("list[0][1]", &["list", "0", "1"]),
            ("m[[0]]x", &["m[", "0", "x"]),
            ("['two words']", &["two words"]),
            ("two words", &["two words"]),
            ("a[\"b\"].c", &["a", "b", "c"]),
            ("a['x.y']", &["a", "x", "y"]),
            ("a[b]", &["a[b]"]),
            ("a[b1]", &["a[b1"]),
            ("a['']", &["a", ""]),
            ("it's", &["its"]),
            ("x$.y", &["xy"]),
            ("$.$.a", &["$", "a"]),
        ] {
            assert_eq!(Path::parse(text).segments, expected, "{text}");
        }
        assert_eq!(Path::parse_bare("$.a").segments, ["$", "a"]);
    }
}
