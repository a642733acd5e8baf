//! What senders post, read: Segment's calls and batches, Twilio Studio's stage posts, Twilio's
//! Event Streams, the tracking pixel.
//!
//! Everything here is pure: bytes and the time of arrival in, [`Event`](super::event::Event)s or an [`IngestError`] out.
//! The shapes follow Segment's HTTP tracking API, its common fields and its pixel API, and what Twilio documents of the
//! "Make HTTP Request" widget and of `X-Twilio-Signature`.

pub mod batch;
mod broken_json;
mod error;
pub mod event_streams;
pub mod execution;
mod field;
pub mod form;
pub mod json;
mod phone;
pub mod pixel;
pub mod recovery;
pub mod segment;
pub mod studio;
mod times;
pub mod twilio_signature;

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests_support;

pub use error::{Code, IngestError};

use super::definition::Source;
use super::ids::IdSource;
use super::time::Timestamp;

/// Where and when something arrived, and what makes ids for it.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// The source whose write key was shown.
    pub source: &'a Source,
    /// When it arrived.
    pub now: Timestamp,
    /// Makes the message ids that senders left out.
    pub ids: &'a mut IdSource,
}

impl Arrival<'_> {
    /// The sender's message id, or one of ours (`api-` and a KSUID, as Segment makes them), and whether it is the sender's.
    fn message_id(&mut self, given: Option<String>) -> (String, bool) {
        match given {
            Some(id) => (id, true),
            None => (self.ids.ksuid("api-", self.now), false),
        }
    }
}
