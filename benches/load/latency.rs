//! How fast a change leaves: from the ack to the call's arrival, and from a window's end to the `false`.

use std::time::{Duration, Instant};

use super::client::{Connection, percentile, post};
use super::receiver::{Arrivals, receiver};
use super::seconds;
use super::server::Server;

const KEY: &str = "ordered_lately";
const RATE: u64 = 1000;
const CONNECTIONS: u64 = 16;

fn definitions(url: &str) -> String {
    format!(
        r#"
[[source]]
key = "http"
kind = "http"
write_key = "wk_http_bench"
[[destination]]
key = "crm"
kind = "webhook"
urls = [{{ url = "{url}" }}]
shared_secret = "benchmark"
max_in_flight = 64
[[audience]]
name = "Ordered Lately"
query = "event('Order Completed').within(1 hours).count() >= 1"
destinations = ["crm"]
"#
    )
}

fn order(user: &str, timestamp: Option<&str>) -> Vec<u8> {
    let timestamp = timestamp.map_or(String::new(), |at| format!(r#","timestamp":"{at}""#));
    let body =
        format!(r#"{{"writeKey":"wk_http_bench","userId":"{user}","event":"Order Completed"{timestamp}}}"#);
    post("/v1/track", "application/json", &body)
}

async fn until_arrived(arrivals: &Arrivals, count: usize, value: bool) {
    let begun = Instant::now();
    loop {
        let there =
            arrivals.lock().expect("no panic").keys().filter(|(_, arrived)| *arrived == value).count();
        if there >= count || begun.elapsed() > Duration::from_secs(60) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn show(name: &str, mut times: Vec<Duration>, of: usize) {
    times.sort_unstable();
    println!(
        "{name:<34} arrived {} of {of}   p50 {:>7.2?}   p99 {:>7.2?}   most {:>7.2?}",
        times.len(),
        percentile(&times, 50),
        percentile(&times, 99),
        times.last().copied().unwrap_or_default()
    );
}

/// Both latencies.
pub async fn latency() {
    println!("\n== latency of computed calls ==");
    let (url, arrivals) = receiver(KEY).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::stagepost(&directory.path().join("data"), &definitions(&url)).await;
    server.ready().await;
    from_ack(&server, &arrivals).await;
    from_window_end(&server, &arrivals).await;
}

/// New users at a steady rate, each of whom enters the audience.
async fn from_ack(server: &Server, arrivals: &Arrivals) {
    let total = RATE * seconds();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let address = server.address.clone();
            tokio::spawn(async move {
                let mut open = Connection::open(&address).await;
                let mut acks = Vec::new();
                for number in (connection..total).step_by(usize::try_from(CONNECTIONS).expect("16")) {
                    let due = begun + Duration::from_micros(number * 1_000_000 / RATE);
                    tokio::time::sleep_until(due.into()).await;
                    let user = format!("ack-{number}");
                    assert_eq!(open.send(&order(&user, None)).await, 200);
                    acks.push((user, Instant::now()));
                }
                acks
            })
        })
        .collect();
    let mut acks = Vec::new();
    for task in tasks {
        acks.extend(task.await.expect("no connection fails"));
    }
    until_arrived(arrivals, acks.len(), true).await;
    let arrivals = arrivals.lock().expect("no panic");
    let times = acks.iter().filter_map(|(user, acked)| {
        Some(arrivals.get(&(user.clone(), true))?.saturating_duration_since(*acked))
    });
    show(&format!("ack to identify at {RATE}/s"), times.collect(), acks.len());
}

/// Users whose only order leaves the window a few seconds from now, spread over two seconds.
async fn from_window_end(server: &Server, arrivals: &Arrivals) {
    const USERS: i64 = 200;
    let now = stagepost::clock::Clock::system().now();
    let started = Instant::now();
    let mut open = Connection::open(&server.address).await;
    let mut ends = Vec::new();
    for number in 0..USERS {
        let in_ms = 4_000 + number * 10;
        let at = stagepost::domain::time::Timestamp::from_millis(now.millis() - 3_600_000 + in_ms);
        let user = format!("window-{number}");
        assert_eq!(open.send(&order(&user, Some(&at.to_rfc3339()))).await, 200);
        ends.push((user, started + Duration::from_millis(in_ms.unsigned_abs())));
    }
    until_arrived(arrivals, ends.len(), false).await;
    let arrivals = arrivals.lock().expect("no panic");
    let times = ends.iter().filter_map(|(user, end)| {
        Some(arrivals.get(&(user.clone(), false))?.saturating_duration_since(*end))
    });
    show("window's end to the false", times.collect(), ends.len());
}
