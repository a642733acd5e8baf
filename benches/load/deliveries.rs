//! What leaves: deliveries a second beside a plain loop of the same HTTP client, dead destinations beside living ones, and
//! mappings a second.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stagepost::delivery::http_client::{HttpClient, Request};
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::mapping::Mapping;

use super::client::{Until, load};
use super::management::Management;
use super::server::Server;
use super::tracks::{SOURCE, batch, single, track};
use super::{scaled, seconds};

/// Where nobody listens.
const NOBODY: &str = "http://127.0.0.1:1/hook";

fn destination(key: &str, url: &str, in_flight: usize) -> String {
    format!(
        r#"
[[destination]]
key = "{key}"
kind = "webhook"
urls = [{{ url = "{url}" }}]
shared_secret = "benchmark"
max_in_flight = {in_flight}
events = "all"
"#
    )
}

fn event(number: u64) -> String {
    track(
        &format!("user-{number}"),
        "Order Completed",
        &format!("bench-{number}"),
        "",
        r#""total":42.5,"currency":"EUR","sku":"AB-12-CD","items":3"#,
    )
}

/// Queues events `from..to`, 100 to a request, each of another user.
async fn queue(server: &Server, from: u64, to: u64) -> Duration {
    let make = move |number: u64| batch((0..100).map(move |item| event(from + number * 100 + item)));
    let begun = Instant::now();
    let load = load(&server.address, 8, Until::Requests((to - from) / 100), 0, make).await;
    assert_eq!(load.refused, 0, "everything is taken");
    begun.elapsed()
}

async fn delivered(management: &mut Management, destination: &str) -> u64 {
    management
        .metric("stagepost_deliveries", &format!("destination=\"{destination}\",status=\"delivered\""))
        .await
}

/// Waits until nothing stands in a destination's queue.
async fn until_sent(management: &mut Management, destination: &str) {
    let pending = format!("destination=\"{destination}\",status=\"pending\"");
    while management.metric("stagepost_deliveries", &pending).await > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Resumes a destination that was paused, and gives how many a second it takes until `count` more were taken.
async fn drain(management: &mut Management, destinations: &[String], count: u64) -> f64 {
    let before = delivered(management, &destinations[0]).await;
    for key in destinations {
        management.post(&format!("/api/destinations/{key}/resume")).await;
    }
    let begun = Instant::now();
    for key in destinations {
        while delivered(management, key).await < before + count {
            assert!(begun.elapsed() < Duration::from_secs(600), "the queue does not empty");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    count as f64 * destinations.len() as f64 / begun.elapsed().as_secs_f64()
}

async fn pause(management: &mut Management, destinations: &[String]) {
    for key in destinations {
        management.post(&format!("/api/destinations/{key}/pause")).await;
    }
}

/// Calls a second of a plain loop: the same client, the same body, as many at once, and nothing else.
fn plain_loop(url: &str, at_once: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let client = HttpClient::new(AddressPolicy::allow_all()).expect("a client");
    let url: url::Url = url.parse().expect("a URL");
    let body = bytes::Bytes::from(event(1));
    let sent = Arc::new(AtomicU64::new(0));
    let time = Duration::from_secs(seconds());
    runtime.block_on(async {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..at_once)
            .map(|_| {
                let (client, url, body, sent) = (client.clone(), url.clone(), body.clone(), sent.clone());
                tokio::spawn(async move {
                    while begun.elapsed() < time {
                        let mut headers = reqwest::header::HeaderMap::new();
                        headers.insert("content-type", "application/json".parse().expect("a value"));
                        let request = Request {
                            method: reqwest::Method::POST,
                            url: url.clone(),
                            headers,
                            body: body.clone(),
                            timeout: Duration::from_secs(5),
                            keep: stagepost::domain::limits::RESPONSE_SNIPPET_BYTES,
                            secrets: None,
                        };
                        assert_eq!(client.send(request).await.expect("an answer").status, 200);
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no call fails");
        }
        sent.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
    })
}

/// Deliveries to one local receiver, against the plain loop with the same concurrency.
pub async fn deliveries() {
    println!("\n== deliveries to one local receiver ==");
    for at_once in [16, 64] {
        let receiver = Server::bare().await;
        let url = format!("http://{}/hook", receiver.address);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let definitions = format!("{SOURCE}{}", destination("crm", &url, at_once));
        let server = Server::stagepost(&directory.path().join("data"), &definitions).await;
        server.ready().await;
        let mut management = Management::open(&server).await;
        let crm = ["crm".to_owned()];
        let (warm, count) = (2_000, 5_000 * seconds());
        pause(&mut management, &crm).await;
        queue(&server, 0, warm).await;
        drain(&mut management, &crm, warm).await;
        pause(&mut management, &crm).await;
        queue(&server, warm, warm + count).await;
        let rate = drain(&mut management, &crm, count).await;
        drop(server);
        let address = url.clone();
        let ceiling = tokio::task::spawn_blocking(move || plain_loop(&address, at_once));
        let ceiling = ceiling.await.expect("the loop runs");
        println!(
            "{at_once:>3} at once: {rate:>8.0}/s of {count}, plain loop {ceiling:>8.0}/s, ratio {:.2}",
            rate / ceiling
        );
    }
}

/// What posts and another destination do once a million calls were made for a second one: taken by it, or queued because it is
/// dead. So the same is stored in both cases, but for the queue.
pub async fn dead() {
    println!("\n== a long queue for a dead destination ==");
    let mut figures = Vec::new();
    for is_dead in [false, true] {
        let receiver = Server::bare().await;
        let url = format!("http://{}/hook", receiver.address);
        let second = if is_dead { NOBODY } else { url.as_str() };
        let directory = tempfile::tempdir().expect("a temporary directory");
        let definitions =
            format!("{SOURCE}{}{}", destination("alive", &url, 64), destination("second", second, 64));
        let server = Server::stagepost(&directory.path().join("data"), &definitions).await;
        server.ready().await;
        let most = scaled(1_000_000);
        let took = queue(&server, 0, most).await;
        let mut management = Management::open(&server).await;
        until_sent(&mut management, "alive").await;
        if !is_dead {
            until_sent(&mut management, "second").await;
        }
        let (alive, piece, mut number) = (["alive".to_owned()], 20_000, most);
        pause(&mut management, &alive).await;
        let enqueued = piece as f64 / queue(&server, number, number + piece).await.as_secs_f64();
        number += piece;
        let drained = drain(&mut management, &alive, piece).await;
        let make = move |n: u64| single(&event(number + n));
        let posts = load(&server.address, 64, Until::Time(Duration::from_secs(seconds())), 0, make).await;
        let waiting =
            management.metric("stagepost_deliveries", "destination=\"second\",status=\"pending\"").await;
        println!(
            "the second {}: made {most} for each of both in {took:.1?}; {waiting:>8} waiting: enqueued {enqueued:>6.0}/s in \
             batches, {:>6.0} posts/s, the other {drained:>6.0}/s, {} MiB at most",
            if is_dead { "dead " } else { "alive" },
            posts.rate(),
            server.peak_mib()
        );
        figures.push((enqueued, posts.rate(), drained));
    }
    let [(enqueued, posts, drained), (enqueued_beside, posts_beside, drained_beside)] = figures[..] else {
        return;
    };
    println!(
        "kept: enqueued {:.2}, posts {:.2}, the other destination {:.2}",
        enqueued_beside / enqueued,
        posts_beside / posts,
        drained_beside / drained
    );
}

/// A receiver that takes connections and never answers; gives its URL.
fn silent() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("a bound address"));
    std::thread::spawn(move || {
        let mut open = Vec::new();
        open.extend(listener.incoming().flatten());
    });
    url
}

/// Ten destinations, one of which is dead: what the other nine notice of it.
pub async fn one_of_ten() {
    println!("\n== one dead destination of ten ==");
    let mut alone = 0.0;
    // Once more alone at the end: what comes later runs on a machine that has worked longer.
    let tenths =
        [("alone", None), ("refused", Some(NOBODY.to_owned())), ("silent", Some(silent())), ("alone", None)];
    for (name, tenth) in tenths {
        let receiver = Server::bare().await;
        let url = format!("http://{}/hook", receiver.address);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let nine: Vec<String> = (0..9).map(|number| format!("d{number}")).collect();
        let mut definitions = String::from(SOURCE);
        for key in &nine {
            definitions.push_str(&destination(key, &url, 16));
        }
        if let Some(tenth) = &tenth {
            definitions.push_str(&destination("dead", tenth, 16));
        }
        let server = Server::stagepost(&directory.path().join("data"), &definitions).await;
        server.ready().await;
        let mut management = Management::open(&server).await;
        let (warm, count) = (200, 1000 * seconds());
        let mut rate = 0.0;
        for (from, count) in [(0, warm), (warm, count)] {
            pause(&mut management, &nine).await;
            queue(&server, from, from + count).await;
            rate = drain(&mut management, &nine, count).await;
        }
        if alone == 0.0 {
            alone = rate;
        }
        println!("nine beside a tenth, {name:<8} {rate:>7.0}/s, ratio {:.2}", rate / alone);
    }
}

/// Mappings evaluated a second on one core: ten directives, as a webhook action of a shop would have.
pub fn mappings() {
    println!("\n== mappings ==");
    let definition = serde_json::json!({
        "id": { "@path": "$.messageId" },
        "user": { "@path": "$.userId" },
        "email": { "@if": { "exists": { "@path": "$.context.traits.email" },
                            "then": { "@path": "$.context.traits.email" }, "else": { "@path": "$.traits.email" } } },
        "text": { "@template": "{{userId}} bought for {{properties.total}} {{properties.currency}}" },
        "currency": { "@case": { "operator": "lower", "value": { "@path": "$.properties.currency" } } },
        "sku": { "@replace": { "pattern": "-", "replacement": "_", "value": { "@path": "$.properties.sku" } } },
    });
    let mapping = Mapping::parse(&definition).expect("a mapping");
    let mut directives = 0;
    let mut text = String::new();
    write!(text, "{definition}").expect("a string takes everything");
    for name in stagepost::domain::mapping::DIRECTIVES {
        directives += text.matches(&format!("\"{name}\":")).count();
    }
    let event: serde_json::Value = serde_json::from_str(&event(1)).expect("an event");
    let begun = Instant::now();
    let time = Duration::from_secs(seconds().min(3));
    let mut evaluated = 0_u64;
    while begun.elapsed() < time {
        for _ in 0..1000 {
            std::hint::black_box(mapping.evaluate(std::hint::black_box(&event)).expect("it maps"));
        }
        evaluated += 1000;
    }
    let rate = evaluated as f64 / begun.elapsed().as_secs_f64();
    println!("{directives} directives: {rate:>9.0}/s on one core, {:.1} times 10,000", rate / 10_000.0);
}
