//! Where secrets stand in what is shown.

use serde_json::Value;

/// What is shown in place of a secret. Written back, it means: keep the secret.
pub const REDACTED: &str = "********";

/// Members of directives that hold what comes out. What others hold (`@path`, `pattern`) is no secret.
const RESULTS: [&str; 5] = ["@literal", "@template", "then", "else", "value"];

/// What names of secrets have in them.
const WORDS: [&str; 13] = [
    "auth",
    "bearer",
    "cookie",
    "credential",
    "jwt",
    "key",
    "pass",
    "private",
    "pwd",
    "secret",
    "session",
    "signature",
    "token",
];

/// Whether the value of a header with that name is likely to be a secret.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Not `design`, nor `assigned`.
    let is_sig = |word: &str| word.ends_with("sig");
    WORDS.iter().any(|word| name.contains(word)) || name.split(|c: char| !c.is_alphanumeric()).any(is_sig)
}

/// Where in the `headers` of a mapping a secret is likely to stand, as JSON Pointers: texts under a name that sounds like it,
/// also those that a directive gives.
pub(in crate::domain) fn in_headers(headers: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(headers, "", false, &mut found);
    found
}

fn walk(value: &Value, at: &str, is_secret: bool, found: &mut Vec<String>) {
    match value {
        Value::String(_) if is_secret => found.push(at.to_owned()),
        Value::Object(members) => {
            for (key, member) in members {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                let is_text = member.is_string();
                // Within a header's value, of the texts only those that come out; what is nested further is looked into.
                let is_secret = if is_secret {
                    !is_text || RESULTS.contains(&key.as_str())
                } else {
                    is_secret_header(key)
                };
                walk(member, &at, is_secret, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{at}/{index}"), is_secret, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_sound_like_secrets() {
        for name in [
            "Authorization",
            "X-Api-Key",
            "X-Pass",
            "X-Pwd",
            "X-Hub-Sig",
            "hubsig",
            "X-Sig-2",
            "X-Session-Id",
            "X-JWT",
            "X-Bearer",
            "X-Private",
            "X_SIG",
        ] {
            assert!(is_secret_header(name), "{name}");
        }
        for name in
            ["Accept", "Content-Type", "User-Agent", "X-Team", "X-Design", "X-Assigned-To", "X-Signal"]
        {
            assert!(!is_secret_header(name), "{name}");
        }
    }

    #[test]
    fn secrets_in_headers_are_found_and_paths_are_not() {
        let headers = json!({
            "X-Team": "growth",
            "Authorization": "Bearer x",
            "X-Key": { "@path": "$.properties.key" },
            "X/Token": { "@if": { "exists": { "@path": "$.userId" }, "then": "a", "else": { "@template": "b{{userId}}" } } },
            "@merge": { "direction": "left", "objects": [{ "Cookie": "c", "X-Other": "d" }] },
        });
        assert_eq!(
            in_headers(&headers),
            [
                "/Authorization",
                "/X~1Token/@if/then",
                "/X~1Token/@if/else/@template",
                "/@merge/objects/0/Cookie"
            ]
        );
        assert_eq!(in_headers(&json!({ "@path": "$.headers" })), Vec::<String>::new());
    }
}
