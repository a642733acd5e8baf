//! The ground floor: pure rules. No I/O, no clock, no randomness; `now` and ids are arguments.
//!
//! Everything stagepost decides is decided here; the floors above only carry inputs in and results out.

pub mod address_policy;
pub mod backfill;
pub mod calendar;
pub mod change;
pub mod copying;
pub mod decide;
pub mod definition;
pub mod delivery;
pub mod desk;
pub mod event;
pub mod external_ids;
pub mod figures;
pub mod fql;
pub mod funnel;
pub mod health;
pub mod ids;
pub mod ingest;
pub mod javascript;
pub mod journey;
pub mod key;
pub mod leaf;
pub mod lease;
pub mod limits;
pub mod link;
pub mod mapping;
pub mod own_headers;
pub mod packed;
pub mod packed_map;
pub mod page;
pub mod people;
pub mod preset;
pub mod profile;
pub mod query;
pub mod replay;
pub mod retry;
pub mod route;
pub mod shelf;
pub mod sizes;
pub mod studio_flow;
pub mod summary;
#[cfg(test)]
pub(crate) mod test_journeys;
pub mod time;
pub mod twilio;
