//! Records on shelves.

use tokio_postgres::Row;

use super::super::PostgresStore;
use super::super::rows::{column, limit, read_text, text};
use crate::domain::page::{Page, PageRequest};
use crate::domain::shelf::{Entry, Shelf};
use crate::store::shelves::ShelfKey;
use crate::store::{Result, cursor, paging};

impl PostgresStore {
    pub(in super::super) async fn entry(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>> {
        const SQL: &str = "SELECT value FROM shelves WHERE shelf = $1 AND key = $2";
        let row = self.row(SQL, &[&shelf.as_str(), &text(key)]).await?;
        row.map(|row| column(&row, "value")).transpose()
    }

    pub(in super::super) async fn entries(&self, shelf: Shelf, page: &PageRequest) -> Result<Page<Entry>> {
        const SQL: &str = "\
            SELECT key, value FROM shelves WHERE shelf = $1 AND ($2::text IS NULL OR key < $2)
            ORDER BY key DESC LIMIT $3";
        let start: Option<ShelfKey> = cursor::read(page.cursor.as_deref())?;
        let start = start.as_ref().map(|ShelfKey(key)| text(key));
        let most = limit(page.limit.max(1).saturating_add(1));
        let rows = self.query(SQL, &[&shelf.as_str(), &start, &most]).await?;
        let entry = |row: &Row| {
            let key = read_text(column(row, "key")?).into_owned();
            Ok((ShelfKey(key.clone()), Some(Entry { key, value: column(row, "value")? })))
        };
        paging::page(page, rows.iter().map(entry))
    }
}
