//! A line that posts something, for somebody who has nothing yet.

use serde_json::json;

use super::visit::Visit;
use crate::domain::definition::{Source, SourceKind};
use crate::domain::people::Scope;
use crate::engine::Counts;

/// Stands where the key goes while it is not shown.
pub(super) const PLACEHOLDER: &str = "WRITE_KEY";

/// The line, to a Studio source where there is one and otherwise to one for SDKs; `None` where there is neither, and for those who
/// may not define sources: whoever has the key can post.
///
/// The key is in it as long as nothing was ever taken in: a first run is to be copied and pasted. After that, keys are shown once.
pub(super) fn line(visit: &Visit, counts: &Counts) -> Option<String> {
    let definitions = visit.caller.may(Scope::Define).then(|| visit.engine().definitions())?;
    let of_kind = |kind| definitions.sources.values().find(|source| source.kind == kind);
    let base = visit.state.public_url.trim_end_matches('/');
    if let Some(source) = of_kind(SourceKind::Studio) {
        // A stage that somebody is usually to be told of, of the first flow that there is.
        let flow = definitions.flows.keys().next().map_or("order_confirmation", String::as_str);
        let fields =
            format!("-d userID=u1 -d phoneNumber=+15551234567 {} -d stage=no_reply", field("flow", flow));
        return Some(format!("curl {fields} {base}/studio/{}", key(source, counts)));
    }
    let source = of_kind(SourceKind::Http)?;
    let body = json!({ "userId": "u1", "event": "Order Completed", "properties": { "total": 42 } });
    let key = key(source, counts);
    Some(format!("curl -u {key}: -H 'content-type: application/json' -d '{body}' {base}/v1/track"))
}

/// A field of a form, as curl takes it.
fn field(name: &str, value: &str) -> String {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_plain {
        format!("-d {name}={value}")
    } else {
        format!("--data-urlencode '{name}={}'", value.replace('\'', "'\\''"))
    }
}

fn key<'s>(source: &'s Source, counts: &Counts) -> &'s str {
    let is_first_run = counts.events == 0 && counts.profiles == 0;
    if is_first_run { &source.write_key } else { PLACEHOLDER }
}
