//! Definitions written as TOML, for people to copy and change.

use serde_json::{Map, Value};

/// Longest value that stands in one line, in bytes.
const LINE: usize = 100;

/// One definition under `[[table]]`: what is short a line each, then what is long in tables under headers of their own.
/// What is long inside a list takes several lines (inline tables may since TOML 1.1). Nulls, which TOML does not have, are
/// left out.
pub fn definition(table: &str, definition: &Map<String, Value>) -> String {
    let mut text = format!("[[{table}]]\n");
    write_members(&mut text, table, definition);
    text
}

fn write_members(text: &mut String, at: &str, members: &Map<String, Value>) {
    // A header ends the table before it, so that what has none goes first.
    let (tables, lines): (Vec<_>, Vec<_>) =
        members.iter().filter(|(_, value)| !value.is_null()).partition(|(_, value)| has_header(value));
    for (key, value) in lines {
        text.push_str(&format!("{} = {}\n", written_key(key), written(value, 0)));
    }
    for (key, value) in tables {
        let at = format!("{at}.{}", written_key(key));
        let Value::Object(members) = value else { continue };
        // One that holds nothing but such tables is there by their headers.
        if members.values().any(|member| !has_header(member)) {
            text.push_str(&format!("\n[{at}]\n"));
        }
        write_members(text, &at, members);
    }
}

fn has_header(value: &Value) -> bool {
    value.is_object() && inline(value).len() > LINE
}

/// A value, in several lines if it is too long for one.
fn written(value: &Value, depth: usize) -> String {
    let line = inline(value);
    if line.len() <= LINE {
        return line;
    }
    let (open, parts, close): (char, Vec<String>, char) = match value {
        Value::Array(items) => {
            let items = items.iter().filter(|item| !item.is_null());
            ('[', items.map(|item| written(item, depth + 1)).collect(), ']')
        }
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            let member = |(key, value): (&String, &Value)| {
                format!("{} = {}", written_key(key), written(value, depth + 1))
            };
            ('{', members.map(member).collect(), '}')
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return line,
    };
    let indent = "    ".repeat(depth + 1);
    let lines: String = parts.iter().map(|part| format!("{indent}{part},\n")).collect();
    format!("{open}\n{lines}{}{close}", "    ".repeat(depth))
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            let members: Vec<String> =
                members.map(|(key, value)| format!("{} = {}", written_key(key), inline(value))).collect();
            if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter(|item| !item.is_null()).map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn written_key(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// A text between the quotes that need the fewest escapes.
fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) && !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_as_it_was() {
        let whole = json!({
            "key": "a b\"c\\d'e", "line": "one\ntwo\u{7f}", "quote": "say \"hi\"", "number": 1.5, "truth": true, "none": null,
            "list": [1, "x", { "@path": "$." }],
            "mapping": {
                "url": "https://x.example", "headers": {}, "one": { "A b": "c" },
                "data": { "z": { "@path": "$.userId" }, "a": { "b": { "c": 1, "d": [{ "e": 2, "f": "-".repeat(100) }, null] } } },
            },
        });
        let text = definition("destination", whole.as_object().unwrap());
        let read: Value = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut expected = whole;
        expected.as_object_mut().unwrap().remove("none");
        expected["mapping"]["data"]["a"]["b"]["d"].as_array_mut().unwrap().pop();
        assert_eq!(read["destination"][0], expected, "{text}");
        assert!(text.contains("[destination.mapping.data]\nz = { \"@path\" = \"$.userId\" }\n"), "{text}");
    }
}
