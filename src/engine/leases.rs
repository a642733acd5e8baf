//! Which of the things that only one node is to do this node does.
//!
//! Each has a lease in the store: looking at timers, the long work, and sending to each destination (those that share a rate
//! together). A node takes its fair share of them, prolongs them every few seconds, and lets go of what it could not prolong
//! in time, a moment before the store would give it to another. A store that nobody else can open needs none of this.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::definition::Definitions;
use crate::domain::delivery::EMAIL;
use crate::domain::lease::{Lease, LeaseAsk, NODE};
use crate::domain::limits;
use crate::store::{Store, StoreError};

/// The lease on looking at timers.
pub(super) const TIMERS: &str = "timers";
/// The lease on long work: the past, replays, tidying up.
pub(super) const WORK: &str = "work";

/// The lease on sending to a destination: destinations that share a rate are sent to by one node.
pub fn outbox_lease(definitions: &Definitions, destination: &str) -> String {
    let shared = definitions.destinations.get(destination).and_then(|it| it.rate_key.as_deref());
    match shared {
        Some(rate_key) => format!("outbox/rate/{rate_key}"),
        None => format!("outbox/{destination}"),
    }
}

/// The leases that this node holds; cheap to clone.
#[derive(Clone)]
pub struct Leases(Option<Arc<Inner>>);

struct Inner {
    node: String,
    held: Mutex<HashMap<String, Held>>,
    /// How many terms there were.
    terms: AtomicU64,
    /// Told whenever something was taken or lost.
    changed: watch::Sender<()>,
}

struct Held {
    /// Until when it may be gone by, at least.
    until: Instant,
    /// Which time it was taken: what was begun under an earlier term is not to be gone on with.
    term: u64,
    /// Nothing new is begun under it; it goes once what was begun is over.
    is_leaving: bool,
    uses: usize,
}

/// Work that is done under a lease, which is not given up meanwhile.
pub struct LeaseUse {
    inner: Option<(Arc<Inner>, String, u64)>,
}

impl Drop for LeaseUse {
    fn drop(&mut self) {
        let Some((inner, name, term)) = &self.inner else { return };
        if let Some(held) = inner.held().get_mut(name).filter(|held| held.term == *term) {
            held.uses = held.uses.saturating_sub(1);
        }
    }
}

impl LeaseUse {
    /// Waits until the lease is lost; for ever where it can't be.
    pub async fn lost(&self) {
        let Some((inner, name, term)) = &self.inner else { return std::future::pending().await };
        let mut changed = inner.changed.subscribe();
        loop {
            let until = inner.held().get(name).filter(|held| held.term == *term).map(|held| held.until);
            let Some(until) = until.filter(|until| *until > Instant::now()) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                // The sender lives as long as `inner` does.
                _ = changed.changed() => {}
            }
        }
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        // No code panics while it holds the lock; if it did, the map would still be whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    /// Everything is this node's, for ever: nobody else can open the store.
    pub fn everything() -> Self {
        Self(None)
    }

    /// None yet.
    pub(super) fn of_node(node: String) -> Self {
        let (held, terms, changed) = (Mutex::default(), AtomicU64::default(), watch::Sender::new(()));
        Self(Some(Arc::new(Inner { node, held, terms, changed })))
    }

    /// Whether other nodes may hold some.
    pub fn are_shared(&self) -> bool {
        self.0.is_some()
    }

    /// The term under which it is held now, if something new may be begun.
    pub fn term(&self, name: &str) -> Option<u64> {
        let Some(inner) = &self.0 else { return Some(0) };
        let held = inner.held();
        held.get(name).filter(|held| !held.is_leaving && held.until > Instant::now()).map(|held| held.term)
    }

    /// Begins something under that lease; `None` where it is not held.
    pub fn begin(&self, name: &str) -> Option<LeaseUse> {
        let Some(inner) = &self.0 else { return Some(LeaseUse { inner: None }) };
        let term = self.term(name)?;
        let mut all = inner.held();
        let held = all.get_mut(name).filter(|held| held.term == term)?;
        held.uses += 1;
        drop(all);
        Some(LeaseUse { inner: Some((Arc::clone(inner), name.to_owned(), term)) })
    }

    /// Tells whenever something was taken or lost.
    pub async fn changed(&self) {
        match &self.0 {
            Some(inner) => {
                // The sender lives as long as `inner` does.
                let _ = inner.changed.subscribe().changed().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Prolongs what is held and takes this node's share of what is free.
    pub(super) async fn renew(&self, store: &dyn Store, definitions: &Definitions) -> Result<(), StoreError> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let wanted = wanted(definitions);
        let mut known: Option<Vec<Lease>> = None;
        // The first round finds out who is there, the second takes what is free; more only where others were faster.
        for _ in 0..3 {
            let ask = inner.plan(&wanted, known.as_deref());
            let is_last = known.is_some() && ask.take.is_empty();
            let asked = Instant::now();
            let leases = store.hold_leases(&inner.node, &ask, limits::LEASE).await?;
            inner.note(&leases, asked);
            if is_last {
                break;
            }
            known = Some(leases);
        }
        Ok(())
    }

    /// Gives everything up at once: the node is going.
    pub(super) async fn give_up(&self, store: &dyn Store) -> Result<(), StoreError> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let mut give_up: Vec<String> = inner.held().drain().map(|(name, _)| name).collect();
        give_up.push(inner.own_name());
        inner.changed.send_replace(());
        let ask = LeaseAsk { give_up, ..LeaseAsk::default() };
        store.hold_leases(&inner.node, &ask, limits::LEASE).await.map(drop)
    }
}

/// All that nodes share out among them.
fn wanted(definitions: &Definitions) -> BTreeSet<String> {
    let outboxes = definitions.destinations.keys().map(|key| outbox_lease(definitions, key));
    let fixed = [TIMERS.to_owned(), WORK.to_owned(), outbox_lease(definitions, EMAIL)];
    fixed.into_iter().chain(outboxes).collect()
}

/// Lets go of what is not wanted any more, and of what is beyond this node's share: what is in use goes last.
fn keep_only(held: &mut HashMap<String, Held>, wanted: &BTreeSet<String>, share: usize) {
    held.iter_mut().for_each(|(name, it)| it.is_leaving = !wanted.contains(name));
    let mut staying: Vec<(&String, &mut Held)> = held.iter_mut().filter(|(_, it)| !it.is_leaving).collect();
    staying.sort_by(|(a, one), (b, other)| (one.uses, *a).cmp(&(other.uses, *b)));
    let surplus = staying.len().saturating_sub(share);
    staying.into_iter().take(surplus).for_each(|(_, it)| it.is_leaving = true);
}

impl Inner {
    fn own_name(&self) -> String {
        format!("{NODE}{}", self.node)
    }

    /// What to ask for; `known` are the leases that there were just now. Without, it only finds out.
    fn plan(&self, wanted: &BTreeSet<String>, known: Option<&[Lease]>) -> LeaseAsk {
        let own_name = self.own_name();
        let mut held = self.held();
        let mut ask = LeaseAsk { keep: vec![own_name.clone()], ..LeaseAsk::default() };
        match known {
            None => ask.take.push(own_name),
            Some(known) => {
                let alive: BTreeSet<&str> = known
                    .iter()
                    .filter(|lease| lease.left.millis() > 0)
                    .map(|lease| lease.name.as_str())
                    .collect();
                let nodes = alive.iter().filter(|name| name.starts_with(NODE)).count().max(1);
                let share = wanted.len().div_ceil(nodes);
                keep_only(&mut held, wanted, share);
                let room = share.saturating_sub(held.values().filter(|it| !it.is_leaving).count());
                let is_free = |name: &&String| !alive.contains(name.as_str()) && !held.contains_key(*name);
                ask.take.extend(wanted.iter().filter(is_free).take(room).cloned());
            }
        }
        for (name, it) in held.iter() {
            let list = if it.is_leaving && it.uses == 0 { &mut ask.give_up } else { &mut ask.keep };
            list.push(name.clone());
        }
        ask
    }

    /// Notes what the store answered to a question that was `asked` then.
    fn note(&self, leases: &[Lease], asked: Instant) {
        let mut held = self.held();
        let own = |lease: &&Lease| {
            lease.holder == self.node && lease.left.millis() > 0 && !lease.name.starts_with(NODE)
        };
        let own: HashMap<&str, &Lease> =
            leases.iter().filter(own).map(|lease| (lease.name.as_str(), lease)).collect();
        let before = held.len();
        held.retain(|name, _| own.contains_key(name.as_str()));
        let mut has_changed = held.len() != before;
        for (name, lease) in own {
            // Counted from before the question: the store counted from later on, so it ends here first.
            let until = asked + lease.left.to_std();
            if let Some(known) = held.get_mut(name).filter(|known| known.until > asked) {
                known.until = until;
                continue;
            }
            // What was begun under one that ran out meanwhile has been let go of: this is another term.
            let term = self.terms.fetch_add(1, Ordering::Relaxed);
            held.insert(name.to_owned(), Held { until, term, is_leaving: false, uses: 0 });
            tracing::debug!(lease = name, "this node took a lease");
            has_changed = true;
        }
        drop(held);
        if has_changed {
            self.changed.send_replace(());
        }
    }
}
