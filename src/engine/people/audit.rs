//! The audit log: its entries are written in the change sets of what they tell.

use super::records::Record;
use crate::domain::change::DefinitionWrite;
use crate::domain::definition::{Definitions, render};
use crate::domain::ids::{AuditId, IdSource};
use crate::domain::limits;
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

impl Engine {
    /// Entries of the audit log, newest first.
    ///
    /// # Errors
    /// A cursor that no page gave.
    pub async fn audit(&self, filter: &AuditFilter, page: &PageRequest) -> Read<Page<AuditEntry>> {
        let end = filter.to.map(|to| entries_below(&AuditId::floor(to).to_string()));
        let most = filter.looks.map_or(limits::MAX_SCAN, |most| most.min(limits::MAX_SCAN));
        // Most pages are full with the first part: nothing is filtered, or little.
        let first = page.limit.saturating_add(1).min(limits::MAX_PAGE);
        let mut request = PageRequest { limit: first, cursor: page.cursor.clone().or(end) };
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
            request = PageRequest { limit: limits::MAX_PAGE, cursor: part.cursor };
            if request.cursor.is_none() {
                return Ok(Page { rows, cursor: None });
            }
        }
    }
}
