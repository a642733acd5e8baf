//! How many users a query would have now, without keeping anything.

use super::error::EngineError;
use super::handle::Engine;
use crate::domain::ids::UserKey;
use crate::domain::query::Query;

/// Whom a query would have now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// How many.
    pub count: u64,
    /// Some of them.
    pub sample: Vec<UserKey>,
    /// Whether everybody was looked at; otherwise there may be more.
    pub complete: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl Engine {
    /// Whom `query` would have now; nothing is stored.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when there is no answer now.
    pub async fn preview(&self, query: Query) -> Result<Preview, EngineError> {
        drop(query);
        Err(EngineError::Unavailable("queries can't be tried out yet".to_owned()))
    }
}
