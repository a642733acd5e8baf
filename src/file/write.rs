//! Definitions written as TOML, for people to copy and change.

use serde_json::{Map, Value};

/// One definition under `[[table]]`: plain settings a line each, then tables under headers of their own, two levels deep;
/// what is deeper stands in one line. Nulls, which TOML does not have, are left out.
pub fn definition(table: &str, definition: &Map<String, Value>) -> String {
    let mut text = format!("[[{table}]]\n");
    write_members(&mut text, table, definition, 2);
    text
}

fn write_members(text: &mut String, at: &str, members: &Map<String, Value>, levels: usize) {
    // A header ends the table before it, so that what has none goes first.
    let (tables, lines): (Vec<_>, Vec<_>) = members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .partition(|(_, value)| has_header(value, levels));
    for (key, value) in lines {
        text.push_str(&format!("{} = {}\n", written_key(key), inline(value)));
    }
    for (key, value) in tables {
        let at = format!("{at}.{}", written_key(key));
        text.push_str(&format!("\n[{at}]\n"));
        if let Value::Object(members) = value {
            write_members(text, &at, members, levels - 1);
        }
    }
}

/// Whether a value has a table of its own: not a directive, which reads better in one line.
fn has_header(value: &Value, levels: usize) -> bool {
    let is_long = |members: &Map<String, Value>| {
        !members.is_empty() && (members.len() > 1 || inline(value).len() > 100)
    };
    levels > 0 && value.as_object().is_some_and(is_long)
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
                "data": { "z": { "@path": "$.userId" }, "a": { "b": { "c": 1, "d": [{ "e": 2, "f": 3 }] } } },
            },
        });
        let text = definition("destination", whole.as_object().unwrap());
        let read: Value = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut expected = whole;
        expected.as_object_mut().unwrap().remove("none");
        assert_eq!(read["destination"][0], expected, "{text}");
        assert!(text.contains("[destination.mapping.data]\nz = { \"@path\" = \"$.userId\" }\n"), "{text}");
    }
}
