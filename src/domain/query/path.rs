//! Paths into nested values: `address.city`, `items.0.sku`, `items.$.sku`, `a\.b`.

use std::fmt;

use serde_json::{Map, Value};

use super::MAX_NESTING;

/// What is asked of a value that a path leads to.
type Test<'t> = &'t mut dyn FnMut(Option<&Value>) -> bool;

/// A way into nested objects and arrays, beginning with a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    root: String,
    rest: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    /// An object's key or, in digits, an array's index from 0.
    Key(String),
    /// `$`: any entry of an array.
    AnyEntry,
}

impl Path {
    /// Reads the text of a path; the error says what is wrong with it.
    ///
    /// A backslash makes a dot, a backslash or a lone `$` ordinary; before anything else it is itself ordinary.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut key = String::new();
        let mut escaped = false;
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            if c == '.' {
                segments.push(segment(std::mem::take(&mut key), escaped)?);
                escaped = false;
            } else if c == '\\' && matches!(characters.peek(), Some('.' | '\\' | '$')) {
                key.extend(characters.next());
                escaped = true;
            } else if c == '\\' && characters.peek().is_none() {
                return Err("path ends in a lone backslash".to_owned());
            } else {
                key.push(c);
            }
        }
        segments.push(segment(key, escaped)?);
        if segments.len() > MAX_NESTING {
            return Err(format!("path has too many segments ({} > {MAX_NESTING})", segments.len()));
        }
        match segments.remove(0) {
            Segment::Key(root) => Ok(Self { root, rest: segments }),
            Segment::AnyEntry => Err("a path cannot begin with `$`".to_owned()),
        }
    }

    /// The first key.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Whether it may lead to several values.
    pub(super) fn is_many(&self) -> bool {
        self.rest.contains(&Segment::AnyEntry)
    }

    /// Whether `test` passes for the value that the path leads to in `object`. With `$`, whether it passes for any of
    /// them. Where the path leads nowhere, and where it leads to a JSON null, the test gets `None`.
    pub(super) fn any_in(&self, object: &Map<String, Value>, test: Test<'_>) -> bool {
        self.any_under(object.get(&self.root), test)
    }

    /// As [`Path::any_in`], given the value under the first key.
    pub(super) fn any_under(&self, root: Option<&Value>, test: Test<'_>) -> bool {
        walk(root, &self.rest, test)
    }
}

fn segment(key: String, escaped: bool) -> Result<Segment, String> {
    match key.as_str() {
        "" => Err("path has an empty segment".to_owned()),
        "$" if !escaped => Ok(Segment::AnyEntry),
        _ => Ok(Segment::Key(key)),
    }
}

fn walk(value: Option<&Value>, segments: &[Segment], test: Test<'_>) -> bool {
    let Some((first, rest)) = segments.split_first() else {
        return test(value.filter(|value| !value.is_null()));
    };
    match (first, value) {
        // An empty array has no entry to test, so what is looked for is absent: it goes the way of the last arm.
        (Segment::AnyEntry, Some(Value::Array(entries))) if !entries.is_empty() => {
            entries.iter().any(|entry| walk(Some(entry), rest, &mut *test))
        }
        (Segment::Key(key), Some(Value::Object(object))) => walk(object.get(key), rest, test),
        (Segment::Key(key), Some(Value::Array(entries))) => {
            walk(index(key).and_then(|index| entries.get(index)), rest, test)
        }
        (Segment::AnyEntry | Segment::Key(_), _) => test(None),
    }
}

/// The array index that a key names.
fn index(key: &str) -> Option<usize> {
    if key.bytes().all(|byte| byte.is_ascii_digit()) { key.parse().ok() } else { None }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(f, &self.root)?;
        for segment in &self.rest {
            f.write_str(".")?;
            match segment {
                Segment::Key(key) => write_key(f, key)?,
                Segment::AnyEntry => f.write_str("$")?,
            }
        }
        Ok(())
    }
}

fn write_key(f: &mut fmt::Formatter<'_>, key: &str) -> fmt::Result {
    if key == "$" {
        return f.write_str("\\$");
    }
    let mut characters = key.chars().peekable();
    while let Some(c) = characters.next() {
        // A backslash needs its own escape only where it would otherwise escape what follows (at the end: the dot).
        let ambiguous = c == '\\' && matches!(characters.peek(), None | Some('.' | '\\' | '$'));
        if c == '.' || ambiguous {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(path: &str) -> Vec<Option<Value>> {
        let event = json!({
            "plain": 1, "nothing": null, "a.b": "dotted", "$": "dollar",
            "deep": {"er": {"est": true}},
            "items": [{"sku": "A", "tags": ["x", "y"]}, {"sku": "B"}],
            "empty": [],
        });
        let mut seen = Vec::new();
        Path::parse(path).unwrap().any_in(event.as_object().unwrap(), &mut |value| {
            seen.push(value.cloned());
            false
        });
        seen
    }

    #[test]
    fn paths_lead_to_values() {
        for (path, expected) in [
            ("plain", vec![json!(1)]),
            (r"a\.b", vec![json!("dotted")]),
            (r"\$", vec![json!("dollar")]),
            ("deep.er.est", vec![json!(true)]),
            ("items.0.sku", vec![json!("A")]),
            ("items.$.sku", vec![json!("A"), json!("B")]),
            ("items.0.tags.$", vec![json!("x"), json!("y")]),
            ("items.$.tags.$", vec![json!("x"), json!("y"), json!(null)]),
            ("nothing", vec![json!(null)]),
            ("missing", vec![json!(null)]),
            ("plain.x", vec![json!(null)]),
            ("items.2.sku", vec![json!(null)]),
            ("items.+1.sku", vec![json!(null)]),
            ("empty.$.x", vec![json!(null)]),
            ("deep.$", vec![json!(null)]),
        ] {
            let got: Vec<Value> = values(path).into_iter().map(Option::unwrap_or_default).collect();
            assert_eq!(got, expected, "{path}");
        }
    }

    #[test]
    fn path_texts_round_trip() {
        for text in
            ["a", "a.b", r"a\.b", "a.$.b", r"\$", r"a.\$", r"a\\", r"a\\.b", r"a\\\.b", r"a\b", "a$", r"\\$"]
        {
            let path = Path::parse(text).unwrap();
            assert_eq!(Path::parse(&path.to_string()).as_ref(), Ok(&path), "{text} as {path}");
        }
        for text in ["", ".", r"a\", "a.", ".a", "a..b", "$", "$.a", &"a.".repeat(40)] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
