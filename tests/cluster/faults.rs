//! Nodes that die and hang at any moment, over a database that is restarted in between.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::RwLock;

use crate::nodes::{World, lease, seed, setting};
use crate::support::postgres::Cluster;
use crate::support::server::Server;

/// How many nodes there are.
const NODES: usize = 3;
/// How long the faults go on, in seconds.
const SECONDS: u64 = 45;

/// Lets a node run for a while, then kills it or makes it hang for longer than it keeps a lease; and again, until then.
async fn suffer(
    mut node: Server,
    seed: u64,
    until: Instant,
    database: &RwLock<Cluster>,
) -> (Server, [u32; 2]) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut faults = [0; 2];
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..6000))).await;
        let pause = Duration::from_millis(random.random_range(0..1500));
        if random.random_bool(0.6) {
            node.kill9();
            tokio::time::sleep(pause).await;
            // Whoever is started while the database is away gives up; that is the business of another test.
            let _there = database.read().await;
            node.start().await;
            faults[0] += 1;
        } else {
            node.hang();
            tokio::time::sleep(lease() + pause).await;
            node.go_on();
            faults[1] += 1;
        }
    }
    node.ready().await;
    (node, faults)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_die_and_hang_keep_their_word_together() {
    let seed = seed();
    let seconds = setting("STAGEPOST_CLUSTER_SECONDS").unwrap_or(SECONDS);
    let database = RwLock::new(Cluster::start());
    let url = database.read().await.url();
    let (world, nodes) = World::start(&url, NODES, seed).await;

    let time = Duration::from_secs(seconds);
    let until = Instant::now() + time;
    let database = &database;
    let suffering = (seed..).zip(nodes).map(|(seed, node)| suffer(node, seed, until, database));
    let restarting = async {
        tokio::time::sleep(time / 2).await;
        database.write().await.restart();
    };
    let (suffered, ()) = tokio::join!(futures_util::future::join_all(suffering), restarting);
    let [kills, hangs] = suffered.iter().fold([0, 0], |all, (_, one)| [all[0] + one[0], all[1] + one[1]]);
    println!("{kills} kills, {hangs} hangs, one restart of the database");
    let mut nodes: Vec<Server> = suffered.into_iter().map(|(node, _)| node).collect();

    // The last one does not come back: what it has taken upon itself falls to the others.
    nodes.pop().expect("a node").kill9();
    world.judge(nodes[0].api()).await;
    for node in &mut nodes {
        let status = node.terminate().await;
        assert!(status.success(), "SIGTERM: {status}");
    }
}
