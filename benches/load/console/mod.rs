//! The console's pages over a full store: a million profiles and a million journeys, each page several times, alone and beside posts.

mod definitions;
mod fill;
mod look;
mod pages;
mod past;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use stagepost::clock;
use stagepost::store::postgres::PostgresStore;
use stagepost::store::seal::Sealer;
use stagepost::store::sled::{DEFAULT_CACHE_BYTES, SledStore};

use super::management::Management;
use super::scaled;
use super::server::{SECRET_KEY, Server};
use super::support::postgres::Cluster;
use look::Session;

/// What a page may take.
const WANTED: Duration = Duration::from_millis(50);
/// Posts a second beside the pages.
const POSTS: u64 = 200;

/// Pages over the embedded store.
pub async fn console() {
    let users = scaled(1_000_000);
    println!("\n== the console over {users} profiles and {users} journeys, embedded store ==");
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let folder =
        std::env::var("STAGEPOST_BENCH_DATA").map_or_else(|_| scratch.path().join("kept"), PathBuf::from);
    std::fs::create_dir_all(&folder).expect("a writable directory");
    let data = folder.join("data");
    if !data.exists() {
        fill(&Place { store: None, data: &data }, users).await;
        let sealer = Sealer::new(SECRET_KEY, clock::entropy);
        past::write(&SledStore::open(&data, DEFAULT_CACHE_BYTES, sealer).expect("the store")).await;
    }
    look(&Place { store: None, data: &data }, users).await;
}

/// The same over PostgreSQL, with a tenth of it.
pub async fn console_postgres() {
    let users = scaled(100_000);
    println!("\n== the console over {users} profiles and {users} journeys, PostgreSQL ==");
    let database = Cluster::start();
    let schema = database.schema();
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let place = Place { store: Some(schema.url()), data: &scratch.path().join("data") };
    fill(&place, users).await;
    let sealer = Sealer::new(SECRET_KEY, clock::entropy);
    let opened = PostgresStore::open(schema.url(), sealer, tokio::runtime::Handle::current()).await;
    past::write(&opened.expect("the store")).await;
    schema.sql("ANALYZE");
    look(&place, users).await;
}

/// Where the store is.
struct Place<'p> {
    /// PostgreSQL's URL; `None` for the embedded one.
    store: Option<&'p str>,
    data: &'p Path,
}

impl Place<'_> {
    async fn serve(&self, receiver: &Server) -> Server {
        let server = Server::sealed(self.store, self.data, &definitions::toml(&receiver.address)).await;
        server.ready().await;
        server
    }
}

/// Posts everything, through a server, and waits until what follows from it is done.
async fn fill(place: &Place<'_>, users: u64) {
    let receiver = Server::bare().await;
    let server = place.serve(&receiver).await;
    let begun = Instant::now();
    fill::everything(&server, users).await;
    println!("{:<44} {:>9.1?}", "posted within", begun.elapsed());
    let mut management = Management::open(&server).await;
    fill::settle(&mut management, users).await;
    println!("{:<44} {:>9.1?}", "stalls and calls made within", begun.elapsed());
    let person =
        json!({ "email": look::EMAIL, "name": "Bench", "role": "admin", "password": look::PASSWORD });
    management.send("POST", "/api/people", &person, 201).await;
}

/// Looks at all pages.
async fn look(place: &Place<'_>, users: u64) {
    let receiver = Server::bare().await;
    let server = place.serve(&receiver).await;
    let mut management = Management::open(&server).await;
    for name in ["profiles", "journeys", "events", "deliveries"] {
        let count = management.metric(&format!("stagepost_{name}"), "").await;
        println!("{name:<44} {count:>9}");
    }
    let pages = pages::all(&mut management, users).await;
    let mut session = Session::begin(&server).await;
    let alone = session.look(&pages).await;
    let beside = {
        let _posts = fill::keep_posting(&server, POSTS, users);
        session.look(&pages).await
    };
    look::show(&pages, &alone, &beside);
    println!("{:<44} {:>9} MiB", "most resident memory", server.peak_mib());
}
