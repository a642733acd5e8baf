//! The loops: one per destination, as they come and go, and one for mails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tracing::warn;

use super::lane::Lane;
use super::{Inner, Working};
use crate::domain::definition::Definitions;
use crate::domain::delivery::EMAIL;
use crate::domain::limits::SHARED_RECHECK;
use crate::domain::time::Timestamp;

/// Longest sleep of a loop: a wake-up that got lost costs no more than this.
const RECHECK: Duration = Duration::from_secs(1);
/// Shortest sleep of a loop, so that a store which keeps announcing what it does not hand out can't make it spin.
const BREATH: Duration = Duration::from_millis(2);
/// Shortest time between two looks at a batch that is not full: each one counts what there is.
const BATCH_BREATH: Duration = Duration::from_millis(50);

/// The loops that run, by destination.
type Loops = BTreeMap<String, (Arc<Lane>, JoinHandle<()>)>;

/// Keeps one loop per destination and passes on the word that deliveries were made.
pub(super) async fn supervise(inner: Arc<Inner>) {
    let mut stopping = inner.stopping.subscribe();
    let mut definitions = inner.definitions.clone();
    let mut healths = inner.healths.clone();
    let mut loops = Loops::new();
    loop {
        // What changes from here on wakes the loops below.
        let has_changed = definitions.has_changed().unwrap_or(true) || healths.has_changed().unwrap_or(true);
        let now = definitions.borrow_and_update().clone();
        healths.mark_unchanged();
        retire(&mut loops, &now);
        let keys = now.destinations.keys().map(String::as_str).filter(|key| *key != EMAIL);
        for key in keys.chain([EMAIL]) {
            run(&inner, &mut loops, key).await;
        }
        if has_changed {
            wake(&loops, None);
        }
        // A wake-up too many is harmless; one that gets lost costs a recheck.
        let made_for = tokio::select! {
            made_for = inner.outbox.made() => Some(made_for),
            changed = definitions.changed() => if changed.is_err() { return } else { None },
            changed = healths.changed() => if changed.is_err() { return } else { None },
            () = inner.leases.changed() => None,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        wake(&loops, made_for.as_ref());
    }
}

/// Lets the loops of these destinations look again; of all without.
fn wake(loops: &Loops, made_for: Option<&BTreeSet<String>>) {
    for (key, (lane, _)) in loops {
        if made_for.is_none_or(|made_for| made_for.contains(key)) {
            lane.state().next = Some(Timestamp::default());
            lane.wake.notify_one();
        }
    }
}

/// Tells the loops of destinations that are gone to end. What they have under way still ends as it should.
fn retire(loops: &mut Loops, definitions: &Definitions) {
    for (key, (lane, _)) in loops.iter() {
        if key != EMAIL && !definitions.destinations.contains_key(key) {
            lane.retired.store(true, Ordering::SeqCst);
            lane.wake.notify_one();
        }
    }
}

/// Sees to it that `key` has a loop.
async fn run(inner: &Arc<Inner>, loops: &mut Loops, key: &str) {
    if let Some((lane, task)) = loops.get_mut(key) {
        if !lane.retired.load(Ordering::SeqCst) && !task.is_finished() {
            return;
        }
        // It is on its way out, or it died; only one loop per lane.
        let _ = task.await;
    }
    let lane = inner.lane(key);
    lane.retired.store(false, Ordering::SeqCst);
    let task = tokio::spawn(drive(inner.clone(), lane.clone()));
    loops.insert(key.to_owned(), (lane, task));
}

/// The loop of one destination.
async fn drive(inner: Arc<Inner>, lane: Arc<Lane>) {
    let mut stopping = inner.stopping.subscribe();
    // When it was last seen that a batch is not full yet.
    let mut counted: Option<Instant> = None;
    while !lane.retired.load(Ordering::SeqCst) {
        inner.settle_again(&lane).await;
        // First what is ready: its receiver works while more is claimed.
        let began = begin(&inner, &lane);
        let rests =
            counted.map(|at| BATCH_BREATH.saturating_sub(at.elapsed())).filter(|rest| !rest.is_zero());
        let pause = match rests {
            Some(rest) => rest,
            None => match inner.claim(&lane).await {
                Ok(_claiming) if began + begin(&inner, &lane) > 0 => BREATH,
                Ok(_claiming) => {
                    let is_batching = inner.pace(&lane).is_some_and(|pace| pace.batch.is_some());
                    counted = is_batching.then(Instant::now);
                    sleep_of(&inner, &lane)
                }
                Err(why) => {
                    // That the database is away is said once, elsewhere.
                    if !why.is_passing() {
                        warn!(destination = %lane.key, "what is due could not be read: {why}");
                    }
                    RECHECK
                }
            },
        };
        tokio::select! {
            () = lane.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
    lane.state().release();
    inner.settle_again(&lane).await;
}

/// Begins what may begin now; answers how many requests.
fn begin(inner: &Arc<Inner>, lane: &Arc<Lane>) -> usize {
    let taken = inner.take(lane);
    let count = taken.len();
    for together in taken {
        let (inner, lane, working) = (inner.clone(), lane.clone(), Working::new(&inner.working));
        tokio::spawn(async move {
            inner.attempt(&lane, together).await;
            drop(working);
        });
    }
    count
}

/// How long a loop may sleep unless it is woken.
fn sleep_of(inner: &Inner, lane: &Lane) -> Duration {
    let now = inner.clock.now();
    // Nobody tells of what other nodes make.
    let recheck = if inner.leases.are_shared() { SHARED_RECHECK.to_std() } else { RECHECK };
    let Some(at) = inner.look_again_at(lane) else { return recheck };
    let wait = Duration::from_millis(u64::try_from(at.millis_since(now)).unwrap_or(0));
    wait.clamp(BREATH, recheck)
}
