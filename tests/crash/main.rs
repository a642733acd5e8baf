//! Killed at any moment: the real binary under load, killed with SIGKILL again and again, has to keep its word.
//!
//! `STAGEPOST_CRASH_SEED` repeats a run's decisions, `STAGEPOST_CRASH_CYCLES` changes how often it is killed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

#[path = "../support/mod.rs"]
mod support;

mod durability;
mod lost_admin;
mod moving;
mod outbox;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use support::load::{Load, definitions};
use support::receiver::{Receiver, Reply};
use support::server::Server;
use support::verdict;

/// How often the server is killed.
const CYCLES: u64 = 30;
/// Clients that post at the same time.
const CLIENTS: u64 = 6;
/// How long what is still to be sent, or still to come due, may take after the last start.
const PATIENCE: Duration = Duration::from_secs(90);

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
    let load = Arc::new(Load::new(vec![server.api().clone()], seed));
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
        load.servers_are_up(true);
        tokio::time::sleep(Duration::from_millis(random.random_range(20..1000))).await;
        load.servers_are_up(false);
        server.kill9();
    }

    server.start().await;
    load.stop();
    load.servers_are_up(true);
    let mut users = Vec::new();
    for client in clients {
        users.extend(client.await.expect("a client"));
    }
    let posts: usize = users.iter().map(|user| user.posts.len()).sum();
    println!("{} users, {posts} posts, {} of them sent again", users.len(), load.repeated());
    assert!(posts > 500, "too little load to mean anything: {posts} posts");

    verdict::settled(server.api(), &users, PATIENCE).await;
    let mails = verdict::mails_in(&server.folder().join("data/mail"));
    let facts = verdict::Facts::gather(server.api(), &receiver, mails, users).await;
    facts.every_post_is_there_exactly_once();
    facts.journeys_agree_with_their_events();
    facts.every_stall_was_mailed_under_one_id(server.api()).await;
    facts.audiences_agree_with_their_events();
    facts.totals_agree_with_their_events();
    facts.changes_left_in_order_under_stable_ids(verdict::Repeated::AtOnce);
    facts.deliveries_agree_with_what_was_received();

    let status = server.terminate().await;
    assert!(status.success(), "SIGTERM: {status}");
}
