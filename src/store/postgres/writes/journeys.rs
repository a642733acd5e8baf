//! Rows of journeys. One that is in a profile has its plain columns here, kept in step whenever the profile is written; one that
//! left its profile is here whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::change::{Adoption, ChangeSet};
use crate::domain::ids::{JourneyId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::store::Result;
use crate::store::postgres::pipeline::{Answer, Param};
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;

/// Writes the journeys of the profiles of `changes`, and those that it archives; where archived ones are adopted, only asks for
/// them: the place of the answer.
pub(super) fn write<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> Result<Option<usize>> {
    let archived: BTreeSet<JourneyId> = changes.archived.iter().map(|journey| journey.id).collect();
    let in_profiles = changes.profiles.iter().flat_map(|write| &write.profile.journeys);
    let held: BTreeMap<JourneyId, &Journey> = in_profiles.map(|journey| (journey.id, journey)).collect();
    let opened = changes.journeys.iter().filter(|step| step.from.is_none()).map(|step| step.id);
    let moved = changes.journeys.iter().filter(|step| step.moved).map(|step| step.id);
    // These are written anew: another user may mean another shard.
    let moved: BTreeSet<JourneyId> = moved.chain(archived.iter().copied()).collect();
    let fresh: BTreeSet<JourneyId> = opened.chain(moved.iter().copied()).collect();
    if !moved.is_empty() {
        delete(moved.iter().copied(), plan);
    }
    let (fresh, known): (Vec<_>, Vec<_>) =
        held.into_values().partition(|journey| fresh.contains(&journey.id));
    let fresh = fresh.into_iter().filter(|journey| !archived.contains(&journey.id));
    insert(fresh.map(|journey| (journey, None)).collect(), plan);
    update(known, plan);
    if changes.adopted.is_empty() {
        let whole = changes.archived.iter().map(|journey| Ok((journey, Some(body(journey)?))));
        insert(whole.collect::<Result<_>>()?, plan);
        return Ok(None);
    }
    Ok(Some(ask_for_archives(&changes.adopted, plan)))
}

fn body(journey: &Journey) -> Result<Vec<u8>> {
    rows::body(|| rows::name_of_journey(journey.id), journey)
}

fn delete(ids: impl Iterator<Item = JourneyId>, plan: &mut Plan<'_>) {
    let ids: Vec<_> = ids.map(|id| rows::uuid(id.to_bytes())).collect();
    plan.add("DELETE FROM journeys WHERE id = ANY($1)", params![ids]);
}

/// Journeys with the bodies of those that are archived.
type Rows<J> = Vec<(J, Option<Vec<u8>>)>;

fn insert<'c, J: std::borrow::Borrow<Journey>>(mut journeys: Rows<J>, plan: &mut Plan<'c>) {
    if journeys.is_empty() {
        return;
    }
    let sql = "INSERT INTO journeys (shard, id, user_key, flow, stage, status, stage_at, started_at, updated_at, ended_at, \
                   stalled_since, is_acknowledged, is_archived, body) \
               SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], \
                   $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::boolean[], $13::boolean[], $14::bytea[]) \
               ON CONFLICT DO NOTHING";
    journeys.sort_by_cached_key(|(journey, _)| (rows::shard(&journey.borrow().user), journey.borrow().id));
    let count = journeys.len();
    let (journeys, bodies): (Vec<J>, Vec<Option<Vec<u8>>>) = journeys.into_iter().unzip();
    let mut params = columns(journeys.iter().map(J::borrow));
    params.extend(params![bodies.iter().map(Option::is_some).collect::<Vec<_>>(), bodies]);
    plan.expect(sql, params, count, "a journey");
}

/// What people read of a journey, column by column.
fn columns<'j, 'c>(journeys: impl Iterator<Item = &'j Journey> + Clone) -> Vec<Param<'c>> {
    let all = || journeys.clone();
    let inbox = || journeys.clone().map(|journey| journey.listed().inbox);
    params![
        all().map(|journey| rows::shard(&journey.user)).collect::<Vec<_>>(),
        all().map(|journey| rows::uuid(journey.id.to_bytes())).collect::<Vec<_>>(),
        all().map(|journey| rows::key(&journey.user).into_owned()).collect::<Vec<_>>(),
        all().map(|journey| rows::text(&journey.flow).into_owned()).collect::<Vec<_>>(),
        all().map(|journey| rows::text(&journey.stage).into_owned()).collect::<Vec<_>>(),
        all().map(|journey| journey.status.as_str()).collect::<Vec<_>>(),
        all().map(|journey| rows::instant(journey.stage_at)).collect::<Vec<_>>(),
        all().map(|journey| rows::instant(journey.started_at)).collect::<Vec<_>>(),
        all().map(|journey| rows::instant(journey.updated_at)).collect::<Vec<_>>(),
        all().map(|journey| journey.ended_at.map(rows::instant)).collect::<Vec<_>>(),
        inbox().map(|place| place.map(|it| rows::instant(it.since))).collect::<Vec<_>>(),
        inbox().map(|place| place.map(|it| it.is_acknowledged)).collect::<Vec<_>>(),
    ]
}

/// Brings the rows of journeys up to date that are in profiles; those that are as they were stay untouched.
fn update(mut journeys: Vec<&Journey>, plan: &mut Plan<'_>) {
    if journeys.is_empty() {
        return;
    }
    let sql = "UPDATE journeys AS j SET flow = u.flow, stage = u.stage, status = u.status, stage_at = u.stage_at, \
                   started_at = u.started_at, updated_at = u.updated_at, ended_at = u.ended_at, \
                   stalled_since = u.stalled_since, is_acknowledged = u.is_acknowledged \
               FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], \
                   $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::boolean[]) \
                   AS u(shard, id, user_key, flow, stage, status, stage_at, started_at, updated_at, ended_at, \
                       stalled_since, is_acknowledged) \
               WHERE j.shard = u.shard AND j.id = u.id AND j.user_key = u.user_key AND NOT j.is_archived \
                   AND (j.updated_at, j.status, j.stage, j.stage_at, j.is_acknowledged) \
                       IS DISTINCT FROM (u.updated_at, u.status, u.stage, u.stage_at, u.is_acknowledged)";
    journeys.sort_by_cached_key(|journey| (rows::shard(&journey.user), journey.id));
    plan.add(sql, columns(journeys.iter().copied()));
}

/// Asks for the newest archived journeys of those whose journeys are adopted: what can be moved at most, of each.
fn ask_for_archives<'c>(adopted: &'c [Adoption], plan: &mut Plan<'c>) -> usize {
    let users: BTreeSet<&UserKey> = adopted.iter().map(|adoption| &adoption.from).collect();
    let sql = "SELECT j.id, j.body FROM unnest($1::text[]) AS u(user_key) CROSS JOIN LATERAL ( \
                   SELECT id, body FROM journeys WHERE user_key = u.user_key AND is_archived ORDER BY id DESC LIMIT $2 \
               ) AS j";
    let params = params![
        users.into_iter().map(rows::key).collect::<Vec<_>>(),
        rows::limit(limits::MAX_ADOPTED_JOURNEYS)
    ];
    plan.add(sql, params)
}

/// Writes archived journeys that go to another user, once it is known which there are: `found` answers [`ask_for_archives`].
pub(super) fn adopt<'c>(changes: &'c ChangeSet, found: &Answer, plan: &mut Plan<'c>) -> Result<()> {
    let mut journeys: BTreeMap<JourneyId, Journey> = BTreeMap::new();
    for row in &found.rows {
        let (id, body): (uuid::Uuid, &[u8]) = (rows::column(row, "id")?, rows::column(row, "body")?);
        let id = JourneyId::from_bytes(id.into_bytes());
        journeys.insert(id, rows::read_body(|| rows::name_of_journey(id), body)?);
    }
    let stored = journeys.clone();
    journeys.extend(changes.archived.iter().map(|journey| (journey.id, journey.clone())));
    for adoption in &changes.adopted {
        let theirs = journeys.values_mut().rev().filter(|journey| journey.user == adoption.from);
        theirs.take(limits::MAX_ADOPTED_JOURNEYS).for_each(|journey| journey.user = adoption.to.clone());
    }
    let is_as_stored =
        |journey: &Journey| stored.get(&journey.id).is_some_and(|was| was.user == journey.user);
    let written: Vec<Journey> = journeys.into_values().filter(|journey| !is_as_stored(journey)).collect();
    let moved: Vec<_> = written
        .iter()
        .filter(|journey| stored.contains_key(&journey.id))
        .map(|journey| rows::uuid(journey.id.to_bytes()))
        .collect();
    if !moved.is_empty() {
        let count = moved.len();
        let sql = "DELETE FROM journeys WHERE id = ANY($1) AND is_archived";
        plan.expect(sql, params![moved], count, "a journey");
    }
    let whole = written.into_iter().map(|journey| body(&journey).map(|body| (journey, Some(body))));
    insert(whole.collect::<Result<_>>()?, plan);
    Ok(())
}
