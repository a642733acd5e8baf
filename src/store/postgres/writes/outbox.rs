//! Deliveries and their lanes.
//!
//! A lane is what is pending for one user at one destination; its row tells of the first, which alone may be sent. Whoever makes or
//! changes deliveries of a lane locks its row before he does, so that two of them come one after the other, and the second sees
//! what the first one left.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::change::{ChangeSet, DeliveryWrite};
use crate::domain::delivery::{Cause, Delivery, DeliveryStatus};
use crate::store::Result;
use crate::store::postgres::pipeline::Param;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;

/// Writes deliveries, and what is first in their lanes.
pub(super) fn write<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> Result<()> {
    if changes.deliveries.is_empty() {
        return Ok(());
    }
    let lanes = lanes(&changes.deliveries);
    lock_lanes(&lanes, plan);
    let (fresh, known): (Vec<_>, Vec<_>) = changes.deliveries.iter().partition(|write| write.was.is_none());
    insert(fresh, plan)?;
    update(known, plan)?;
    lead_lanes(&lanes, plan);
    Ok(())
}

/// A lane's place: shard, destination, user.
type Place<'c> = (i16, Cow<'c, str>, Cow<'c, str>);

/// What a commit does to a lane.
struct Touched {
    /// The first of its new deliveries, and when that is due.
    first: Option<(Uuid, DateTime<Utc>)>,
    /// Whether deliveries that it had already change, so that another may be the first.
    changes: bool,
}

fn lanes(writes: &[DeliveryWrite]) -> BTreeMap<Place<'_>, Touched> {
    let mut lanes = BTreeMap::new();
    for DeliveryWrite { delivery, was } in writes {
        let pending = delivery.status == DeliveryStatus::Pending;
        if pending || was.is_some_and(|(status, _)| status == DeliveryStatus::Pending) {
            let place =
                (rows::shard(&delivery.user), rows::text(&delivery.destination), rows::key(&delivery.user));
            let lane = lanes.entry(place).or_insert(Touched { first: None, changes: false });
            if was.is_some() {
                lane.changes = true;
            } else {
                let new = (rows::uuid(delivery.id.to_bytes()), rows::instant(delivery.next_attempt_at));
                lane.first = Some(lane.first.map_or(new, |first| first.min(new)));
            }
        }
    }
    lanes
}

fn places<'c, 'l>(lanes: impl Iterator<Item = &'l Place<'c>> + Clone) -> Vec<Param<'c>>
where
    'c: 'l,
{
    params![
        lanes.clone().map(|(shard, ..)| *shard).collect::<Vec<_>>(),
        lanes.clone().map(|(_, destination, _)| destination.clone()).collect::<Vec<_>>(),
        lanes.clone().map(|(.., user)| user.clone()).collect::<Vec<_>>(),
    ]
}

/// Locks the rows of the lanes, and makes those that are missing. A new delivery that is older than the first one becomes the first
/// (clocks of nodes differ). Where others change, a last of all ids stands in until it is known which one is the first.
fn lock_lanes<'c>(lanes: &BTreeMap<Place<'c>, Touched>, plan: &mut Plan<'c>) {
    if lanes.is_empty() {
        return;
    }
    let sql = "INSERT INTO lanes (shard, destination, user_key, head, due) \
               SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[]) \
               ON CONFLICT (shard, destination, user_key) DO UPDATE SET head = EXCLUDED.head, due = EXCLUDED.due \
               WHERE EXCLUDED.head < lanes.head";
    let stand_in = (Uuid::max(), DateTime::UNIX_EPOCH);
    let first = |lane: &Touched| lane.first.filter(|_| !lane.changes).unwrap_or(stand_in);
    let mut params = places(lanes.keys());
    params.extend(params![
        lanes.values().map(|lane| first(lane).0).collect::<Vec<_>>(),
        lanes.values().map(|lane| first(lane).1).collect::<Vec<_>>(),
    ]);
    plan.add(sql, params);
}

/// Notes which is the first in the lanes of which deliveries changed, and removes the rows of those that are empty. Statements of
/// their own: they see what was written by whoever had the lane before.
fn lead_lanes<'c>(lanes: &BTreeMap<Place<'c>, Touched>, plan: &mut Plan<'c>) {
    let changed: Vec<_> =
        lanes.iter().filter(|(_, lane)| lane.changes).map(|(place, _)| place.clone()).collect();
    if changed.is_empty() {
        return;
    }
    // Both look into the index once for each lane, whatever the planner believes to know of the tables: LIMIT, OFFSET 0 and
    // MATERIALIZED keep it from joining the lanes with all that is pending, or from looking again for each row of `lanes`, which is
    // dear where its figures are of a time at which nothing was pending.
    let lead = "UPDATE lanes AS l SET head = f.id, due = f.next_attempt_at \
                FROM unnest($1::smallint[], $2::text[], $3::text[]) AS u(shard, destination, user_key) CROSS JOIN LATERAL ( \
                    SELECT d.id, d.next_attempt_at FROM deliveries AS d \
                    WHERE d.status = 'pending' AND d.destination = u.destination AND d.user_key = u.user_key \
                    ORDER BY d.id LIMIT 1 \
                ) AS f \
                WHERE l.shard = u.shard AND l.destination = u.destination AND l.user_key = u.user_key \
                    AND (l.head, l.due) IS DISTINCT FROM (f.id, f.next_attempt_at)";
    plan.add(lead, places(changed.iter()));
    let clear = "WITH u AS MATERIALIZED ( \
                     SELECT u.shard, u.destination, u.user_key \
                     FROM unnest($1::smallint[], $2::text[], $3::text[]) AS u(shard, destination, user_key) \
                     WHERE NOT EXISTS ( \
                         SELECT 1 FROM deliveries AS d \
                         WHERE d.status = 'pending' AND d.destination = u.destination AND d.user_key = u.user_key OFFSET 0 \
                     ) \
                 ) \
                 DELETE FROM lanes AS l USING u \
                 WHERE l.shard = u.shard AND l.destination = u.destination AND l.user_key = u.user_key";
    plan.add(clear, places(changed.iter()));
}

/// In the order of the primary key.
fn sorted(writes: Vec<&DeliveryWrite>) -> Vec<(i16, &DeliveryWrite)> {
    let mut sorted: Vec<_> =
        writes.into_iter().map(|write| (rows::shard(&write.delivery.user), write)).collect();
    sorted.sort_unstable_by_key(|(shard, write)| (*shard, write.delivery.id));
    sorted
}

fn bodies(writes: &[(i16, &DeliveryWrite)]) -> Result<Vec<Vec<u8>>> {
    let body = |(_, write): &(i16, &DeliveryWrite)| {
        rows::body(|| rows::name_of_delivery(write.delivery.id), &write.delivery)
    };
    writes.iter().map(body).collect()
}

fn each<'c, T>(writes: &[(i16, &'c DeliveryWrite)], column: impl Fn(&'c Delivery) -> T) -> Vec<T> {
    writes.iter().map(|(_, write)| column(&write.delivery)).collect()
}

fn insert<'c>(writes: Vec<&'c DeliveryWrite>, plan: &mut Plan<'c>) -> Result<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO deliveries (shard, id, status, next_attempt_at, updated_at, tries, reason, body, \
                   destination, user_key, message_id, cause, created_at) \
               SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::integer[], \
                   $7::text[], $8::bytea[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[]) \
               ON CONFLICT DO NOTHING";
    let writes = sorted(writes);
    let mut params = state(&writes)?;
    params.extend(params![
        each(&writes, |delivery| rows::text(&delivery.destination)),
        each(&writes, |delivery| rows::key(&delivery.user)),
        each(&writes, |delivery| rows::text(&delivery.message_id)),
        each(&writes, |delivery| cause(&delivery.cause)),
        each(&writes, |delivery| rows::instant(delivery.created_at)),
    ]);
    plan.expect(sql, params, writes.len(), "a delivery");
    Ok(())
}

fn update<'c>(writes: Vec<&'c DeliveryWrite>, plan: &mut Plan<'c>) -> Result<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE deliveries AS d SET status = u.status, next_attempt_at = u.next_attempt_at, updated_at = u.updated_at, \
                   tries = u.tries, reason = u.reason, body = u.body \
               FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::integer[], \
                   $7::text[], $8::bytea[], $9::text[], $10::timestamptz[]) \
                   AS u(shard, id, status, next_attempt_at, updated_at, tries, reason, body, was_status, was_next_attempt_at) \
               WHERE d.shard = u.shard AND d.id = u.id \
                   AND d.status = u.was_status AND d.next_attempt_at = u.was_next_attempt_at";
    let writes = sorted(writes);
    let mut params = state(&writes)?;
    params.extend(params![
        writes.iter().map(|(_, write)| write.was.map(|(status, _)| status.as_str())).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| write.was.map(|(_, at)| rows::instant(at))).collect::<Vec<_>>(),
    ]);
    plan.expect(sql, params, writes.len(), "a delivery");
    Ok(())
}

/// Which deliveries they are, and what may change about them.
fn state<'c>(writes: &[(i16, &'c DeliveryWrite)]) -> Result<Vec<Param<'c>>> {
    Ok(params![
        writes.iter().map(|(shard, _)| *shard).collect::<Vec<_>>(),
        each(writes, |delivery| rows::uuid(delivery.id.to_bytes())),
        each(writes, |delivery| delivery.status.as_str()),
        each(writes, |delivery| rows::instant(delivery.next_attempt_at)),
        each(writes, |delivery| rows::instant(delivery.updated_at)),
        each(writes, |delivery| i32::try_from(delivery.tries).unwrap_or(i32::MAX)),
        each(writes, |delivery| delivery.reason.as_deref().map(rows::text)),
        bodies(writes)?,
    ])
}

/// Why a delivery exists, in a word.
fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::Event(_) => "event",
        Cause::Time => "time",
        Cause::Stall(_) => "stall",
        Cause::Digest(_) => "digest",
        Cause::Backfill => "backfill",
        Cause::Deletion => "deletion",
        Cause::Merge => "merge",
        Cause::Health => "health",
        Cause::Operator => "operator",
    }
}
