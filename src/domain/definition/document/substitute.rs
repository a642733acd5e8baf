//! `${NAME}` in the texts of a document.

use serde_json::Value;

use super::SHOWN_ONLY;
use crate::domain::definition::Problem;

/// Replaces `${NAME}` in every text of `document` by what `lookup` gives for it; `$${` stands for a plain `${`.
///
/// Only documents from files go through this: nobody can read the server's environment through the API, where
/// [`unreplaced`] finds what was meant for a file.
///
/// # Errors
/// Every text that names a variable which is not set, or not one at all.
pub fn substitute(document: &mut Value, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(document, "", lookup, &mut problems);
    problems
}

/// A problem for each text of `definition` that names a variable, which nobody would replace.
pub fn unreplaced(definition: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    find(definition, "", &mut problems);
    problems
}

fn find(value: &Value, at: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::String(text) => {
            let named = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
            if let Some((name, _)) = named.into_iter().find(|(name, _)| is_variable(name)) {
                let message = format!(
                    "holds ${{{name}}}: variables are replaced in files only; write what it stands for, or add \
                     ?literal=true to the address if the text is meant as it is"
                );
                problems.push(Problem::new(at, message));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find(item, &format!("{at}[{index}]"), problems);
            }
        }
        Value::Object(members) => {
            for (key, item) in members {
                // What the API shows beside a definition is nobody's to write.
                if at.is_empty() && SHOWN_ONLY.contains(&key.as_str()) {
                    continue;
                }
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                find(item, &at, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn walk(value: &mut Value, at: &str, lookup: &dyn Fn(&str) -> Option<String>, problems: &mut Vec<Problem>) {
    match value {
        Value::String(text) if text.contains("${") => match replace(text, lookup) {
            Ok(replaced) => *text = replaced,
            Err(message) => problems.push(Problem::new(at, message)),
        },
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{at}[{index}]"), lookup, problems);
            }
        }
        Value::Object(map) => {
            for (key, item) in map.iter_mut() {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                walk(item, &at, lookup, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn replace(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(escaped) = rest[..start].strip_suffix('$') {
            replaced.push_str(escaped);
            replaced.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        replaced.push_str(&rest[..start]);
        let (name, after) = rest[start + 2..]
            .split_once('}')
            .ok_or("`${` without `}`; write $${ where a plain ${ is meant".to_owned())?;
        if !is_variable(name) {
            return Err("what stands in ${…} is not the name of an environment variable".to_owned());
        }
        let value = lookup(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?;
        // What comes from the environment is not looked into again.
        replaced.push_str(&value);
        rest = after;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("s3cret".to_owned()),
            "NESTED" => Some("${KEY}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_everywhere_and_once() {
        let mut document = json!({
            "a": ["x${KEY}y${KEY}", {"b": "$${KEY}"}], "c": "${NESTED}", "d": "$5 and $$", "n": 1, "${KEY}": "-"
        });
        assert_eq!(substitute(&mut document, &lookup), []);
        assert_eq!(
            document,
            json!({
                "a": ["xs3crety" .to_owned() + "s3cret", {"b": "${KEY}"}], "c": "${KEY}", "d": "$5 and $$", "n": 1,
                "${KEY}": "-"
            })
        );
    }

    #[test]
    fn what_nobody_would_replace_is_found() {
        let definition = json!({
            "url": "https://x/${KEY}", "headers": [{ "X-A": "$5 ${ ${a b} ${}" }, { "X-B": "${ ${B_2}" }],
            "health": { "lastError": "${KEY}" }, "mapping": { "health": "a${_x}b" },
        });
        let problems = unreplaced(&definition);
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["url", "headers[1].X-B", "mapping.health"]);
        assert!(problems[0].message.starts_with("holds ${KEY}: variables are replaced in files only"));
    }

    #[test]
    fn every_wrong_text_is_named() {
        let mut document = json!({"a": [{"b": "${MISSING}"}], "c": "${KEY", "d": "${a b}", "e": "${}"});
        let problems = substitute(&mut document, &lookup);
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["a[0].b", "c", "d", "e"]);
        assert_eq!(problems[0].message, "the environment variable `MISSING` is not set");
    }
}
