//! Figures over time.

use super::super::PostgresStore;
use super::super::rows::{column, instant, number, read_instant, read_text, text};
use super::place;
use crate::domain::figures::{Family, FigurePoint, Grain, OldestFigures};
use crate::domain::time::Timestamp;
use crate::store::Result;

impl PostgresStore {
    /// Each subject is a look into the index of its own, whatever is thought of how many rows there are.
    pub(in super::super) async fn figures_of(
        &self,
        wanted: &[(Family, &str)],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<FigurePoint>>> {
        const SQL: &str = "\
            SELECT w.place, f.start, f.detail, f.n
            FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (family, subject, place)
            CROSS JOIN LATERAL (
                SELECT start, detail, sum(n)::bigint AS n FROM figures
                WHERE family = w.family AND subject = w.subject AND grain = $3 AND start >= $4 AND start < $5
                GROUP BY start, detail HAVING sum(n) > 0
            ) f
            ORDER BY w.place, f.start, f.detail";
        let (families, subjects): (Vec<_>, Vec<_>) =
            wanted.iter().map(|(family, subject)| (family.as_str(), text(subject))).unzip();
        let (from, to) = (instant(from), instant(to));
        let rows = self.query(SQL, &[&families, &subjects, &grain.as_str(), &from, &to]).await?;
        let mut points = vec![Vec::new(); wanted.len()];
        for row in &rows {
            points[place(row, wanted.len())?].push(FigurePoint {
                start: read_instant(row, "start")?,
                detail: read_text(column(row, "detail")?).into_owned(),
                count: number(column(row, "n")?),
            });
        }
        Ok(points)
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
