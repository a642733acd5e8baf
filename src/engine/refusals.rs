//! Refused posts, counted: they cause no commit of their own, so that whoever posts nonsense costs nothing.

use super::writer::Writer;
use crate::domain::change::ChangeSet;
use crate::domain::limits;
use crate::store::StoreError;

impl Writer {
    /// Writes, now and then, how much was refused here since. A stop or a crash loses what was counted since the last time.
    pub(super) async fn write_refusals(&mut self) -> Result<(), StoreError> {
        let now = self.shared.clock.now();
        if self.refusals_written_at.is_some_and(|at| now < at.plus(limits::REFUSALS_WRITTEN)) {
            return Ok(());
        }
        let figures = self.shared.debugger.take_counted();
        if figures.is_empty() {
            return Ok(());
        }
        self.refusals_written_at = Some(now);
        let changes = ChangeSet { figures, ..ChangeSet::default() };
        let written = self.shared.store.commit(&changes).await;
        if written.is_err() {
            self.shared.debugger.give_back(changes.figures);
        }
        written
    }
}
