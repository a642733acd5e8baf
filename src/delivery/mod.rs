//! The second floor, outward: sends what the engine put into the outbox.
//!
//! The [`dispatcher`] claims what is due, a [`sender`] makes one attempt, the engine keeps what came of it. Nothing here
//! decides what is sent: that was decided, and stored, with its cause.

pub mod destinations;
pub mod dispatcher;
pub mod email;
pub mod http_client;
pub mod json;
pub mod links;
mod masking;
mod resolver;
pub mod sample;
pub mod secrets;
pub mod sender;
pub mod signature;
pub mod standard_webhooks;
pub mod templates;
#[cfg(test)]
mod test_deliveries;
#[cfg(test)]
mod test_server;
mod tls;
pub mod trial;
mod turns;
mod ways_back;
