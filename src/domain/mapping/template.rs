//! Texts with paths in braces: `Hi {{traits.name}}`.
//!
//! `{{path}}` and `{{{path}}}` are the same, nothing is escaped. Two things differ from the original on purpose: what
//! was put in is never itself read as a template (a user's name can't ask for other fields), and an object is written as
//! JSON, not as `[object Object]`.

use serde_json::Value;

use super::budget::{Budget, check_depth};
use super::error::Failure;
use super::json_text;
use super::path::Path;
use super::resolved::Resolved;

/// A read template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Path(Path),
}

impl Template {
    /// Reads a template. Any text is one: braces that make no placeholder stay.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        // First all placeholders in three braces, then those in two: so the original does it.
        for part in split(text, 3) {
            match part {
                Part::Text(text) => parts.extend(split(&text, 2)),
                path @ Part::Path(_) => parts.push(path),
            }
        }
        Self { parts }
    }

    /// The text for a payload.
    pub(super) fn render(&self, payload: Option<&Value>, budget: &mut Budget) -> Result<String, Failure> {
        let mut text = String::new();
        for part in &self.parts {
            budget.step()?;
            match part {
                Part::Text(part) => {
                    budget.make(part.len())?;
                    text.push_str(part);
                }
                Part::Path(path) => match path.walk(payload, budget)? {
                    Resolved::Borrowed(value) => write_value(&mut text, value, 0, budget)?,
                    Resolved::Owned(value) => write_value(&mut text, &value, 0, budget)?,
                    // A path never leads to what is put together of expressions.
                    Resolved::Missing | Resolved::Object(_) | Resolved::Array(_) => {}
                },
            }
        }
        Ok(text)
    }
}

/// Cuts out the placeholders between this many braces. Linear in the text.
fn split(text: &str, braces: usize) -> Vec<Part> {
    let (open, close) = (&"{{{"[..braces], &"}}}"[..braces]);
    let mut parts = Vec::new();
    let (mut done, mut from) = (0, 0);
    while let Some(found) = text[from..].find(open) {
        let inside = from + found + braces;
        let Some(length) = text[inside..].find('}') else { break };
        let end = inside + length;
        if length > 0 && text[end..].starts_with(close) {
            parts.push(Part::Text(text[done..inside - braces].to_owned()));
            parts.push(Part::Path(Path::parse_bare(text[inside..end].trim())));
            done = end + braces;
            from = done;
        } else {
            // Nothing that opens before this brace can close at it, or at any later one.
            from = end;
        }
    }
    parts.push(Part::Text(text[done..].to_owned()));
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    parts
}

/// A value as a template shows it: as JavaScript makes text of it, objects excepted.
fn write_value(text: &mut String, value: &Value, depth: usize, budget: &mut Budget) -> Result<(), Failure> {
    check_depth(depth)?;
    match value {
        Value::Null => Ok(()),
        Value::String(value) => {
            budget.make(value.len())?;
            text.push_str(value);
            Ok(())
        }
        Value::Array(entries) => {
            for (place, entry) in entries.iter().enumerate() {
                if place > 0 {
                    budget.make(1)?;
                    text.push(',');
                }
                write_value(text, entry, depth + 1, budget)?;
            }
            Ok(())
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => json_text::write(text, value, depth, budget),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_found_as_the_original_finds_them() {
        let payload = json!({
            "foo": "hello", "n": 1, "yes": true, "nul": null, "o": {"b": [1.0, "x"]}, "l": [1, null, [2, "x"], {"k": 1}],
            "$": {"a": "dollar"}, "zero": 0, "evil": "{{foo}}", "big": 1e21, "small": 1e-7, "whole": 5.0,
        });
        for (template, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("{{foo}}", "hello"),
            ("{{ foo }}", "hello"),
            ("{{{foo}}}", "hello"),
            ("{{foo}}}", "hello}"),
            ("{{{foo}}", ""),
            ("{{}}", "{{}}"),
            ("{{}}{{foo}}", "{{}}hello"),
            ("{foo}", "{foo}"),
            ("{{foo}", "{{foo}"),
            ("{{foo} {{foo}}", "{{foo} hello"),
            ("{{a {{{foo}}}", "{{a hello"),
            ("{{yes}} {{n}} {{nul}} {{oops.yo}}", "true 1  "),
            ("{{zero.x}}", "0"),
            ("{{l}}", "1,,2,x,{\"k\":1}"),
            ("{{o}}", "{\"b\":[1,\"x\"]}"),
            ("{{$.a}} {{foo.length}}", "dollar 5"),
            ("{{evil}}{{{evil}}}", "{{foo}}{{foo}}"),
            ("{{big}} {{small}} {{whole}}", "1e+21 1e-7 5"),
            ("é{{foo}}ü", "éhelloü"),
        ] {
            let text = Template::parse(template).render(Some(&payload), &mut Budget::new());
            assert_eq!(text.expect(template), expected, "{template}");
        }
    }

    #[test]
    fn many_open_braces_are_read_in_no_time() {
        let text = "{{ } ".repeat(200_000);
        assert_eq!(Template::parse(&text).parts, [Part::Text(text)]);
    }
}
