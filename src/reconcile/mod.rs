//! The second floor, looking back: asks Studio for what its flows did and nobody told.
//!
//! A post that got lost stays lost, for Studio does not repeat it. So journeys that stand still are looked up, and runs that never
//! posted are looked for. What is found is taken in under the ids that Event Streams would give it: nothing is taken twice, whoever
//! tells of it, and however often it is looked at.

mod memory;
mod pace;
mod round;
mod studio;

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::delivery::http_client::HttpClient;
use crate::engine::{Engine, WORK};

pub use pace::Pace;
pub use round::{Reconciler, Round};
pub use studio::{Access, StudioError};

/// How long it waits until it looks whether there is anything to do now.
const RECHECK: Duration = Duration::from_secs(5);

/// Looks back for as long as the future lives, one node at a time.
pub async fn run(engine: Engine, http: HttpClient) {
    let mut reconciler = Reconciler::new(engine.clone(), http, Pace::usual());
    let mut last: Option<Instant> = None;
    loop {
        if let Some(access) = Access::of(&engine.definitions())
            && last.is_none_or(|last| last.elapsed() >= access.every.to_std())
            && let Some(lease) = engine.leases().begin(WORK)
        {
            tokio::select! {
                round = reconciler.round(&access) => tell(round),
                () = lease.lost() => debug!("another node looks back from here on"),
            }
            last = Some(Instant::now());
        }
        tokio::time::sleep(RECHECK).await;
    }
}

fn tell(round: Result<Round, StudioError>) {
    match round {
        Ok(Round { recovered: 0, looked_up, .. }) => debug!(looked_up, "looked back; nothing was missing"),
        Ok(Round { looked_up, recovered, .. }) => {
            info!(looked_up, recovered, "looked back; took in what nobody had told")
        }
        Err(error) => warn!(%error, "could not look back; it is tried again at the next time"),
    }
}
