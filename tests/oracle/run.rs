//! Runs the cases.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::case::Case;
use crate::report::report;
use crate::smaller::smallest;
use crate::story;
use crate::world::{self, Failure};

/// Cases in one run unless asked otherwise.
const CASES: u64 = 2000;
/// The first seed of a run.
const FIRST_SEED: u64 = 1;
/// Cases are run on so many threads.
const THREADS: usize = 2;

/// Why a case fails; a panic of the engine is a failure like any other.
fn failure(case: &Case) -> Option<Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match catch_unwind(AssertUnwindSafe(|| runtime.block_on(world::run(case)))) {
        Ok(done) => done.err(),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            Some(Failure::Refused(format!("a panic: {}", said.unwrap_or_default())))
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// The first of the seeds whose case fails.
fn first_failing(seeds: std::ops::Range<u64>) -> Option<u64> {
    let next = AtomicU64::new(seeds.start);
    let failing = Mutex::new(None::<u64>);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failing.lock().unwrap().is_some() {
                        return;
                    }
                    if failure(&story::case(seed)).is_some() {
                        let mut known = failing.lock().unwrap();
                        *known = Some(known.map_or(seed, |known| known.min(seed)));
                    }
                }
            });
        }
    });
    failing.into_inner().unwrap()
}

#[test]
fn the_engine_agrees_with_the_oracle() {
    let seed = match setting("STAGEPOST_ORACLE_SEED") {
        Some(seed) => failure(&story::case(seed)).map(|_| seed),
        None => {
            let cases = setting("STAGEPOST_ORACLE_CASES").unwrap_or(CASES);
            let first = setting("STAGEPOST_ORACLE_FROM").unwrap_or(FIRST_SEED);
            first_failing(first..first + cases)
        }
    };
    let Some(seed) = seed else { return };
    let case = smallest(story::case(seed), &|case| failure(case).is_some());
    let failure = failure(&case).expect("the smallest case fails too");
    panic!("the case of seed {seed} fails; made smaller:\n{}", report(&case, &failure));
}
