//! Forgetting: old entries of the audit log, and sessions that are over.

use super::records::{self, Record};
use crate::domain::change::ChangeSet;
use crate::domain::ids::AuditId;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::Session;
use crate::domain::shelf::{Entry, EntryWrite, Shelf};
use crate::domain::time::Span;
use crate::engine::writer::Writer;
use crate::store::{StoreError, entries_below};

/// How often sessions that are over are looked for: they let nobody in meanwhile.
const LOOK_EVERY: Span = Span::from_hours(1);

impl Writer {
    /// Forgets some of what is past its time; says whether there may be more.
    pub(in crate::engine) async fn forget_people(&mut self) -> Result<bool, StoreError> {
        let mut entries = self.old_audit().await?;
        if entries.is_empty() {
            entries = self.sessions_over().await?;
        }
        if entries.is_empty() {
            return Ok(false);
        }
        self.commit(&mut ChangeSet { entries, ..ChangeSet::default() }).await?;
        Ok(true)
    }

    async fn old_audit(&self) -> Result<Vec<EntryWrite>, StoreError> {
        let oldest = AuditId::floor(self.shared.clock.now().minus(limits::AUDIT_KEPT));
        let cursor = Some(entries_below(&oldest.to_string()));
        let page = PageRequest { limit: limits::UPKEEP_STEP.min(limits::MAX_PAGE), cursor };
        let old = self.shared.store.entries(Shelf::Audit, &page).await?.rows.into_iter();
        let remove =
            |old: Entry| EntryWrite { shelf: Shelf::Audit, key: old.key, was: Some(old.value), value: None };
        Ok(old.map(remove).collect())
    }

    async fn sessions_over(&mut self) -> Result<Vec<EntryWrite>, StoreError> {
        let now = self.shared.clock.now();
        if self.sessions_looked_at.is_some_and(|at| now < at.plus(LOOK_EVERY)) {
            return Ok(Vec::new());
        }
        let mut sessions = records::all::<Session>(&*self.shared.store, Shelf::Sessions).await?;
        sessions.retain(|session| session.value.is_over(now));
        if sessions.len() <= limits::UPKEEP_STEP {
            self.sessions_looked_at = Some(now);
        }
        sessions.truncate(limits::UPKEEP_STEP);
        Ok(sessions.into_iter().map(Record::remove).collect())
    }
}
