//! Tests of leaf states: against a plain computation, with pages stored and loaded, at the size of a busy user.

mod cases;
mod hot;
mod limits;
mod plain;
mod random;
mod stored;

use serde_json::Value;

use super::{Entry, Order};
use crate::domain::time::Timestamp;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// An entry without order.
fn entry(ms: i64, value: impl Into<Value>) -> Entry {
    Entry { at: at(ms), order: None, value: value.into() }
}

/// An entry with the order that an event of that arrival and id has.
fn ordered(ms: i64, received: i64, id: &str, value: impl Into<Value>) -> Entry {
    let order = Order { received_at: at(received), message_id: id.to_owned() };
    Entry { at: at(ms), order: Some(order), value: value.into() }
}
