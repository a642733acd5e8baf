//! The log: events in the order of their commits, whole commits at a time.
//!
//! A commit stands where its last event's id stands (`events.commit`). With one writer that is the order of the ids; where
//! several nodes write, whose clocks differ, ids of two commits may lie between each other.

use tokio_postgres::Row;
use uuid::Uuid;

use super::super::PostgresStore;
use super::super::rows::{column, key, limit, number, read_body, text, uuid};
use super::in_order;
use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::store::{LogPart, Result, Wanted, codec};

/// The event in a row that has `id` and `body`.
pub(super) fn read_event(row: &Row) -> Result<Event> {
    let id: Uuid = column(row, "id")?;
    let name = || codec::name("events", &[b"e", id.as_bytes().as_slice()].concat());
    read_body(name, column(row, "body")?)
}

/// A part of the log that is known to be there: behind the one event, and up to the other, both with their commits.
struct Stretch {
    after: (Uuid, Uuid),
    to: (Uuid, Uuid),
    /// Its events are not beyond this one.
    until: Uuid,
    /// How many events it has.
    looked_at: usize,
}

impl PostgresStore {
    /// The next part of the log: about `most` events, whole commits. `None` at its end.
    ///
    /// `after` may be any event, also one in the middle of its commit; one that is not there stands where its id would. (`IS
    /// TRUE` keeps the database from looking for what is to be left out at the end by the index of ids, from the first one on.)
    async fn stretch(&self, after: Option<EventId>, until: EventId, most: usize) -> Result<Option<Stretch>> {
        const SQL: &str = "\
            WITH edge AS MATERIALIZED (
                SELECT
                    coalesce(
                        (SELECT commit FROM events WHERE id = $1 LIMIT 1),
                        (SELECT commit FROM events WHERE commit >= $1 ORDER BY commit LIMIT 1),
                        $1
                    ) AS after,
                    coalesce((SELECT commit FROM events WHERE commit >= $2 ORDER BY commit LIMIT 1), $2) AS until
            ), full_part AS MATERIALIZED (
                SELECT commit FROM events
                WHERE (commit, id) > ((SELECT after FROM edge), $1) AND commit <= (SELECT until FROM edge)
                    AND (id <= $2) IS TRUE
                ORDER BY commit, id OFFSET $3 LIMIT 1
            )
            SELECT (SELECT after FROM edge) AS after, commit, id, count(*) OVER () AS looked_at FROM events
            WHERE (commit, id) > ((SELECT after FROM edge), $1)
                AND commit <= coalesce((SELECT commit FROM full_part), (SELECT until FROM edge))
                AND (id <= $2) IS TRUE
            ORDER BY commit DESC, id DESC LIMIT 1";
        let after = uuid(after.map_or([0; 16], EventId::to_bytes));
        let until = uuid(until.to_bytes());
        let row = self.row(SQL, &[&after, &until, &limit(most.max(1) - 1)]).await?;
        let stretch = |row: Row| {
            let looked_at = usize::try_from(number(column(&row, "looked_at")?)).unwrap_or(usize::MAX);
            let after = (column(&row, "after")?, after);
            Ok(Stretch { after, to: (column(&row, "commit")?, column(&row, "id")?), until, looked_at })
        };
        row.map(stretch).transpose()
    }

    pub(in super::super) async fn event_log(
        &self,
        after: Option<EventId>,
        until: EventId,
        most: usize,
    ) -> Result<Vec<Event>> {
        const SQL: &str = "\
            SELECT id, body FROM events
            WHERE (commit, id) > ($1, $2) AND (commit, id) <= ($3, $4) AND (id <= $5) IS TRUE ORDER BY commit, id";
        let Some(part) = self.stretch(after, until, most).await? else { return Ok(Vec::new()) };
        let (after, to) = (part.after, part.to);
        let rows = self.query(SQL, &[&after.0, &after.1, &to.0, &to.1, &part.until]).await?;
        rows.iter().map(read_event).collect()
    }

    pub(in super::super) async fn wanted_log(
        &self,
        wanted: &Wanted<'_>,
        after: Option<EventId>,
        until: EventId,
        most: usize,
    ) -> Result<LogPart> {
        const SQL: &str = "\
            SELECT id, body FROM events
            WHERE (commit, id) > ($1, $2) AND (commit, id) <= ($3, $4) AND (id <= $5) IS TRUE
                AND name = ANY ($6::text[]) AND user_key > $7 AND ($8::text IS NULL OR user_key <= $8)
            ORDER BY commit, id";
        let Some(part) = self.stretch(after, until, most).await? else { return Ok(LogPart::default()) };
        let names: Vec<_> = wanted.names.iter().map(|name| text(name)).collect();
        let (first, last) = (wanted.after.map(key).unwrap_or_default(), wanted.to.map(key));
        let (after, to) = (part.after, part.to);
        let rows =
            self.query(SQL, &[&after.0, &after.1, &to.0, &to.1, &part.until, &names, &first, &last]).await?;
        Ok(LogPart {
            events: rows.iter().map(read_event).collect::<Result<_>>()?,
            looked_at: part.looked_at,
            last: Some(EventId::from_bytes(to.1.into_bytes())),
        })
    }

    pub(in super::super) async fn last_event(&self) -> Result<Option<EventId>> {
        const SQL: &str = "SELECT id FROM events ORDER BY id DESC LIMIT 1";
        let row = self.row(SQL, &[]).await?;
        row.map(|row| Ok(EventId::from_bytes(column::<Uuid>(&row, "id")?.into_bytes()))).transpose()
    }

    pub(in super::super) async fn events(&self, ids: &[EventId]) -> Result<Vec<Event>> {
        const SQL: &str = "\
            SELECT w.place, e.id, e.body
            FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place) JOIN events e ON e.id = w.id";
        let wanted: Vec<_> = ids.iter().map(|id| uuid(id.to_bytes())).collect();
        let rows = self.query(SQL, &[&wanted]).await?;
        Ok(in_order(ids.len(), &rows, |_, row| read_event(row))?.into_iter().flatten().collect())
    }
}
