//! Killed at any moment: the real binary under load, killed with SIGKILL again and again, has to keep its word.
//!
//! `STAGEPOST_CRASH_SEED` repeats a run's decisions, `STAGEPOST_CRASH_CYCLES` changes how often it is killed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

#[path = "../support/mod.rs"]
mod support;

mod durability;
mod load;
mod outbox;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use load::Load;
use support::receiver::{Receiver, Reply};
use support::server::Server;

/// How often the server is killed.
const CYCLES: u64 = 30;
/// Clients that post at the same time.
const CLIENTS: u64 = 6;

fn definitions(receiver: &Receiver) -> String {
    format!(
        r#"
[[source]]
key = "studio"
kind = "studio"
write_key = "wk_studio"

[[source]]
key = "shop"
kind = "http"
write_key = "wk_webshop"

[[flow]]
name = "appointment_confirmation"
initial = "initiation"
terminal = ["confirmed", "cancelled"]

[[flow.escalation]]
stage = "no_reply"
after = "1s"
channel = "email"
to = ["ops@example.com"]
template = "no_reply"

[[destination]]
key = "crm"
kind = "webhook"
urls = [{{ url = "{}" }}]
max_in_flight = 64

[[audience]]
name = "Buyers"
query = "event('Order Completed').within(30 days).count() >= 1"
destinations = ["crm"]

[[audience]]
name = "Hot"
query = "event('Order Completed').within(1 hour).count() >= 1"
destinations = ["crm"]

[[audience]]
name = "Pros"
query = "trait('plan') = 'pro'"
destinations = ["crm"]
"#,
        receiver.url("/hook")
    )
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_keeps_its_word() {
    let entropy = stagepost::clock::entropy();
    let seed =
        setting("STAGEPOST_CRASH_SEED").unwrap_or_else(|| u64::from(entropy[0]) << 8 | u64::from(entropy[1]));
    let cycles = setting("STAGEPOST_CRASH_CYCLES").unwrap_or(CYCLES);
    println!("STAGEPOST_CRASH_SEED={seed}, {cycles} kills");
    let mut random = StdRng::seed_from_u64(seed);

    // The receiver is not always in the mood either, so that retries are under way when the server dies.
    let receiver =
        Receiver::start(
            |_, number| if number % 97 == 96 { Reply::RetryAfter(503, 1) } else { Reply::Status(200) },
        );
    let mut server = Server::new(&definitions(&receiver));
    let load = Arc::new(Load::new(server.api().clone(), seed));
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| tokio::spawn(Arc::clone(&load).post_until_stopped(client))).collect();

    for cycle in 1..=cycles {
        if cycle % 6 == 0 {
            // In the middle of starting, recovery included.
            server.spawn();
            tokio::time::sleep(Duration::from_millis(random.random_range(0..250))).await;
            server.kill9();
        }
        server.start().await;
        verdict::newest_are_there(server.api(), &load).await;
        load.server_is_up(true);
        tokio::time::sleep(Duration::from_millis(random.random_range(20..1000))).await;
        load.server_is_up(false);
        server.kill9();
    }

    server.start().await;
    load.stop();
    load.server_is_up(true);
    let mut users = Vec::new();
    for client in clients {
        users.extend(client.await.expect("a client"));
    }
    let posts: usize = users.iter().map(|user| user.posts.len()).sum();
    println!("{} users, {posts} posts, {} of them sent again", users.len(), load.repeated());
    assert!(posts > 500, "too little load to mean anything: {posts} posts");

    verdict::settled(server.api(), &users).await;
    let facts = verdict::Facts::gather(&server, &receiver, users).await;
    facts.every_post_is_there_exactly_once();
    facts.journeys_agree_with_their_events();
    facts.every_stall_was_mailed_under_one_id(server.api()).await;
    facts.audiences_agree_with_their_events();
    facts.changes_left_in_order_under_stable_ids();
    facts.deliveries_agree_with_what_was_received();

    let status = server.terminate().await;
    assert!(status.success(), "SIGTERM: {status}");
}
