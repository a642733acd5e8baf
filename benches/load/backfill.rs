//! An audience and a computed trait that are made when a million users and five million events are there already: time
//! until they are live, and what single posts keep of their rate meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use stagepost::clock::Clock;
use stagepost::domain::time::Timestamp;

use super::client::{Load, Until, load, mix};
use super::management::Management;
use super::server::Server;
use super::tracks::{SOURCE, batch, single, track};
use super::{scaled, seconds};

/// Users and events at full scale.
const USERS: u64 = 1_000_000;
const EVENTS: u64 = 5_000_000;
const IN_BATCH: u64 = 1000;
const HOUR_MS: u64 = 3600 * 1000;
/// Orders happened in the last days of the window, or before it; none leaves it while this runs.
const WINDOW_HOURS: u64 = 30 * 24;
const MARGIN_HOURS: u64 = 24;
const AUDIENCE: &str = "/api/audiences/ordered_lately";

/// The past: users, events, and the present that it ends at.
#[derive(Clone, Copy)]
struct Past {
    users: u64,
    events: u64,
    now: Timestamp,
}

/// One event of the past: whose, whether it is an order, and how many hours ago it was.
struct Made {
    user: u64,
    is_order: bool,
    hours_ago: u64,
}

impl Past {
    /// Every user has an event. The first of every second user is an order within the window; of the others half are
    /// orders, and half of those within the window.
    fn made(self, number: u64) -> Made {
        let mixed = mix(number);
        let recent = mixed % (WINDOW_HOURS - MARGIN_HOURS);
        if number < self.users {
            // An odd factor that shares nothing with the number of users puts them in no order.
            let user = number * 7_919 % self.users;
            return Made { user, is_order: user.is_multiple_of(2), hours_ago: recent };
        }
        let is_recent = mixed >> 62 & 1 == 0;
        let hours_ago = if is_recent { recent } else { WINDOW_HOURS + MARGIN_HOURS + recent };
        Made { user: (mixed >> 20) % self.users, is_order: mixed >> 63 == 0, hours_ago }
    }

    fn event(self, number: u64) -> String {
        let made = self.made(number);
        let name = if made.is_order { "Order Completed" } else { "Page Seen" };
        let at = self.now.millis() - i64::try_from(made.hours_ago * HOUR_MS).expect("two months");
        let properties = format!(r#""total":{}"#, mix(number) >> 50);
        let user = format!("user-{}", made.user);
        track(&user, name, &format!("past-{number}"), &Timestamp::from_millis(at).to_rfc3339(), &properties)
    }

    /// How many have an order within the window.
    fn members(self) -> usize {
        let mut member = vec![false; usize::try_from(self.users).expect("a million")];
        for made in (0..self.events).map(|number| self.made(number)) {
            if made.is_order && made.hours_ago < WINDOW_HOURS {
                member[usize::try_from(made.user).expect("a million")] = true;
            }
        }
        member.into_iter().filter(|member| *member).count()
    }

    /// A post meanwhile: a page seen by anybody, or an order of somebody who is a member anyway.
    fn post(self, number: u64) -> Vec<u8> {
        let mixed = mix(number);
        let user = mixed % self.users;
        let (user, name) =
            if mixed >> 63 == 0 { (user, "Page Seen") } else { (user & !1, "Order Completed") };
        single(&track(&format!("user-{user}"), name, &format!("live-{number}"), "", r#""total":7"#))
    }
}

/// Posts at 64 connections.
async fn posts(server: &Server, past: Past, until: Until, first: u64) -> Load {
    load(&server.address, 64, until, first, move |number| past.post(number)).await
}

fn show(name: &str, load: &Load) {
    println!(
        "{name:<34} {:>8.0} /s   p50 {:>8.2?}   p99 {:>8.2?}   refused {}",
        load.rate(),
        load.percentile(50),
        load.percentile(99),
        load.refused
    );
}

/// Fills a store, makes the two, and looks at what that costs.
pub async fn backfill() {
    let past = Past { users: scaled(USERS), events: scaled(EVENTS), now: Clock::system().now() };
    println!("\n== an audience and a trait over {} users and {} events ==", past.users, past.events);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::stagepost(&directory.path().join("data"), SOURCE).await;
    server.ready().await;
    fill(&server, past).await;
    let expected = past.members();

    // What was just loaded settles first: the second half is what counts.
    posts(&server, past, Until::Time(Duration::from_secs(seconds())), 0).await;
    server.forget_peak();
    let before = posts(&server, past, Until::Time(Duration::from_secs(seconds())), 1 << 40).await;
    show("posts before", &before);
    println!("resident {} MiB, at most {} MiB", server.resident_mib(), server.peak_mib());
    let over = Arc::new(AtomicBool::new(false));
    let (meanwhile, took) = tokio::join!(
        posts(&server, past, Until::Told(Arc::clone(&over)), 2 << 40),
        compute(&server, expected, &over)
    );
    show("posts meanwhile", &meanwhile);
    let after = posts(&server, past, Until::Time(Duration::from_secs(seconds())), 3 << 40).await;
    show("posts after", &after);
    println!(
        "live after {took:.1?} with {expected} members; posts kept {:.2} of their rate; most resident {} MiB",
        meanwhile.rate() / before.rate(),
        server.peak_mib()
    );
}

async fn fill(server: &Server, past: Past) {
    let begun = Instant::now();
    let make = move |number: u64| {
        let first = number * IN_BATCH;
        batch((first..(first + IN_BATCH).min(past.events)).map(|number| past.event(number)))
    };
    let done = load(&server.address, 8, Until::Requests(past.events.div_ceil(IN_BATCH)), 0, make).await;
    assert_eq!(done.refused, 0, "every batch is taken");
    println!("loaded in {:.0?}, most resident {} MiB", begun.elapsed(), server.peak_mib());
}

/// Makes both and waits until they are live; says how long that took.
async fn compute(server: &Server, expected: usize, over: &AtomicBool) -> Duration {
    let mut management = Management::open(server).await;
    let begun = Instant::now();
    management
        .apply(&json!({
            "audience": [{
                "name": "Ordered Lately",
                "query": "event('Order Completed').within(30 days).count() >= 1",
            }],
            "trait": [{
                "name": "Spent Lately",
                "query": "event('Order Completed').within(30 days).sum(property('total'))",
            }],
        }))
        .await;
    let mut phase = String::new();
    let took = loop {
        let audience = management.get(AUDIENCE).await;
        if audience["status"] == "live" {
            let took = begun.elapsed();
            let members = management.get(AUDIENCE).await["size"].as_u64();
            assert_eq!(members, u64::try_from(expected).ok(), "the members are complete");
            break took;
        }
        let progress = &audience["progress"];
        if progress["phase"] != phase.as_str() {
            phase = progress["phase"].as_str().unwrap_or_default().to_owned();
            println!("  {phase} from {:.1?} on, resident {} MiB", begun.elapsed(), server.resident_mib());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    over.store(true, Ordering::Relaxed);
    took
}
