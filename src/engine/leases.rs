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
/// The lease on long work: the past, replays, tidying up, looking back at Studio.
pub const WORK: &str = "work";

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

    /// What this node is called; nothing where the store is this process's own.
    pub fn node(&self) -> Option<&str> {
        self.0.as_ref().map(|inner| inner.node.as_str())
    }

    /// The names of those that are held now, in order; of a store that is this process's own, none.
    pub fn held(&self) -> Vec<String> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let now = Instant::now();
        let held = inner.held();
        let mut names: Vec<String> =
            held.iter().filter(|(_, it)| it.until > now).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Begins something under that lease; `None` where it is not held.
    pub fn begin(&self, name: &str) -> Option<LeaseUse> {
        self.begin_in(name, self.term(name)?)
    }

    /// Begins something that was taken under that term of the lease; `None` where that is over.
    pub fn begin_in(&self, name: &str, term: u64) -> Option<LeaseUse> {
        let Some(inner) = &self.0 else { return Some(LeaseUse { inner: None }) };
        self.term(name).filter(|now| *now == term)?;
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
            inner.note(&leases, known.as_deref().unwrap_or_default(), asked);
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
                // One that was not heard of for half a lease is no more counted on: what it would leave has to have takers.
                let is_heard_of = |lease: &&Lease| lease.left.millis() > limits::LEASE.millis() / 2;
                let nodes = known.iter().filter(|lease| lease.name.starts_with(NODE)).filter(is_heard_of);
                let nodes = nodes.count().max(1);
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

    /// Notes what the store answered to a question that was `asked` then; `before` are the leases that there were just before.
    fn note(&self, leases: &[Lease], before: &[Lease], asked: Instant) {
        let mut held = self.held();
        let own = |lease: &&Lease| {
            lease.holder == self.node && lease.left.millis() > 0 && !lease.name.starts_with(NODE)
        };
        let own: HashMap<&str, &Lease> =
            leases.iter().filter(own).map(|lease| (lease.name.as_str(), lease)).collect();
        let count = held.len();
        held.retain(|name, it| {
            let stays = own.contains_key(name.as_str());
            match (stays, it.is_leaving) {
                (true, _) => {}
                (false, true) => tracing::info!(lease = name, "given up: it is another node's share"),
                (false, false) => tracing::warn!(lease = name, "lost: it was not prolonged in time"),
            }
            stays
        });
        let mut has_changed = held.len() != count;
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
            match before.iter().find(|lease| lease.name == name && lease.holder != self.node) {
                Some(from) => tracing::warn!(
                    lease = name,
                    from = from.holder,
                    "taken over from a node that was not heard of for as long as a lease lasts"
                ),
                None => tracing::info!(lease = name, "taken: nobody else had it"),
            }
            has_changed = true;
        }
        drop(held);
        if has_changed {
            self.changed.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::definition::{Definition, Destination, DestinationKind, Signing};
    use crate::domain::time::{Span, Timestamp};
    use crate::store::memory::MemoryStore;

    fn definitions(destinations: &[(&str, Option<&str>)]) -> Definitions {
        let mut definitions = Definitions::default();
        for (key, rate_key) in destinations {
            let kind =
                DestinationKind::Webhook { urls: Vec::new(), signing: Signing::default(), gzip: false };
            let destination = Destination::new((*key).to_owned(), kind);
            let rate_key = rate_key.map(ToOwned::to_owned);
            definitions.put(Definition::Destination(Destination { rate_key, ..destination }));
        }
        definitions
    }

    struct World {
        clock: Clock,
        store: MemoryStore,
    }

    impl World {
        fn new() -> Self {
            let clock = Clock::manual(Timestamp::from_millis(1_000_000));
            let told = clock.clone();
            Self { store: MemoryStore::shared(move || told.now()), clock }
        }

        fn pass(&self, span: Span) {
            self.clock.set(self.clock.now().plus(span));
        }

        async fn renew(&self, nodes: &[&Leases], definitions: &Definitions) {
            for node in nodes {
                node.renew(&self.store, definitions).await.unwrap();
            }
        }
    }

    fn node(name: &str) -> Leases {
        Leases::of_node(name.to_owned())
    }

    #[tokio::test]
    async fn one_node_does_everything_and_two_share_it_evenly() {
        let (world, one, other) = (World::new(), node("one"), node("other"));
        let definitions = definitions(&[("a", None), ("b", Some("crm")), ("c", Some("crm"))]);
        world.renew(&[&one], &definitions).await;
        let all = ["outbox/a", "outbox/email", "outbox/rate/crm", "timers", "work"];
        assert_eq!(one.held(), all, "destinations of one rate are one thing");
        assert_eq!(outbox_lease(&definitions, "b"), outbox_lease(&definitions, "c"));
        for _ in 0..3 {
            world.renew(&[&other, &one], &definitions).await;
        }
        assert_eq!((one.held().len(), other.held().len()), (3, 2), "what is in nobody's use changes hands");
        let mut both = [one.held(), other.held()].concat();
        both.sort_unstable();
        assert_eq!(both, all);
    }

    #[tokio::test]
    async fn what_is_in_use_is_not_given_up() {
        let (world, one, other) = (World::new(), node("one"), node("other"));
        let definitions = definitions(&[]);
        world.renew(&[&one], &definitions).await;
        let uses: Vec<LeaseUse> = one.held().iter().filter_map(|name| one.begin(name)).collect();
        assert_eq!(uses.len(), 3);
        for _ in 0..3 {
            world.renew(&[&other, &one], &definitions).await;
        }
        assert_eq!((one.held().len(), other.held().len()), (3, 0));
        let leaving: Vec<String> = one.held().into_iter().filter(|name| one.begin(name).is_none()).collect();
        assert_eq!(leaving.len(), 1, "nothing new is begun under one of them");
        drop(uses);
        world.renew(&[&one, &other, &one], &definitions).await;
        assert_eq!(other.held(), leaving);
    }

    #[tokio::test]
    async fn a_node_that_is_not_heard_of_loses_everything() {
        let (world, one, other) = (World::new(), node("one"), node("other"));
        let definitions = definitions(&[]);
        world.renew(&[&one], &definitions).await;
        let lease = one.begin(TIMERS).unwrap();
        world.pass(limits::LEASE);
        world.renew(&[&other], &definitions).await;
        assert_eq!(other.held(), ["outbox/email", "timers", "work"]);
        // It comes back, and finds out.
        world.renew(&[&one], &definitions).await;
        lease.lost().await;
        assert!(one.begin(TIMERS).is_none());
        assert!(one.held().is_empty());
    }

    #[tokio::test]
    async fn who_was_killed_just_now_keeps_nothing_from_being_taken() {
        let (world, one) = (World::new(), node("one"));
        let definitions = definitions(&[]);
        // Several that were started and killed, one after the other.
        for name in ["a", "b", "c", "d"] {
            node(name).renew(&world.store, &definitions).await.unwrap();
        }
        for _ in 0..4 {
            world.renew(&[&one], &definitions).await;
            world.pass(limits::LEASE_BEAT);
        }
        world.renew(&[&one], &definitions).await;
        assert_eq!(one.held(), ["outbox/email", "timers", "work"]);
    }

    #[tokio::test]
    async fn a_lease_that_was_lost_and_taken_again_is_another() {
        let (world, one, other) = (World::new(), node("one"), node("other"));
        let definitions = definitions(&[]);
        world.renew(&[&one], &definitions).await;
        let (before, lease) = (one.term(WORK), one.begin(WORK).unwrap());
        world.pass(limits::LEASE);
        world.renew(&[&other, &one], &definitions).await;
        world.pass(limits::LEASE);
        world.renew(&[&one], &definitions).await;
        let after = one.term(WORK);
        assert!(after.is_some() && after != before);
        lease.lost().await;
        // What ends late is not counted under the new one.
        let again = one.begin(WORK).unwrap();
        drop(lease);
        drop(again);
    }

    #[tokio::test]
    async fn who_goes_leaves_everything_at_once() {
        let (world, one, other) = (World::new(), node("one"), node("other"));
        let definitions = definitions(&[]);
        world.renew(&[&one], &definitions).await;
        one.give_up(&world.store).await.unwrap();
        assert!(one.held().is_empty());
        world.renew(&[&other], &definitions).await;
        assert_eq!(other.held().len(), 3);
    }

    #[tokio::test]
    async fn a_store_of_ones_own_needs_no_leases() {
        let all = Leases::everything();
        assert!(!all.are_shared() && all.term("anything").is_some());
        let lease = all.begin("anything").unwrap();
        let lost = tokio::time::timeout(std::time::Duration::from_millis(5), lease.lost()).await;
        assert!(lost.is_err(), "it is never lost");
    }
}
