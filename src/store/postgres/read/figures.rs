//! Figures over time.

use tokio_postgres::Row;

use super::super::PostgresStore;
use super::super::rows::{column, instant, number, read_instant, read_text, text};
use crate::domain::figures::{Family, FigurePoint, Grain, OldestFigures};
use crate::domain::time::Timestamp;
use crate::store::Result;

impl PostgresStore {
    pub(in super::super) async fn figures_of(
        &self,
        family: Family,
        subject: &str,
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<FigurePoint>> {
        const SQL: &str = "\
            SELECT start, detail, sum(n)::bigint AS n FROM figures
            WHERE family = $1 AND subject = $2 AND grain = $3 AND start >= $4 AND start < $5
            GROUP BY start, detail HAVING sum(n) > 0 ORDER BY start, detail";
        let (subject, from, to) = (text(subject), instant(from), instant(to));
        let rows = self.query(SQL, &[&family.as_str(), &subject, &grain.as_str(), &from, &to]).await?;
        let point = |row: &Row| {
            Ok(FigurePoint {
                start: read_instant(row, "start")?,
                detail: read_text(column(row, "detail")?).into_owned(),
                count: number(column(row, "n")?),
            })
        };
        rows.iter().map(point).collect()
    }

    pub(in super::super) async fn has_figures_before(&self, oldest: &OldestFigures) -> Result<bool> {
        const SQL: &str = "\
            SELECT EXISTS (SELECT 1 FROM figures WHERE grain = 'minute' AND start < $1)
                OR EXISTS (SELECT 1 FROM figures WHERE grain = 'hour' AND start < $2)
                OR EXISTS (SELECT 1 FROM figures WHERE grain = 'day' AND start < $3) AS is_there";
        let [minutes, hours, days] = [oldest.minutes, oldest.hours, oldest.days].map(instant);
        let row = self.row(SQL, &[&minutes, &hours, &days]).await?;
        row.map_or(Ok(false), |row| column(&row, "is_there"))
    }
}
