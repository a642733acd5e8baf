//! The engine in thousands of random histories, on a manual clock, against plain models.
//!
//! Posts come late, doubled and out of order; definitions change; people turn out to be one; the process breaks between any
//! two steps; receivers fail. There are several worlds, each with seeds of its own, over each backend. A failing seed is
//! printed with how to replay it: `STAGEPOST_SIMULATION_SEED=<seed> cargo test --test simulation <name of the world's test>`.
//! `STAGEPOST_SIMULATION_HISTORIES` says how many histories are run of each world.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may fail loudly, and tells what it does"
)]

mod crash_store;
mod figures;
mod journeys;
mod ladders;
mod machine;
mod moving;
mod outbox;
mod people;
mod picture;
mod regressions;
mod runs;
#[path = "../support/mod.rs"]
mod support;
mod year;

use std::future::Future;
use std::panic::AssertUnwindSafe;

use support::stores::Backend;

/// The first seed of a run.
const FIRST_SEED: u64 = 20_261_121;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Runs histories of one world: `test` is the name of its test, `count` how many unless asked otherwise.
fn run<F: Future<Output = ()>>(
    backend: Backend,
    test: &str,
    count: u64,
    history: impl Fn(Backend, u64, bool) -> F,
) {
    let one = |seed, verbose| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let done = AssertUnwindSafe(|| runtime.block_on(history(backend, seed, verbose)));
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

/// The worlds over one backend, each with how many histories it is given there.
macro_rules! worlds {
    ($name:ident: $backend:expr, $journeys:expr, $people:expr, $hot_users:expr, $outboxes:expr, $ladders:expr) => {
        mod $name {
            use super::*;

            const TESTS: &str = stringify!($name);

            #[test]
            fn journeys_agree_with_the_model() {
                run($backend, &format!("{TESTS}::journeys"), $journeys, journeys::history);
            }

            #[test]
            fn people_agree_with_the_model() {
                run($backend, &format!("{TESTS}::people"), $people, people::history_of_many);
            }

            #[test]
            fn hot_users_agree_with_the_model() {
                run($backend, &format!("{TESTS}::hot_users"), $hot_users, people::history_of_hot);
            }

            #[test]
            fn outboxes_agree_with_the_model() {
                run($backend, &format!("{TESTS}::outboxes"), $outboxes, outbox::history);
            }

            #[test]
            fn ladders_keep_their_rules() {
                run($backend, &format!("{TESTS}::ladders"), $ladders, ladders::history);
            }
        }
    };
}

worlds!(in_memory: Backend::Memory, 1000, 500, 60, 400, 200);
worlds!(in_shared_memory: Backend::SharedMemory, 200, 50, 5, 100, 50);
worlds!(over_sled: Backend::Sled, 40, 20, 3, 20, 10);
worlds!(over_postgres: Backend::Postgres, 10, 5, 1, 5, 3);

#[test]
fn people_who_move_agree_with_the_model() {
    run(Backend::Memory, "people_who_move", 12, people::history_of_moves);
}

#[test]
fn people_who_move_to_postgres_and_back_agree_with_the_model() {
    run(Backend::Postgres, "people_who_move_to_postgres", 3, people::history_of_moves);
}
