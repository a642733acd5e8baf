//! The engine in thousands of random histories, on a manual clock, against a plain model.
//!
//! Posts come late, doubled and out of order; definitions change; the process breaks between any two steps; receivers
//! fail. A failing seed is printed. To replay it: `STAGEPOST_SIMULATION_SEED=<seed> cargo test --test simulation`.
//! `STAGEPOST_SIMULATION_HISTORIES` says how many histories are run (default 2,000).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and tells what it does"
)]

mod check;
mod crash_store;
mod generator;
mod model;
mod regressions;
mod world;

use std::panic::AssertUnwindSafe;

use world::World;

/// Things that happen in one history.
const ACTIONS: usize = 60;
/// Histories in one run unless asked otherwise.
const HISTORIES: u64 = 2000;
/// The first seed of a run.
const FIRST_SEED: u64 = 20_261_121;

async fn history(seed: u64, verbose: bool) {
    let mut world = World::new(seed).await;
    for step in 0..ACTIONS {
        let action = world.generator.action();
        if verbose {
            println!("{step:>3} at {} {action:?}", world.now());
        }
        world.act(&action).await;
        if step % 4 == 3 || verbose {
            world.tick().await;
            world.check().await;
        }
    }
    world.tick().await;
    world.check().await;
    world.drain().await;
    world.tick().await;
    world.check().await;
    world.check_drained().await;
}

fn run(seed: u64, verbose: bool) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(history(seed, verbose)))).is_ok()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn the_engine_agrees_with_the_model() {
    if let Some(seed) = setting("STAGEPOST_SIMULATION_SEED") {
        assert!(run(seed, true), "the history of seed {seed} fails");
        return;
    }
    let histories = setting("STAGEPOST_SIMULATION_HISTORIES").unwrap_or(HISTORIES);
    for seed in FIRST_SEED..FIRST_SEED + histories {
        assert!(
            run(seed, false),
            "the history of seed {seed} fails; replay it with STAGEPOST_SIMULATION_SEED={seed}"
        );
    }
}
