//! Data directories of earlier versions, as those versions wrote them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use stagepost::clock::Clock;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::definition::Status;
use stagepost::domain::ids::UserKey;
use stagepost::domain::page::PageRequest;
use stagepost::domain::time::Timestamp;
use stagepost::engine::{BackfillPace, Settings, Writer};
use stagepost::store::Store;
use stagepost::store::sled::SledStore;

/// Written by the first version: `ann` (an order of 60, one of 10, `plan` pro, ann@example.com), `bob` (an order, an open journey
/// with a phone number), and a visitor; audiences of those who ordered within 3000 days, and of pros who ordered twice.
const VERSION_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/fixtures/version_1");

#[tokio::test]
async fn data_of_version_1_is_brought_to_the_form_of_today() {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(Path::new(VERSION_1)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let store = Arc::new(SledStore::open(dir.path(), 8 << 20, crate::backends::sealer()).unwrap());
    let found = |kind: &'static str, id: &'static str| store.users_by_external_id(kind, id, 10);
    assert_eq!(found("email", "ann@example.com").await.unwrap(), [UserKey::user("ann")]);
    assert_eq!(found("phone", "+15551234567").await.unwrap(), [UserKey::user("bob")]);

    let now = Timestamp::parse_lenient("2026-11-22T00:00:00Z").unwrap();
    let settings = Settings {
        clock: Clock::manual(now),
        seed: [1; 32],
        public_url: None,
        address_policy: AddressPolicy::public_only(),
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
