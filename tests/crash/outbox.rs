//! Killed while it delivers, to receivers that are in every mood: nothing is lost, a repetition is the same, and nobody is told
//! something older after something newer.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::setting;
use crate::support::api::Api;
use crate::support::receiver::{Receiver, Reply, Request};
use crate::support::server::Server;
use crate::support::wait::eventually;

/// How often the server is killed.
const CYCLES: u64 = 8;
/// Users who post at the same time.
const USERS: u64 = 24;
/// Posts of one user at most.
const POSTS: u64 = 400;
/// How long the queues may take to empty after the last start.
const PATIENCE: Duration = Duration::from_secs(150);

fn definitions(receivers: &[Receiver; 3]) -> String {
    let [crm, erp, batches] = receivers.each_ref().map(|receiver| receiver.url("/hook"));
    format!(
        r#"
[[source]]
key = "shop"
kind = "http"
write_key = "wk_webshop"

[[destination]]
key = "crm"
kind = "webhook"
urls = [{{ url = "{crm}" }}]
events = "all"
timeout = "500ms"
max_in_flight = 64

[[destination]]
key = "erp"
kind = "webhook_action"
trigger = 'type = "track"'
timeout = "500ms"
max_in_flight = 64
[destination.mapping]
url = "{erp}"
data = {{ userId = {{ "@path" = "$.userId" }}, messageId = {{ "@path" = "$.messageId" }}, properties = {{ "@path" = "$.properties" }} }}

[[destination]]
key = "batches"
kind = "webhook_action"
timeout = "500ms"
[destination.mapping]
url = "{batches}"
batch_size = 20
batch_wait = "1s"
"#
    )
}

/// What a receiver does with its request of that number: it mostly takes what comes.
fn mood(seed: u64, number: usize) -> Reply {
    let mut random = StdRng::seed_from_u64(seed ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    match random.random_range(0..400) {
        0..2 => Reply::Status(500),
        2 => Reply::Close,
        3 => Reply::RetryAfter(429, 1),
        // It takes it, but the answer comes too late.
        4 => Reply::Slow(Duration::from_millis(800), 200),
        _ => Reply::Status(200),
    }
}

/// What a receiver took, in the order of arrival.
fn taken(seed: u64, receiver: &Receiver) -> Vec<Arc<Request>> {
    let all = receiver.requests().into_iter().enumerate();
    let is_taken = |number| matches!(mood(seed, number), Reply::Status(200) | Reply::Slow(_, 200));
    all.filter(|(number, _)| is_taken(*number)).map(|(_, request)| request).collect()
}

/// What one user posts until told to stop; gives back how many were acknowledged.
async fn post(api: Api, user: u64, mut up: watch::Receiver<bool>, stopping: Arc<AtomicBool>) -> u64 {
    for number in 0..POSTS {
        let body = json!({
            "writeKey": "wk_webshop", "userId": format!("u{user}"), "event": "Moved",
            "messageId": format!("u{user}-m{number}"), "properties": { "number": number },
        });
        loop {
            up.wait_for(|&up| up).await.expect("the test goes on");
            match api.try_post("/v1/track", &body).await {
                Ok(answer) if answer.status == 200 => break,
                Ok(answer) => {
                    assert!(matches!(answer.status, 429 | 503), "{} {}", answer.status, answer.body)
                }
                Err(_) => tokio::task::yield_now().await,
            }
        }
        if stopping.load(Ordering::SeqCst) {
            return number + 1;
        }
    }
    POSTS
}

/// The events that came with a request, in their order.
fn events(request: &Request) -> Vec<Value> {
    match request.json() {
        Value::Array(events) => events,
        event => vec![event],
    }
}

/// Everything was taken, repetitions are the same, and no user's events went backwards: a request that was taken begins with
/// what the one before began with, which is being repeated, or behind its end; and within it they are in order.
fn check(name: &str, seed: u64, receiver: &Receiver, posts: &[u64]) {
    let mut spans: HashMap<String, (u64, u64)> = HashMap::new();
    let mut known: HashMap<String, Value> = HashMap::new();
    let mut ids: HashMap<Vec<u8>, String> = HashMap::new();
    let (mut arrived, mut again) = (BTreeSet::new(), 0);
    for request in taken(seed, receiver) {
        let id = request.header("webhook-id").expect("each request has an id").to_owned();
        if let Some(before) = ids.insert(request.body.clone(), id.clone()) {
            assert_eq!(before, id, "{name}: the same body under another id");
        }
        let mut here: HashMap<String, (u64, u64)> = HashMap::new();
        for event in events(&request) {
            let user = event["userId"].as_str().expect("a user").to_owned();
            let number = event["properties"]["number"].as_u64().expect("a number");
            let span = here.entry(user.clone()).or_insert((number, number));
            assert!(number == span.0 || number == span.1 + 1, "{name}: {user} within a request");
            span.1 = number;
            let message_id = event["messageId"].as_str().expect("an id").to_owned();
            arrived.insert(message_id.clone());
            if let Some(first) = known.insert(message_id, event.clone()) {
                assert_eq!(first, event, "{name}: the same event is the same");
                again += 1;
            }
        }
        for (user, span) in here {
            if let Some(before) = spans.insert(user.clone(), span) {
                let follows = span.0 == before.0 || span.0 == before.1 + 1;
                assert!(follows, "{name}: {span:?} of {user} after {before:?}");
            }
        }
    }
    let posted: BTreeSet<String> = (posts.iter().zip(0..))
        .flat_map(|(count, user): (&u64, u64)| (0..*count).map(move |number| format!("u{user}-m{number}")))
        .collect();
    let lost: Vec<_> = posted.difference(&arrived).take(5).collect();
    assert!(lost.is_empty(), "{name}: lost {lost:?}");
    println!(
        "{name}: {} events, {again} of them again, {} requests",
        arrived.len(),
        receiver.requests().len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_delivers_it_loses_reorders_and_changes_nothing() {
    let seed = setting("STAGEPOST_CRASH_SEED").unwrap_or_else(|| u64::from(stagepost::clock::entropy()[0]));
    let cycles = setting("STAGEPOST_CRASH_CYCLES").unwrap_or(CYCLES);
    println!("STAGEPOST_CRASH_SEED={seed}, {cycles} kills");
    let mut random = StdRng::seed_from_u64(seed);
    let seeds = [seed, seed + 1000, seed + 2000];
    let receivers = seeds.map(|seed| Receiver::start(move |_, number| mood(seed, number)));
    let mut server = Server::new(&definitions(&receivers));
    let (is_up, up) = watch::channel(false);
    let stopping = Arc::new(AtomicBool::new(false));
    let users: Vec<_> = (0..USERS)
        .map(|user| tokio::spawn(post(server.api().clone(), user, up.clone(), Arc::clone(&stopping))))
        .collect();
    for _ in 0..cycles {
        server.start().await;
        is_up.send_replace(true);
        tokio::time::sleep(Duration::from_millis(random.random_range(100..1500))).await;
        is_up.send_replace(false);
        server.kill9();
    }
    server.start().await;
    stopping.store(true, Ordering::SeqCst);
    is_up.send_replace(true);
    let mut posts = Vec::new();
    for user in users {
        posts.push(user.await.expect("a user"));
    }
    assert!(posts.iter().sum::<u64>() > 300, "too little load to mean anything: {posts:?}");
    let api = server.api();
    eventually("everything was sent", PATIENCE, async || {
        api.rows("/api/deliveries?status=pending", "deliveries").await.is_empty().then_some(())
    })
    .await;
    for ((name, receiver), seed) in ["crm", "erp", "batches"].into_iter().zip(&receivers).zip(seeds) {
        check(name, seed, receiver, &posts);
    }
    for status in ["failed", "dead", "superseded"] {
        let lost = api.rows(&format!("/api/deliveries?status={status}"), "deliveries").await;
        assert!(lost.is_empty(), "{lost:#?}");
    }
    assert!(server.terminate().await.success());
}
