//! Records that no list hands out: events by their ids, the others in the order of their primary key. A place is the last key.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::PostgresStore;
use super::super::rows::{
    column, instant, limit, name_of_user, number, read_body, read_instant, read_key, read_text,
};
use super::log::read_event;
use crate::domain::change::{ExternalIdWrite, LeafPageWrite, SeenWrite};
use crate::domain::figures::{Family, Figure, FigureWrite, Grain};
use crate::domain::ids::LeafId;
use crate::domain::time::Timestamp;
use crate::store::{RecordPart, Result, StoreError, Unlisted, codec};

impl PostgresStore {
    pub(in super::super) async fn unlisted(
        &self,
        kind: Unlisted,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<RecordPart> {
        match kind {
            Unlisted::Events => self.events_after(after, most).await,
            Unlisted::LeafPages => self.leaf_pages_after(after, most).await,
            Unlisted::MessageIds => self.messages_after(after, most).await,
            Unlisted::ExternalIds => self.external_ids_after(after, most).await,
            Unlisted::ArchivedJourneys => self.archived_after(after, most).await,
            Unlisted::Figures => self.figures_after(after, most).await,
        }
    }

    async fn events_after(&self, after: Option<&[u8]>, most: usize) -> Result<RecordPart> {
        const SQL: &str = "SELECT id, body FROM events WHERE id > $1 ORDER BY id LIMIT $2";
        let after = Uuid::from_bytes(read_place(after, || [0; 16])?);
        let rows = self.query(SQL, &[&after, &limit(most)]).await?;
        let mut part = ending(&rows, |row| Ok(column::<Uuid>(row, "id")?.into_bytes()))?;
        for row in &rows {
            part.add_event(read_event(row)?);
        }
        Ok(part)
    }

    async fn leaf_pages_after(&self, after: Option<&[u8]>, most: usize) -> Result<RecordPart> {
        const SQL: &str = "\
            SELECT shard, owner_key, leaf, number, page FROM leaf_pages
            WHERE (shard, owner_key, leaf, number) > ($1, $2, $3, $4)
            ORDER BY shard, owner_key, leaf, number LIMIT $5";
        type Place = (i16, String, i64, i64);
        let after: Place = read_place(after, || (i16::MIN, String::new(), i64::MIN, i64::MIN))?;
        let rows = self.query(SQL, &[&after.0, &after.1, &after.2, &after.3, &limit(most)]).await?;
        let mut part = ending(&rows, |row| -> Result<Place> {
            Ok((
                column(row, "shard")?,
                column(row, "owner_key")?,
                column(row, "leaf")?,
                column(row, "number")?,
            ))
        })?;
        for row in &rows {
            let owner = read_key(column(row, "owner_key")?)?;
            let number = u32::try_from(column::<i64>(row, "number")?).map_err(|_| {
                codec::corrupt(&name_of_user("page of a leaf", b"l", &owner), "no page's number")
            })?;
            let leaf = LeafId::from_bytes(column::<i64>(row, "leaf")?.to_be_bytes());
            part.add_page(LeafPageWrite { owner, leaf, number, page: Some(column(row, "page")?) });
        }
        Ok(part)
    }

    async fn messages_after(&self, after: Option<&[u8]>, most: usize) -> Result<RecordPart> {
        const SQL: &str = "\
            SELECT shard, user_key, message, at FROM seen
            WHERE (shard, user_key, message) > ($1, $2, $3) ORDER BY shard, user_key, message LIMIT $4";
        type Place = (i16, String, Vec<u8>);
        let after: Place = read_place(after, || (i16::MIN, String::new(), Vec::new()))?;
        let rows = self.query(SQL, &[&after.0, &after.1, &after.2, &limit(most)]).await?;
        let mut part = ending(&rows, |row| -> Result<Place> {
            Ok((column(row, "shard")?, column(row, "user_key")?, column(row, "message")?))
        })?;
        for row in &rows {
            let user = read_key(column(row, "user_key")?)?;
            let message = column::<&[u8]>(row, "message")?.try_into();
            let message = message
                .map_err(|_| codec::corrupt(&name_of_user("message id", b"h", &user), "not of 16 bytes"))?;
            part.add_message(SeenWrite { user, message, at: read_instant(row, "at")? });
        }
        Ok(part)
    }

    async fn external_ids_after(&self, after: Option<&[u8]>, most: usize) -> Result<RecordPart> {
        const SQL: &str = "\
            SELECT shard, kind, id, user_key FROM external_ids
            WHERE (shard, kind, id, user_key) > ($1, $2, $3, $4) ORDER BY shard, kind, id, user_key LIMIT $5";
        type Place = (i16, String, String, String);
        let after: Place = read_place(after, || (i16::MIN, String::new(), String::new(), String::new()))?;
        let rows = self.query(SQL, &[&after.0, &after.1, &after.2, &after.3, &limit(most)]).await?;
        let mut part = ending(&rows, |row| -> Result<Place> {
            Ok((column(row, "shard")?, column(row, "kind")?, column(row, "id")?, column(row, "user_key")?))
        })?;
        for row in &rows {
            part.add_external_id(ExternalIdWrite {
                kind: read_text(column(row, "kind")?).into_owned(),
                id: read_text(column(row, "id")?).into_owned(),
                user: read_key(column(row, "user_key")?)?,
                present: true,
            });
        }
        Ok(part)
    }

    async fn figures_after(&self, after: Option<&[u8]>, most: usize) -> Result<RecordPart> {
        const SQL: &str = "\
            SELECT family, subject, grain, start, detail, sum(n)::bigint AS n FROM figures
            WHERE (family, subject, grain, start, detail) > ($1, $2, $3, $4, $5)
            GROUP BY family, subject, grain, start, detail HAVING sum(n) > 0
            ORDER BY family, subject, grain, start, detail LIMIT $6";
        type Place = (String, String, String, Timestamp, String);
        let first = || (String::new(), String::new(), String::new(), Timestamp::default(), String::new());
        let after: Place = read_place(after, first)?;
        let (family, subject, grain, start, detail) = after;
        let rows =
            self.query(SQL, &[&family, &subject, &grain, &instant(start), &detail, &limit(most)]).await?;
        let mut part = ending(&rows, |row| -> Result<Place> {
            Ok((
                column(row, "family")?,
                column(row, "subject")?,
                column(row, "grain")?,
                read_instant(row, "start")?,
                column(row, "detail")?,
            ))
        })?;
        for row in &rows {
            let family: &str = column(row, "family")?;
            let wrong = || codec::corrupt(&codec::name("figure", family.as_bytes()), "of nothing");
            let figure = Figure {
                family: Family::from_name(family).ok_or_else(wrong)?,
                subject: read_text(column(row, "subject")?).into_owned(),
                detail: read_text(column(row, "detail")?).into_owned(),
            };
            let grain = Grain::from_name(column(row, "grain")?).ok_or_else(wrong)?;
            let (start, count) = (read_instant(row, "start")?, number(column(row, "n")?));
            part.add_figure(FigureWrite { figure, grain, start, count });
        }
        Ok(part)
    }

    async fn archived_after(&self, after: Option<&[u8]>, most: usize) -> Result<RecordPart> {
        const SQL: &str = "SELECT id, body FROM journeys WHERE is_archived AND id > $1 ORDER BY id LIMIT $2";
        let after = Uuid::from_bytes(read_place(after, || [0; 16])?);
        let rows = self.query(SQL, &[&after, &limit(most)]).await?;
        let mut part = ending(&rows, |row| Ok(column::<Uuid>(row, "id")?.into_bytes()))?;
        for row in &rows {
            let id: Uuid = column(row, "id")?;
            let name = || codec::name("journey", &[b"j", id.as_bytes().as_slice()].concat());
            part.add_archived(read_body(name, column(row, "body")?)?);
        }
        Ok(part)
    }
}

/// A part without its records that ends with the last of these rows.
fn ending<P: Serialize>(rows: &[Row], place: impl Fn(&Row) -> Result<P>) -> Result<RecordPart> {
    let last =
        rows.last().map(|row| codec::encode_json(|| "a place".to_owned(), &place(row)?)).transpose()?;
    Ok(RecordPart { last, ..RecordPart::default() })
}

/// The inverse for the place that a part is to begin behind; `first` makes one before all others.
fn read_place<P: DeserializeOwned>(place: Option<&[u8]>, first: impl FnOnce() -> P) -> Result<P> {
    match place {
        None => Ok(first()),
        Some(place) => serde_json::from_slice(place).map_err(|_| StoreError::Cursor(hex::encode(place))),
    }
}
