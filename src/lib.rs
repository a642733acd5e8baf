//! stagepost: a Studio flow journey tracker with audience computation.
//!
//! The floors, from the ground up: [`domain`] decides, [`store`] keeps, [`engine`] writes and wakes, [`delivery`] sends,
//! [`http`] takes in and shows. `main` and [`cli`] wire them together.

pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod delivery;
pub mod domain;
pub mod engine;
pub mod file;
pub mod http;
pub mod metrics;
pub mod reconcile;

pub mod starter;
pub mod store;
pub mod telemetry;
