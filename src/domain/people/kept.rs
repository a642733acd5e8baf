//! What the audit log keeps of how something was and is: both whole, or, where that is too much, the places that differ.

use serde_json::{Map, Value, json};

use super::difference::{Difference, differences};
use crate::domain::limits;

/// Characters that are kept of a long text before the first one that differs.
const LEAD: usize = 40;
/// Bytes for the brackets, and for saying what is left out.
const FRAME: usize = 300;

/// Both states as they are, or where one is longer than [`limits::MAX_AUDIT_STATE`] objects of the places that differ, as
/// `{"escalation[7].after": "30m"}`, as many as there is room for; what is left out is said under `leftOut`.
pub(super) fn kept(before: Option<Value>, after: Option<Value>) -> (Option<Value>, Option<Value>) {
    let longest = [&before, &after].into_iter().flatten().map(|it| it.to_string().len()).max().unwrap_or(0);
    if longest <= limits::MAX_AUDIT_STATE {
        return (before, after);
    }
    let all = differences(before.as_ref(), after.as_ref());
    let (mut old, mut new, mut room) = (Map::new(), Map::new(), limits::MAX_AUDIT_STATE - FRAME);
    let mut told = 0;
    for difference in &all {
        let (was, is) = excerpts(difference);
        let length = |it: &Option<Value>| it.as_ref().map_or(0, |it| it.to_string().len());
        let bytes = json!(difference.place).to_string().len() + length(&was).max(length(&is)) + ":,".len();
        if bytes > room {
            break;
        }
        (room, told) = (room - bytes, told + 1);
        old.extend(was.map(|was| (difference.place.clone(), was)));
        new.extend(is.map(|is| (difference.place.clone(), is)));
    }
    let mut left_out = format!("{longest} bytes are too many to be kept: what is the same is left out");
    old.insert("leftOut".to_owned(), json!(left_out));
    if told < all.len() {
        // That differs between the two, so it is seen where only differences are shown.
        left_out += &format!(", and {} more places", all.len() - told);
        if after.is_none() {
            old.insert("leftOut".to_owned(), json!(left_out));
        }
    }
    new.insert("leftOut".to_owned(), json!(left_out));
    (before.map(|_| Value::Object(old)), after.map(|_| Value::Object(new)))
}

/// What is kept of one place: short values as they are, of long ones a piece of their text around where they begin to differ.
fn excerpts(difference: &Difference) -> (Option<Value>, Option<Value>) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (was, is) = (difference.before.as_ref().map(text), difference.after.as_ref().map(text));
    let is_long = |text: &Option<String>| {
        text.as_ref().is_some_and(|text| text.chars().nth(limits::MAX_AUDIT_PLACE).is_some())
    };
    if !is_long(&was) && !is_long(&is) {
        return (difference.before.clone(), difference.after.clone());
    }
    let same = match (&was, &is) {
        (Some(was), Some(is)) => was.chars().zip(is.chars()).take_while(|(was, is)| was == is).count(),
        (None, _) | (_, None) => 0,
    };
    let start = same.saturating_sub(LEAD);
    let piece = |text: String| {
        let mut chars = text.chars().skip(start);
        let piece: String = chars.by_ref().take(limits::MAX_AUDIT_PLACE).collect();
        let (before, behind) =
            (if start > 0 { "…" } else { "" }, if chars.next().is_some() { "…" } else { "" });
        json!(format!("{before}{piece}{behind}"))
    };
    (was.map(piece), is.map(piece))
}
