//! The audit log: its entries are written in the change sets of what they tell.

use super::records::Record;
use crate::domain::change::DefinitionWrite;
use crate::domain::definition::{Definitions, render};
use crate::domain::ids::{AuditId, IdSource};
use crate::domain::page::{Page, PageRequest};
use crate::domain::people::{Action, AuditEntry, AuditFilter, Deed};
use crate::domain::shelf::{EntryWrite, Shelf};
use crate::domain::time::Timestamp;
use crate::engine::command::By;
use crate::engine::handle::Engine;
use crate::engine::read::Read;
use crate::store::entries_below;

/// The entry that tells of a deed.
pub(in crate::engine) fn entry(ids: &mut IdSource, now: Timestamp, by: &By, deed: Deed) -> EntryWrite {
    let entry = AuditEntry::new(ids.audit(now), now, (&by.who, by.via, &by.reason), deed);
    super::records::new(Shelf::Audit, &entry.id.to_string(), &entry)
}

/// What writing these definitions does, one deed for each.
pub(in crate::engine) fn definition_deeds(before: &Definitions, writes: &[DefinitionWrite]) -> Vec<Deed> {
    let deeds = writes.iter().map(|write| {
        let (kind, key, after) = match write {
            DefinitionWrite::Put(definition) => {
                (definition.kind(), definition.key(), Some(render::audited(definition)))
            }
            DefinitionWrite::Delete { kind, key } => (*kind, key.as_str(), None),
        };
        let before = before.get(kind, key).map(|known| render::audited(&known));
        let action = match (&before, &after) {
            (None, _) => Action::Created,
            (Some(_), None) => Action::Removed,
            (Some(_), Some(_)) => Action::Changed,
        };
        Deed::new(action, format!("{} {key}", kind.as_str())).from(before).to(after)
    });
    deeds.collect()
}

/// Entries that a search reads at a time: each may be tens of kilobytes.
const PART: usize = 200;

impl Engine {
    /// Entries of the audit log, newest first. Where [`AuditFilter::is_search`], at most `most` are looked through for one page, so it
    /// may be short while its cursor says that there is more.
    ///
    /// # Errors
    /// A cursor that no page gave.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
        most: usize,
    ) -> Read<Page<AuditEntry>> {
        let end = filter.to.map(|to| entries_below(&AuditId::floor(to).to_string()));
        // One more than is shown says whether there is another page.
        let limit = if filter.is_search() { PART } else { page.limit.saturating_add(1).min(PART) };
        let mut request = PageRequest { limit, cursor: page.cursor.clone().or(end) };
        let (mut rows, mut looked_at, mut last) = (Vec::new(), 0, None::<String>);
        loop {
            let part = self.shared.store.entries(Shelf::Audit, &request).await?;
            for row in part.rows {
                let record = Record::<AuditEntry>::parse(Shelf::Audit, row.key, row.value)?;
                if filter.from.is_some_and(|from| record.value.at < from) {
                    return Ok(Page { rows, cursor: None });
                }
                if rows.len() == page.limit || looked_at == most {
                    return Ok(Page { rows, cursor: last.map(|key| entries_below(&key)) });
                }
                looked_at += 1;
                last = Some(record.key);
                rows.extend(Some(record.value).filter(|entry| filter.wants(entry)));
            }
            request.cursor = part.cursor;
            if request.cursor.is_none() {
                return Ok(Page { rows, cursor: None });
            }
            // Reading a part may take no wait at all, and then nobody else's turn would come.
            tokio::task::yield_now().await;
        }
    }
}
