//! The contract, over real HTTP: the whole server in this process, with a clock that the tests set.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

mod app;
mod http;
#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod audiences;
mod backpressure;
mod computations;
mod connections;
mod deliveries;
mod destinations;
mod echoes;
mod escalation;
mod fuzz;
mod hostile;
mod journeys;
mod management;
mod operations;
mod outbox;
mod presets;
mod profile_api;
mod reading;
mod secrets;
mod segment;
mod signature;
mod studio;
mod trials;
mod webhooks;
