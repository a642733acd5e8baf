//! Forgetting: old entries of the audit log, and sessions that are over.

use super::records::Record;
use crate::domain::change::ChangeSet;
use crate::domain::ids::AuditId;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::Session;
use crate::domain::shelf::{Entry, EntryWrite, Shelf};
use crate::domain::time::{Span, Timestamp};
use crate::engine::writer::Writer;
use crate::store::{StoreError, entries_below};

/// How often sessions that are over are looked for: they let nobody in meanwhile.
const LOOK_EVERY: Span = Span::from_hours(1);

/// How far the look through all sessions is.
#[derive(Default)]
pub(in crate::engine) struct SessionWalk {
    /// Where the next page begins; `None` between two walks.
    cursor: Option<String>,
    /// When the last page was looked at.
    at: Option<Timestamp>,
}

impl Writer {
    /// Forgets some of what is past its time; says whether there may be more.
    pub(in crate::engine) async fn forget_people(&mut self) -> Result<bool, StoreError> {
        let mut entries = self.old_audit().await?;
        let mut has_more = !entries.is_empty();
        if !has_more {
            (entries, has_more) = self.sessions_over().await?;
        }
        if !entries.is_empty() {
            self.commit(&mut ChangeSet { entries, ..ChangeSet::default() }).await?;
        }
        Ok(has_more)
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

    /// Looks at a page of the sessions; says which are over, and whether there are more to look at.
    async fn sessions_over(&mut self) -> Result<(Vec<EntryWrite>, bool), StoreError> {
        let now = self.shared.clock.now();
        let SessionWalk { cursor, at } = &self.session_walk;
        if cursor.is_none() && at.is_some_and(|at| now < at.plus(LOOK_EVERY)) {
            return Ok((Vec::new(), false));
        }
        let page = PageRequest { limit: limits::UPKEEP_STEP.min(limits::MAX_PAGE), cursor: cursor.clone() };
        let page = self.shared.store.entries(Shelf::Sessions, &page).await?;
        let mut over = Vec::new();
        for entry in page.rows {
            let session = Record::<Session>::parse(Shelf::Sessions, entry.key, entry.value)?;
            over.extend(session.value.is_over(now).then(|| session.remove()));
        }
        let has_more = page.cursor.is_some();
        self.session_walk = SessionWalk { cursor: page.cursor, at: Some(now) };
        Ok((over, has_more))
    }
}
