//! Members of audiences, and the sizes that come of who enters and leaves.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::change::ChangeSet;
use crate::domain::limits;
use crate::domain::sizes::Per;
use crate::domain::time::Timestamp;
use crate::store::Result;
use crate::store::postgres::pipeline::Answer;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;

use super::last_words;

/// What a commit makes of an audience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    entered: i64,
    exited: i64,
    /// How many members more it has afterwards.
    pub change: i64,
}

/// Writes who is in and who is not, forgets and sets sizes, and removes what is left of audiences that are gone. Answers the places of
/// two answers: who was in before, and who was removed.
pub(super) fn write<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> (Option<usize>, Option<usize>) {
    forget_sizes(changes, plan);
    let seats = (!changes.memberships.is_empty()).then(|| write_memberships(changes, plan));
    set_sizes(changes, plan);
    let dropped = (!changes.drop_members.is_empty()).then(|| drop_members(changes, plan));
    (seats, dropped)
}

/// Asks who is in of those concerned, then writes the last word on each. Rows that are there are locked in their order as they are
/// asked for: of those who leave and those who enter each have an order, but not both together, and a commit that is about to be
/// refused has not waited for anybody's profile.
fn write_memberships<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> usize {
    let words = changes.memberships.iter().map(|write| {
        ((rows::shard(&write.user), rows::text(&write.audience_id), rows::key(&write.user)), write.since)
    });
    let words = last_words(words);
    let ask = "SELECT m.audience_id, m.user_key \
               FROM unnest($1::smallint[], $2::text[], $3::text[]) AS u(shard, audience_id, user_key) \
               JOIN members AS m ON m.shard = u.shard AND m.audience_id = u.audience_id AND m.user_key = u.user_key \
               ORDER BY m.shard, m.audience_id, m.user_key FOR UPDATE OF m";
    let params = params![
        words.keys().map(|(shard, ..)| *shard).collect::<Vec<_>>(),
        words.keys().map(|(_, audience, _)| audience.clone()).collect::<Vec<_>>(),
        words.keys().map(|(.., user)| user.clone()).collect::<Vec<_>>(),
    ];
    let seats = plan.add(ask, params);
    let (put, gone): (Vec<_>, Vec<_>) = words.into_iter().partition(|(_, since)| since.is_some());
    if !gone.is_empty() {
        let sql = "DELETE FROM members AS m \
                   USING unnest($1::smallint[], $2::text[], $3::text[]) AS u(shard, audience_id, user_key) \
                   WHERE m.shard = u.shard AND m.audience_id = u.audience_id AND m.user_key = u.user_key";
        let params = params![
            gone.iter().map(|((shard, ..), _)| *shard).collect::<Vec<_>>(),
            gone.iter().map(|((_, audience, _), _)| audience.clone()).collect::<Vec<_>>(),
            gone.iter().map(|((.., user), _)| user.clone()).collect::<Vec<_>>(),
        ];
        plan.add(sql, params);
    }
    if !put.is_empty() {
        let sql = "INSERT INTO members (shard, audience_id, user_key, since) \
                   SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::timestamptz[]) \
                   ON CONFLICT (shard, audience_id, user_key) DO UPDATE SET since = EXCLUDED.since";
        let params = params![
            put.iter().map(|((shard, ..), _)| *shard).collect::<Vec<_>>(),
            put.iter().map(|((_, audience, _), _)| audience.clone()).collect::<Vec<_>>(),
            put.iter().map(|((.., user), _)| user.clone()).collect::<Vec<_>>(),
            put.iter().map(|(_, since)| since.map(rows::instant)).collect::<Vec<_>>(),
        ];
        plan.add(sql, params);
    }
    seats
}

/// Removes the first members, and the first points, of audiences that are gone; answers the place of who was removed.
fn drop_members<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> usize {
    let audiences: Vec<_> = changes.drop_members.iter().map(|id| rows::text(id)).collect();
    let limit = rows::limit(changes.drop_members_limit);
    let points = "DELETE FROM audience_sizes AS s USING ( \
                      SELECT p.* FROM unnest($1::text[]) AS u(audience_id) CROSS JOIN LATERAL ( \
                          SELECT DISTINCT audience_id, per, start FROM audience_sizes WHERE audience_id = u.audience_id \
                          ORDER BY per DESC, start LIMIT $2 \
                      ) AS p \
                  ) AS gone WHERE s.audience_id = gone.audience_id AND s.per = gone.per AND s.start = gone.start";
    plan.add(points, params![audiences.clone(), limit]);
    let members = "DELETE FROM members AS m USING ( \
                       SELECT f.* FROM unnest($1::text[]) AS u(audience_id) CROSS JOIN LATERAL ( \
                           SELECT shard, audience_id, user_key FROM members WHERE audience_id = u.audience_id \
                           ORDER BY user_key LIMIT $2 \
                       ) AS f \
                   ) AS gone WHERE m.shard = gone.shard AND m.audience_id = gone.audience_id AND m.user_key = gone.user_key \
                   RETURNING m.audience_id";
    plan.add(members, params![audiences, limit])
}

/// Who entered and left, by audience. `seats` answers who was in before, `dropped` who was removed at the end.
pub(super) fn moves(
    changes: &ChangeSet,
    seats: Option<&Answer>,
    dropped: Option<&Answer>,
) -> Result<BTreeMap<String, Moves>> {
    let mut taken = BTreeSet::new();
    for row in seats.into_iter().flat_map(|answer| &answer.rows) {
        let (audience, user): (&str, &str) =
            (rows::column(row, "audience_id")?, rows::column(row, "user_key")?);
        taken.insert((rows::read_text(audience).into_owned(), rows::read_key(user)?));
    }
    let mut all: BTreeMap<String, Moves> = BTreeMap::new();
    for write in &changes.memberships {
        let moves = all.entry(write.audience_id.clone()).or_default();
        let seat = (write.audience_id.clone(), write.user.clone());
        if write.since.is_some() && taken.insert(seat.clone()) {
            moves.entered += 1;
            moves.change += 1;
        } else if write.since.is_none() && taken.remove(&seat) {
            moves.exited += 1;
            moves.change -= 1;
        }
    }
    for row in dropped.into_iter().flat_map(|answer| &answer.rows) {
        let audience: &str = rows::column(row, "audience_id")?;
        all.entry(rows::read_text(audience).into_owned()).or_default().change -= 1;
    }
    Ok(all)
}

/// Counts who entered and left into the hour and the day of the decision.
pub(super) fn count<'c>(
    changes: &'c ChangeSet,
    slot: i16,
    moves: &BTreeMap<String, Moves>,
    plan: &mut Plan<'c>,
) {
    let counts = |(audience, moves): &(&String, &Moves)| {
        moves.entered + moves.exited > 0
            && changes.at != Timestamp::default()
            && !changes.drop_members.contains(audience)
    };
    let counted = moves.iter().filter(counts);
    let points: Vec<_> =
        counted.flat_map(|(audience, moves)| Per::ALL.map(|per| (audience, per, moves))).collect();
    if points.is_empty() {
        return;
    }
    let sql = "INSERT INTO audience_sizes (audience_id, per, start, slot, entered, exited) \
               SELECT u.audience_id, u.per, u.start, $1, u.entered, u.exited \
               FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[]) \
                   AS u(audience_id, per, start, entered, exited) \
               ON CONFLICT (audience_id, per, start, slot) DO UPDATE \
               SET entered = audience_sizes.entered + EXCLUDED.entered, exited = audience_sizes.exited + EXCLUDED.exited";
    let params = params![
        slot,
        points.iter().map(|(audience, ..)| rows::text(audience).into_owned()).collect::<Vec<_>>(),
        points.iter().map(|(_, per, _)| per.as_str()).collect::<Vec<_>>(),
        points.iter().map(|(_, per, _)| rows::instant(per.start_of(changes.at))).collect::<Vec<_>>(),
        points.iter().map(|(.., moves)| moves.entered).collect::<Vec<_>>(),
        points.iter().map(|(.., moves)| moves.exited).collect::<Vec<_>>(),
    ];
    plan.add(sql, params);
}

/// Removes the points that begin too long ago: those of the first audience first, its hours before its days.
fn forget_sizes(changes: &ChangeSet, plan: &mut Plan<'_>) {
    let Some((hours_before, days_before)) = changes.forget_sizes_before else { return };
    let sql = "DELETE FROM audience_sizes AS s USING ( \
                   SELECT DISTINCT audience_id, per, start FROM audience_sizes \
                   WHERE (per = 'hour' AND start < $1) OR (per = 'day' AND start < $2) \
                   ORDER BY audience_id, per DESC, start LIMIT $3 \
               ) AS gone WHERE s.audience_id = gone.audience_id AND s.per = gone.per AND s.start = gone.start";
    let (hours_before, days_before) = (rows::instant(hours_before), rows::instant(days_before));
    plan.add(sql, params![hours_before, days_before, rows::limit(limits::UPKEEP_STEP)]);
}

/// Sets points as they were elsewhere: what was counted here of the same hour or day gives way.
fn set_sizes<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) {
    let words = changes.sizes.iter().map(|write| {
        let place = (rows::text(&write.audience_id), write.per.as_str(), rows::instant(write.point.start));
        (place, write.point)
    });
    let points = last_words(words);
    if points.is_empty() {
        return;
    }
    let place = || {
        params![
            points.keys().map(|(audience, ..)| audience.clone()).collect::<Vec<_>>(),
            points.keys().map(|(_, per, _)| *per).collect::<Vec<_>>(),
            points.keys().map(|(.., start)| *start).collect::<Vec<_>>(),
        ]
    };
    let clear = "DELETE FROM audience_sizes AS s \
                 USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS u(audience_id, per, start) \
                 WHERE s.audience_id = u.audience_id AND s.per = u.per AND s.start = u.start";
    plan.add(clear, place());
    let sql = "INSERT INTO audience_sizes (audience_id, per, start, slot, entered, exited, size) \
               SELECT u.audience_id, u.per, u.start, -1, u.entered, u.exited, u.size \
               FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[]) \
                   AS u(audience_id, per, start, entered, exited, size)";
    let mut params = place();
    params.extend(params![
        points.values().map(|point| rows::bigint(point.entered)).collect::<Vec<_>>(),
        points.values().map(|point| rows::bigint(point.exited)).collect::<Vec<_>>(),
        points.values().map(|point| rows::bigint(point.size)).collect::<Vec<_>>(),
    ]);
    plan.add(sql, params);
}
