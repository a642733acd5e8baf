//! Leaves whose filter depends on more than the event itself: on traits, on events that follow, on the present instant.
//!
//! Of each event concerned a list keeps what the filter may ask of it; the value is computed plainly from that list.
//!
//! ```text
//! Stream ─▶ plan: what to keep of an event ─▶ keep: one event ─▶ (the list) ─▶ read: the value at an instant
//! ```

mod keep;
mod plan;
mod read;

pub(super) use plan::Plan;
