//! Load on the real server, each figure beside a ceiling measured in the same run.
//!
//! ```text
//! cargo bench --bench load -- single     durable single posts against a bare handler, 64 and 256 connections
//! cargo bench --bench load -- batch      batches of 100 against single posts
//! cargo bench --bench load -- volume     2 M events over 1 M users: memory, rate at the end, start-up
//! cargo bench --bench load -- latency    from the ack, and from a window's end, to the call's arrival
//! ```
//! Without a name all of them run. `STAGEPOST_BENCH_SECONDS` (default 10) is the length of one measurement.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod bare;
mod client;
mod latency;
mod receiver;
mod server;
mod throughput;
mod volume;

/// Seconds of one measurement.
fn seconds() -> u64 {
    std::env::var("STAGEPOST_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
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
    });
}
