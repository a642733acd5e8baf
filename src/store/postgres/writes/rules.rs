//! Definitions, and records of which there are few: how far backfills and replays got, how destinations fare.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::domain::backfill::Backfill;
use crate::domain::change::{BackfillWrite, ChangeSet, DefinitionWrite, HealthWrite, ReplayWrite};
use crate::domain::copying::{CopyMark, CopyWrite};
use crate::domain::ids::EventId;
use crate::domain::limits;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::{rows, secrets};
use crate::store::{Result, codec};

use super::{Commit, last_words};

/// Writes them all; backfills that begin are written once more, see [`begin`].
pub(super) fn write<'c>(commit: Commit<'c>, plan: &mut Plan<'c>) -> Result<()> {
    write_definitions(commit, plan)?;
    write_progress(commit.changes, plan)?;
    let changes = commit.changes;
    if !changes.unknown_flows.is_empty() {
        let sql = "INSERT INTO unknown_flows (flow) \
                   SELECT flow FROM unnest($1::text[]) WITH ORDINALITY AS u(flow, place) \
                   WHERE NOT EXISTS (SELECT 1 FROM unknown_flows AS known WHERE known.flow = u.flow) \
                   GROUP BY flow ORDER BY min(place) \
                   LIMIT greatest(0, $2 - (SELECT count(*) FROM unknown_flows)) ON CONFLICT DO NOTHING";
        let flows: Vec<_> = changes.unknown_flows.iter().map(|flow| rows::text(flow)).collect();
        plan.add(sql, params![flows, rows::limit(limits::MAX_UNKNOWN_FLOWS)]);
    }
    if let Some(hash) = &changes.admin_token_hash {
        let sql = "INSERT INTO meta (key, value) VALUES ('admin_token_hash', $1) \
                   ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value";
        plan.add(sql, params![hash.as_str()]);
    }
    if let Some(write) = &changes.copied {
        move_copy_mark(write, plan)?;
    }
    Ok(())
}

/// Writes how far a copy got, unless another one got on meanwhile.
fn move_copy_mark(write: &CopyWrite, plan: &mut Plan<'_>) -> Result<()> {
    let json = |mark: &Option<CopyMark>| -> Result<Option<String>> {
        let mark = mark.as_ref().map(serde_json::to_string).transpose();
        mark.map_err(|error| codec::corrupt(&codec::name("mark of a copy", b""), error))
    };
    let (sql, params) = match (json(&write.was)?, json(&write.is)?) {
        (None, None) => return Ok(()),
        (None, Some(is)) => {
            ("INSERT INTO meta (key, value) VALUES ('copy_mark', $1) ON CONFLICT DO NOTHING", params![is])
        }
        (Some(was), Some(is)) => {
            ("UPDATE meta SET value = $2 WHERE key = 'copy_mark' AND value = $1", params![was, is])
        }
        (Some(was), None) => ("DELETE FROM meta WHERE key = 'copy_mark' AND value = $1", params![was]),
    };
    plan.expect(sql, params, 1, "the copy");
    Ok(())
}

fn write_definitions<'c>(commit: Commit<'c>, plan: &mut Plan<'c>) -> Result<()> {
    let words = commit.changes.definitions.iter().map(|write| match write {
        DefinitionWrite::Put(definition) => {
            ((definition.kind().as_str(), definition.key()), Some(&**definition))
        }
        DefinitionWrite::Delete { kind, key } => ((kind.as_str(), key.as_str()), None),
    });
    let mut gone = (Vec::new(), Vec::new());
    let mut put = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((kind, key), definition) in last_words(words) {
        match definition {
            Some(definition) => {
                put.0.push(kind);
                put.1.push(rows::text(key));
                put.2.push(definition.computation().map(|computation| rows::text(&computation.id)));
                put.3.push(secrets::seal(commit.sealer, definition)?);
            }
            None => {
                gone.0.push(kind);
                gone.1.push(rows::text(key));
            }
        }
    }
    if !gone.0.is_empty() {
        let sql = "DELETE FROM definitions AS d USING unnest($1::text[], $2::text[]) AS u(kind, key) \
                   WHERE d.kind = u.kind AND d.key = u.key";
        plan.add(sql, params![gone.0, gone.1]);
    }
    if !put.0.is_empty() {
        let sql = "INSERT INTO definitions (kind, key, computation_id, body) \
                   SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) \
                   ON CONFLICT (kind, key) DO UPDATE SET computation_id = EXCLUDED.computation_id, body = EXCLUDED.body";
        plan.add(sql, params![put.0, put.1, put.2, put.3]);
    }
    Ok(())
}

/// The statements for records of one sort.
struct Table {
    kind: &'static str,
    put: &'static str,
    delete: &'static str,
}

const BACKFILLS: Table = Table {
    kind: "backfill",
    put: "INSERT INTO backfills (id, body) SELECT * FROM unnest($1::uuid[], $2::bytea[]) \
          ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body",
    delete: "DELETE FROM backfills WHERE id = ANY($1)",
};

const HEALTHS: Table = Table {
    kind: "health of a destination",
    put: "INSERT INTO healths (destination, body) SELECT * FROM unnest($1::text[], $2::bytea[]) \
          ON CONFLICT (destination) DO UPDATE SET body = EXCLUDED.body",
    delete: "DELETE FROM healths WHERE destination = ANY($1)",
};

const REPLAYS: Table = Table {
    kind: "replay",
    put: "INSERT INTO replays (id, body) SELECT * FROM unnest($1::uuid[], $2::bytea[]) \
          ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body",
    delete: "DELETE FROM replays WHERE id = ANY($1)",
};

fn write_progress<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> Result<()> {
    let backfills = changes.backfills.iter().map(|write| match write {
        BackfillWrite::Put(backfill) => (rows::uuid(backfill.id.to_bytes()), Some(&**backfill)),
        BackfillWrite::Delete(id) => (rows::uuid(id.to_bytes()), None),
    });
    put_last(&BACKFILLS, last_words(backfills), plan)?;
    let healths = changes.healths.iter().map(|write| match write {
        HealthWrite::Put(health) => (rows::text(&health.destination), Some(health)),
        HealthWrite::Delete(destination) => (rows::text(destination), None),
    });
    put_last(&HEALTHS, last_words(healths), plan)?;
    let replays = changes.replays.iter().map(|write| match write {
        ReplayWrite::Put(replay) => (rows::uuid(replay.id.to_bytes()), Some(&**replay)),
        ReplayWrite::Delete(id) => (rows::uuid(id.to_bytes()), None),
    });
    put_last(&REPLAYS, last_words(replays), plan)
}

/// What such a record is stored under.
trait RowKey: Ord + ToSql + Send + Sync {
    /// As errors name it, hashed.
    fn bytes(&self) -> &[u8];
}

impl RowKey for Uuid {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl RowKey for Cow<'_, str> {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

fn put_last<'c, K, T>(table: &Table, words: BTreeMap<K, Option<&T>>, plan: &mut Plan<'c>) -> Result<()>
where
    K: RowKey + 'c,
    T: Serialize,
{
    let mut gone = Vec::new();
    let (mut keys, mut bodies) = (Vec::new(), Vec::new());
    for (key, record) in words {
        match record {
            Some(record) => {
                bodies.push(rows::body(|| codec::name(table.kind, key.bytes()), record)?);
                keys.push(key);
            }
            None => gone.push(key),
        }
    }
    if !gone.is_empty() {
        plan.add(table.delete, params![gone]);
    }
    if !keys.is_empty() {
        plan.add(table.put, params![keys, bodies]);
    }
    Ok(())
}

/// Sets the past of the backfills that begin: the log up to `last`.
pub(super) fn begin<'c>(changes: &'c ChangeSet, last: Option<EventId>, plan: &mut Plan<'c>) -> Result<()> {
    let words = changes.backfills.iter().map(|write| match write {
        BackfillWrite::Put(backfill) => (backfill.id, Some(&**backfill)),
        BackfillWrite::Delete(id) => (*id, None),
    });
    let begun = last_words(words).into_iter().filter(|(id, _)| changes.begun.contains(id));
    let begun: BTreeMap<_, Backfill> = begun
        .filter_map(|(id, backfill)| {
            Some((rows::uuid(id.to_bytes()), Backfill { until: last, ..backfill?.clone() }))
        })
        .collect();
    put_last(&BACKFILLS, begun.iter().map(|(id, backfill)| (*id, Some(backfill))).collect(), plan)
}
