//! Leases of a store that several nodes share.

use std::time::{Duration, Instant};

use stagepost::domain::lease::{Lease, LeaseAsk};
use stagepost::domain::time::Span;
use stagepost::store::Store;

on_every_shared_backend!(
    a_lease_is_held_by_one_node,
    a_lease_that_is_over_is_taken_and_not_kept,
    leases_are_told_in_the_order_of_their_names,
);

const LONG: Span = Span::from_secs(60);

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

fn takes(of: &[&str]) -> LeaseAsk {
    LeaseAsk { take: names(of), ..LeaseAsk::default() }
}

fn keeps(of: &[&str]) -> LeaseAsk {
    LeaseAsk { keep: names(of), ..LeaseAsk::default() }
}

/// Who holds what, of all that is not over.
fn holders(leases: &[Lease]) -> Vec<(&str, &str)> {
    let held = leases.iter().filter(|lease| lease.left.millis() > 0);
    held.map(|lease| (lease.name.as_str(), lease.holder.as_str())).collect()
}

async fn a_lease_is_held_by_one_node(store: &dyn Store) {
    assert_eq!(store.hold_leases("one", &LeaseAsk::default(), LONG).await.unwrap(), []);
    let leases = store.hold_leases("one", &takes(&["a", "b"]), LONG).await.unwrap();
    assert_eq!(holders(&leases), [("a", "one"), ("b", "one")]);
    assert!(leases.iter().all(|lease| lease.left.millis() > 50_000 && lease.left <= LONG), "{leases:?}");
    let leases = store.hold_leases("two", &takes(&["b", "c"]), LONG).await.unwrap();
    assert_eq!(holders(&leases), [("a", "one"), ("b", "one"), ("c", "two")]);
    let leases = store.hold_leases("two", &keeps(&["a", "d"]), LONG).await.unwrap();
    assert_eq!(holders(&leases), [("a", "one"), ("b", "one"), ("c", "two")], "keeping takes nothing");

    let give_up = LeaseAsk { give_up: names(&["a", "c", "none"]), ..LeaseAsk::default() };
    let leases = store.hold_leases("two", &give_up, LONG).await.unwrap();
    assert_eq!(holders(&leases), [("a", "one"), ("b", "one")], "only what it holds");
    let all = LeaseAsk { keep: names(&["b"]), take: names(&["c"]), give_up: names(&["a"]) };
    let leases = store.hold_leases("one", &all, Span::from_secs(600)).await.unwrap();
    assert_eq!(holders(&leases), [("b", "one"), ("c", "one")]);
    assert!(leases.iter().all(|lease| lease.left > LONG), "kept for longer: {leases:?}");
    let leases = store.hold_leases("two", &takes(&["a"]), LONG).await.unwrap();
    assert_eq!(holders(&leases), [("a", "two"), ("b", "one"), ("c", "one")], "given up is free");
}

async fn a_lease_that_is_over_is_taken_and_not_kept(store: &dyn Store) {
    store.hold_leases("one", &takes(&["a"]), Span::from_millis(30)).await.unwrap();
    let begun = Instant::now();
    loop {
        let leases = store.hold_leases("two", &LeaseAsk::default(), LONG).await.unwrap();
        assert_eq!(leases.len(), 1, "it is told that there was one: {leases:?}");
        if leases[0].left.millis() <= 0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{leases:?}");
    }
    let leases = store.hold_leases("one", &keeps(&["a"]), LONG).await.unwrap();
    assert_eq!(holders(&leases), [], "lost stays lost");
    // What is told in milliseconds may be over a moment later.
    while holders(&store.hold_leases("two", &takes(&["a"]), LONG).await.unwrap()) != [("a", "two")] {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    let both = LeaseAsk { keep: names(&["a"]), take: names(&["a"]), ..LeaseAsk::default() };
    let leases = store.hold_leases("one", &both, LONG).await.unwrap();
    assert_eq!(holders(&leases), [("a", "two")]);
}

async fn leases_are_told_in_the_order_of_their_names(store: &dyn Store) {
    let leases = store.hold_leases("one", &takes(&["b", "a:z", "B", "a", "é"]), LONG).await.unwrap();
    let told: Vec<_> = leases.iter().map(|lease| lease.name.as_str()).collect();
    assert_eq!(told, ["B", "a", "a:z", "b", "é"]);
}
