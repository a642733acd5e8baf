//! A hundred thousand users whose windows end within the same second: time until every `false` is made, and how long posts
//! take meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stagepost::clock::Clock;
use stagepost::domain::time::Timestamp;

use super::client::{Load, Until, load, mix};
use super::management::Management;
use super::server::Server;
use super::tracks::{SOURCE, batch, single, track};
use super::{scaled, seconds};

/// Users whose windows end, at full scale.
const USERS: u64 = 100_000;
/// Users that post meanwhile.
const OTHERS: u64 = 100_000;
const IN_BATCH: u64 = 500;
/// Time to load them, to deliver that they are in, and to measure posts before, at full scale.
const LEAD: Duration = Duration::from_secs(120);
const HOUR_MS: i64 = 3600 * 1000;

fn definitions(receiver: &str) -> String {
    format!(
        r#"{SOURCE}
[[destination]]
key = "crm"
kind = "webhook"
urls = [{{ url = "http://{receiver}/hook" }}]
max_in_flight = 64
[[audience]]
name = "Ordered Lately"
query = "event('Order Completed').within(1 hours).count() >= 1"
destinations = ["crm"]
"#
    )
}

fn post(number: u64) -> Vec<u8> {
    let user = format!("other-{}", mix(number) % OTHERS);
    single(&track(&user, "Page Seen", &format!("live-{number}"), "", r#""path":"/""#))
}

async fn posts(server: &Server, until: Until, first: u64) -> Load {
    load(&server.address, 64, until, first, post).await
}

fn show(name: &str, load: &Load) {
    println!(
        "{name:<34} {:>8.0} /s   p50 {:>8.2?}   p99 {:>8.2?}   most {:>8.2?}   refused {}",
        load.rate(),
        load.percentile(50),
        load.percentile(99),
        load.percentile(100),
        load.refused
    );
}

/// Calls that were made for the destination, whatever became of them since.
async fn made(management: &mut Management) -> u64 {
    management.metric("stagepost_deliveries", "crm").await
}

async fn until_made(management: &mut Management, count: u64) {
    while made(management).await < count {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_delivered(management: &mut Management, count: u64) {
    while management.metric("stagepost_deliveries", "\"crm\",status=\"delivered\"").await < count {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Lets the windows end while posts go on.
pub async fn wave() {
    let users = scaled(USERS);
    println!("\n== {users} windows that end within the same second ==");
    let receiver = Server::bare().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::stagepost(&directory.path().join("data"), &definitions(&receiver.address)).await;
    server.ready().await;
    let mut management = Management::open(&server).await;
    management.all_live().await;
    let started = Instant::now();
    let lead = Duration::from_secs(2 * seconds() + 10) + LEAD.mul_f64(super::scale());
    fill(&server, users, lead).await;
    until_delivered(&mut management, users).await;
    println!("{users} told that they are in after {:.1?}", started.elapsed());
    posts(&server, Until::Time(Duration::from_secs(seconds())), 0).await;
    let before = posts(&server, Until::Time(Duration::from_secs(seconds())), 1 << 40).await;
    assert!(started.elapsed() < lead, "the windows ended before all was ready; this machine needs more time");
    show("posts before", &before);
    server.forget_peak();

    let ends = started + lead;
    tokio::time::sleep_until(ends.into()).await;
    // The server closes a connection that nothing was asked on for so long.
    let mut management = Management::open(&server).await;
    let over = Arc::new(AtomicBool::new(false));
    let (meanwhile, took) = tokio::join!(posts(&server, Until::Told(Arc::clone(&over)), 2 << 40), async {
        until_made(&mut management, 2 * users).await;
        over.store(true, Ordering::Relaxed);
        ends.elapsed()
    });
    show("posts meanwhile", &meanwhile);
    println!("every false made within {took:.1?} of the first window's end");
    until_delivered(&mut management, 2 * users).await;
    println!("and delivered within {:.1?}; most resident {} MiB", ends.elapsed(), server.peak_mib());
    let members = management.get("/api/audiences/ordered_lately").await["size"].as_u64();
    assert_eq!(members, Some(0), "nobody is left");
}

/// One order each, at the same second, which leaves the window `lead` from now.
async fn fill(server: &Server, users: u64, lead: Duration) {
    let lead = i64::try_from(lead.as_millis()).expect("minutes");
    let first = Clock::system().now().millis() - HOUR_MS + lead;
    let make = move |number: u64| {
        batch((number * IN_BATCH..((number + 1) * IN_BATCH).min(users)).map(|user| {
            let at = Timestamp::from_millis(first + i64::try_from(user % 1000).expect("below a thousand"));
            track(
                &format!("user-{user}"),
                "Order Completed",
                &format!("order-{user}"),
                &at.to_rfc3339(),
                r#""total":7"#,
            )
        }))
    };
    let done = load(&server.address, 4, Until::Requests(users.div_ceil(IN_BATCH)), 0, make).await;
    assert_eq!(done.refused, 0, "every order is taken");
}
