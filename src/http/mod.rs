//! The top floor: what comes in and what is shown over HTTP.

pub mod ingest;
pub mod reply;
