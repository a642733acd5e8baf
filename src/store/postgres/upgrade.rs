//! What an upgrade of the tables takes that no statement can say.

use tokio_postgres::Error;
use uuid::Uuid;

use super::connect::Connection;
use super::errors;
use super::read::journeys::read_journey;
use super::rows::{limit, uuid};
use crate::domain::limits;
use crate::store::Result;

/// Notes which stalls were acknowledged: that stands in the profiles of their users.
pub(super) async fn note_acknowledgements(connection: &Connection, place: &str) -> Result<()> {
    const STALLED: &str = "\
        SELECT j.id, j.user_key, j.body, p.revision, p.body AS profile
        FROM journeys j
        LEFT JOIN profiles p ON j.body IS NULL AND p.shard = j.shard AND p.user_key = j.user_key
        WHERE j.status = 'stalled' AND j.id > $1 ORDER BY j.id LIMIT $2";
    const NOTE: &str = "UPDATE journeys SET is_acknowledged = true WHERE id = ANY($1)";
    const COUNT: &str = "INSERT INTO counters (name, slot, n) VALUES ('acknowledged', 0, $1)";
    let failed = |error: Error| errors::of_call(place, &error);
    connection.batch_execute("DELETE FROM counters WHERE name = 'acknowledged'").await.map_err(failed)?;
    let (mut after, mut count) = (Uuid::nil(), 0);
    loop {
        let rows = connection.query(STALLED, &[&after, &limit(limits::UPKEEP_STEP)]).await.map_err(failed)?;
        let Some(last) = rows.last() else { break };
        after = last.try_get("id").map_err(failed)?;
        let mut acknowledged: Vec<Uuid> = Vec::new();
        for row in &rows {
            let journey = read_journey(row)?.filter(|journey| journey.listed().is_acknowledged());
            acknowledged.extend(journey.map(|journey| uuid(journey.id.to_bytes())));
        }
        count += limit(acknowledged.len());
        connection.execute(NOTE, &[&acknowledged]).await.map_err(failed)?;
    }
    connection.execute(COUNT, &[&count]).await.map(drop).map_err(failed)
}
