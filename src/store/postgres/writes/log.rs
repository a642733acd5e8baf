//! Events, into the log.

use uuid::Uuid;

use crate::domain::change::ChangeSet;
use crate::domain::ids::EventId;
use crate::store::Result;
use crate::store::postgres::pipeline::Answer;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;

/// Writes the events; where backfills begin, asks for the last event of all: the place of the answer.
pub(super) fn write<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> Result<Option<usize>> {
    append(changes, plan)?;
    // Asked with the whole fence held: every commit is in the log or comes after this one.
    let last = "SELECT id FROM events ORDER BY id DESC LIMIT 1";
    Ok((!changes.begun.is_empty()).then(|| plan.add(last, params![])))
}

fn append<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> Result<()> {
    let Some(last) = changes.events.last() else { return Ok(()) };
    // In the order of the primary key.
    let mut events: Vec<_> = changes.events.iter().collect();
    events.sort_by_cached_key(|event| (rows::shard(&event.user_key()), event.id));
    let sql = "INSERT INTO events (commit, shard, id, user_key, type, name, occurred_at, arrived_at, body, source) \
               SELECT $1, u.* FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], \
                   $8::timestamptz[], $9::bytea[], $10::text[]) AS u \
               ON CONFLICT DO NOTHING";
    let users: Vec<_> = events.iter().map(|event| event.user_key()).collect();
    let name = |event: &'c crate::domain::event::Event| event.behaviour_name().map(rows::text);
    let bodies = events.iter().map(|event| rows::body(|| rows::name_of_event(event.id), *event));
    let params = params![
        rows::uuid(last.id.to_bytes()),
        users.iter().map(rows::shard).collect::<Vec<_>>(),
        events.iter().map(|event| rows::uuid(event.id.to_bytes())).collect::<Vec<_>>(),
        users.iter().map(|user| rows::key(user).into_owned()).collect::<Vec<_>>(),
        events.iter().map(|event| event.call.type_name()).collect::<Vec<_>>(),
        events.iter().copied().map(name).collect::<Vec<_>>(),
        events.iter().map(|event| rows::instant(event.timestamp)).collect::<Vec<_>>(),
        events.iter().map(|event| rows::instant(event.received_at)).collect::<Vec<_>>(),
        bodies.collect::<Result<Vec<_>>>()?,
        events.iter().map(|event| rows::text(&event.source)).collect::<Vec<_>>(),
    ];
    plan.expect(sql, params, events.len(), "an event");
    Ok(())
}

/// What was found where [`write`] asked for the last event.
pub(super) fn last_event(answer: &Answer) -> Result<Option<EventId>> {
    let id = answer.rows.first().map(|row| rows::column::<Uuid>(row, "id")).transpose()?;
    Ok(id.map(|id| EventId::from_bytes(id.into_bytes())))
}
