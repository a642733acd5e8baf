//! The contract over PostgreSQL: the same tests as in `tests/api`.

#[path = "api/main.rs"]
mod api;

use api::{app, console, console_journeys, console_live, event_streams, http, studio, support};

/// What these tests run over.
const BACKEND: support::stores::Backend = support::stores::Backend::Postgres;
