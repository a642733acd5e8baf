//! Copies everything that a store holds into an empty one of any kind.
//!
//! Each step is one change set of the target, which also says how far the copy got: one that was killed is gone on with by the
//! same call. A target is no store to be served before everything in it was compared with the source.

mod digest;
mod error;
mod hold;
mod read;
mod verify;

use sha2::{Digest as _, Sha256};

use self::read::{part, step};
use super::{Counts, Result, Store, StoreError};
use crate::domain::change::ChangeSet;
use crate::domain::copying::{CopyMark, CopyWrite, RecordKind};
use crate::domain::lease::{self, LeaseAsk};
use crate::domain::time::Span;

pub use self::error::CopyError;
pub use self::hold::give_up;
pub use self::verify::{Compared, Summary};

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Copying records.
    Copying,
    /// Comparing what is in both stores.
    Comparing,
}

/// How far a copy got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Of which records.
    pub kind: RecordKind,
    /// How many of them are done; where they are compared, a record read from one store is half done.
    pub done: u64,
    /// How many there are, where the source keeps count of them.
    pub total: Option<u64>,
}

/// Is told whenever a copy got on.
pub type Watch<'w> = dyn FnMut(Progress) + Send + 'w;

/// Copies all of `from` into `to`, or goes on with that, then compares the two. Neither may be in use; `from` is not written to.
/// Once nothing differs, `to` is a store to be served; else it stays a copy that failed. `holder` is a name that no other copy has.
///
/// # Errors
/// A [`CopyError`]; with [`CopyError::Store`] the same call goes on where this one ended.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    holder: &str,
    watch: &mut Watch<'_>,
) -> std::result::Result<Vec<Compared>, CopyError> {
    hold::held((from, to), holder, async {
        let mut copy = Copy::begin(from, to).await?;
        copy.run(watch).await?;
        copy.finish(watch).await
    })
    .await
}

/// Compares all of `from` with all of `to`. Neither may be in use, nor be a part of a copy.
///
/// # Errors
/// A [`CopyError`].
pub async fn compare(
    from: &dyn Store,
    to: &dyn Store,
    holder: &str,
    watch: &mut Watch<'_>,
) -> std::result::Result<Vec<Compared>, CopyError> {
    hold::held((from, to), holder, async {
        for store in [from, to] {
            refuse_used(store).await?;
            refuse_part(store).await?;
        }
        Ok(compare_all(from, to, &from.counts().await?, watch).await?)
    })
    .await
}

async fn compare_all(
    from: &dyn Store,
    to: &dyn Store,
    counts: &Counts,
    watch: &mut Watch<'_>,
) -> Result<Vec<Compared>> {
    let mut compared = Vec::new();
    for kind in RecordKind::ALL {
        compared.push(verify::compare(from, to, kind, total(counts, kind), watch).await?);
    }
    Ok(compared)
}

/// A copy under way.
struct Copy<'s> {
    from: &'s dyn Store,
    to: &'s dyn Store,
    counts: Counts,
    state: String,
    /// How far it got, as the target has it.
    mark: Option<CopyMark>,
}

impl<'s> Copy<'s> {
    /// Begins, or finds out how far it got.
    async fn begin(from: &'s dyn Store, to: &'s dyn Store) -> std::result::Result<Self, CopyError> {
        refuse_used(from).await?;
        refuse_used(to).await?;
        refuse_part(from).await?;
        if is_empty(from).await? {
            return Err(CopyError::Empty { place: from.describe() });
        }
        let state = state(from).await?;
        let mark = to.copy_mark().await?;
        let (source_place, place) = (from.describe(), to.describe());
        match &mark {
            Some(mark) if mark.differs => {
                return Err(CopyError::Differs { place, source_place: mark.source.clone() });
            }
            Some(mark) if mark.state != state && mark.source != source_place => {
                return Err(CopyError::OtherSource { place, copied: mark.source.clone(), source_place });
            }
            Some(mark) if mark.state != state => return Err(CopyError::Changed { place, source_place }),
            None if !is_empty(to).await? => return Err(CopyError::NotEmpty { place }),
            Some(_) | None => {}
        }
        Ok(Self { from, to, counts: from.counts().await?, state, mark })
    }

    /// Copies what is not copied yet.
    async fn run(&mut self, watch: &mut Watch<'_>) -> std::result::Result<(), CopyError> {
        let first = match &self.mark {
            None => Some(RecordKind::ALL[0]),
            Some(mark) => mark.kind,
        };
        let Some(first) = first else { return Ok(()) };
        for kind in RecordKind::ALL.into_iter().skip_while(|kind| *kind != first) {
            self.copy_kind(kind, watch).await?;
        }
        let mark = self.mark(None, None, 0);
        self.commit(ChangeSet::default(), Some(mark)).await
    }

    async fn copy_kind(
        &mut self,
        kind: RecordKind,
        watch: &mut Watch<'_>,
    ) -> std::result::Result<(), CopyError> {
        let begun = self.mark.as_ref().filter(|mark| mark.kind == Some(kind));
        let (mut after, mut done) = begun.map_or((None, 0), |mark| (mark.after.clone(), mark.done));
        let total = total(&self.counts, kind);
        loop {
            watch(Progress { phase: Phase::Copying, kind, done, total });
            let part = part(self.from, kind, after.as_deref(), step(kind)).await?;
            after = part.last;
            if after.is_none() {
                return Ok(());
            }
            done += count(&part.changes);
            let mark = self.mark(Some(kind), after.clone(), done);
            self.commit(part.changes, Some(mark)).await?;
        }
    }

    fn mark(&self, kind: Option<RecordKind>, after: Option<Vec<u8>>, done: u64) -> CopyMark {
        CopyMark {
            source: self.from.describe(),
            state: self.state.clone(),
            kind,
            after,
            done,
            differs: false,
        }
    }

    /// Writes a step, and how far that is.
    async fn commit(
        &mut self,
        changes: ChangeSet,
        mark: Option<CopyMark>,
    ) -> std::result::Result<(), CopyError> {
        let write = CopyWrite { was: self.mark.take(), is: mark.clone() };
        let written = self.to.commit(&ChangeSet { copied: Some(write), ..changes }).await;
        written.map_err(|error| match error {
            // The mark was moved by somebody else.
            StoreError::Conflict(_) => CopyError::OtherCopy { place: self.to.describe() },
            error => error.into(),
        })?;
        self.mark = mark;
        Ok(())
    }

    /// Compares the two, and makes the target one to be served, or one that is not.
    async fn finish(mut self, watch: &mut Watch<'_>) -> std::result::Result<Vec<Compared>, CopyError> {
        let compared = compare_all(self.from, self.to, &self.counts, watch).await?;
        refuse_used(self.from).await?;
        let is_changed = state(self.from).await? != self.state;
        let is_whole = !is_changed && compared.iter().all(|compared| compared.difference.is_none());
        let mark = (!is_whole).then(|| CopyMark { differs: true, ..self.mark(None, None, 0) });
        self.commit(ChangeSet::default(), mark).await?;
        if is_changed {
            return Err(CopyError::Changed { place: self.to.describe(), source_place: self.from.describe() });
        }
        Ok(compared)
    }
}

/// How many records of that kind there are, where a store keeps count of them.
fn total(counts: &Counts, kind: RecordKind) -> Option<u64> {
    match kind {
        RecordKind::Events => Some(counts.events),
        RecordKind::Profiles => Some(counts.profiles),
        RecordKind::Members => Some(counts.members.values().sum()),
        RecordKind::Deliveries => Some(counts.deliveries.values().sum()),
        _ => None,
    }
}

/// How many records `changes` write.
fn count(changes: &ChangeSet) -> u64 {
    let lengths = [
        changes.events.len(),
        changes.profiles.len(),
        changes.leaf_pages.len(),
        changes.seen.len(),
        changes.external_ids.len(),
        changes.archived.len(),
        changes.memberships.len(),
        changes.sizes.len(),
        changes.figure_points.len(),
        changes.deliveries.len(),
        changes.definitions.len(),
        changes.backfills.len(),
        changes.healths.len(),
        changes.replays.len(),
        changes.unknown_flows.len(),
        usize::from(changes.admin_token_hash.is_some()),
        changes.entries.len(),
    ];
    u64::try_from(lengths.iter().sum::<usize>()).unwrap_or(u64::MAX)
}

/// Refuses a store that a server is alive on. (Another backend is locked by whoever has it open.)
async fn refuse_used(store: &dyn Store) -> std::result::Result<(), CopyError> {
    let leases = store.hold_leases("copy", &LeaseAsk::default(), Span::from_millis(0)).await?;
    let alive = leases.iter().find(|lease| lease.name.starts_with(lease::NODE) && lease.left.millis() > 0);
    match alive {
        Some(lease) => Err(CopyError::InUse { place: store.describe(), node: lease.holder.clone() }),
        None => Ok(()),
    }
}

/// Refuses a store that is itself a part of a copy.
async fn refuse_part(store: &dyn Store) -> std::result::Result<(), CopyError> {
    match store.copy_mark().await? {
        Some(mark) => Err(CopyError::Part { place: store.describe(), source_place: mark.source }),
        None => Ok(()),
    }
}

/// Whether there is no record of any kind.
async fn is_empty(store: &dyn Store) -> Result<bool> {
    for kind in RecordKind::ALL {
        let mut after = None;
        loop {
            let part = part(store, kind, after.as_deref(), 1).await?;
            if count(&part.changes) > 0 {
                return Ok(false);
            }
            after = part.last;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(true)
}

/// What tells this store, with what it holds now, from others.
async fn state(store: &dyn Store) -> Result<String> {
    let (counts, last) = (store.counts().await?, store.last_event().await?);
    let admin = store.admin_token_hash().await?;
    Ok(hex::encode(Sha256::digest(format!("{counts:?} {last:?} {admin:?}"))))
}
