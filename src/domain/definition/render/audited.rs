//! Definitions as the audit log keeps them, which is not sealed as they are.

use serde_json::Value;
use url::Url;

use super::{Shown, definition};
use crate::domain::definition::Definition;
use crate::domain::definition::secrets::marked;

/// What becomes of a definition by itself.
const NOT_SAID: [&str; 6] = ["createdAt", "updatedAt", "status", "deleting", "size", "progress"];

/// A definition as it is written, without secrets. Write keys, and what stands behind the host in an address of a source or
/// destination, are only told apart: tokens may be in them.
pub fn audited(of: &Definition) -> Value {
    let mut shown = definition(of, &Shown::default());
    if let Some(members) = shown.as_object_mut() {
        members.retain(|key, _| !NOT_SAID.contains(&key.as_str()));
    }
    if matches!(of, Definition::Source(_) | Definition::Destination(_)) {
        mask_addresses(&mut shown);
    }
    shown
}

fn mask_addresses(shown: &mut Value) {
    match shown {
        Value::String(text) => {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let is_bare = |url: &Url| url.path() == "/" && url.query().is_none() && url.username().is_empty();
            if let Some(url) = url.filter(|url| !is_bare(url)) {
                *text = format!("{}/{}", url.origin().ascii_serialization(), marked(text));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_addresses),
        Value::Object(members) => members.values_mut().for_each(mask_addresses),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::definition::{Kind, document};

    fn kept(kind: Kind, body: Value) -> Value {
        audited(&document::read_one(kind, Some("it"), &body).unwrap())
    }

    #[test]
    fn addresses_and_keys_are_only_told_apart() {
        let hook = |url: &str| {
            kept(
                Kind::Destination,
                json!({ "kind": "webhook", "urls": [{ "url": url }], "shared_secret": "s3cr3t-s3cr3t" }),
            )
        };
        let (one, other) = (hook("https://x.example.com/t0ken-one"), hook("https://x.example.com/t0ken-two"));
        for shown in [&one, &other] {
            assert!(!shown.to_string().contains("t0ken"), "{shown}");
            assert!(!shown.to_string().contains("s3cr3t"), "{shown}");
            assert!(shown.to_string().contains("https://x.example.com/****"), "{shown}");
        }
        assert_ne!(one, other, "that it changed is seen");
        let source = kept(Kind::Source, json!({ "kind": "http", "write_key": "wk_0123456789abcdef" }));
        assert!(!source.to_string().contains("wk_0123456789abcdef"), "{source}");
    }

    #[test]
    fn what_becomes_of_it_by_itself_is_not_said() {
        let audience = kept(Kind::Audience, json!({ "name": "it", "query": "event('a').count() >= 1" }));
        assert_eq!(audience["query"], "event('a').count() >= 1");
        for key in NOT_SAID {
            assert_eq!(audience.get(key), None, "{key}");
        }
    }
}
