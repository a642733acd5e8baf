//! A user's events by their names and times: what the filter of events can ask.

use std::collections::BTreeSet;

use serde_json::Map;
use stagepost::domain::event::Call;
use stagepost::domain::ids::UserKey;
use stagepost::store::{EventFilter, Store, Wanted};

use crate::build::*;
use crate::picture::walk;
use crate::writer::commit;

on_every_backend!(events_are_found_by_name_and_time, the_log_is_read_by_name, the_log_is_read_for_some_users);

fn track_of(name: &str) -> Call {
    Call::Track { event: name.into(), properties: Map::new() }
}

fn page() -> Call {
    Call::Page { name: None, category: None, properties: Map::new() }
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

/// Seven events in three commits: at 10, 11, 12 · 20, 21 · 30, 31; the one at 21 happened at 5.
async fn events_are_found_by_name_and_time(store: &dyn Store) {
    let (known, visitor, other) = (user("a"), UserKey::anonymous("a"), user("b"));
    let alias = || Call::Alias { previous_id: "o".into() };
    for made in [
        vec![(10, &known, track_of("Bought")), (11, &visitor, page()), (12, &other, track_of("Bought"))],
        vec![(20, &known, alias()), (21, &known, track_of("Tried"))],
        vec![(30, &visitor, track_of("Bought")), (31, &other, page())],
    ] {
        let mut set = changes();
        set.events = made.into_iter().map(|(ms, who, call)| event(event_id(ms, 1), who, call)).collect();
        for late in set.events.iter_mut().filter(|event| event.id == event_id(21, 1)) {
            late.timestamp = at(5);
        }
        commit(store, &set).await;
    }
    let any = EventFilter::default;
    let own: BTreeSet<UserKey> = [known.clone(), visitor.clone()].into();
    for (filter, found) in [
        (any(), vec![31, 30, 21, 20, 12, 11, 10]),
        (EventFilter { users: own.clone(), ..any() }, vec![30, 21, 20, 11, 10]),
        (EventFilter { names: names(&["Bought"]), users: own.clone(), ..any() }, vec![30, 10]),
        (EventFilter { names: names(&["Page Viewed", "Tried"]), ..any() }, vec![31, 21, 11]),
        (EventFilter { other_names: names(&["Bought", "Page Viewed"]), ..any() }, vec![21, 20]),
        (EventFilter { names: names(&["Tried"]), other_names: names(&["Tried"]), ..any() }, vec![]),
        (EventFilter { from: Some(at(11)), to: Some(at(30)), ..any() }, vec![20, 12, 11]),
        (EventFilter { arrived_from: Some(at(11)), ..any() }, vec![31, 30, 21, 20, 12, 11]),
        (EventFilter { arrived_from: Some(at(12)), users: own, ..any() }, vec![30, 21, 20]),
        (EventFilter { arrived_from: Some(at(21)), ..any() }, vec![31, 30, 21]),
        (EventFilter { arrived_from: Some(at(31)), ..any() }, vec![31]),
        (EventFilter { arrived_from: Some(at(32)), ..any() }, vec![]),
    ] {
        for limit in [1, 2, 10] {
            let rows = walk(limit, async |page| store.newest_events(&filter, &page).await).await;
            let times: Vec<_> = rows.iter().map(|event| event.id.made_at().millis()).collect();
            assert_eq!(times, found, "{filter:?} in pages of {limit}");
        }
    }
}

async fn the_log_is_read_by_name(store: &dyn Store) {
    let calls = [
        track_of("Bought"),
        Call::Identify { traits: Map::new() },
        page(),
        Call::Screen { name: Some("Home".into()), category: None, properties: Map::new() },
        Call::Group { group_id: "g".into(), traits: Map::new() },
        Call::Alias { previous_id: "o".into() },
        track_of("Tri\u{e9}d"),
        track_of("Page Viewed"),
    ];
    for (n, call) in (1..).zip(calls) {
        let mut set = changes();
        set.events.push(event(event_id(n, 1), &user("a"), call));
        commit(store, &set).await;
    }
    let (end, all) = (event_id(99, 1), store.event_log(None, event_id(99, 1), 100).await.unwrap());
    for (wanted, found) in [
        (names(&["Bought"]), vec![1]),
        (names(&["Page Viewed"]), vec![3, 8]),
        (names(&["Screen Viewed", "Tri\u{e9}d"]), vec![4, 7]),
        (names(&["Home", "identify", "group"]), vec![]),
        (names(&[]), vec![]),
    ] {
        let part = store.wanted_log(&named(&wanted), None, end, 100).await.unwrap();
        let expected = |n: &i64| all.iter().find(|event| event.id.made_at() == at(*n)).unwrap().clone();
        assert_eq!(part.events, found.iter().map(expected).collect::<Vec<_>>(), "{wanted:?}");
        assert_eq!((part.looked_at, part.last), (8, Some(event_id(8, 1))), "{wanted:?}");
    }
    let part = store.wanted_log(&named(&names(&["Bought"])), Some(event_id(2, 1)), end, 3).await.unwrap();
    assert_eq!((part.events, part.looked_at, part.last), (vec![], 3, Some(event_id(5, 1))), "not the end");
    let part = store.wanted_log(&named(&names(&["Bought"])), Some(event_id(8, 1)), end, 3).await.unwrap();
    assert_eq!((part.looked_at, part.last), (0, None));
}

async fn the_log_is_read_for_some_users(store: &dyn Store) {
    let visitor = UserKey::anonymous("z");
    let keys = [visitor.clone(), user("a"), user("b"), user("c")];
    let mut set = changes();
    set.events = (1..).zip(&keys).map(|(n, who)| event(event_id(n, 1), who, track_of("Bought"))).collect();
    commit(store, &set).await;
    let names = names(&["Bought"]);
    for (after, to, found) in [
        (None, None, &keys[..]),
        (None, Some(&keys[1]), &keys[..2]),
        (Some(&keys[0]), None, &keys[1..]),
        (Some(&keys[1]), Some(&keys[2]), &keys[2..3]),
        (Some(&keys[3]), None, &[]),
    ] {
        let wanted = Wanted { names: &names, after, to };
        let part = store.wanted_log(&wanted, None, event_id(99, 1), 100).await.unwrap();
        let users: Vec<UserKey> = part.events.iter().map(|event| event.user_key()).collect();
        assert_eq!((users.as_slice(), part.looked_at), (found, 4));
    }
}
