//! The oracle: random definitions and histories, and at every instant the incremental engine against a plain
//! recomputation from the full history.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly, and tells what it does")]

mod build;
mod evaluate;
mod examples;
mod flaw;
mod history;
mod language;
mod print;
mod reduce;
mod truth;
mod value;
