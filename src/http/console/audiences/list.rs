//! The list of audiences, or of computed traits.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::chart::{self, Axis};
use super::super::page::{Answer, Refusal};
use super::super::texts;
use super::super::visit::Visit;
use super::{place, sizes};
use crate::domain::definition::{Class, Computation, Status};
use crate::domain::figures::Grain;
use crate::domain::sizes::{Per, SizePoint};
use crate::engine::{Counts, EngineError};
use crate::http::api::definitions::beside;

/// Rows on a page.
const ROWS: usize = 50;
/// Days of the curve.
const DAYS: usize = 8;
/// The filter's states.
pub(super) const STATES: [&str; 4] = ["live", "computing", "disabled", "failed"];

pub(super) async fn page(visit: &Visit, class: Class) -> Answer {
    let context = context(visit, class).await.map_err(|error| Refusal::of(visit, error))?;
    Ok(visit.page("audiences.html", context))
}

async fn context(visit: &Visit, class: Class) -> Result<Value, EngineError> {
    let definitions = visit.engine().definitions();
    let all = match class {
        Class::Audience => &definitions.audiences,
        Class::Trait => &definitions.traits,
    };
    let counts = visit.engine().counts().await?;
    // The cursor is the last key that was shown.
    let after = visit.asked("cursor").unwrap_or_default();
    let mut wanted = all.values().filter(|it| it.key.as_str() > after && is_wanted(visit, it));
    let shown: Vec<&Arc<Computation>> = wanted.by_ref().take(ROWS).collect();
    let more = wanted.next().is_some();
    let last = shown.last().filter(|_| more).map(|it| it.key.as_str());
    let axis = Axis::newest(Grain::Day, DAYS, visit.now);
    let ids: Vec<&str> = shown.iter().map(|it| it.id.as_str()).collect();
    let sizes = match class {
        Class::Audience => visit.engine().sizes_of(&ids, Per::Day, axis.from(), axis.to()).await?,
        Class::Trait => vec![Vec::new(); ids.len()],
    };
    let rows = shown.iter().zip(&sizes).map(|(it, points)| row(visit, it, &counts, &axis, points));
    let rows: Vec<Value> = rows.collect();
    Ok(json!({
        "class": class.as_str(), "place": place(class), "rows": rows, "all": all.len(), "url": visit.state.public_url, "next": visit.next(last),
        "states": STATES, "asked": { "q": visit.asked("q"), "status": visit.asked("status") },
        "is_computing": shown.iter().any(|it| is_moving(it)),
    }))
}

fn is_wanted(visit: &Visit, it: &Computation) -> bool {
    let has = |text: &str, part: &str| text.to_lowercase().contains(part);
    let named = visit.asked("q").map(str::to_lowercase);
    let is_named = named.is_none_or(|part| has(&it.name, &part) || has(&it.key, &part));
    is_named && visit.asked("status").is_none_or(|status| it.status.as_str() == status)
}

/// Whether it will be another soon.
pub(super) fn is_moving(it: &Computation) -> bool {
    matches!(it.status, Status::Computing | Status::Leaving)
}

/// The word on its badge.
pub(super) fn state(it: &Computation) -> &'static str {
    if it.status == Status::Leaving { "deleting" } else { it.status.as_str() }
}

fn row(visit: &Visit, it: &Computation, counts: &Counts, axis: &Axis, points: &[SizePoint]) -> Value {
    let shown = beside(visit.engine(), it, counts);
    let mut row = json!({
        "key": it.key, "name": it.name, "query": it.query.to_string(), "state": state(it),
        "destinations": it.destinations, "progress": progress(shown.progress.as_ref()),
    });
    if it.class == Class::Audience {
        let course = sizes::course(points, axis, shown.size);
        let first = course.sizes.first().copied().unwrap_or(shown.size);
        let title = texts::filled(
            "audiences.spark",
            &[("from", &first.to_string()), ("to", &shown.size.to_string())],
        );
        row["size"] = shown.size.into();
        row["change"] = signed(shown.size, first).into();
        row["spark"] = chart::spark(title, &course.sizes);
    }
    row
}

/// `+3`, `-2` or `0`.
pub(super) fn signed(now: u64, before: u64) -> String {
    match now.cmp(&before) {
        Ordering::Greater => format!("+{}", now - before),
        Ordering::Equal => "0".to_owned(),
        Ordering::Less => format!("-{}", before - now),
    }
}

/// How far its computing is, as a part of a whole and in words.
pub(super) fn progress(progress: Option<&Value>) -> Value {
    let Some(progress) = progress else { return Value::Null };
    let number = |name: &str| progress[name].as_u64().unwrap_or(0);
    let (done, total) = match progress["phase"].as_str() {
        Some("history") => (number("eventsRead"), number("eventsTotal")),
        _ => (number("profilesDone"), number("profilesTotal")),
    };
    json!({ "phase": progress["phase"], "done": done.min(total.max(1)), "total": total.max(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_its_sign() {
        assert_eq!([signed(5, 2), signed(2, 5), signed(3, 3), signed(0, 100)], ["+3", "-3", "0", "-100"]);
    }
}
