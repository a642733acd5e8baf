//! Studio flow definitions: posts put into them wherever a journey reaches a stage.
//!
//! A flow is a graph of states (widgets) that lead to each other by transitions. A *post* is a Make HTTP Request widget
//! that tells stagepost of a stage; *own* posts were made here and may be changed and removed here, others (wired by
//! hand) are left as they are.
//!
//! [`instrument`](fn@instrument) takes the own posts out, plans anew and puts them back where they were. So its result depends on
//! the flow as its author made it and on the [`Settings`], never on what an earlier run did; only names and places of
//! posts that stay are kept.

mod check;
mod diff;
mod edges;
mod flow;
mod instrument;
mod plan;
mod post;
mod replies;
mod stands;

#[cfg(test)]
mod tests;

pub use diff::diff;
pub use flow::{State, StudioFlow, Transition};
pub use instrument::{Done, Instrumented, Outcome, instrument};
pub use plan::{Moment, Point};
pub use post::{
    HTTP_REQUEST, INITIATION, PHONE, PREFIX, PostAddress, Settings, USER, agreed, key_in, restaged, stage,
};
