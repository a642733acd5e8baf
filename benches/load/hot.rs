//! What the next event of a user with 100,000 events in the window costs, against one of a user with ten.

use std::time::{Duration, Instant};

use stagepost::clock::Clock;
use stagepost::domain::time::Timestamp;

use super::client::{Connection, Until, load, mix, percentile};
use super::management::Management;
use super::scaled;
use super::server::Server;
use super::tracks::{SOURCE, batch, single, track};

/// Events of the hot user, at full scale.
const HOT_EVENTS: u64 = 100_000;
const COLD_USERS: u64 = 1000;
const COLD_EVENTS: u64 = 10;
/// Events of each kind that are measured in a round, one after the other.
const MEASURED: u64 = 1000;
const ROUNDS: u64 = 3;
/// The events of the past lie within these days; the windows are a day longer.
const DAYS: u64 = 29;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Every kind of leaf.
const COMPUTED: [&str; 8] = [
    "event('Tapped').within(30 days).count()",
    "event('Tapped').within(30 days).sum(property('total'))",
    "event('Tapped').within(30 days).avg(property('total'))",
    "event('Tapped').within(30 days).max(property('total'))",
    "event('Tapped').within(30 days).first(property('sku'))",
    "event('Tapped').within(30 days).last(property('sku'))",
    "event('Tapped').within(30 days).mode(property('sku'), 2)",
    "event('Tapped').within(30 days).unique(property('sku'))",
];

fn definitions() -> String {
    let computed = COMPUTED
        .iter()
        .enumerate()
        .map(|(number, query)| format!("[[trait]]\nname = \"Computed {number}\"\nquery = \"{query}\"\n"));
    SOURCE.to_owned() + &computed.collect::<String>()
}

/// Whose next events are measured, and when they happened.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Cold,
    Hot,
    /// Events that come late, from anywhere in the window.
    HotLate,
}

fn event(user: &str, number: u64, at: Option<Timestamp>) -> String {
    let mixed = mix(number);
    let properties = format!(r#""total":{},"sku":"sku-{}""#, mixed % 100_000, (mixed >> 20) % 200);
    let at = at.map_or(String::new(), Timestamp::to_rfc3339);
    track(user, "Tapped", &format!("tap-{number}"), &at, &properties)
}

/// An instant of the past that follows from `number`.
fn past(now: Timestamp, number: u64) -> Timestamp {
    let ago = mix(number ^ 0x5eed) % (DAYS * DAY_MS);
    Timestamp::from_millis(now.millis() - i64::try_from(ago).expect("a month"))
}

fn next(kind: Next, round: u64, number: u64, now: Timestamp) -> Vec<u8> {
    let id = (((kind as u64) << 8 | round) << 32) | 1 << 48 | number;
    match kind {
        Next::Cold => single(&event(&format!("cold-{}", number % COLD_USERS), id, None)),
        Next::Hot => single(&event("hot", id, None)),
        Next::HotLate => single(&event("hot", id, Some(past(now, id)))),
    }
}

/// What was measured of one kind.
#[derive(Default)]
struct Measured {
    times: Vec<Duration>,
    processor: Duration,
}

impl Measured {
    fn mean(&self) -> Duration {
        self.times.iter().sum::<Duration>() / u32::try_from(self.times.len().max(1)).expect("a few thousand")
    }

    fn processor_each(&self) -> Duration {
        self.processor / u32::try_from(self.times.len().max(1)).expect("a few thousand")
    }
}

/// Fills one hot user and many cold ones, then posts on one connection, in turns.
pub async fn hot() {
    let count = scaled(HOT_EVENTS);
    println!("\n== a user with {count} events in the window against users with {COLD_EVENTS} ==");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::stagepost(&directory.path().join("data"), &definitions()).await;
    server.ready().await;
    Management::open(&server).await.all_live().await;
    let now = Clock::system().now();
    fill(&server, now, count).await;
    let mut connection = Connection::open(&server.address).await;
    let kinds = [Next::Cold, Next::Hot, Next::HotLate];
    let mut measured: [Measured; 3] = Default::default();
    for round in 0..ROUNDS {
        for (kind, measured) in kinds.into_iter().zip(&mut measured) {
            let before = server.processor_time();
            for number in 0..MEASURED {
                let request = next(kind, round, number, now);
                let sent = Instant::now();
                assert_eq!(connection.send(&request).await, 200);
                measured.times.push(sent.elapsed());
            }
            measured.processor += server.processor_time() - before;
        }
    }
    for (name, measured) in ["users with few", "hot user, now", "hot user, late"].iter().zip(&mut measured) {
        measured.times.sort_unstable();
        println!(
            "{name:<20} mean {:>8.2?}   p50 {:>8.2?}   p99 {:>8.2?}   processor {:>8.2?} an event",
            measured.mean(),
            percentile(&measured.times, 50),
            percentile(&measured.times, 99),
            measured.processor_each()
        );
    }
    for (name, hot) in [("now", &measured[1]), ("late", &measured[2])] {
        let ratio = |hot: Duration, cold: Duration| hot.as_secs_f64() / cold.as_secs_f64();
        println!(
            "{name:<20} {:.2} times the mean, {:.2} times the median, {:.2} times the processor time",
            ratio(hot.mean(), measured[0].mean()),
            ratio(percentile(&hot.times, 50), percentile(&measured[0].times, 50)),
            ratio(hot.processor_each(), measured[0].processor_each())
        );
    }
    println!("{:<20} {} MiB", "most resident", server.peak_mib());
}

async fn fill(server: &Server, now: Timestamp, count: u64) {
    let begun = Instant::now();
    let make = move |number: u64| {
        batch((number * 500..((number + 1) * 500).min(count)).map(|n| event("hot", n, Some(past(now, n)))))
    };
    let done = load(&server.address, 2, Until::Requests(count.div_ceil(500)), 0, make).await;
    assert_eq!(done.refused, 0, "every event is taken");
    println!("{count} events of one user taken in {:.1?}", begun.elapsed());
    let make = move |number: u64| {
        let user = move |n: u64| format!("cold-{}", n % COLD_USERS);
        batch((number * 500..(number + 1) * 500).map(|n| event(&user(n), 1 << 40 | n, Some(past(now, n)))))
    };
    let done = load(&server.address, 2, Until::Requests(COLD_USERS * COLD_EVENTS / 500), 0, make).await;
    assert_eq!(done.refused, 0, "every event is taken");
}
