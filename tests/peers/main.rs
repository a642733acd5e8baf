//! stagepost against programs that are not ours: a real SMTP server, Segment's own clients, the receivers
//! of the docs, and schemathesis.
//!
//! `tests/run` installs them; without them these tests fail and say so.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

#[path = "../support/mod.rs"]
mod support;

mod ladder;
mod mails;
mod openapi;
mod segment;
mod smtp;
mod webhooks;
