//! What the memory backend does where several engines share it: it refuses what was decided on something old, and gives leases.

use std::ops::Bound;

use super::state::State;
use crate::domain::backfill::Backfill;
use crate::domain::change::{BackfillWrite, ChangeSet, DeliveryWrite, ProfileWrite, Swept};
use crate::domain::copying::CopyWrite;
use crate::domain::ids::UserKey;
use crate::domain::lease::{Lease, LeaseAsk};
use crate::domain::time::{Span, Timestamp};
use crate::store::{Result, Rulebook, StoreError};

/// How long a lease that is over is still told of.
const TOLD_FOR: Span = Span::from_millis(3_600_000);

impl State {
    /// Applies what still rests on what is stored.
    pub(super) fn apply_shared(&mut self, changes: &ChangeSet) -> Result<()> {
        self.check(changes)?;
        let mut changes = changes.clone();
        for write in &mut changes.profiles {
            write.profile.revision += 1;
        }
        self.apply(&changes);
        self.begin_backfills(&changes);
        self.revisions.definitions += u64::from(!changes.definitions.is_empty());
        self.revisions.backfills += u64::from(!changes.backfills.is_empty());
        self.revisions.healths += u64::from(!changes.healths.is_empty());
        self.revisions.replays += u64::from(!changes.replays.is_empty());
        Ok(())
    }

    fn check(&self, changes: &ChangeSet) -> Result<()> {
        if let Some(basis) = changes.basis {
            let now = self.revisions;
            let rules = (basis.definitions, basis.backfills) == (now.definitions, now.backfills);
            refuse_unless(rules, "the definitions")?;
            refuse_unless(changes.healths.is_empty() || basis.healths == now.healths, "a destination")?;
            refuse_unless(changes.replays.is_empty() || basis.replays == now.replays, "a replay")?;
        }
        let is_as_read = |write: &ProfileWrite| {
            let stored = self.profiles.get(&write.profile.key).map(|profile| profile.revision);
            stored == (!write.is_new).then_some(write.profile.revision)
        };
        refuse_unless(changes.profiles.iter().all(is_as_read), "a profile")?;
        let is_as_it_was = |write: &DeliveryWrite| {
            let stored = self.deliveries.get(&write.delivery.id);
            stored.map(|delivery| (delivery.status, delivery.next_attempt_at)) == write.was
        };
        refuse_unless(changes.deliveries.iter().all(is_as_it_was), "a delivery")?;
        let entries = changes.entries.iter().all(|write| self.is_entry_as_it_was(write));
        refuse_unless(entries, "a record on a shelf")?;
        let is_where_it_was = |write: &CopyWrite| self.copy_mark == write.was;
        refuse_unless(changes.copied.as_ref().is_none_or(is_where_it_was), "the copy")?;
        refuse_unless(changes.swept.as_ref().is_none_or(|swept| self.is_as_swept(swept)), "the profiles")
    }

    fn is_as_swept(&self, swept: &Swept) -> bool {
        let after: Bound<&UserKey> = swept.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let to: Bound<&UserKey> = swept.to.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let there = self.profiles.range::<UserKey, _>((after, to));
        there
            .map(|(key, profile)| (key, profile.revision))
            .eq(swept.profiles.iter().map(|(key, revision)| (key, *revision)))
    }

    /// The log up to now is the past of the backfills that begin.
    fn begin_backfills(&mut self, changes: &ChangeSet) {
        let last = self.events.last_key_value().map(|(id, _)| *id);
        let begun = changes.backfills.iter().filter_map(|write| match write {
            BackfillWrite::Put(backfill) if changes.begun.contains(&backfill.id) => Some(backfill.id),
            BackfillWrite::Put(_) | BackfillWrite::Delete(_) => None,
        });
        for id in begun {
            if let Some(backfill) = self.backfills.get_mut(&id) {
                *backfill = Backfill { until: last, ..backfill.clone() };
            }
        }
    }

    pub(super) fn rulebook(&self) -> Rulebook {
        Rulebook {
            revisions: self.revisions,
            definitions: self.definitions.values().cloned().collect(),
            backfills: self.backfills.values().cloned().collect(),
            healths: self.healths.values().cloned().collect(),
            replays: self.replays.values().cloned().collect(),
        }
    }

    pub(super) fn hold_leases(
        &mut self,
        node: &str,
        ask: &LeaseAsk,
        lasting: Span,
        now: Timestamp,
    ) -> Vec<Lease> {
        let until = now.plus(lasting);
        for name in &ask.give_up {
            if self.leases.get(name).is_some_and(|(holder, _)| holder == node) {
                self.leases.remove(name);
            }
        }
        for name in &ask.keep {
            if let Some((_, end)) =
                self.leases.get_mut(name).filter(|(holder, end)| holder == node && *end > now)
            {
                *end = until;
            }
        }
        for name in &ask.take {
            if self.leases.get(name).is_none_or(|(_, end)| *end <= now) {
                self.leases.insert(name.clone(), (node.to_owned(), until));
            }
        }
        self.leases.retain(|_, (_, end)| end.plus(TOLD_FOR) > now);
        let lease = |(name, (holder, end)): (&String, &(String, Timestamp))| Lease {
            name: name.clone(),
            holder: holder.clone(),
            left: Span::from_millis(end.millis_since(now)),
        };
        self.leases.iter().map(lease).collect()
    }
}

fn refuse_unless(is_so: bool, what: &'static str) -> Result<()> {
    if is_so { Ok(()) } else { Err(StoreError::Conflict(what)) }
}
