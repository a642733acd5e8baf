//! Running totals. Each writer adds to rows of its own, so that nobody waits for anybody; readers add them up.

use std::collections::BTreeMap;

use crate::domain::change::ChangeSet;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;

/// What one commit changes about the totals.
#[derive(Clone, Default)]
pub(super) struct Delta {
    /// All but those of members, under the names that they are stored by.
    others: BTreeMap<String, i64>,
    /// By audience id.
    pub members: BTreeMap<String, i64>,
}

impl Delta {
    /// What `changes` say by themselves: all but how many members come and go.
    pub(super) fn of(changes: &ChangeSet) -> Self {
        let mut delta = Self::default();
        let events = i64::try_from(changes.events.len()).expect("a count fits 63 bits");
        delta.add("events".to_owned(), events);
        delta.add("profiles".to_owned(), changes.profiles.iter().map(|write| write.adds()).sum());
        for step in &changes.journeys {
            if let Some(from) = step.from {
                delta.add(format!("journeys:{}", from.status.as_str()), -1);
                delta.add("acknowledged".to_owned(), -i64::from(from.is_acknowledged()));
            }
            delta.add(format!("journeys:{}", step.to.status.as_str()), 1);
            delta.add("acknowledged".to_owned(), i64::from(step.to.is_acknowledged()));
        }
        for write in &changes.deliveries {
            let destination = rows::text(&write.delivery.destination);
            if let Some((was, _)) = write.was {
                delta.add(format!("deliveries:{}:{destination}", was.as_str()), -1);
            }
            delta.add(format!("deliveries:{}:{destination}", write.delivery.status.as_str()), 1);
        }
        delta
    }

    fn add(&mut self, name: String, change: i64) {
        *self.others.entry(name).or_default() += change;
    }

    /// Adds it to the totals of that slot.
    pub(super) fn write(&self, slot: i16, plan: &mut Plan<'_>) {
        let mut all = self.others.clone();
        all.extend(self.members.iter().map(|(id, change)| (format!("members:{}", rows::text(id)), *change)));
        all.retain(|_, change| *change != 0);
        if all.is_empty() {
            return;
        }
        let sql = "INSERT INTO counters (name, slot, n) SELECT u.name, $1, u.n FROM unnest($2::text[], $3::bigint[]) AS u(name, n) \
                   ON CONFLICT (name, slot) DO UPDATE SET n = counters.n + EXCLUDED.n";
        let (names, changes): (Vec<String>, Vec<i64>) = all.into_iter().unzip();
        plan.add(sql, params![slot, names, changes]);
    }
}
