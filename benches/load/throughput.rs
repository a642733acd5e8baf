//! Durable posts a second, beside a bare handler.

use std::fmt::Write;
use std::time::Duration;

use super::client::{Load, MakeRequest, Until, load, mix, post};
use super::seconds;
use super::server::Server;

/// A Studio source, an HTTP source, a flow with an escalation and one audience: the starter's shape.
pub const DEFINITIONS: &str = r#"
[[source]]
key = "studio"
kind = "studio"
write_key = "wk_studio"

[[source]]
key = "http"
kind = "http"
write_key = "wk_http_bench"

[[flow]]
name = "appointment_confirmation"
initial = "initiation"
terminal = ["confirmed", "cancelled"]
[[flow.escalation]]
stage = "no_reply"
after = "30m"
channel = "email"
to = ["ops@example.com"]
template = "no_reply"

[[audience]]
name = "Order Completed Last 30days"
query = "event('Order Completed').within(30 days).count() >= 1"
"#;

/// Users that the batches come from.
const USERS: u64 = 100_000;
/// Users who are in their journeys at the same time.
const AT_ONCE: u64 = 10_000;
const STAGES: [&str; 3] = ["initiation", "no_reply", "confirmed"];

/// A post of the Studio widget. Journeys of three posts each, ten thousand at a time: all begin, then none replies, then all confirm, then the next ten
/// thousand users come.
pub fn stage_post(number: u64) -> Vec<u8> {
    let wave = number / AT_ONCE;
    let stage = STAGES[usize::try_from(wave % 3).expect("0 to 2")];
    // Each stage meets the users of the wave in another order.
    let user = wave / 3 * AT_ONCE + (number % AT_ONCE * 7919 + wave * 31) % AT_ONCE;
    let body = format!(
        "userID=user-{user}&phoneNumber=%2B1555{user:07}&flow=appointment_confirmation&stage={stage}"
    );
    post("/studio/wk_studio", "application/x-www-form-urlencoded;charset=utf-8", &body)
}

/// A batch of tracks.
pub fn batch_of_100(number: u64) -> Vec<u8> {
    let mut body = String::from(r#"{"writeKey":"wk_http_bench","batch":["#);
    for item in 0..100 {
        let mixed = mix(number * 100 + item);
        let comma = if item == 0 { "" } else { "," };
        let user = mixed % USERS;
        write!(
            body,
            r#"{comma}{{"type":"track","userId":"user-{user}","event":"Page Seen","messageId":"bench-{number}-{item}","properties":{{"path":"/p/{}","n":{item}}}}}"#,
            mixed >> 50
        )
        .expect("a string takes everything");
    }
    body.push_str("]}");
    post("/v1/batch", "application/json", &body)
}

/// What that many connections get done.
pub async fn measure(server: &Server, connections: u64, make: impl MakeRequest) -> Load {
    // A short warm-up, so that neither side pays for its first connections.
    load(&server.address, connections, Until::Time(Duration::from_secs(1)), u64::MAX / 4, make.clone()).await;
    load(&server.address, connections, Until::Time(Duration::from_secs(seconds())), 0, make).await
}

/// Prints what was measured.
pub fn row(name: &str, load: &Load, ratio: Option<f64>) {
    println!(
        "{name:<34} {:>9.0} req/s   p50 {:>7.2?}   p99 {:>7.2?}   refused {}{}",
        load.rate(),
        load.percentile(50),
        load.percentile(99),
        load.refused,
        ratio.map_or(String::new(), |ratio| format!("   ratio {ratio:.2}"))
    );
}

/// Single posts at 64 and 256 connections.
pub async fn single() {
    println!("\n== durable single posts ({} s each) ==", seconds());
    for connections in [64, 256] {
        let bare = {
            let server = Server::bare().await;
            measure(&server, connections, stage_post).await
        };
        row(&format!("bare handler, {connections} connections"), &bare, None);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Server::stagepost(&directory.path().join("data"), DEFINITIONS).await;
        server.ready().await;
        let durable = measure(&server, connections, stage_post).await;
        row(&format!("stagepost, {connections} connections"), &durable, Some(durable.rate() / bare.rate()));
        println!("{:<34} {:>9} MiB", "  resident afterwards", server.resident_mib());
    }
}

/// Batches of 100 against single posts, events a second.
pub async fn batch() {
    println!("\n== batches of 100 ({} s each) ==", seconds());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let single = {
        let server = Server::stagepost(&directory.path().join("single"), DEFINITIONS).await;
        server.ready().await;
        measure(&server, 64, stage_post).await
    };
    row("single posts, 64 connections", &single, None);
    let server = Server::stagepost(&directory.path().join("batch"), DEFINITIONS).await;
    server.ready().await;
    let batches = measure(&server, 16, batch_of_100).await;
    row("batches of 100, 16 connections", &batches, None);
    let events = batches.rate() * 100.0;
    println!("{:<34} {events:>9.0} events/s   ratio {:.2}", "  events in batches", events / single.rate());
}
