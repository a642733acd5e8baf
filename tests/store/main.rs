//! One suite for every store backend, a model test between them, and what only one of them has to show.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

#[macro_use]
mod backends;
mod build;
mod by_id;
mod computations;
mod figures;
mod history;
mod leases;
mod listing;
mod merging;
mod model;
mod picture;
mod postgres;
mod sealing;
mod sharing;
mod shelves;
mod sled_only;
mod sql;
mod suite;
mod summaries;
#[path = "../support/mod.rs"]
mod support;
mod unlisted;
mod upgrade;
mod writer;
