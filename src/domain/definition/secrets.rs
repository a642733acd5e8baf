//! Where secrets stand in what is shown, and what stands in their place.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What is shown in place of a secret. Written back, it means: keep the secret.
pub const REDACTED: &str = "********";

/// Digits of a hash that tell the secrets of one list apart.
const MARK_DIGITS: usize = 8;

/// What is shown in place of one secret of several: written back, it means this one, wherever it stands.
pub(super) fn marked(secret: &str) -> String {
    let hash = hex::encode(Sha256::digest(format!("shown secret {secret}").as_bytes()));
    format!("{REDACTED}{}", &hash[..MARK_DIGITS])
}

/// Whether it stands for a secret that is kept: [`REDACTED`], or what [`marked`] makes of one.
pub(super) fn stands_for_one(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix(REDACTED)
        .is_some_and(|mark| mark.is_empty() || (mark.len() == MARK_DIGITS && mark.bytes().all(is_digit)))
}

/// Members of directives, each with its directive, whose texts say how something is done. Any other text may come out.
const INSTRUCTIONS: [(&str, &str); 6] = [
    ("@case", "operator"),
    ("@replace", "pattern"),
    ("@replace", "pattern2"),
    ("@merge", "direction"),
    ("@json", "mode"),
    ("@flatten", "separator"),
];

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
/// also those that a directive gives, and all that a transformation begins with, which may end up in any header.
pub(in crate::domain) fn in_headers(headers: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(headers, ("", ""), false, &mut found);
    found
}

/// `at` is the place of `value`, and the key under which it stands.
fn walk(value: &Value, (at, within): (&str, &str), is_secret: bool, found: &mut Vec<String>) {
    match value {
        Value::String(_) if is_secret => found.push(at.to_owned()),
        Value::Object(members) => {
            for (key, member) in members {
                let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                let is_secret = if is_secret {
                    // A path says where something is found, and is none itself.
                    key != "@path" && !INSTRUCTIONS.contains(&(within, key.as_str()))
                } else {
                    is_secret_header(key) || (within, key.as_str()) == ("@transform", "apply")
                };
                walk(member, (&place, key), is_secret, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, (&format!("{at}/{index}"), ""), is_secret, found);
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

    #[test]
    fn whatever_a_directive_can_bring_out_is_taken_for_one() {
        let token = |value: Value| in_headers(&json!({ "X-Token": value }));
        let replace = json!({ "@replace": {
            "pattern": "x", "replacement": "a", "pattern2": "y", "replacement2": "b", "value": { "@path": "$.t" },
        } });
        assert_eq!(token(replace), ["/X-Token/@replace/replacement", "/X-Token/@replace/replacement2"]);
        let transform =
            json!({ "@transform": { "apply": { "mode": "a" }, "mapping": { "@path": "$.mode" } } });
        assert_eq!(token(transform.clone()), ["/X-Token/@transform/apply/mode"]);
        let case = json!({ "@case": { "operator": "upper", "value": "a" } });
        assert_eq!(token(case), ["/X-Token/@case/value"]);
        let json = json!({ "@json": { "mode": "encode", "value": { "pattern": "a" } } });
        assert_eq!(token(json), ["/X-Token/@json/value/pattern"]);
        let flatten = json!({ "@flatten": { "separator": ".", "value": { "a": "b" } } });
        assert_eq!(token(flatten), ["/X-Token/@flatten/value/a"]);
        // What a transformation of all headers begins with may end up in any of them.
        let all = json!({ "@transform": { "apply": { "x": "a", "y": { "@path": "$.y" } }, "mapping": {
            "Authorization": { "@path": "$.x" }, "X-Team": "growth",
        } } });
        assert_eq!(in_headers(&all), ["/@transform/apply/x"]);
    }
}
