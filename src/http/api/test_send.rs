//! Sending a sample to a destination, for `POST /api/destinations/{key}/test`.

use async_trait::async_trait;

use crate::domain::delivery::Attempt;

/// Who can send a sample: the delivery floor, handed in when the server is put together.
#[async_trait]
pub trait DestinationTester: Send + Sync + 'static {
    /// Sends a sample call to the destination with this key, now and once; answers what came back.
    ///
    /// # Errors
    /// Why nothing could be sent at all, in words.
    async fn test(&self, key: &str) -> Result<Attempt, String>;
}
