//! Several nodes over one PostgreSQL: real servers that are killed, that hang, and that lose their database under load.
//!
//! `STAGEPOST_CRASH_SEED` repeats a run's decisions, `STAGEPOST_CLUSTER_SECONDS` changes how long the faults go on.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

#[path = "../support/mod.rs"]
mod support;

mod away;
mod engines;
mod faults;
mod nodes;
mod people;
mod sharing;
mod standby;
