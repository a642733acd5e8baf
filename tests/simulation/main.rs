//! The engine in thousands of random histories, on a manual clock, against plain models.
//!
//! Posts come late, doubled and out of order; definitions change; people turn out to be one; the process breaks between any
//! two steps; receivers fail. There are several worlds, each with seeds of its own. A failing seed is printed with how to
//! replay it: `STAGEPOST_SIMULATION_SEED=<seed> cargo test --test simulation <name of the world's test>`.
//! `STAGEPOST_SIMULATION_HISTORIES` says how many histories are run of each world.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and tells what it does"
)]

mod crash_store;
mod journeys;
mod machine;
mod outbox;
mod people;
mod picture;
mod regressions;
mod runs;

use std::future::Future;
use std::panic::AssertUnwindSafe;

/// The first seed of a run.
const FIRST_SEED: u64 = 20_261_121;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Runs histories of one world: `test` is the name of its test, `count` how many unless asked otherwise.
fn run<F: Future<Output = ()>>(test: &str, count: u64, history: impl Fn(u64, bool) -> F) {
    let one = |seed, verbose| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let done = AssertUnwindSafe(|| runtime.block_on(history(seed, verbose)));
        std::panic::catch_unwind(done).is_ok()
    };
    if let Some(seed) = setting("STAGEPOST_SIMULATION_SEED") {
        assert!(one(seed, true), "the history of seed {seed} fails");
        return;
    }
    let count = setting("STAGEPOST_SIMULATION_HISTORIES").unwrap_or(count);
    for seed in FIRST_SEED..FIRST_SEED + count {
        assert!(
            one(seed, false),
            "the history of seed {seed} fails; replay it: STAGEPOST_SIMULATION_SEED={seed} cargo test --test simulation {test}"
        );
    }
}

#[test]
fn journeys_agree_with_the_model() {
    run("journeys_agree_with_the_model", 1000, journeys::history);
}

#[test]
fn people_agree_with_the_model() {
    run("people_agree_with_the_model", 500, people::history_of_many);
}

#[test]
fn hot_users_agree_with_the_model() {
    run("hot_users_agree_with_the_model", 60, people::history_of_hot);
}

#[test]
fn outboxes_agree_with_the_model() {
    run("outboxes_agree_with_the_model", 400, outbox::history);
}
