//! Data directories of earlier versions, as those versions wrote them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use stagepost::clock::Clock;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::change::ChangeSet;
use stagepost::domain::definition::{Definition, DestinationKind, Status};
use stagepost::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus};
use stagepost::domain::figures::{Family, Grain};
use stagepost::domain::ids::UserKey;
use stagepost::domain::journey::{InboxPlace, Journey, JourneyFilter, JourneyStatus, Listed, Step};
use stagepost::domain::page::PageRequest;
use stagepost::domain::time::Timestamp;
use stagepost::engine::{BackfillPace, Settings, Surroundings, Writer};
use stagepost::store::Store;
use stagepost::store::sled::SledStore;

use crate::backends::{open_postgres, sealer};
use crate::build::*;
use crate::sled_only::raw;
use crate::support::postgres::schema;
use crate::writer::commit;

/// Written by the first version: `ann` (an order of 60, one of 10, `plan` pro, ann@example.com), `bob` (an order, an open journey
/// with a phone number), and a visitor; audiences of those who ordered within 3000 days, and of pros who ordered twice.
const VERSION_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/fixtures/version_1");

/// Written by version 3: a source each of the kinds `http` (`web`) and `studio`, a webhook `crm` and an audience that tells it, all
/// with secrets that begin with `plain-` or `wk_`; and an order of `ann`.
const VERSION_3: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/fixtures/version_3");

fn copied(fixture: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(Path::new(fixture)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

#[tokio::test]
async fn data_of_version_1_is_brought_to_the_form_of_today() {
    let dir = copied(VERSION_1);
    let store = Arc::new(SledStore::open(dir.path(), 8 << 20, sealer()).unwrap());
    let found = |kind: &'static str, id: &'static str| store.users_by_external_id(kind, id, 10);
    assert_eq!(found("email", "ann@example.com").await.unwrap(), [UserKey::user("ann")]);
    assert_eq!(found("phone", "+15551234567").await.unwrap(), [UserKey::user("bob")]);

    let now = Timestamp::parse_lenient("2026-11-22T00:00:00Z").unwrap();
    let settings = Settings {
        clock: Clock::manual(now),
        seed: [1; 32],
        surroundings: Surroundings::default(),
        address_policy: AddressPolicy::public_only(),
        writers: 1,
    };
    let shared: Arc<dyn Store> = Arc::<SledStore>::clone(&store);
    let (engine, writer) = Writer::open(shared, settings).await.unwrap();
    assert!(
        engine.definitions().computations().all(|it| it.status == Status::Computing),
        "before anything else"
    );
    let mut writer = writer.with_pace(BackfillPace { by_time: false, ..BackfillPace::default() });
    writer.tick();
    while writer.step().await.unwrap() {}
    let definitions = engine.definitions();
    assert!(definitions.computations().all(|it| it.status == Status::Live));
    for (key, members) in [("twice", &["ann"][..]), ("order_completed_last_3000days", &["ann", "bob"])] {
        let page = PageRequest { limit: 10, cursor: None };
        let found = engine.members(&definitions.audiences[key].id, &page).await.unwrap().rows;
        let found: Vec<&str> = found.iter().filter_map(|member| member.user.user_id()).collect();
        assert_eq!(found, members, "{key}");
    }
    let ann = engine.profile(&UserKey::user("ann")).await.unwrap().unwrap();
    let since = ann.memberships.get("twice").unwrap().since;
    assert!(since < now, "she has been in all the time: {since}");
    assert_eq!(ann.leaves.len(), 2);
}

#[tokio::test]
async fn secrets_of_version_3_are_sealed() {
    let dir = copied(VERSION_3);
    // Twice: the second start finds them sealed.
    for _ in 0..2 {
        let store = SledStore::open(dir.path(), 8 << 20, sealer()).unwrap();
        let definitions = store.definitions().await.unwrap();
        let keys: Vec<&str> = definitions.iter().map(Definition::key).collect();
        assert_eq!(keys, ["studio", "web", "crm", "order_completed"]);
        let Definition::Source(studio) = &definitions[0] else { panic!("{definitions:?}") };
        assert_eq!(studio.twilio_auth_tokens, ["plain-auth-token-of-version-3"]);
        let Definition::Destination(crm) = &definitions[2] else { panic!("{definitions:?}") };
        let DestinationKind::Webhook { urls, signing, .. } = &crm.kind else { panic!("{crm:?}") };
        assert_eq!(urls[0].headers["Authorization"], "Bearer plain-header-of-version-3");
        assert_eq!(signing.shared_secret.as_deref(), Some("plain-shared-secret-of-version-3"));
    }
    // No row has them any more. (The file of the database may still have copies in parts that sled will write over.)
    let raw = raw(dir.path());
    let holds = |row: &[u8]| {
        [&b"plain-"[..], b"wk_"].iter().any(|text| row.windows(text.len()).any(|it| it == *text))
    };
    for row in raw.iter() {
        let (key, value) = row.unwrap();
        assert!(!holds(&value), "{}", String::from_utf8_lossy(&key));
    }
    assert!(raw.contains_key("fsstudio").unwrap(), "and they are there");
}

#[tokio::test]
async fn an_upgrade_that_was_cut_short_goes_on() {
    let dir = copied(VERSION_3);
    drop(SledStore::open(dir.path(), 8 << 20, sealer()).unwrap());
    let before = raw(dir.path());
    // Sealed, but the version was not written yet; one record was not sealed either.
    before.insert("v", &3_u32.to_be_bytes()).unwrap();
    let plain = raw(copied(VERSION_3).path()).get("fsweb").unwrap().unwrap();
    before.insert("fsweb", plain).unwrap();
    drop(before);
    let store = SledStore::open(dir.path(), 8 << 20, sealer()).unwrap();
    assert_eq!(store.definitions().await.unwrap().len(), 4);
    drop(store);
    let after = raw(dir.path()).get("fsweb").unwrap().unwrap();
    assert!(!after.windows(3).any(|it| it == b"wk_"));
}

/// Journeys of three flows, in profiles and archived, whose statuses nobody counted.
fn uncounted() -> ChangeSet {
    let mut set = changes();
    let made = |n, who: &str, flow: &str, status| Journey {
        flow: flow.into(),
        ..journey(journey_id(5, n), &user(who), status)
    };
    let long = "ü".repeat(200);
    let step = |stage: &str, ms: i64| Step {
        stage: stage.to_owned(),
        at: at(ms),
        received_at: at(ms),
        message_id: String::new(),
    };
    let steps =
        vec![step("initiation", 5), step("asked", 60_005), step("initiation", 70_000), step("gone", 120_005)];
    for (n, who) in (0..).zip(["a", "b", "c"]) {
        let mut owner = profile(&user(who));
        owner.journeys.push(made(10 * n, who, "order", JourneyStatus::Active));
        owner.journeys.push(made(10 * n + 1, who, &long, JourneyStatus::Stalled));
        set.archived.push(made(10 * n + 2, who, "order", JourneyStatus::Completed));
        let (steps, stage, ended_at) = (steps.clone(), "gone".to_owned(), Some(at(3 * 86_400_000)));
        let lost = made(10 * n + 3, who, "a\0b", JourneyStatus::Expired);
        set.archived.push(Journey { steps, stage, ended_at, ..lost });
        set.journeys.extend(owner.journeys.iter().map(opened));
        set.profiles.push(new_profile(owner));
    }
    set.journeys.extend(set.archived.iter().map(opened));
    set
}

/// How many stand where: flow, status, count.
async fn standing(store: &dyn Store) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for flow in ["order", &"ü".repeat(50), "a\0b"] {
        let points = store.figures(Family::Standing, flow, Grain::Ever, at(0), at(1)).await.unwrap();
        found.extend(points.into_iter().map(|point| (point.detail, point.count)));
    }
    found
}

fn expected() -> Vec<(String, u64)> {
    ["active", "completed", "stalled", "expired"].map(|status| (status.to_owned(), 3)).to_vec()
}

#[tokio::test]
async fn version_4_of_sled_did_not_count_how_journeys_stand() {
    let dir = tempfile::tempdir().unwrap();
    let open = || SledStore::open(dir.path(), 8 << 20, sealer()).unwrap();
    commit(&open(), &uncounted()).await;
    assert_eq!(standing(&open()).await, []);
    // Twice: one that was cut short runs again.
    for _ in 0..2 {
        let before = raw(dir.path());
        before.insert("v", &4_u32.to_be_bytes()).unwrap();
        drop(before);
        assert_eq!(standing(&open()).await, expected());
        let store = open();
        let mut counted = Vec::new();
        for family in [Family::Opened, Family::Reached, Family::Waited, Family::Lost, Family::Ended] {
            let points = store.figures(family, "a\0b", Grain::Day, at(0), at(i64::MAX)).await.unwrap();
            counted.extend(points.into_iter().map(|it| (family, it.start.millis() / 86_400_000, it.detail)));
        }
        let of_first_day = |family, detail: &str| (family, 0, detail.to_owned());
        let days = [
            of_first_day(Family::Opened, ""),
            of_first_day(Family::Reached, "asked"),
            of_first_day(Family::Reached, "gone"),
            of_first_day(Family::Reached, "initiation"),
            of_first_day(Family::Waited, "asked:60"),
            of_first_day(Family::Waited, "gone:60"),
            of_first_day(Family::Lost, "gone"),
            (Family::Ended, 3, "expired".to_owned()),
        ];
        assert_eq!(counted, days, "what became of the journeys of the last weeks, too");
    }
}

#[tokio::test]
async fn version_1_of_postgres_did_not_count_how_journeys_stand() {
    let schema = schema();
    commit(&open_postgres(&schema).await, &uncounted()).await;
    schema.sql(
        "DROP TABLE figures; DROP TABLE shelves; UPDATE meta SET value = '1' WHERE key = 'data_version'",
    );
    assert_eq!(standing(&open_postgres(&schema).await).await, expected());
    schema.sql("UPDATE meta SET value = '1' WHERE key = 'data_version'");
    assert_eq!(standing(&open_postgres(&schema).await).await, expected());
}

/// Two users' deliveries to two destinations, of every status.
fn sent() -> ChangeSet {
    let mut set = changes();
    for (n, status) in (0..24).zip(DeliveryStatus::ALL.into_iter().cycle()) {
        let (key, who) = (["d", "e"][usize::from(n % 4 < 2)], ["a", "b"][usize::from(n < 12)]);
        let made = delivery(delivery_id(5, n), key, &user(who), 5);
        set.deliveries.push(new_delivery(Delivery { status, ..made }));
    }
    set
}

/// How many each user has, and how many of each status that is looked for by destination each of these has.
async fn found_deliveries(store: &dyn Store) -> Vec<usize> {
    let (all, mut found) = (PageRequest { limit: 99, cursor: None }, Vec::new());
    for who in ["a", "b", "c"] {
        let filter = DeliveryFilter { user: Some(user(who)), ..Default::default() };
        found.push(store.deliveries(&filter, &all).await.unwrap().rows.len());
    }
    for (key, status) in [("d", DeliveryStatus::Dead), ("e", DeliveryStatus::Failed)] {
        let (destination, status) = (Some(key.to_owned()), Some(status));
        let filter = DeliveryFilter { destination, status, ..Default::default() };
        found.push(store.deliveries(&filter, &all).await.unwrap().rows.len());
    }
    found
}

#[tokio::test]
async fn version_5_of_sled_had_no_index_of_users_deliveries() {
    let dir = tempfile::tempdir().unwrap();
    let open = || SledStore::open(dir.path(), 8 << 20, sealer()).unwrap();
    commit(&open(), &sent()).await;
    let expected = found_deliveries(&open()).await;
    assert_eq!(expected[..3], [12, 12, 0]);
    assert!(expected[3..].iter().all(|count| (1..4).contains(count)), "{expected:?}");
    // Twice: one that was cut short runs again.
    for kept in [0, 7] {
        let before = raw(dir.path());
        for prefix in [b"D", b"X"] {
            let index: Vec<_> = before.scan_prefix(prefix).keys().map(Result::unwrap).collect();
            index.iter().skip(kept).for_each(|key| drop(before.remove(key).unwrap()));
        }
        before.insert("v", &5_u32.to_be_bytes()).unwrap();
        drop(before);
        assert_eq!(found_deliveries(&open()).await, expected);
    }
}

#[tokio::test]
async fn version_2_of_postgres_had_no_index_of_users_deliveries() {
    let schema = schema();
    commit(&open_postgres(&schema).await, &sent()).await;
    schema.sql("DROP INDEX deliveries_user, deliveries_unsent; UPDATE meta SET value = '2' WHERE key = 'data_version'");
    let store = open_postgres(&schema).await;
    assert_eq!(found_deliveries(&store).await[..3], [12, 12, 0]);
    let made =
        "SELECT to_regclass('deliveries_user') IS NOT NULL AND to_regclass('deliveries_unsent') IS NOT NULL";
    assert_eq!(schema.sql(made), "t");
}

/// Journeys of which nobody noted that one was acknowledged.
fn unlisted() -> ChangeSet {
    let mut set = uncounted();
    for journey in &mut set.profiles[0].profile.journeys {
        journey.acknowledged.push(acknowledged(journey));
    }
    for step in &mut set.journeys {
        let waits = |place: InboxPlace| InboxPlace { is_acknowledged: false, ..place };
        step.to = Listed { inbox: step.to.inbox.map(waits), ..step.to };
    }
    set
}

/// Who waits and who is acknowledged, how many of those are counted, and how many are found by flow and by status.
async fn found_journeys(store: &dyn Store) -> Vec<usize> {
    let all = PageRequest { limit: 99, cursor: None };
    let mut found = Vec::new();
    for acknowledged in [false, true] {
        found.push(store.inbox(acknowledged, &all).await.unwrap().rows.len());
    }
    found.push(usize::try_from(store.counts().await.unwrap().acknowledged).unwrap());
    let order = Some("order".to_owned());
    for (flow, status) in
        [(order, None), (None, Some(JourneyStatus::Stalled)), (None, Some(JourneyStatus::Expired))]
    {
        let filter = JourneyFilter { flow, status, ..Default::default() };
        found.push(store.journeys(&filter, &all).await.unwrap().rows.len());
    }
    found
}

const FOUND: [usize; 6] = [2, 1, 1, 6, 3, 3];

#[tokio::test]
async fn version_5_of_sled_listed_the_stalled_ones_only() {
    let dir = tempfile::tempdir().unwrap();
    let open = || SledStore::open(dir.path(), 8 << 20, sealer()).unwrap();
    let set = unlisted();
    commit(&open(), &set).await;
    assert_eq!(found_journeys(&open()).await[2], 0);
    // Twice: one that was cut short runs again.
    for kept in [0, 5] {
        let before = raw(dir.path());
        for prefix in [b"s", b"S"] {
            let index: Vec<_> = before.scan_prefix(prefix).keys().map(Result::unwrap).collect();
            index.iter().skip(kept).for_each(|key| drop(before.remove(key).unwrap()));
        }
        for step in set.journeys.iter().filter(|step| step.to.inbox.is_some()) {
            before.insert([&b"s"[..], &step.id.to_bytes()].concat(), &[]).unwrap();
        }
        before.insert("v", &5_u32.to_be_bytes()).unwrap();
        drop(before);
        assert_eq!(found_journeys(&open()).await, FOUND);
        let lengths = raw(dir.path()).scan_prefix(b"s").keys().map(|key| key.unwrap().len()).min();
        assert!(lengths > Some(17), "the old index is gone");
    }
}

#[tokio::test]
async fn version_2_of_postgres_listed_the_stalled_ones_only() {
    let schema = schema();
    commit(&open_postgres(&schema).await, &unlisted()).await;
    schema.sql(
        "ALTER TABLE journeys DROP COLUMN stalled_since, DROP COLUMN is_acknowledged; DROP INDEX journeys_flow, journeys_status; \
         CREATE INDEX journeys_stalled ON journeys (id) WHERE status = 'stalled'; UPDATE meta SET value = '2' WHERE key = 'data_version'",
    );
    for _ in 0..2 {
        assert_eq!(found_journeys(&open_postgres(&schema).await).await, FOUND);
        schema.sql("UPDATE meta SET value = '2' WHERE key = 'data_version'");
    }
    assert_eq!(
        schema.sql(
            "SELECT to_regclass('journeys_stalled') IS NULL AND to_regclass('journeys_inbox') IS NOT NULL"
        ),
        "t"
    );
}
