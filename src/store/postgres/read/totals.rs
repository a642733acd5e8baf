//! Running totals, and the short lists that nodes hold in memory.

use crate::domain::backfill::Backfill;
use crate::domain::copying::CopyMark;
use crate::domain::definition::Definition;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::health::Health;
use crate::domain::journey::JourneyStatus;
use crate::domain::replay::Replay;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::rows::{column, number, read_text};
use crate::store::{Counts, Result, codec};

/// Adds what the counter with that name counts. Its name is what it is a count of, then, behind colons, of which ones.
fn add(counts: &mut Counts, name: &str, n: u64) -> Option<()> {
    match name.split_once(':') {
        None if name == "events" => counts.events = n,
        None if name == "profiles" => counts.profiles = n,
        None if name == "acknowledged" => counts.acknowledged = n,
        Some(("journeys", status)) => {
            counts.journeys.insert(JourneyStatus::from_name(status)?, n);
        }
        Some(("members", audience)) => {
            counts.members.insert(read_text(audience).into_owned(), n);
        }
        Some(("deliveries", which)) => {
            let (status, destination) = which.split_once(':')?;
            let status = DeliveryStatus::from_name(status)?;
            counts.deliveries.insert((read_text(destination).into_owned(), status.as_str()), n);
        }
        None | Some(_) => return None,
    }
    Some(())
}

impl PostgresStore {
    pub(in super::super) async fn counts(&self) -> Result<Counts> {
        const SQL: &str = "SELECT name, sum(n)::bigint AS n FROM counters GROUP BY name HAVING sum(n) > 0";
        let mut counts = Counts::default();
        for row in &self.query(SQL, &[]).await? {
            let name: &str = column(row, "name")?;
            add(&mut counts, name, number(column(row, "n")?)).ok_or_else(|| {
                codec::corrupt(&codec::name("running totals", name.as_bytes()), "of nothing")
            })?;
        }
        Ok(counts)
    }

    pub(in super::super) async fn unknown_flows(&self) -> Result<Vec<String>> {
        const SQL: &str = "SELECT flow FROM unknown_flows ORDER BY flow";
        let rows = self.query(SQL, &[]).await?;
        rows.iter().map(|row| Ok(read_text(column(row, "flow")?).into_owned())).collect()
    }

    pub(in super::super) async fn admin_token_hash(&self) -> Result<Option<String>> {
        const SQL: &str = "SELECT value FROM meta WHERE key = 'admin_token_hash'";
        self.row(SQL, &[]).await?.map(|row| column(&row, "value")).transpose()
    }

    pub(in super::super) async fn copy_mark(&self) -> Result<Option<CopyMark>> {
        const SQL: &str = "SELECT value FROM meta WHERE key = 'copy_mark'";
        let Some(row) = self.row(SQL, &[]).await? else { return Ok(None) };
        let mark: &str = column(&row, "value")?;
        codec::decode_json(|| codec::name("mark of a copy", b""), mark.as_bytes()).map(Some)
    }

    pub(in super::super) async fn definitions(&self) -> Result<Vec<Definition>> {
        Ok(self.rulebook().await?.definitions)
    }

    pub(in super::super) async fn backfills(&self) -> Result<Vec<Backfill>> {
        Ok(self.rulebook().await?.backfills)
    }

    pub(in super::super) async fn healths(&self) -> Result<Vec<Health>> {
        Ok(self.rulebook().await?.healths)
    }

    pub(in super::super) async fn replays(&self) -> Result<Vec<Replay>> {
        Ok(self.rulebook().await?.replays)
    }
}
