//! stagepost against programs that are not ours: a real SMTP server, and Segment's own clients.
//!
//! `tests/run` installs them; without them these tests fail and say so.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

#[path = "../support/mod.rs"]
mod support;

mod segment;
mod smtp;
