//! Deliveries: what is due, what is pending, and what is asked for by its id.
//!
//! `lanes` has a row for each user and destination with something pending: its first delivery, and when that is due. It is
//! written in the transaction that changes what is pending, so one statement, which sees one instant, finds lane and delivery in
//! step.

use std::collections::HashSet;

use tokio_postgres::Row;

use super::super::PostgresStore;
use super::super::rows::{column, instant, key, limit, read_body, read_instant, text, uuid};
use super::{Places, in_order};
use crate::domain::delivery::Delivery;
use crate::domain::ids::{DeliveryId, UserKey};
use crate::domain::time::Timestamp;
use crate::store::{Result, codec};

/// What a delivery is called in errors.
fn name(id: DeliveryId) -> String {
    codec::name("delivery", &[b"d", id.to_bytes().as_slice()].concat())
}

/// The delivery in a row that has `id` and `body`.
pub(super) fn read_delivery(row: &Row) -> Result<Delivery> {
    read_body(|| name(read_id(row).unwrap_or(DeliveryId::from_bytes([0; 16]))), column(row, "body")?)
}

fn read_id(row: &Row) -> Result<DeliveryId> {
    Ok(DeliveryId::from_bytes(column::<uuid::Uuid>(row, "id")?.into_bytes()))
}

/// Users who are passed over.
fn passed_over(busy: &HashSet<UserKey>) -> Vec<std::borrow::Cow<'_, str>> {
    busy.iter().map(key).collect()
}

impl PostgresStore {
    pub(in super::super) async fn due_deliveries(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        most: usize,
    ) -> Result<Vec<Delivery>> {
        const SQL: &str = "\
            SELECT l.head AS id, d.body
            FROM (
                SELECT shard, head, due, user_key FROM lanes
                WHERE destination = $1 AND due <= $2 AND user_key NOT IN (SELECT unnest($3::text[]))
                ORDER BY due, user_key LIMIT $4
            ) l
            LEFT JOIN deliveries d ON d.shard = l.shard AND d.id = l.head
            ORDER BY l.due, l.user_key";
        let busy = passed_over(busy);
        let rows = self.query(SQL, &[&text(destination), &instant(now), &busy, &limit(most)]).await?;
        let due = |row: &Row| match column::<Option<&[u8]>>(row, "body")? {
            Some(_) => read_delivery(row),
            None => Err(codec::corrupt(&name(read_id(row)?), "it is due, and there is no such delivery")),
        };
        rows.iter().map(due).collect()
    }

    pub(in super::super) async fn next_delivery(
        &self,
        destination: &str,
        busy: &HashSet<UserKey>,
    ) -> Result<Option<Timestamp>> {
        const SQL: &str = "\
            SELECT due FROM lanes WHERE destination = $1 AND user_key NOT IN (SELECT unnest($2::text[]))
            ORDER BY due, user_key LIMIT 1";
        let row = self.row(SQL, &[&text(destination), &passed_over(busy)]).await?;
        row.map(|row| read_instant(&row, "due")).transpose()
    }

    pub(in super::super) async fn first_due(&self, destinations: &[&str]) -> Result<Vec<Option<Timestamp>>> {
        const SQL: &str = "\
            SELECT w.place, l.due
            FROM unnest($1::text[]) WITH ORDINALITY AS w (destination, place)
            CROSS JOIN LATERAL (
                SELECT due FROM lanes WHERE destination = w.destination ORDER BY due LIMIT 1
            ) l";
        let wanted: Vec<_> = destinations.iter().map(|key| text(key)).collect();
        let rows = self.query(SQL, &[&wanted]).await?;
        in_order(destinations.len(), &rows, |_, row| read_instant(row, "due"))
    }

    /// There is nothing to wait for: a transaction can be seen once its COMMIT record is flushed, and with synchronous
    /// replication once the standby has confirmed it, since it is taken off the list of those under way only after both
    /// (PostgreSQL's `RecordTransactionCommit` in `xact.c` flushes, then calls `SyncRepWaitForLSN`, and `CommitTransaction` calls
    /// `ProcArrayEndTransaction` after that). That holds while `synchronous_commit` is `on`, which every connection makes sure of.
    pub(in super::super) async fn on_disk(&self) -> Result<()> {
        Ok(())
    }

    pub(in super::super) async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        most: usize,
        whole: bool,
    ) -> Result<(usize, Option<Timestamp>)> {
        const HEADS: &str = "\
            SELECT count(*) AS n, min(due) AS oldest FROM (
                SELECT due FROM lanes WHERE destination = $1 AND due <= $2 AND user_key NOT IN (SELECT unnest($3::text[]))
                ORDER BY due, user_key LIMIT $4
            ) heads";
        // Of each lane those before the first that is not due. Each of the limits bounds what is looked through.
        const LANES: &str = "\
            SELECT count(*) AS n, min(due) AS oldest FROM (
                SELECT l.due
                FROM (
                    SELECT user_key, due FROM lanes
                    WHERE destination = $1 AND due <= $2 AND user_key NOT IN (SELECT unnest($3::text[]))
                    ORDER BY due, user_key LIMIT $4
                ) l
                CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                    WHERE d.status = 'pending' AND d.destination = $1 AND d.user_key = l.user_key
                        AND d.id < coalesce(
                            (SELECT front.id FROM (
                                SELECT f.id, f.next_attempt_at FROM deliveries f
                                WHERE f.status = 'pending' AND f.destination = $1 AND f.user_key = l.user_key
                                ORDER BY f.id LIMIT $4
                            ) front WHERE front.next_attempt_at > $2 ORDER BY front.id LIMIT 1),
                            'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
                    ORDER BY d.id LIMIT $4
                ) due
                LIMIT $4
            ) heads";
        let sql = if whole { LANES } else { HEADS };
        let busy = passed_over(busy);
        let row = self.row(sql, &[&text(destination), &instant(now), &busy, &limit(most)]).await?;
        let Some(row) = row else { return Ok((0, None)) };
        let count: i64 = column(&row, "n")?;
        let oldest = if count == 0 { None } else { Some(read_instant(&row, "oldest")?) };
        Ok((usize::try_from(count).unwrap_or(0), oldest))
    }

    pub(in super::super) async fn pending_of(
        &self,
        destination: &str,
        user: &UserKey,
        after: Option<DeliveryId>,
        most: usize,
    ) -> Result<Vec<Delivery>> {
        const SQL: &str = "\
            SELECT id, body FROM deliveries
            WHERE status = 'pending' AND destination = $1 AND user_key = $2 AND id > $3
            ORDER BY id LIMIT $4";
        let after = uuid(after.map_or([0; 16], DeliveryId::to_bytes));
        let rows = self.query(SQL, &[&text(destination), &key(user), &after, &limit(most)]).await?;
        rows.iter().map(read_delivery).collect()
    }

    pub(in super::super) async fn newest_pending(
        &self,
        lanes: &[(String, UserKey)],
        most: usize,
    ) -> Result<Vec<Vec<Delivery>>> {
        const SQL: &str = "\
            SELECT w.place, d.id, d.body
            FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (destination, user_key, place)
            CROSS JOIN LATERAL (
                SELECT id, body FROM deliveries
                WHERE status = 'pending' AND destination = w.destination AND user_key = w.user_key
                ORDER BY id DESC LIMIT $3
            ) d
            ORDER BY w.place, d.id DESC";
        let destinations: Vec<_> = lanes.iter().map(|(destination, _)| text(destination)).collect();
        let Places { keys, .. } = Places::of(lanes.iter().map(|(_, user)| user));
        let rows = self.query(SQL, &[&destinations, &keys, &limit(most)]).await?;
        let mut newest = vec![Vec::new(); lanes.len()];
        for row in &rows {
            newest[super::place(row, lanes.len())?].push(read_delivery(row)?);
        }
        Ok(newest)
    }

    pub(in super::super) async fn deliveries_by_id(
        &self,
        ids: &[DeliveryId],
    ) -> Result<Vec<Option<Delivery>>> {
        const SQL: &str = "\
            SELECT w.place, d.id, d.body
            FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place) JOIN deliveries d ON d.id = w.id";
        let wanted: Vec<_> = ids.iter().map(|id| uuid(id.to_bytes())).collect();
        let rows = self.query(SQL, &[&wanted]).await?;
        in_order(ids.len(), &rows, |_, row| read_delivery(row))
    }

    pub(in super::super) async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        Ok(self.deliveries_by_id(&[id]).await?.pop().flatten())
    }
}
