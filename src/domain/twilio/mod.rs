//! What Twilio's words mean, and what calls say.

mod status;
mod twiml;

pub use status::{Thing, is_later, reached};
pub use twiml::{Gather, TWIML_CHARS, ask_for_key, say};

/// Digits of the key that acknowledges.
pub const ACKNOWLEDGE_KEY: &str = "1";
/// Longest body of a message, in UTF-16 units, as Twilio counts them.
pub const SMS_UNITS: usize = 1600;
/// The name in `Parameters` and `Attributes` under which the delivery's id stands, so that a lost answer can be found again.
pub const REFERENCE: &str = "stagepostDelivery";
