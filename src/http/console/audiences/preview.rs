//! Who would be in, and why, while a query is edited. Nothing is stored.

use serde_json::{Value, json};

use super::super::page::in_words;
use super::super::visit::Visit;
use super::draft::Draft;
use super::one::named;
use crate::domain::query::Query;
use crate::engine::{Question, Sample};
use crate::http::api::preview::ask;

/// What was found, or why nothing was.
pub(super) async fn found(visit: &Visit, draft: &Draft, query: Query) -> Value {
    let (target, include_anonymous) = draft.whom(&query);
    match ask(&visit.state, Question { query, target, include_anonymous }).await {
        Ok(preview) => json!({
            "count": preview.count, "complete": preview.complete, "seconds": seconds(preview.took_ms),
            "sample": preview.sample.iter().map(one).collect::<Vec<_>>(),
        }),
        Err(problem) => json!({ "wrong": in_words(&problem) }),
    }
}

fn one(sample: &Sample) -> Value {
    let finding = |condition: &str, value: &Value, holds: bool| json!({ "condition": condition, "value": value, "holds": holds });
    // A computed trait has no conditions: what tells is the value of its stream.
    let conditions = sample.conditions.iter().map(|it| finding(&it.condition, &it.value, it.holds));
    let leaves = sample.leaves.iter().filter(|_| sample.conditions.is_empty());
    let leaves = leaves.map(|(leaf, value)| finding(leaf, value, true));
    let mut shown = named(&sample.user);
    shown["value"] = sample.value.clone();
    shown["conditions"] = conditions.chain(leaves).collect();
    shown
}

#[allow(clippy::cast_precision_loss, reason = "what is shown needs no more than 53 bits")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
