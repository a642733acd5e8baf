//! What keeps a commit from resting on what is no longer so.
//!
//! Definitions and backfills are what everything is decided by. How often they were written stands in 64 equal rows, the fence, one
//! for each slot. A commit locks that of its slot until it ends; whoever writes definitions locks all of them, which waits for every
//! commit that was decided on the older ones, and keeps newer ones waiting. Profiles that were swept are held still the same way.
//! No lock is shared: those who share one pass whoever waits for it alone, for as long as they come.

use std::borrow::Cow;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::change::{ChangeSet, Revisions, Swept};
use crate::domain::ids::UserKey;
use crate::store::postgres::pipeline::Answer;
use crate::store::postgres::plan::{Check, Plan, params};
use crate::store::postgres::rows;
use crate::store::postgres::slots::SLOTS;
use crate::store::{Result, StoreError};

/// How often what was written, in one row.
pub(in crate::store::postgres) const REVISIONS: &str = "\
    SELECT f.definitions, f.backfills, h.revision AS healths, r.revision AS replays \
    FROM fence f, heads h, heads r WHERE f.slot = 0 AND h.name = 'healths' AND r.name = 'replays'";

/// What [`REVISIONS`] found.
pub(in crate::store::postgres) fn read_revisions(found: &[Row]) -> Result<Revisions> {
    let row = found.first().ok_or_else(no_fence)?;
    let number = |column| rows::column(row, column).map(rows::number);
    Ok(Revisions {
        definitions: number("definitions")?,
        backfills: number("backfills")?,
        healths: number("healths")?,
        replays: number("replays")?,
    })
}

fn no_fence() -> StoreError {
    StoreError::Corrupt { place: "the table fence".to_owned(), detail: "rows are missing".to_owned() }
}

/// Leaves the commit's name. Where it is there already, nothing is written: the commit took place. (Where that is not decided yet,
/// this waits for it.)
pub(super) fn note_commit(id: Uuid, plan: &mut Plan<'_>) -> usize {
    let sql = "INSERT INTO commits (id, at) VALUES ($1, now()) ON CONFLICT DO NOTHING";
    plan.add(sql, params![id])
}

/// Takes the fence, and checks what the commit was decided on.
pub(super) fn take<'c>(changes: &'c ChangeSet, slot: i16, plan: &mut Plan<'c>) {
    let rules = changes.basis.map(|basis| (basis.definitions, basis.backfills));
    let (definitions, backfills) = (!changes.definitions.is_empty(), !changes.backfills.is_empty());
    if definitions || backfills || changes.swept.is_some() {
        let lock = "SELECT definitions, backfills FROM fence ORDER BY slot FOR UPDATE";
        plan.add_checked(lock, params![], stand_at(rules, usize::from(SLOTS.unsigned_abs())));
    } else {
        let lock = "SELECT definitions, backfills FROM fence WHERE slot = $1 FOR UPDATE";
        plan.add_checked(lock, params![slot], stand_at(rules, 1));
    }
    if definitions || backfills {
        let raise = "UPDATE fence SET definitions = definitions + $1, backfills = backfills + $2";
        plan.add(raise, params![i64::from(definitions), i64::from(backfills)]);
    }
    if let Some(swept) = &changes.swept {
        check_swept(swept, plan);
    }
    let raise =
        "UPDATE heads SET revision = revision + 1 WHERE name = $1 AND revision = coalesce($2, revision)";
    let basis = |of: fn(&Revisions) -> u64| changes.basis.as_ref().map(|basis| rows::bigint(of(basis)));
    if !changes.healths.is_empty() {
        plan.expect(raise, params!["healths", basis(|basis| basis.healths)], 1, "a destination");
    }
    if !changes.replays.is_empty() {
        plan.expect(raise, params!["replays", basis(|basis| basis.replays)], 1, "a replay");
    }
}

/// That so many rows of the fence stand where they stood.
fn stand_at<'c>(rules: Option<(u64, u64)>, slots: usize) -> Check<'c> {
    Check::By(Box::new(move |answer| {
        if answer.rows.len() != slots {
            return Err(no_fence());
        }
        for row in &answer.rows {
            let found = (rows::column(row, "definitions")?, rows::column(row, "backfills")?);
            let found = (rows::number(found.0), rows::number(found.1));
            if rules.is_some_and(|rules| rules != found) {
                return Err(StoreError::Conflict("the definitions"));
            }
        }
        Ok(())
    }))
}

/// Looks whether the profiles are those that were there.
fn check_swept<'c>(swept: &'c Swept, plan: &mut Plan<'c>) {
    // Bounds on both sides, so that the index is read from one to the other: every key is between these two.
    let sql =
        "SELECT user_key, revision FROM profiles WHERE user_key > $1 AND user_key <= $2 ORDER BY user_key";
    let key = |bound: &'c Option<UserKey>, other| bound.as_ref().map_or(Cow::Borrowed(other), rows::key);
    let params = params![key(&swept.after, ""), key(&swept.to, "~")];
    let check = |answer: &Answer| {
        let mut same = answer.rows.len() == swept.profiles.len();
        for (row, (user, revision)) in answer.rows.iter().zip(&swept.profiles) {
            let (found, at): (&str, i64) = (rows::column(row, "user_key")?, rows::column(row, "revision")?);
            same &= found == rows::key(user) && at == rows::bigint(*revision);
        }
        if same { Ok(()) } else { Err(StoreError::Conflict("the profiles")) }
    };
    plan.add_checked(sql, params, Check::By(Box::new(check)));
}
