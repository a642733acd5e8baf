//! Leases, by the database's own clock.

use tokio_postgres::Row;

use super::pipeline::{self, Step};
use super::plan::params;
use super::{PostgresStore, rows};
use crate::domain::lease::{Lease, LeaseAsk};
use crate::domain::time::Span;
use crate::store::Result;

/// Statements that each lock their rows in the order of the names: nobody waits for ever.
const LOCK: &str = "SELECT name FROM leases WHERE name = ANY($1) ORDER BY name FOR UPDATE";
const GIVE_UP: &str = "DELETE FROM leases WHERE holder = $1 AND name = ANY($2)";
const KEEP: &str = "UPDATE leases SET until = clock_timestamp() + $3::bigint::float8 * interval '1 millisecond' \
                    WHERE holder = $1 AND name = ANY($2) AND until >= clock_timestamp() + interval '1 millisecond'";
const TAKE: &str = "INSERT INTO leases (name, holder, until) \
                    SELECT u.name, $1, clock_timestamp() + $3::bigint::float8 * interval '1 millisecond' FROM unnest($2::text[]) AS u(name) ORDER BY u.name \
                    ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until \
                    WHERE leases.until <= clock_timestamp()";
const FORGET: &str = "DELETE FROM leases WHERE until < clock_timestamp() - interval '1 hour'";
/// Rounded down: whoever goes by it stops too early rather than too late, and what is told as over is kept no more.
const TELL: &str = "SELECT name, holder, \
                        floor(extract(epoch FROM until - clock_timestamp()) * 1000)::bigint AS left_ms FROM leases ORDER BY name";

/// How often it is tried again after a deadlock.
const REPEATS: u32 = 5;

impl PostgresStore {
    /// Prolongs, takes and gives up leases for `node`; answers all there are. One round trip.
    pub(super) async fn hold_leases(&self, node: &str, ask: &LeaseAsk, lasting: Span) -> Result<Vec<Lease>> {
        let mut tries = 0;
        loop {
            match self.transaction(pipeline::WRITING, &steps(node, ask, lasting)).await {
                Ok(answers) => return read(answers.last().map_or(&[], |answer| answer.rows.as_slice())),
                Err((error, is_passing)) if !is_passing || tries == REPEATS => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }
}

fn steps<'c>(node: &'c str, ask: &'c LeaseAsk, lasting: Span) -> Vec<Step<'c>> {
    let names = |of: &'c [String]| of.iter().map(|name| rows::text(name)).collect::<Vec<_>>();
    let all: Vec<_> = [&ask.keep, &ask.take, &ask.give_up].into_iter().flat_map(|of| names(of)).collect();
    let node = rows::text(node);
    let lasting = lasting.millis();
    vec![
        Step { sql: LOCK, params: params![all] },
        Step { sql: GIVE_UP, params: params![node.clone(), names(&ask.give_up)] },
        Step { sql: KEEP, params: params![node.clone(), names(&ask.keep), lasting] },
        Step { sql: TAKE, params: params![node, names(&ask.take), lasting] },
        Step { sql: FORGET, params: params![] },
        Step { sql: TELL, params: params![] },
    ]
}

fn read(found: &[Row]) -> Result<Vec<Lease>> {
    let lease = |row: &Row| {
        let (name, holder): (&str, &str) = (rows::column(row, "name")?, rows::column(row, "holder")?);
        let left: i64 = rows::column(row, "left_ms")?;
        let (name, holder) = (rows::read_text(name).into_owned(), rows::read_text(holder).into_owned());
        Ok(Lease { name, holder, left: Span::from_millis(left) })
    };
    found.iter().map(lease).collect()
}
