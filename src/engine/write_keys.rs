//! Going over from one write key of a source to another.

use std::sync::Arc;

use super::command::{ApplyOptions, By};
use super::error::EngineError;
use super::writer::Writer;
use crate::domain::definition::{Definition, Source};

impl Writer {
    /// Gives a source that write key in place of the one it has, which may be used for a while. The writer looks whether there may
    /// be another one: of two who ask for one at once, the second is told so.
    pub(super) async fn rotate(
        &mut self,
        key: &str,
        write_key: String,
        by: &By,
    ) -> Result<Arc<Source>, EngineError> {
        let (source, now) = (self.source(key)?, self.shared.clock.now());
        if let Some(previous) = source.valid_previous(now) {
            return Err(EngineError::Conflict(format!(
                "the previous write key of source `{key}` may be used until {}, and there can't be three: end it first",
                previous.until.to_rfc3339_seconds()
            )));
        }
        let rotated = Definition::Source(source.rotated(write_key, now));
        self.apply(vec![rotated], ApplyOptions::default(), by).await?;
        self.source(key)
    }

    fn source(&self, key: &str) -> Result<Arc<Source>, EngineError> {
        let found = self.rules.definitions.sources.get(key).map(Arc::clone);
        found.ok_or_else(|| EngineError::NotFound { what: "source", key: key.to_owned() })
    }
}
