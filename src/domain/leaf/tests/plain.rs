//! The plain computation that states are compared with: all entries, looked at anew each time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::leaf::{As, Entry, LIST_KEPT, Reduce, Shape, Window};

/// The entries that count at `now`, in order.
fn counting<'e>(shape: &Shape, entries: &'e [Entry], now: i64) -> Vec<&'e Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| (a.at, &a.order).cmp(&(b.at, &b.order)));
    let between = |near: i64, far: i64| {
        let inside = |entry: &&Entry| (now - far..=now - near).contains(&entry.at.millis());
        sorted.iter().copied().filter(inside).collect::<Vec<_>>()
    };
    match shape.window {
        Window::All => sorted,
        Window::Within(span) => between(0, span.millis()),
        Window::Between { near, far } => between(near.millis(), far.millis()),
        Window::Session(gap) => {
            let mut run: Vec<&Entry> = Vec::new();
            for entry in sorted.into_iter().filter(|entry| entry.at.millis() <= now) {
                if run.last().is_some_and(|last| entry.at.millis_since(last.at) > gap.millis()) {
                    run.clear();
                }
                run.push(entry);
            }
            if run.last().is_some_and(|last| now - last.at.millis() > gap.millis()) {
                run.clear();
            }
            run
        }
    }
}

/// The value at `now`. Numbers have to be whole hundredths.
pub(super) fn value(shape: &Shape, entries: &[Entry], now: i64) -> Value {
    let entries = counting(shape, entries, now);
    let numbers = || entries.iter().filter_map(|entry| entry.value.as_f64());
    let texts = || entries.iter().filter_map(|entry| entry.value.as_str());
    #[allow(clippy::cast_possible_truncation)]
    let hundredths: i64 = numbers().map(|number| (number * 100.0).round() as i64).sum();
    #[allow(clippy::cast_precision_loss)]
    let sum = hundredths as f64 / 100.0;
    #[allow(clippy::cast_precision_loss)]
    let count = entries.len() as f64;
    let is_empty = entries.is_empty();
    match shape.reduce {
        Reduce::Count => json!(entries.len()),
        Reduce::Sum => number(sum),
        Reduce::Average if is_empty => Value::Null,
        Reduce::Average => number(sum / count),
        Reduce::Minimum(As::Number) => numbers().min_by(f64::total_cmp).map_or(Value::Null, number),
        Reduce::Maximum(As::Number) => numbers().max_by(f64::total_cmp).map_or(Value::Null, number),
        Reduce::Minimum(As::Text) => texts().min().map_or(Value::Null, Value::from),
        Reduce::Maximum(As::Text) => texts().max().map_or(Value::Null, Value::from),
        Reduce::First => entries.first().map_or(Value::Null, |entry| entry.value.clone()),
        Reduce::Last => entries.last().map_or(Value::Null, |entry| entry.value.clone()),
        Reduce::Mode { least } => {
            let table = table(entries.iter().flat_map(|entry| entry.value.as_array().unwrap()));
            let most = table.values().max().copied().unwrap_or(0);
            let best = table.into_iter().find(|(_, count)| *count == most && *count >= u64::from(least));
            best.map_or(Value::Null, |(text, _)| text.into())
        }
        Reduce::Unique => table(entries.iter().map(|entry| &entry.value)).into_keys().collect(),
        Reduce::UniqueCount => json!(table(entries.iter().map(|entry| &entry.value)).len()),
        Reduce::List => Value::Null,
    }
}

fn table<'v>(values: impl Iterator<Item = &'v Value>) -> BTreeMap<String, u64> {
    let mut table = BTreeMap::new();
    for value in values {
        *table.entry(value.as_str().unwrap().to_owned()).or_default() += 1;
    }
    table
}

fn number(number: f64) -> Value {
    #[allow(clippy::cast_possible_truncation)]
    if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
}

/// The entries that a list has to have kept at `now`: the newest of those that have not left.
pub(super) fn list(shape: &Shape, entries: &[Entry], now: i64) -> Vec<Entry> {
    let lowest = match shape.window {
        Window::All | Window::Session(_) => i64::MIN,
        Window::Within(span) => now - span.millis(),
        Window::Between { far, .. } => now - far.millis(),
    };
    let mut kept: Vec<Entry> = entries.iter().filter(|entry| entry.at.millis() >= lowest).cloned().collect();
    kept.sort_by(|a, b| (a.at, &a.order).cmp(&(b.at, &b.order)));
    kept.split_off(kept.len().saturating_sub(LIST_KEPT))
}
