//! Figures on the database.

use super::{PostgresStore, rows};
use crate::store::{Result, StoreStats};

/// Tables with their indexes, in the schema where they were made.
const SIZE: &str = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes FROM pg_class AS c \
                    WHERE c.relkind = 'r' AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('meta'))";

impl PostgresStore {
    /// How large the tables are.
    pub(super) async fn stats(&self) -> Result<StoreStats> {
        let rows = self.query(SIZE, &[]).await?;
        let bytes = rows.first().map(|row| rows::column(row, "bytes")).transpose()?;
        Ok(StoreStats { disk_bytes: bytes.map_or(0, rows::number) })
    }
}
