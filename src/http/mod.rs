//! (being built)

pub mod api;
pub mod exposition;
pub mod operations;
pub mod problem;
