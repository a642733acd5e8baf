//! The pages, as people use them: headless Chromium over real HTTP, and axe-core to judge what it shows.
//!
//! `tests/run` installs both; without them these tests fail and say so. What the pages look like is left in
//! `target/screenshots`, for people to look at.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

/// What these tests run over.
const BACKEND: support::stores::Backend = support::stores::Backend::Memory;

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../api/app.rs"]
mod app;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../api/http.rs"]
mod http;
#[path = "../support/mod.rs"]
mod support;

mod act;
mod audiences;
mod browser;
mod check;
mod curl;
mod destination_edit;
mod destinations;
mod docs;
mod downloads;
mod driver;
mod flows;
mod harness;
#[macro_use]
mod hostile;
mod hostile_words;
mod inbox;
mod keyboard;
mod pages;
mod people;
mod plain;
mod refresh;
mod roles;
mod scene;
mod signing_in;
mod sources;
mod story;
mod viewer;
mod walk;
