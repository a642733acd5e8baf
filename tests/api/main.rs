//! The contract, over real HTTP: the whole server in this process, with a clock that the tests set. These run in memory;
//! `tests/api_sled.rs` and `tests/api_postgres.rs` are the same tests over the other backends.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

/// What these tests run over.
#[allow(dead_code, reason = "the same tests over another backend have their own")]
const BACKEND: support::stores::Backend = support::stores::Backend::Memory;

pub(crate) mod app;
pub(crate) mod console;
pub(crate) mod http;
#[path = "../support/mod.rs"]
pub(crate) mod support;

mod act;
mod addresses;
mod audiences;
mod backpressure;
mod computations;
mod connections;
mod console_access;
mod console_audiences;
mod console_delete;
mod console_destinations;
mod console_flows;
pub(crate) mod console_journeys;
pub(crate) mod console_live;
mod console_overview;
mod console_people;
mod console_queues;
mod console_sources;
mod console_teams;
mod console_users;
mod deliveries;
mod destinations;
mod echoes;
mod escalation;
pub(crate) mod event_streams;
mod fuzz;
mod headers;
mod hostile;
mod journeys;
mod ladders;
mod management;
mod operations;
mod outbox;
mod people;
mod presets;
mod profile_api;
mod reading;
mod reconcile;
mod secrets;
mod segment;
mod signature;
pub(crate) mod studio;
mod trials;
mod twilio;
mod webhooks;
