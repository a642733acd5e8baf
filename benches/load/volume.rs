//! Two million events over one million users: memory, the rate at the end, start-up on that data.

use std::time::{Duration, Instant};

use super::client::{Until, load, mix, post};
use super::server::Server;
use super::throughput::DEFINITIONS;

const EVENTS: u64 = 2_000_000;
const USERS: u64 = 1_000_000;
const SLICE: u64 = 100_000;

fn event(number: u64) -> Vec<u8> {
    let mixed = mix(number);
    let user = mixed % USERS;
    if mixed >> 63 == 0 {
        let stage = ["initiation", "no_reply"][usize::from(mixed & (1 << 50) != 0)];
        let body = format!(
            "userID=user-{user}&phoneNumber=%2B1555{user:07}&flow=appointment_confirmation&stage={stage}"
        );
        post("/studio/wk_studio", "application/x-www-form-urlencoded", &body)
    } else {
        let body = format!(
            r#"{{"writeKey":"wk_http_bench","userId":"user-{user}","event":"Order Completed","messageId":"volume-{number}","properties":{{"total":{}}}}}"#,
            mixed % 500
        );
        post("/v1/track", "application/json", &body)
    }
}

/// Fills a store and looks at what it costs.
pub async fn volume() {
    println!("\n== {EVENTS} events over {USERS} users, single posts at 64 connections ==");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let (mut first, mut last, mut most) = (0.0, 0.0, 0);
    {
        let server = Server::stagepost(&data, DEFINITIONS).await;
        server.ready().await;
        for slice in 0..EVENTS / SLICE {
            let done = load(&server.address, 64, Until::Requests(SLICE), slice * SLICE, event).await;
            assert_eq!(done.refused, 0, "every post is taken");
            let resident = server.resident_mib();
            most = most.max(resident);
            last = done.rate();
            if slice == 0 {
                first = last;
            }
            println!(
                "{:>9} events   {last:>8.0} /s   p99 {:>8.2?}   resident {resident} MiB",
                (slice + 1) * SLICE,
                done.percentile(99)
            );
        }
    }
    println!("most resident {most} MiB; rate of the last {SLICE}: {:.2} of the first", last / first);
    let begun = Instant::now();
    let server = Server::stagepost(&data, DEFINITIONS).await;
    server.ready().await;
    println!(
        "ready again after {:.2?}, resident {} MiB (killed, so the log is recovered)",
        begun.elapsed(),
        server.resident_mib()
    );
    tokio::time::sleep(Duration::from_millis(10)).await;
}
