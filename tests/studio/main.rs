//! `stagepost studio` as people run it: files, Twilio's Studio API (a strict fake), and flows that are really walked through
//! and post to a running server.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

#[path = "../support/mod.rs"]
mod support;

mod command;
mod files;
mod interpreter;
mod pushing;
mod studio_api;
mod walking;
