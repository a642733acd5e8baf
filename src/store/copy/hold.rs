//! The lease on a store that is being filled: two copies into it at once would only get into each other's way.
//!
//! What keeps the target sound is the mark, which moves with each step; the lease says early, and plainly, what is the matter. (A
//! store that is not shared is locked by whoever has it open.)

use std::future::Future;

use super::CopyError;
use crate::domain::lease::{Lease, LeaseAsk};
use crate::domain::limits;
use crate::domain::time::Span;
use crate::store::{Result, Store};

/// Its name.
const COPY: &str = "copy";

/// Does `work` while `holder` holds the lease of `to`; refuses to where both stores are one.
pub(super) async fn held<T>(
    (from, to): (&dyn Store, &dyn Store),
    holder: &str,
    work: impl Future<Output = std::result::Result<T, CopyError>>,
) -> std::result::Result<T, CopyError> {
    take(to, holder).await?;
    let all = from.hold_leases(holder, &LeaseAsk::default(), Span::default()).await;
    let done = match all {
        Ok(all) if lease(&all).is_some_and(|lease| lease.holder == holder) => {
            Err(CopyError::SameStore { place: to.describe() })
        }
        Ok(_) => tokio::select! {
            done = work => done,
            () = lost(to, holder) => Err(CopyError::OtherCopy { place: to.describe() }),
        },
        Err(error) => Err(error.into()),
    };
    give_up(to, holder).await;
    done
}

/// Gives up the lease of a copy that was stopped. Else it runs out by itself.
pub async fn give_up(to: &dyn Store, holder: &str) {
    let ask = LeaseAsk { give_up: vec![COPY.to_owned()], ..LeaseAsk::default() };
    if let Err(error) = to.hold_leases(holder, &ask, limits::LEASE).await {
        tracing::debug!(%error, "the lease of the copy runs out by itself");
    }
}

/// Takes the lease. Whoever has it is alive if it gets longer; else it is waited for.
async fn take(to: &dyn Store, holder: &str) -> std::result::Result<(), CopyError> {
    let mut left = None;
    loop {
        let all = ask(to, holder).await?;
        match lease(&all).filter(|lease| lease.holder != holder) {
            None => return Ok(()),
            Some(other) if left.is_some_and(|left| other.left > left) => {
                return Err(CopyError::OtherCopy { place: to.describe() });
            }
            Some(other) => {
                if left.is_none() {
                    tracing::warn!("another copy into the target was under way: waiting whether it still is");
                }
                left = Some(other.left);
            }
        }
        tokio::time::sleep(limits::LEASE_BEAT.to_std() / 2).await;
    }
}

/// Prolongs the lease until somebody else has it.
async fn lost(to: &dyn Store, holder: &str) {
    loop {
        tokio::time::sleep(limits::LEASE_BEAT.to_std()).await;
        match ask(to, holder).await {
            Ok(all) if lease(&all).is_some_and(|lease| lease.holder != holder) => return,
            Ok(_) => {}
            // The copy itself will find that out, too.
            Err(error) => tracing::debug!(%error, "the lease of the copy could not be prolonged"),
        }
    }
}

/// Prolongs the lease, or takes it where nobody has it.
async fn ask(to: &dyn Store, holder: &str) -> Result<Vec<Lease>> {
    let ask = LeaseAsk { keep: vec![COPY.to_owned()], take: vec![COPY.to_owned()], give_up: Vec::new() };
    to.hold_leases(holder, &ask, limits::LEASE).await
}

fn lease(all: &[Lease]) -> Option<&Lease> {
    all.iter().find(|lease| lease.name == COPY && lease.left.millis() > 0)
}
