//! That sessions and tokens are used: gathered while they are, and written down with the next tick, so that whoever uses one waits for
//! nothing, and many uses at once are written once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::records::Record;
use crate::domain::change::ChangeSet;
use crate::domain::limits;
use crate::domain::people::{ApiToken, Person, Session};
use crate::domain::shelf::{EntryWrite, Shelf};
use crate::domain::time::Timestamp;
use crate::engine::writer::Writer;
use crate::store::StoreError;

/// What was used, and when last. There are no more than there are sessions and tokens; what a kill forgets is noted by the next use.
#[derive(Debug, Default)]
pub(in crate::engine) struct Uses(Mutex<BTreeMap<(Shelf, String), Timestamp>>);

impl Uses {
    /// The record of a session or token with that key is used now.
    pub fn note(&self, shelf: Shelf, key: String, now: Timestamp) {
        self.lock().insert((shelf, key), now);
    }

    /// What was used, a bounded part of it.
    fn take(&self) -> BTreeMap<(Shelf, String), Timestamp> {
        let mut uses = self.lock();
        let first_left = uses.keys().nth(limits::UPKEEP_STEP).cloned();
        let left = first_left.map(|key| uses.split_off(&key)).unwrap_or_default();
        std::mem::replace(&mut *uses, left)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Shelf, String), Timestamp>> {
        // Nobody panics while holding it; if one did, the map would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes down what was used since the last tick.
    pub(in crate::engine) async fn write_down_uses(&mut self) -> Result<(), StoreError> {
        let uses = self.shared.uses.take();
        let (mut entries, mut seen) = (Vec::new(), BTreeMap::new());
        for ((shelf, key), at) in uses {
            match shelf {
                Shelf::Tokens => entries.extend(self.token_used(&key, at).await?),
                Shelf::Sessions => entries.extend(self.session_used(&key, at, &mut seen).await?),
                Shelf::People | Shelf::Audit => {}
            }
        }
        for (email, at) in seen {
            entries.extend(self.person_seen(&email, at).await?);
        }
        if !entries.is_empty() {
            self.commit(&mut ChangeSet { entries, ..ChangeSet::default() }).await?;
        }
        Ok(())
    }

    async fn token_used(&self, hash: &str, at: Timestamp) -> Result<Option<EntryWrite>, StoreError> {
        let record = Record::<ApiToken>::read(&*self.shared.store, Shelf::Tokens, hash).await?;
        // Another node may have been first.
        Ok(record.filter(|record| record.value.is_to_be_noted(at)).map(|record| {
            let token = ApiToken { used_at: Some(at), ..record.value.clone() };
            record.put(&token)
        }))
    }

    /// Also notes whose it is in `seen`.
    async fn session_used(
        &self,
        key: &str,
        at: Timestamp,
        seen: &mut BTreeMap<String, Timestamp>,
    ) -> Result<Option<EntryWrite>, StoreError> {
        let record = Record::<Session>::read(&*self.shared.store, Shelf::Sessions, key).await?;
        Ok(record.filter(|record| record.value.is_to_be_noted(at)).map(|record| {
            let newest = seen.entry(record.value.email.clone()).or_insert(at);
            *newest = at.max(*newest);
            let session = Session { seen_at: at, ..record.value.clone() };
            record.put(&session)
        }))
    }

    async fn person_seen(&self, email: &str, at: Timestamp) -> Result<Option<EntryWrite>, StoreError> {
        let is_news = |person: &Person| person.seen_at.is_none_or(|seen| at >= seen.plus(limits::USE_NOTED));
        let record = Record::<Person>::read(&*self.shared.store, Shelf::People, email).await?;
        Ok(record.filter(|record| is_news(&record.value)).map(|record| {
            let person = Person { seen_at: Some(at), ..record.value.clone() };
            record.put(&person)
        }))
    }
}
