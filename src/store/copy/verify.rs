//! Whether two stores hold the same: everything is read once more, from both.

use std::collections::{BTreeMap, BTreeSet};

use super::digest::{Digest, Entry, Hash, entries};
use super::read::{part, step};
use super::{Phase, Progress, Watch};
use crate::domain::copying::RecordKind;
use crate::store::{Result, Store};

/// The records of a kind in both stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The kind.
    pub kind: RecordKind,
    /// In the source.
    pub source: Summary,
    /// In the target.
    pub target: Summary,
    /// A record that is not the same, and how; none where all are.
    pub difference: Option<String>,
}

/// The records of a kind in one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many there are.
    pub count: u64,
    /// A checksum over their keys and contents, whatever their order, in hex.
    pub checksum: String,
}

impl Summary {
    fn of(digest: &Digest) -> Self {
        Self { count: digest.count(), checksum: digest.checksum() }
    }
}

/// Compares all records of that kind.
pub(super) async fn compare(
    from: &dyn Store,
    to: &dyn Store,
    kind: RecordKind,
    total: Option<u64>,
    watch: &mut Watch<'_>,
) -> Result<Compared> {
    let (mut source, mut target) = (Digest::new(), Digest::new());
    let mut read = 0;
    for (store, digest) in [(from, &mut source), (to, &mut target)] {
        each(store, kind, |found| {
            found.iter().for_each(|entry| digest.add(entry));
            read += u64::try_from(found.len()).unwrap_or(u64::MAX);
            watch(Progress { phase: Phase::Comparing, kind, done: read / 2, total });
        })
        .await?;
    }
    let difference = match source.first_difference(&target) {
        Some(bucket) => Some(describe(from, to, kind, bucket).await?),
        None => None,
    };
    Ok(Compared { kind, source: Summary::of(&source), target: Summary::of(&target), difference })
}

/// Reads all records of that kind, a part at a time.
async fn each(store: &dyn Store, kind: RecordKind, mut see: impl FnMut(&[Entry])) -> Result<()> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let part = part(store, kind, after.as_deref(), step(kind)).await?;
        see(&entries(&part.changes)?);
        after = part.last;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Names the first record of that bucket that is not the same in both.
async fn describe(from: &dyn Store, to: &dyn Store, kind: RecordKind, bucket: usize) -> Result<String> {
    let mut found: [BTreeMap<Hash, Hash>; 2] = Default::default();
    for (store, found) in [from, to].into_iter().zip(&mut found) {
        each(store, kind, |entries| {
            let wanted = entries.iter().filter(|entry| entry.bucket() == bucket);
            found.extend(wanted.map(|entry| (entry.key, entry.record)));
        })
        .await?;
    }
    let [source, target] = found;
    let keys: BTreeSet<&Hash> = source.keys().chain(target.keys()).collect();
    let differs = keys.into_iter().find(|key| source.get(*key) != target.get(*key));
    Ok(match differs {
        // One store has a record twice.
        None => "the same records, but not as often".to_owned(),
        Some(key) => {
            let what = match (source.contains_key(key), target.contains_key(key)) {
                (true, false) => "is missing in the target",
                (false, _) => "is in the target only",
                (true, true) => "is another one in the target",
            };
            format!("#{} {what}", &hex::encode(key)[..8])
        }
    })
}
