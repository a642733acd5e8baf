//! Random definitions from the whole query language and random histories: at every instant at which something may change,
//! the incremental engine against a plain recomputation from everything that has arrived.
//!
//! A failing case is made smaller and shown. To replay it: `STAGEPOST_ORACLE_SEED=<seed> cargo test --test oracle`.
//! `STAGEPOST_ORACLE_CASES` says how many cases are run, `STAGEPOST_ORACLE_FROM` from which seed on.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and tells what it does"
)]

mod build;
mod case;
mod evaluate;
mod examples;
mod flaw;
mod generate;
mod history;
mod impostor;
mod judge;
mod language;
mod posts;
mod print;
mod reduce;
mod regressions;
mod report;
mod run;
mod smaller;
mod story;
mod theme;
mod truth;
mod value;
mod world;
