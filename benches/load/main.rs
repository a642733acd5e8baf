//! Load on the real server, each figure beside a ceiling measured in the same run.
//!
//! ```text
//! cargo bench --bench load -- single     durable single posts against a bare handler, 64 and 256 connections
//! cargo bench --bench load -- batch      batches of 100 against single posts
//! cargo bench --bench load -- volume     2 M events over 1 M users: memory, rate at the end, start-up
//! cargo bench --bench load -- latency    from the ack, and from a window's end, to the call's arrival
//! cargo bench --bench load -- computations   events beside 100 and 1,000 audiences and traits, against none
//! cargo bench --bench load -- hot        the next event of a user with 100,000, against users with ten
//! cargo bench --bench load -- backfill   an audience and a trait over 1 M users and 5 M events, beside posts
//! cargo bench --bench load -- wave       100,000 windows that end within the same second, beside posts
//! cargo bench --bench load -- deliveries deliveries to one receiver against a plain loop of the same HTTP client
//! cargo bench --bench load -- ten        nine destinations beside a dead one
//! cargo bench --bench load -- dead       1 M deliveries queued for a dead destination: posts, and another destination
//! cargo bench --bench load -- mappings   mappings of ten directives
//! cargo bench --bench load -- console    pages of the console over 1 M profiles and 1 M journeys in the embedded store
//! cargo bench --bench load -- console_postgres   the same over PostgreSQL, with a tenth of it
//! cargo bench --bench load -- cluster    one and three nodes over PostgreSQL against plain inserts; what a commit asks of it
//! ```
//! Without a name all of them run. `STAGEPOST_BENCH_SECONDS` (default 10) is the length of one measurement;
//! `STAGEPOST_BENCH_SCALE` (default 1) makes the users and events of the large ones fewer;
//! `STAGEPOST_BENCH_DATA` is a folder in which `console` keeps its store, and takes one that is there already;
//! `STAGEPOST_BENCH_WRITERS` is the setting `writers` of the nodes in `cluster`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

mod backfill;
mod bare;
mod client;
mod cluster;
mod computations;
mod console;
mod deliveries;
mod hot;
mod latency;
mod management;
mod receiver;
mod server;
#[path = "../../tests/support/mod.rs"]
mod support;
mod throughput;
mod tracks;
mod volume;
mod wave;

/// Seconds of one measurement.
fn seconds() -> u64 {
    std::env::var("STAGEPOST_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// By how much the large benches are larger or smaller than they are meant to be.
fn scale() -> f64 {
    std::env::var("STAGEPOST_BENCH_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0)
}

/// A number of users or events at that scale, in whole thousands.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few millions")]
fn scaled(number: u64) -> u64 {
    ((number as f64 * scale() / 1000.0) as u64).max(1) * 1000
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if arguments.first().map(String::as_str) == Some("bare-server") {
        return bare::serve(&arguments[1]);
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("single") {
            throughput::single().await;
        }
        if wanted("batch") {
            throughput::batch().await;
        }
        if wanted("volume") {
            volume::volume().await;
        }
        if wanted("latency") {
            latency::latency().await;
        }
        if wanted("computations") {
            computations::computations().await;
        }
        if wanted("hot") {
            hot::hot().await;
        }
        if wanted("backfill") {
            backfill::backfill().await;
        }
        if wanted("wave") {
            wave::wave().await;
        }
        if wanted("deliveries") {
            deliveries::deliveries().await;
        }
        if wanted("ten") {
            deliveries::one_of_ten().await;
        }
        if wanted("dead") {
            deliveries::dead().await;
        }
        if wanted("mappings") {
            deliveries::mappings();
        }
        if wanted("console") {
            console::console().await;
        }
        if wanted("console_postgres") {
            console::console_postgres().await;
        }
        if wanted("cluster") {
            cluster::cluster().await;
        }
    });
}
