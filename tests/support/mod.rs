//! What tests of the real binary share: the server itself, a client for it, PostgreSQL, an HTTP receiver and an SMTP
//! server, a load, and the verdict on what came of it.

#![allow(dead_code, reason = "each test binary uses its part")]

pub mod api;
pub mod load;
pub mod peers;
pub mod ports;
pub mod postgres;
pub mod receiver;
pub mod server;
pub mod smtp;
pub mod stores;
pub mod studio;
pub mod twilio;
pub mod verdict;
pub mod wait;
