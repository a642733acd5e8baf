//! What is read and written for people, over a store that counts.

use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::change::ChangeSet;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::{Action, AuditEntry, AuditFilter};
use crate::domain::shelf::EntryWrite;
use crate::domain::time::Span;
use crate::engine::{Settings, Surroundings, Writer};
use crate::store::Store;
use crate::store::memory::MemoryStore;

const PASSWORD: &str = "four words make one";

/// An engine whose writer is stepped by hand.
struct House {
    engine: Engine,
    writer: Writer,
    store: Arc<MemoryStore>,
    clock: Clock,
}

async fn house() -> House {
    let (store, clock) =
        (Arc::new(MemoryStore::new()), Clock::manual(Timestamp::from_millis(1_790_000_000_000)));
    let settings = Settings {
        clock: clock.clone(),
        seed: [3; 32],
        surroundings: Surroundings::default(),
        address_policy: AddressPolicy::public_only(),
        writers: 1,
    };
    let shared: Arc<dyn Store> = Arc::clone(&store) as _;
    let (engine, writer) = Writer::open(shared, settings).await.unwrap();
    House { engine, writer, store, clock }
}

impl House {
    /// Lets the writer do what is asked meanwhile.
    async fn served<T>(&mut self, asked: impl Future<Output = T>) -> T {
        let mut asked = std::pin::pin!(asked);
        loop {
            tokio::select! {
                biased;
                answer = &mut asked => return answer,
                () = tokio::task::yield_now() => {}
            }
            self.writer.step().await.unwrap();
        }
    }

    async fn ann(&mut self) -> Person {
        let (email, name) = ("ann@example.com".to_owned(), "Ann".to_owned());
        let person = NewPerson { email, name, role: Role::Viewer, password: PASSWORD.to_owned() };
        let engine = self.engine.clone();
        self.served(engine.add_person(person)).await.unwrap()
    }

    async fn session(&mut self, person: PersonId) -> String {
        let engine = self.engine.clone();
        self.served(engine.begin_session(person)).await.unwrap()
    }

    fn pass(&self, span: Span) {
        self.clock.set(self.clock.now().plus(span));
    }

    /// Ticks, and steps until there is nothing more to do.
    async fn tick(&mut self) {
        self.writer.tick();
        while self.writer.step().await.unwrap() {}
    }

    async fn put(&self, entries: Vec<EntryWrite>) {
        self.store.commit(&ChangeSet { entries, ..ChangeSet::default() }).await.unwrap();
    }

    /// Writes that many entries into the audit log, a second apart; every tenth is by ann.
    async fn deeds(&mut self, count: i64) {
        let mut ids = IdSource::new([5; 32]);
        let entries = (0..count).map(|n| {
            let at = self.clock.now().plus(Span::from_secs(n));
            let by = if n % 10 == 0 { "ann@example.com" } else { "bob@example.com" };
            let deed = Deed::new(Action::Changed, format!("audience a{n}"));
            let entry = AuditEntry::new(ids.audit(at), at, (by, "api", ""), deed);
            records::new(Shelf::Audit, &entry.id.to_string(), &entry)
        });
        self.put(entries.collect()).await;
    }
}

fn by(who: &str) -> AuditFilter {
    AuditFilter { by: Some(who.to_owned()), ..AuditFilter::default() }
}

#[tokio::test]
async fn a_page_of_the_audit_log_reads_what_it_shows() {
    let mut house = house().await;
    house.deeds(3000).await;
    let first = PageRequest { limit: 1, cursor: None };
    let page = house.engine.audit(&AuditFilter::default(), &first, limits::MAX_SCAN).await.unwrap();
    assert_eq!(page.rows[0].subject, "audience a2999");
    assert_eq!(house.store.entries_listed(), 2);
    let page = house.engine.audit(&by("ann"), &first, limits::MAX_SCAN).await.unwrap();
    assert_eq!(page.rows[0].subject, "audience a2990");
    assert!(house.store.entries_listed() <= 200, "a search reads a part at a time");
}

#[tokio::test]
async fn a_search_of_the_audit_log_finds_all_and_has_a_bound() {
    let mut house = house().await;
    house.deeds(3000).await;
    let (mut found, mut request) = (Vec::new(), PageRequest { limit: 7, cursor: None });
    loop {
        let page = house.engine.audit(&by("ANN"), &request, limits::MAX_SCAN).await.unwrap();
        assert!(page.rows.len() == 7 || page.cursor.is_none());
        found.extend(page.rows.into_iter().map(|entry| entry.subject));
        request.cursor = page.cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..300).rev().map(|n| format!("audience a{}", n * 10)).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn sessions_that_are_over_are_found_in_one_walk() {
    let mut house = house().await;
    let ann = house.ann().await;
    let over = Session::begin(&ann, Device::default(), house.clock.now());
    house.pass(limits::SESSION_LIFE);
    let lasting = Session::begin(&ann, Device::default(), house.clock.now());
    let all = (0..2600).map(|n| {
        let session = if n % 13 == 0 { &lasting } else { &over };
        records::new(Shelf::Sessions, &secret_hash(&n.to_string()), session)
    });
    house.put(all.collect()).await;
    house.store.entries_listed();
    house.tick().await;
    assert!(house.store.entries_listed() <= 2600 + 10, "each is looked at once");
    let left = records::all::<Session>(&*house.store, Shelf::Sessions).await.unwrap();
    assert_eq!(left.len(), 200);
    assert!(left.iter().all(|session| session.value == lasting));
    house.store.entries_listed();
    house.tick().await;
    assert_eq!(house.store.entries_listed(), 0, "not again within the hour");
    house.pass(limits::SESSION_IDLE);
    house.tick().await;
    assert_eq!(records::all::<Session>(&*house.store, Shelf::Sessions).await.unwrap().len(), 0);
}

#[tokio::test]
async fn whoever_uses_a_session_waits_for_no_writer() {
    let mut house = house().await;
    let ann = house.ann().await;
    let secret = house.session(ann.id).await;
    house.pass(limits::SESSION_NOTED);
    // Nobody steps the writer: who has to wait for it waits for ever.
    let patience = std::time::Duration::from_secs(5);
    for _ in 0..3 {
        let session = tokio::time::timeout(patience, house.engine.session(&secret, true)).await;
        assert!(session.expect("no wait").unwrap().is_some());
    }
    let used = house.clock.now();
    house.pass(Span::from_secs(1));
    house.tick().await;
    let (session, _) = house.engine.session(&secret, true).await.unwrap().unwrap();
    assert_eq!(session.seen_at, used, "when it was used, not when that was written");
}

#[tokio::test]
async fn what_many_use_at_once_is_written_once() {
    let mut house = house().await;
    let ann = house.ann().await;
    let secret = house.session(ann.id).await;
    let engine = house.engine.clone();
    let wanted = NewToken { name: "ci".to_owned(), scopes: vec![Scope::Read], expires_at: None };
    let (_, token) = house.served(engine.make_token(wanted)).await.unwrap();
    house.pass(limits::USE_NOTED);
    let before = house.store.commits();
    for _ in 0..50 {
        let engine = house.engine.clone();
        house.served(engine.session(&secret, true)).await.unwrap().unwrap();
        let engine = house.engine.clone();
        house.served(engine.token(&token)).await.unwrap().unwrap();
    }
    house.tick().await;
    assert_eq!(house.store.commits() - before, 1, "both in one commit");
    let used = house.engine.tokens().await.unwrap()[0].used_at;
    assert_eq!(used, Some(house.clock.now()));
    house.tick().await;
    assert_eq!(house.store.commits() - before, 1, "and nothing more after that");
}

#[tokio::test]
async fn a_page_of_a_search_has_a_bound() {
    let mut house = house().await;
    house.deeds(1000).await;
    let (mut request, mut pages) = (PageRequest { limit: 10, cursor: None }, Vec::new());
    loop {
        let page = house.engine.audit(&by("nobody"), &request, 300).await.unwrap();
        assert_eq!(page.rows, []);
        pages.push(house.store.entries_listed());
        request.cursor = page.cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    assert!(pages.len() >= 4 && pages.iter().all(|read| *read <= 400), "{pages:?}");
}
