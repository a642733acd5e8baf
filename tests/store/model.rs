//! Random change sets through every backend: they have to answer every question alike, also after they were opened anew.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use proptest::prelude::*;
use stagepost::domain::change::{
    Adoption, BackfillWrite, ChangeSet, DefinitionWrite, DeliveryWrite, JourneyMove, LeafPageWrite,
    MembershipWrite, ProfileWrite, SeenWrite,
};
use stagepost::domain::definition::Kind;
use stagepost::domain::delivery::{Delivery, DeliveryStatus};
use stagepost::domain::event::Call;
use stagepost::domain::figures::{self, Family, OldestFigures};
use stagepost::domain::ids::{DeliveryId, JourneyId, UserKey};
use stagepost::domain::journey::{Journey, JourneyStatus};
use stagepost::domain::profile::Profile;
use stagepost::domain::shelf::{EntryWrite, Shelf};
use stagepost::store::Store;
use stagepost::store::memory::MemoryStore;
use stagepost::store::sled::SledStore;

use crate::backends::{open_postgres, sealer, shared_memory};
use crate::build::*;
use crate::picture::{Cast, picture};
use crate::support::postgres::schema;
use crate::writer::commit;

/// One thing that happens; the numbers pick among what there is.
#[derive(Clone, Debug)]
enum Op {
    Touch { user: usize, wake: Option<i64>, bytes: usize },
    Event { user: usize, bytes: usize, identify: bool },
    Open { user: usize },
    Move { pick: usize, to: usize },
    Acknowledge { pick: usize },
    Stay { pick: usize, since: i64 },
    Archive { pick: usize },
    Member { audience: usize, user: usize, since: Option<i64> },
    Drop { audience: usize, limit: usize },
    Deliver { destination: usize, user: usize, next: i64, status: usize, bytes: usize },
    Settle { pick: usize, status: usize, next: i64 },
    Define { key: usize, put: bool },
    Seen { user: usize, message: u8, at: i64 },
    Forget { user: usize, message: u8 },
    Unknown { flow: u8 },
    Page { user: usize, leaf: u64, number: u32, bytes: Option<usize> },
    DropLeaf { user: usize, leaf: u64 },
    Backfill { n: u64, done: Option<Option<usize>> },
    Merge { from: usize, to: usize, status: Option<usize> },
    Revive { user: usize },
    Adopt { from: usize, to: usize },
    Instant { hour: i64 },
    ForgetSizes { hour: i64, day: i64 },
    Identify { id: usize, user: usize, present: bool },
    Count { figure: usize, change: i64 },
    ForgetFigures { minute: i64, hour: i64, day: i64 },
    Shelve { shelf: usize, key: usize, bytes: Option<usize> },
}

const USERS: [&str; 6] = ["a", "a\0", "a\0\u{1}", "ab", "", "ÿ"];
/// Two ids that are nearly the same under two kinds that are nearly the same.
const EXTERNAL_IDS: [(&str, &str); 4] = [("email", "x"), ("email", "x\0"), ("emai", "lx"), ("phone", "x")];
const AUDIENCES: [&str; 3] = ["aud_1", "aud_1\0", "b"];
/// What is counted. Only what stands may become less.
const FIGURES: [(Family, &str, &str); 8] = [
    (Family::Accepted, "a", ""),
    (Family::Accepted, "a\0", ""),
    (Family::Opened, "", ""),
    (Family::Waited, "a", "confirmed:7"),
    (Family::Waited, "a", "confirmed:\u{1}"),
    (Family::Waited, "a", "é"),
    (Family::Standing, "a", "active"),
    (Family::Standing, "a", "completed"),
];
const SHELF_KEYS: [&str; 3] = ["a", "a\u{10ffff}", "é@example.com"];
const DESTINATIONS: [&str; 3] = ["email", "email\0", "z"];

fn op() -> impl Strategy<Value = Op> {
    let users = USERS.len();
    let size = || prop_oneof![4 => 0..200_usize, 1 => 4_000..6_000_usize, 1 => 9_000..30_000_usize];
    prop_oneof![
        2 => (0..users, proptest::option::of(-3..9_i64), size())
            .prop_map(|(user, wake, bytes)| Op::Touch { user, wake, bytes }),
        3 => (0..users, size(), any::<bool>())
            .prop_map(|(user, bytes, identify)| Op::Event { user, bytes, identify }),
        2 => (0..users).prop_map(|user| Op::Open { user }),
        3 => (any::<usize>(), 0..6_usize).prop_map(|(pick, to)| Op::Move { pick, to }),
        2 => any::<usize>().prop_map(|pick| Op::Acknowledge { pick }),
        1 => (any::<usize>(), 0..9_i64).prop_map(|(pick, since)| Op::Stay { pick, since }),
        1 => any::<usize>().prop_map(|pick| Op::Archive { pick }),
        5 => (0..3_usize, 0..users + 2, proptest::option::of(0..9_i64))
            .prop_map(|(audience, user, since)| Op::Member { audience, user, since }),
        1 => (0..3_usize, 0..4_usize).prop_map(|(audience, limit)| Op::Drop { audience, limit }),
        5 => (0..3_usize, 0..users, 0..9_i64, 0..9_usize, size())
            .prop_map(|(destination, user, next, status, bytes)| {
                // Most begin as pending.
                Op::Deliver { destination, user, next, status: status.saturating_sub(3), bytes }
            }),
        6 => (any::<usize>(), 0..6_usize, 0..9_i64)
            .prop_map(|(pick, status, next)| Op::Settle { pick, status, next }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(key, put)| Op::Define { key, put }),
        1 => (0..users, 0..3_u8, 0..9_i64).prop_map(|(user, message, at)| Op::Seen { user, message, at }),
        1 => (0..users, 0..3_u8).prop_map(|(user, message)| Op::Forget { user, message }),
        1 => (0..9_u8).prop_map(|flow| Op::Unknown { flow }),
        12 => computation_op(),
        5 => console_op(),
    ]
}

/// Two of them are the same as far as indexes know them.
fn flows() -> [String; 4] {
    ["order", "order\0", &"ü".repeat(60), &format!("{}a", "ü".repeat(60))].map(str::to_owned)
}

/// Everybody: the users, and one of each other kind.
fn keys() -> Vec<UserKey> {
    USERS.map(user).into_iter().chain([UserKey::anonymous("a"), UserKey::group("a")]).collect()
}

fn computation_op() -> impl Strategy<Value = Op> {
    let keys = USERS.len() + 2;
    let size = prop_oneof![3 => 0..4_100_usize, 1 => 4_100..12_000_usize];
    prop_oneof![
        4 => (0..keys, 0..2_u64, 0..3_u32, proptest::option::weighted(0.8, size))
            .prop_map(|(user, leaf, number, bytes)| Op::Page { user, leaf, number, bytes }),
        1 => (0..keys, 0..2_u64).prop_map(|(user, leaf)| Op::DropLeaf { user, leaf }),
        1 => (0..3_u64, proptest::option::weighted(0.7, proptest::option::of(0..keys)))
            .prop_map(|(n, done)| Op::Backfill { n, done }),
        2 => (0..keys, 0..keys, proptest::option::of(0..6_usize))
            .prop_map(|(from, to, status)| Op::Merge { from, to, status }),
        1 => (0..keys).prop_map(|user| Op::Revive { user }),
        1 => (0..keys, 0..keys).prop_map(|(from, to)| Op::Adopt { from, to }),
        2 => (-30..60_i64).prop_map(|hour| Op::Instant { hour }),
        1 => (-30..60_i64, -30..60_i64).prop_map(|(hour, day)| Op::ForgetSizes { hour, day }),
        2 => (0..EXTERNAL_IDS.len(), 0..keys, proptest::bool::weighted(0.7))
            .prop_map(|(id, user, present)| Op::Identify { id, user, present }),
    ]
}

fn console_op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![3 => 0..200_usize, 1 => 5_000..12_000_usize];
    let hours = || -30..60_i64;
    prop_oneof![
        5 => (0..FIGURES.len(), 1..9_i64).prop_map(|(figure, change)| Op::Count { figure, change }),
        2 => (6..FIGURES.len(), -9..9_i64).prop_map(|(figure, change)| Op::Count { figure, change }),
        1 => (hours(), hours(), hours())
            .prop_map(|(minute, hour, day)| Op::ForgetFigures { minute, hour, day }),
        3 => (0..Shelf::ALL.len(), 0..SHELF_KEYS.len(), proptest::option::weighted(0.7, size))
            .prop_map(|(shelf, key, bytes)| Op::Shelve { shelf, key, bytes }),
    ]
}

/// What an engine would know: enough to make change sets that keep the contract.
#[derive(Default)]
struct Engine {
    clock: i64,
    ids: u64,
    profiles: BTreeMap<UserKey, Profile>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    shelves: BTreeMap<(Shelf, String), Vec<u8>>,
}

impl Engine {
    fn change_set(&mut self, ops: &[Op]) -> ChangeSet {
        self.clock += 1;
        let (profiles, deliveries) = (self.profiles.clone(), self.deliveries.clone());
        let mut set = ChangeSet { drop_members_limit: 3, ..changes() };
        let mut touched = (BTreeSet::new(), BTreeSet::new());
        for op in ops {
            self.apply(op, &mut set, &mut touched);
        }
        for key in touched.0 {
            let was = profiles.get(&key);
            let wake_was = was.and_then(|profile| profile.wake_at);
            set.profiles.push(ProfileWrite {
                profile: self.profiles[&key].clone(),
                wake_was,
                is_new: was.is_none(),
                was_merged: was.is_some_and(|was| was.merged_into.is_some()),
            });
        }
        for id in touched.1 {
            let was = deliveries.get(&id).map(|one| (one.status, one.next_attempt_at));
            set.deliveries.push(DeliveryWrite { delivery: self.deliveries[&id].clone(), was });
        }
        for EntryWrite { shelf, key, value, .. } in set.entries.clone() {
            match value {
                Some(value) => self.shelves.insert((shelf, key), value),
                None => self.shelves.remove(&(shelf, key)),
            };
        }
        set
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn touch(&mut self, key: &UserKey, users: &mut BTreeSet<UserKey>) -> &mut Profile {
        users.insert(key.clone());
        self.profiles.entry(key.clone()).or_insert_with(|| profile(key))
    }

    fn journey_ids(&self) -> Vec<(UserKey, JourneyId)> {
        let all = self.profiles.values();
        all.flat_map(|p| p.journeys.iter().map(|journey| (p.key.clone(), journey.id))).collect()
    }

    fn apply(
        &mut self,
        op: &Op,
        set: &mut ChangeSet,
        touched: &mut (BTreeSet<UserKey>, BTreeSet<DeliveryId>),
    ) {
        let now = 2_000 + self.clock;
        match op {
            Op::Touch { user: n, wake, bytes } => {
                let profile = self.touch(&user(USERS[*n]), &mut touched.0);
                profile.wake_at = wake.map(at);
                profile.anonymous_ids = vec!["n".repeat(*bytes)];
            }
            Op::Event { user: n, bytes, identify } => {
                let (id, call) = (event_id(now, self.next_id()), object(*bytes));
                let call = match identify {
                    true => Call::Identify { traits: call },
                    false => Call::Page { name: None, category: Some("c".into()), properties: call },
                };
                set.events.push(event(id, &user(USERS[*n]), call));
            }
            Op::Open { user: n } => {
                let id = journey_id(now, self.next_id());
                let flow = flows()[*n % flows().len()].clone();
                let made = Journey { flow, ..journey(id, &user(USERS[*n]), JourneyStatus::Active) };
                set.journeys.push(opened(&made));
                self.touch(&made.user.clone(), &mut touched.0).journeys.push(made);
            }
            Op::Move { pick, to } => {
                let to = JourneyStatus::ALL[*to];
                self.change_journey(*pick, set, &mut touched.0, |journey| journey.status = to);
            }
            Op::Acknowledge { pick } => self.change_journey(*pick, set, &mut touched.0, |journey| {
                journey.acknowledged.push(acknowledged(journey));
            }),
            Op::Stay { pick, since } => {
                self.change_journey(*pick, set, &mut touched.0, |journey| journey.stage_at = at(*since));
            }
            Op::Archive { pick } => self.archive(*pick, set, &mut touched.0),
            Op::Member { audience, user: n, since } => set.memberships.push(MembershipWrite {
                audience_id: AUDIENCES[*audience].into(),
                user: keys()[*n].clone(),
                since: since.map(at),
            }),
            Op::Drop { audience, limit } => {
                let id = AUDIENCES[*audience].to_owned();
                if !set.drop_members.contains(&id) {
                    set.drop_members.push(id);
                }
                set.drop_members_limit = *limit;
            }
            Op::Deliver { destination, user: n, next, status, bytes } => {
                let id = delivery_id(now, self.next_id());
                let mut made = delivery(id, DESTINATIONS[*destination], &user(USERS[*n]), *next);
                made.status = DeliveryStatus::ALL[*status];
                made.message_id = "m".repeat(*bytes);
                self.deliveries.insert(id, made);
                touched.1.insert(id);
            }
            Op::Settle { pick, status, next } => {
                if let Some(id) = self.deliveries.keys().nth(pick % self.deliveries.len().max(1)).copied() {
                    let known = self.deliveries.get_mut(&id).unwrap();
                    known.status = DeliveryStatus::ALL[*status];
                    known.next_attempt_at = at(*next);
                    known.message_id.truncate(100);
                    touched.1.insert(id);
                }
            }
            Op::Define { key, put } => set.definitions.push(match put {
                true => DefinitionWrite::Put(Box::new(source(DESTINATIONS[*key]))),
                false => DefinitionWrite::Delete { kind: Kind::Source, key: DESTINATIONS[*key].into() },
            }),
            Op::Seen { user: n, message, at: ms } => {
                set.seen.push(SeenWrite { user: user(USERS[*n]), message: [*message; 16], at: at(*ms) });
            }
            Op::Forget { user: n, message } => set.forget_seen.push((user(USERS[*n]), [*message; 16])),
            Op::Unknown { flow } => set.unknown_flows.push(format!("flow {flow}")),
            of_computations => self.apply_to_computations(of_computations, set, &mut touched.0),
        }
    }

    fn apply_to_computations(&mut self, op: &Op, set: &mut ChangeSet, users: &mut BTreeSet<UserKey>) {
        let key = |n: &usize| keys()[*n].clone();
        match op {
            Op::Page { user, leaf, number, bytes } => {
                let write = leaf_page(&key(user), *leaf, *number, *bytes);
                let same = |known: &LeafPageWrite| {
                    (&known.owner, known.leaf, known.number) == (&write.owner, write.leaf, write.number)
                };
                set.leaf_pages.retain(|known| !same(known));
                set.leaf_pages.push(write);
            }
            Op::DropLeaf { user, leaf } => set.drop_leaves.push((key(user), leaf_id(*leaf))),
            Op::Backfill { n, done } => set.backfills.push(match done {
                Some(done) => BackfillWrite::Put(Box::new(backfill(*n, done.as_ref().map(key).as_ref()))),
                None => BackfillWrite::Delete(backfill_id(*n)),
            }),
            Op::Merge { from, to, status } => {
                self.merge(&key(from), &key(to), status.map(|n| JourneyStatus::ALL[n]), set, users);
            }
            Op::Revive { user } => self.touch(&key(user), users).merged_into = None,
            Op::Adopt { from, to } => set.adopted.push(Adoption { from: key(from), to: key(to) }),
            Op::Instant { hour } => set.at = at(hour * 3_600_000 + 5),
            Op::ForgetSizes { hour, day } => {
                set.forget_sizes_before = Some((at(hour * 3_600_000), at(day * 3_600_000)));
            }
            Op::Identify { id, user, present } => {
                let (kind, id) = EXTERNAL_IDS[*id];
                set.external_ids.push(external_id(kind, id, &key(user), *present));
            }
            of_the_console => self.apply_to_console(of_the_console, set),
        }
    }

    fn apply_to_console(&self, op: &Op, set: &mut ChangeSet) {
        match op {
            Op::Count { figure, change } => {
                let (family, subject, detail) = FIGURES[*figure];
                figures::count(&mut set.figures, family, subject, detail, *change);
            }
            Op::ForgetFigures { minute, hour, day } => {
                let [minutes, hours, days] = [minute, hour, day].map(|hour| at(hour * 3_600_000));
                set.forget_figures = Some(OldestFigures { minutes, hours, days });
            }
            Op::Shelve { shelf, key, bytes } => {
                let (shelf, key) = (Shelf::ALL[*shelf], SHELF_KEYS[*key].to_owned());
                let was = self.shelves.get(&(shelf, key.clone())).cloned();
                set.entries.retain(|known| (known.shelf, &known.key) != (shelf, &key));
                let value = bytes.map(|bytes| vec![b'x'; bytes]);
                set.entries.push(EntryWrite { shelf, key, was, value });
            }
            other => unreachable!("{other:?}"),
        }
    }

    /// One profile becomes part of the other; with it go its journeys, which may change their status on the way.
    fn merge(
        &mut self,
        from: &UserKey,
        to: &UserKey,
        status: Option<JourneyStatus>,
        set: &mut ChangeSet,
        users: &mut BTreeSet<UserKey>,
    ) {
        if from == to {
            return;
        }
        let one = self.touch(from, users);
        one.merged_into = Some(to.clone());
        one.wake_at = None;
        let mut journeys = std::mem::take(&mut one.journeys);
        for journey in &mut journeys {
            let was = journey.listed();
            journey.status = status.unwrap_or(was.status);
            journey.user = to.clone();
            set.journeys.push(JourneyMove { moved: true, ..JourneyMove::of(journey, Some(was)) });
        }
        self.touch(to, users).journeys.append(&mut journeys);
        set.adopted.push(Adoption { from: from.clone(), to: to.clone() });
    }

    fn change_journey(
        &mut self,
        pick: usize,
        set: &mut ChangeSet,
        users: &mut BTreeSet<UserKey>,
        change: impl FnOnce(&mut Journey),
    ) {
        let all = self.journey_ids();
        let Some((user, id)) = all.get(pick % all.len().max(1)).cloned() else { return };
        let profile = self.touch(&user, users);
        let journey = profile.journeys.iter_mut().find(|journey| journey.id == id).unwrap();
        let was = journey.listed();
        change(journey);
        if journey.listed() != was {
            set.journeys.push(JourneyMove::of(journey, Some(was)));
        }
    }

    fn archive(&mut self, pick: usize, set: &mut ChangeSet, users: &mut BTreeSet<UserKey>) {
        let all = self.journey_ids();
        let Some((user, id)) = all.get(pick % all.len().max(1)).cloned() else { return };
        let profile = self.touch(&user, users);
        let place = profile.journeys.iter().position(|journey| journey.id == id).unwrap();
        if !profile.journeys[place].status.is_open() {
            let gone: Journey = profile.journeys.remove(place);
            set.archived.push(gone);
        }
    }
}

fn cast(exact_sizes: bool) -> Cast {
    Cast {
        users: keys(),
        audiences: AUDIENCES.map(str::to_owned).to_vec(),
        destinations: DESTINATIONS.map(str::to_owned).to_vec(),
        flows: flows().to_vec(),
        messages: (0..3).map(|n| [n; 16]).collect(),
        external_ids: EXTERNAL_IDS.map(|(kind, id)| (kind.to_owned(), id.to_owned())).to_vec(),
        pages: (0..2).flat_map(|leaf| (0..3).map(move |page| (leaf_id(leaf), page))).collect(),
        figures: FIGURES.map(|(family, subject, _)| (family, subject.to_owned())).into(),
        exact_sizes,
    }
}

async fn same(model: &dyn Store, real: &dyn Store, cast: &Cast) {
    let (model, real) = (picture(model, cast).await, picture(real, cast).await);
    for (model, real) in model.iter().zip(&real) {
        assert_eq!(model, real);
    }
    assert_eq!(model.len(), real.len());
}

/// Groups of what happens, each with whether the store is opened anew after it, or another node has its turn.
type Groups = Vec<(Vec<Op>, bool)>;

async fn compare_with_sled(groups: Groups) {
    let cast = cast(true);
    let dir = tempfile::tempdir().unwrap();
    let open = || SledStore::open(dir.path(), 1 << 20, sealer()).unwrap();
    let (memory, shared, mut sled) = (MemoryStore::new(), shared_memory(), open());
    let mut engine = Engine::default();
    for (ops, reopen) in groups {
        let set = engine.change_set(&ops);
        memory.commit(&set).await.unwrap();
        commit(&*shared.store, &set).await;
        sled.commit(&set).await.unwrap();
        if reopen {
            drop(sled);
            sled = open();
        }
        same(&memory, &sled, &cast).await;
        same(&memory, &*shared.store, &cast).await;
    }
    let blobs = std::fs::read_dir(dir.path().join("blobs")).unwrap().count();
    assert_eq!(blobs, 0, "sled never syncs its blob files");
}

/// Sizes of the past are reckoned back from the members of now there, which is the same as long as time goes on and nobody is
/// removed without having left.
async fn compare_with_postgres(groups: Groups) {
    let drops = |(ops, _): &(Vec<Op>, bool)| ops.iter().any(|op| matches!(op, Op::Drop { .. }));
    let cast = cast(!groups.iter().any(drops));
    let schema = schema();
    let memory = MemoryStore::new();
    // One node writes, the other one reads, by turns.
    let (mut writer, mut reader) = (open_postgres(&schema).await, open_postgres(&schema).await);
    let (mut engine, mut now) = (Engine::default(), at(1));
    for (ops, turn) in groups {
        let mut set = engine.change_set(&ops);
        now = now.max(set.at);
        set.at = now;
        memory.commit(&set).await.unwrap();
        commit(&writer, &set).await;
        same(&memory, &reader, &cast).await;
        if turn {
            std::mem::swap(&mut writer, &mut reader);
        }
    }
}

fn groups() -> impl Strategy<Value = Groups> {
    let group = (proptest::collection::vec(op(), 1..25), proptest::bool::weighted(0.2));
    proptest::collection::vec(group, 1..10)
}

fn run(comparison: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(comparison);
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(32))]
    #[test]
    fn memory_and_sled_answer_alike(groups in groups()) {
        run(compare_with_sled(groups));
    }
}

proptest! {
    #![proptest_config(cases(8))]
    #[test]
    fn memory_and_postgres_answer_alike(groups in groups()) {
        run(compare_with_postgres(groups));
    }
}
