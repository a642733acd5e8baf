//! The rate of events beside 100 and 1,000 audiences and computed traits, of which each event touches five, against the
//! rate with none.

use std::fmt::Write;
use std::time::Duration;

use super::client::{Load, MakeRequest, Until, load, mix, post};
use super::management::Management;
use super::seconds;
use super::server::Server;
use super::tracks::{SOURCE, WRITE_KEY, batch, single, track};

const USERS: u64 = 100_000;
/// Rounds in which the servers take turns.
const ROUNDS: u64 = 3;
/// Computations that ask about one event.
const TOUCHED: usize = 5;

/// What is computed of an event `{}`: two events are asked about in all of these ways.
const COMPUTED: [(&str, &str); 2 * TOUCHED] = [
    ("audience", "event('{}').within(30 days).count() >= 3"),
    ("trait", "event('{}').within(7 days).sum(property('total'))"),
    ("trait", "event('{}').unique(property('sku'))"),
    ("trait", "event('{}').last(property('sku'))"),
    (
        "audience",
        "trait('plan') = 'pro' AND event('{}').where(property('total') >= 100).within(14 days).count() >= 1",
    ),
    (
        "audience",
        "event('{}').where(event('Checked Out').within(parent: 1 days).count() = 0).within(7 days).count() >= 2",
    ),
    ("trait", "event('{}').count()"),
    ("trait", "event('{}').within(30 days).avg(property('total'))"),
    ("trait", "event('{}').first(property('sku'))"),
    (
        "audience",
        "event('{}').within(90 days).sum(property('total')) >= 1000 OR event('{}').within(7 days).count() >= 5",
    ),
];

/// A server with so many computations, and what it did so far.
struct Variant {
    name: &'static str,
    server: Server,
    /// Different events; each is asked about by [`TOUCHED`] computations, if there are any.
    names: u64,
    batches: Measured,
    singles: Measured,
}

/// What was measured of one server, over all rounds.
#[derive(Default)]
struct Measured {
    loads: Vec<Load>,
    /// Processor time that the server took.
    processor: Duration,
}

impl Measured {
    fn add(&mut self, (load, processor): (Load, Duration)) {
        self.loads.push(load);
        self.processor += processor;
    }

    /// Requests that were answered.
    fn answered(&self) -> u64 {
        self.loads.iter().map(|load| load.answered).sum()
    }

    /// Requests a second.
    fn rate(&self) -> f64 {
        let took: f64 = self.loads.iter().map(|load| load.took.as_secs_f64()).sum();
        self.answered() as f64 / took
    }

    /// The processor time of one request in microseconds.
    fn processor_us(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.answered() as f64
    }
}

fn definitions(computations: usize) -> String {
    let mut text = SOURCE.to_owned();
    for number in 0..computations {
        let (kind, query) = COMPUTED[number % COMPUTED.len()];
        let query = query.replace("{}", &event_name((number / TOUCHED) as u64));
        write!(text, "[[{kind}]]\nname = \"Computed {number}\"\nquery = \"{query}\"\n")
            .expect("a string takes everything");
    }
    text
}

fn event_name(number: u64) -> String {
    format!("Event {number}")
}

fn event(number: u64, names: u64) -> String {
    let mixed = mix(number);
    let properties = format!(r#""total":{},"sku":"sku-{}""#, mixed % 200, (mixed >> 20) % 50);
    let user = format!("user-{}", (mixed >> 30) % USERS);
    track(&user, &event_name((mixed >> 8) % names), &format!("bench-{number}"), "", &properties)
}

/// Gives a thousand users a plan.
fn plans(number: u64) -> Vec<u8> {
    let mut body = format!(r#"{{"writeKey":"{WRITE_KEY}","batch":["#);
    for user in number * 1000..(number + 1) * 1000 {
        let comma = if user % 1000 == 0 { "" } else { "," };
        let plan = if user % 3 == 0 { "pro" } else { "free" };
        write!(body, r#"{comma}{{"type":"identify","userId":"user-{user}","traits":{{"plan":"{plan}"}}}}"#)
            .expect("a string takes everything");
    }
    body.push_str("]}");
    post("/v1/batch", "application/json", &body)
}

impl Variant {
    async fn start(directory: &std::path::Path, name: &'static str, computations: usize) -> Self {
        let data = directory.join(computations.to_string());
        let server = Server::stagepost(&data, &definitions(computations)).await;
        server.ready().await;
        Management::open(&server).await.all_live().await;
        let done = load(&server.address, 4, Until::Requests(USERS / 1000), 0, plans).await;
        assert_eq!(done.refused, 0, "every plan is taken");
        let names = (computations.max(100) / TOUCHED) as u64;
        Self { name, server, names, batches: Measured::default(), singles: Measured::default() }
    }

    /// Puts load on it for one round.
    async fn load(&self, connections: u64, round: u64, make: impl MakeRequest) -> (Load, Duration) {
        let before = self.server.processor_time();
        let until = Until::Time(Duration::from_secs(seconds()));
        let done = load(&self.server.address, connections, until, round << 40, make).await;
        (done, self.server.processor_time() - before)
    }
}

/// A request is `events` events.
fn show(title: &str, variants: &[Variant], events: f64, of: impl Fn(&Variant) -> &Measured) {
    println!("{title}");
    let none = of(&variants[0]);
    for variant in variants {
        let measured = of(variant);
        let rounds: Vec<String> =
            measured.loads.iter().map(|load| format!("{:.0}", load.rate() * events)).collect();
        println!(
            "  {:<18} {:>7.0} events/s   ratio {:.2}   processor {:>5.1} us an event, ratio {:.2}   refused {}   rounds {}",
            variant.name,
            measured.rate() * events,
            measured.rate() / none.rate(),
            measured.processor_us() / events,
            none.processor_us() / measured.processor_us(),
            measured.loads.iter().map(|load| load.refused).sum::<u64>(),
            rounds.join(" ")
        );
    }
}

/// Batches of 100 at 16 connections, then single tracks at 64; the servers take turns.
pub async fn computations() {
    println!("\n== beside computations, {ROUNDS} rounds of {} s ==", seconds());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut variants = Vec::new();
    for (name, count) in [("none", 0), ("100, 5 touched", 100), ("1,000, 5 touched", 1000)] {
        variants.push(Variant::start(directory.path(), name, count).await);
    }
    for round in 0..ROUNDS {
        for variant in &mut variants {
            let names = variant.names;
            let make = move |number: u64| batch((0..100).map(|item| event(number * 100 + item, names)));
            let done = variant.load(16, round, make).await;
            variant.batches.add(done);
        }
    }
    for round in ROUNDS..2 * ROUNDS {
        for variant in &mut variants {
            let names = variant.names;
            let done = variant.load(64, round << 10, move |number| single(&event(number, names))).await;
            variant.singles.add(done);
        }
    }
    show("batches of 100, 16 connections", &variants, 100.0, |variant| &variant.batches);
    show("single tracks, 64 connections", &variants, 1.0, |variant| &variant.singles);
    for variant in &variants {
        println!("  {:<18} most resident {} MiB", variant.name, variant.server.peak_mib());
    }
}
