//! Shelves: small records by key, listed from the highest key down, and guarded where nodes share a store.

use stagepost::domain::change::ChangeSet;
use stagepost::domain::limits;
use stagepost::domain::shelf::{Entry, EntryWrite, Shelf};
use stagepost::store::copy::copy;
use stagepost::store::memory::MemoryStore;
use stagepost::store::{Store, StoreError};

use crate::build::*;
use crate::picture::walk;

on_every_backend!(
    records_are_set_and_removed,
    a_shelf_is_listed_from_the_highest_key_down,
    what_is_too_large_is_refused_whole,
    people_tokens_and_audit_are_copied_and_sessions_are_not,
);

mod shared {
    use super::{what_another_node_changed_is_refused, writes_of_one_change_set_are_all_guarded};

    on_every_shared_backend!(what_another_node_changed_is_refused, writes_of_one_change_set_are_all_guarded,);
}

fn write(shelf: Shelf, key: &str, was: Option<&str>, value: Option<&str>) -> EntryWrite {
    let bytes = |text: &str| text.as_bytes().to_vec();
    EntryWrite { shelf, key: key.into(), was: was.map(bytes), value: value.map(bytes) }
}

fn set(entries: Vec<EntryWrite>) -> ChangeSet {
    ChangeSet { entries, ..changes() }
}

async fn put(store: &dyn Store, shelf: Shelf, key: &str, was: Option<&str>, value: Option<&str>) {
    store.commit(&set(vec![write(shelf, key, was, value)])).await.unwrap();
}

async fn text(store: &dyn Store, shelf: Shelf, key: &str) -> Option<String> {
    store.entry(shelf, key).await.unwrap().map(|value| String::from_utf8(value).unwrap())
}

async fn keys(store: &dyn Store, shelf: Shelf) -> Vec<String> {
    walk(2, async |page| store.entries(shelf, &page).await).await.into_iter().map(|entry| entry.key).collect()
}

async fn records_are_set_and_removed(store: &dyn Store) {
    for shelf in Shelf::ALL {
        assert_eq!(text(store, shelf, "a").await, None);
        put(store, shelf, "a", None, Some(shelf.as_str())).await;
    }
    for shelf in Shelf::ALL {
        assert_eq!(text(store, shelf, "a").await.as_deref(), Some(shelf.as_str()), "each has its own");
    }
    // As long as it may be, then short again: sled keeps long records in several rows.
    let long = "ü".repeat(limits::MAX_SHELF_VALUE / 2);
    put(store, Shelf::People, "a", Some("people"), Some(&long)).await;
    assert_eq!(text(store, Shelf::People, "a").await.as_deref(), Some(&*long));
    put(store, Shelf::People, "a", Some(&long), Some("")).await;
    assert_eq!(text(store, Shelf::People, "a").await.as_deref(), Some(""));
    put(store, Shelf::People, "a", Some(""), None).await;
    assert_eq!(text(store, Shelf::People, "a").await, None);
    put(store, Shelf::People, "a", None, None).await;
    assert_eq!(keys(store, Shelf::People).await, [""; 0]);
    assert_eq!(keys(store, Shelf::Audit).await, ["a"]);
}

async fn a_shelf_is_listed_from_the_highest_key_down(store: &dyn Store) {
    let longest = "z".repeat(limits::MAX_SHELF_KEY);
    let mut expected = ["a", "aa", "ab", "B", "é@example.com", "\u{10ffff}", &longest];
    let entries = expected.iter().map(|key| write(Shelf::Audit, key, None, Some(key))).collect();
    store.commit(&set(entries)).await.unwrap();
    for others in [Shelf::People, Shelf::Sessions, Shelf::Tokens] {
        put(store, others, "m", None, Some("m")).await;
    }
    expected.sort_unstable();
    expected.reverse();
    for limit in [1, 2, 3, 100] {
        let found = walk(limit, async |page| store.entries(Shelf::Audit, &page).await).await;
        let wanted = expected.iter().map(|key| Entry { key: (*key).into(), value: key.as_bytes().into() });
        assert_eq!(found, wanted.collect::<Vec<_>>(), "by {limit}");
    }
    let wrong = store.entries(Shelf::Audit, &page_behind("m00")).await;
    assert!(matches!(wrong, Err(StoreError::Cursor(_))), "{wrong:?}");
}

fn page_behind(cursor: &str) -> stagepost::domain::page::PageRequest {
    stagepost::domain::page::PageRequest { cursor: Some(cursor.into()), ..first(5) }
}

async fn what_is_too_large_is_refused_whole(store: &dyn Store) {
    let long_key = "k".repeat(limits::MAX_SHELF_KEY + 1);
    let long_value = "v".repeat(limits::MAX_SHELF_VALUE + 1);
    for (key, value) in [(&*long_key, "v"), ("k", &*long_value)] {
        let both =
            vec![write(Shelf::Tokens, "b", None, Some("v")), write(Shelf::Tokens, key, None, Some(value))];
        let refused = store.commit(&set(both)).await;
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
        assert_eq!(keys(store, Shelf::Tokens).await, [""; 0]);
    }
    put(store, Shelf::Tokens, "b", None, Some("v")).await;
}

async fn people_tokens_and_audit_are_copied_and_sessions_are_not(store: &dyn Store) {
    for shelf in Shelf::ALL {
        for n in 0..3 {
            put(store, shelf, &format!("{n}"), None, Some(shelf.as_str())).await;
        }
    }
    let target = MemoryStore::new();
    let compared = copy(store, &target, "the copy", &mut |_| {}).await.unwrap();
    assert!(compared.iter().all(|compared| compared.difference.is_none()), "{compared:?}");
    for shelf in Shelf::ALL {
        let expected: &[&str] = if shelf == Shelf::Sessions { &[] } else { &["2", "1", "0"] };
        assert_eq!(keys(&target, shelf).await, expected, "{shelf:?}");
    }
    assert_eq!(text(&target, Shelf::Tokens, "1").await.as_deref(), Some("tokens"));
}

/// Whether it was refused because it was decided on something that is no longer so.
async fn is_refused(store: &dyn Store, entries: Vec<EntryWrite>) -> bool {
    match store.commit(&set(entries)).await {
        Ok(()) => false,
        Err(StoreError::Conflict("a record on a shelf")) => true,
        Err(other) => panic!("{other}"),
    }
}

async fn what_another_node_changed_is_refused(store: &dyn Store) {
    let shelf = Shelf::People;
    assert!(is_refused(store, vec![write(shelf, "a", Some("x"), Some("y"))]).await, "there is none");
    assert!(is_refused(store, vec![write(shelf, "a", Some("x"), None)]).await);
    assert!(!is_refused(store, vec![write(shelf, "a", None, Some("x"))]).await);
    assert!(is_refused(store, vec![write(shelf, "a", None, Some("y"))]).await, "there is one");
    assert!(!is_refused(store, vec![write(Shelf::Audit, "a", None, Some("x"))]).await, "but not there");
    assert!(is_refused(store, vec![write(shelf, "a", Some("w"), Some("y"))]).await, "another one");
    assert!(is_refused(store, vec![write(shelf, "a", Some("w"), None)]).await);
    assert_eq!(text(store, shelf, "a").await.as_deref(), Some("x"));
    assert!(!is_refused(store, vec![write(shelf, "a", Some("x"), Some("y"))]).await);
    assert!(!is_refused(store, vec![write(shelf, "a", Some("y"), None)]).await);
    assert_eq!(text(store, shelf, "a").await, None);
}

async fn writes_of_one_change_set_are_all_guarded(store: &dyn Store) {
    let shelf = Shelf::Sessions;
    let three = |was| {
        ["a", "b", "c"]
            .map(|key| write(shelf, key, was, Some(if was.is_none() { "1" } else { "2" })))
            .to_vec()
    };
    assert!(!is_refused(store, three(None)).await);
    put(store, shelf, "b", Some("1"), Some("other")).await;
    assert!(is_refused(store, three(Some("1"))).await);
    assert_eq!(text(store, shelf, "a").await.as_deref(), Some("1"), "nor are the others written");
    let mut mixed = three(Some("1"));
    mixed[1] = write(shelf, "b", Some("other"), None);
    mixed.push(write(shelf, "d", None, Some("4")));
    assert!(!is_refused(store, mixed).await);
    assert_eq!(keys(store, shelf).await, ["d", "c", "a"]);
}
