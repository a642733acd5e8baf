//! Members of audiences, and their sizes over time.

use tokio_postgres::Row;

use super::super::PostgresStore;
use super::super::rows::{column, instant, key, number, read_instant, read_text, shard, text};
use super::place;
use crate::domain::ids::UserKey;
use crate::domain::sizes::{Per, SizePoint};
use crate::domain::time::Timestamp;
use crate::store::Result;

impl PostgresStore {
    pub(in super::super) async fn is_member(
        &self,
        audience_id: &str,
        user: &UserKey,
    ) -> Result<Option<Timestamp>> {
        const SQL: &str = "SELECT since FROM members WHERE shard = $1 AND audience_id = $2 AND user_key = $3";
        let row = self.row(SQL, &[&shard(user), &text(audience_id), &key(user)]).await?;
        row.map(|row| read_instant(&row, "since")).transpose()
    }

    pub(in super::super) async fn overlap(&self, one: &str, other: &str) -> Result<u64> {
        const SQL: &str = "\
            SELECT count(*) AS n FROM (
                SELECT user_key FROM members WHERE audience_id = $1
                INTERSECT
                SELECT user_key FROM members WHERE audience_id = $2
            ) both_of_them";
        let row = self.row(SQL, &[&text(one), &text(other)]).await?;
        row.map_or(Ok(0), |row| Ok(number(column(&row, "n")?)))
    }

    /// Goes from one audience to the next in the index of sizes, rather than through all of their points.
    pub(in super::super) async fn audiences_with_members(&self) -> Result<Vec<String>> {
        const SQL: &str = "\
            WITH RECURSIVE sized (id) AS (
                (SELECT audience_id FROM audience_sizes ORDER BY audience_id LIMIT 1)
                UNION ALL
                SELECT (SELECT s.audience_id FROM audience_sizes s WHERE s.audience_id > sized.id
                    ORDER BY s.audience_id LIMIT 1)
                FROM sized WHERE sized.id IS NOT NULL
            )
            SELECT id FROM sized WHERE id IS NOT NULL
            UNION
            SELECT substr(name, 9) FROM counters WHERE name >= 'members:' AND name < 'members;'
                GROUP BY name HAVING sum(n) > 0
            ORDER BY 1";
        let rows = self.query(SQL, &[]).await?;
        rows.iter().map(|row| Ok(read_text(column(row, "id")?).into_owned())).collect()
    }

    /// Looks at the first hour and the first day of each audience.
    pub(in super::super) async fn has_sizes_before(
        &self,
        hours_before: Timestamp,
        days_before: Timestamp,
    ) -> Result<bool> {
        const SQL: &str = "\
            WITH RECURSIVE sized (id) AS (
                (SELECT audience_id FROM audience_sizes ORDER BY audience_id LIMIT 1)
                UNION ALL
                SELECT (SELECT s.audience_id FROM audience_sizes s WHERE s.audience_id > sized.id
                    ORDER BY s.audience_id LIMIT 1)
                FROM sized WHERE sized.id IS NOT NULL
            )
            SELECT 1 AS there FROM sized
            WHERE (SELECT s.start FROM audience_sizes s WHERE s.audience_id = sized.id AND s.per = 'hour'
                    ORDER BY s.start LIMIT 1) < $1
                OR (SELECT s.start FROM audience_sizes s WHERE s.audience_id = sized.id AND s.per = 'day'
                    ORDER BY s.start LIMIT 1) < $2
            LIMIT 1";
        let row = self.row(SQL, &[&instant(hours_before), &instant(days_before)]).await?;
        Ok(row.is_some())
    }

    /// The size at the end of a point is the number of members now, less what came in after it; a point that was copied from
    /// elsewhere has its own, to which is added what was counted here.
    pub(in super::super) async fn sizes_of(
        &self,
        audience_ids: &[&str],
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<SizePoint>>> {
        const SQL: &str = "\
            SELECT w.place, points.start, points.entered, points.exited, points.given, points.counted,
                coalesce((SELECT sum(n) FROM counters WHERE name = 'members:' || w.id), 0)::bigint AS members,
                coalesce((SELECT sum(entered - exited) FROM audience_sizes
                    WHERE audience_id = w.id AND per = $2 AND start >= $4), 0)::bigint AS later
            FROM unnest($1::text[]) WITH ORDINALITY AS w (id, place)
            CROSS JOIN LATERAL (
                SELECT start, sum(entered)::bigint AS entered, sum(exited)::bigint AS exited, max(size) AS given,
                    coalesce(sum(entered - exited) FILTER (WHERE size IS NULL), 0)::bigint AS counted
                FROM audience_sizes WHERE audience_id = w.id AND per = $2 AND start >= $3 AND start < $4
                GROUP BY start
            ) points
            ORDER BY w.place, points.start DESC";
        let ids: Vec<_> = audience_ids.iter().map(|id| text(id)).collect();
        let rows = self.query(SQL, &[&ids, &per.as_str(), &instant(from), &instant(to)]).await?;
        let mut sizes = vec![Vec::new(); ids.len()];
        // What is told of an audience, the newest point first, and the size at the end of the next one.
        let (mut at, mut size) = (None, 0);
        for row in &rows {
            let place = place(row, ids.len())?;
            if at != Some(place) {
                (at, size) = (Some(place), column::<i64>(row, "members")? - column::<i64>(row, "later")?);
            }
            sizes[place].push(read_point(row, size)?);
            size -= column::<i64>(row, "entered")? - column::<i64>(row, "exited")?;
        }
        sizes.iter_mut().for_each(|points| points.reverse());
        Ok(sizes)
    }
}

/// A point at whose end there were `size` members, unless it says otherwise.
fn read_point(row: &Row, size: i64) -> Result<SizePoint> {
    let counted: i64 = column(row, "counted")?;
    let given = column::<Option<i64>>(row, "given")?.map(|given| given + counted);
    Ok(SizePoint {
        start: read_instant(row, "start")?,
        entered: number(column(row, "entered")?),
        exited: number(column(row, "exited")?),
        size: number(given.unwrap_or(size)),
    })
}
