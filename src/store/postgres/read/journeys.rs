//! Journeys: archived ones are whole in their row, the others in the profile of their user. One statement reads both, so none is
//! missed on its way from the one to the other.

use tokio_postgres::Row;
use uuid::Uuid;

use super::super::PostgresStore;
use super::super::rows::{column, read_body, read_key, uuid};
use super::in_order;
use super::profiles::read_profile;
use crate::domain::ids::JourneyId;
use crate::domain::journey::Journey;
use crate::store::{Result, codec};

/// The journey in a row that has `id`, `user_key`, `body` and the user's `profile` and `revision`; `None` where neither has it.
pub(in super::super) fn read_journey(row: &Row) -> Result<Option<Journey>> {
    let id = JourneyId::from_bytes(column::<Uuid>(row, "id")?.into_bytes());
    if let Some(body) = column::<Option<&[u8]>>(row, "body")? {
        let name = || codec::name("journey", &[b"j", id.to_bytes().as_slice()].concat());
        return read_body(name, body).map(Some);
    }
    if column::<Option<&[u8]>>(row, "profile")?.is_none() {
        return Ok(None);
    }
    let profile = read_profile(&read_key(column(row, "user_key")?)?, row, "profile")?;
    Ok(profile.journeys.into_iter().find(|journey| journey.id == id))
}

impl PostgresStore {
    pub(in super::super) async fn journeys_by_id(&self, ids: &[JourneyId]) -> Result<Vec<Option<Journey>>> {
        const SQL: &str = "\
            SELECT w.place, j.id, j.user_key, j.body, p.revision, p.body AS profile
            FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place)
            JOIN journeys j ON j.id = w.id
            LEFT JOIN profiles p ON j.body IS NULL AND p.shard = j.shard AND p.user_key = j.user_key";
        let wanted: Vec<_> = ids.iter().map(|id| uuid(id.to_bytes())).collect();
        let rows = self.query(SQL, &[&wanted]).await?;
        let found = in_order(ids.len(), &rows, |_, row| read_journey(row))?;
        Ok(found.into_iter().map(Option::flatten).collect())
    }

    pub(in super::super) async fn journey(&self, id: JourneyId) -> Result<Option<Journey>> {
        Ok(self.journeys_by_id(&[id]).await?.pop().flatten())
    }
}
