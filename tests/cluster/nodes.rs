//! Nodes over one store with a load on all of them, and the verdict in the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use stagepost::domain::limits;
use tokio::task::JoinHandle;

use crate::support::api::Api;
use crate::support::load::{Load, User, definitions};
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::Server;
use crate::support::smtp::Smtp;
use crate::support::verdict::{self, Facts, Repeated};

/// How long a node that says nothing keeps what it has taken upon itself.
pub fn lease() -> Duration {
    limits::LEASE.to_std()
}

/// What has to follow a lease that is over, and what the load itself waits for: a stall after a second, orders that count for
/// five more seconds, on two processors that the nodes, the database and the load share.
const GRACE: Duration = Duration::from_secs(15);
/// Clients that post at the same time.
const CLIENTS: u64 = 40;
/// Writers of each node: on a small machine it would have but one, and never meet itself.
const WRITERS: &str = "2";
/// How long a client waits for a node before it turns to another one.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(1);

/// A number from the environment.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// The seed of a run.
pub fn seed() -> u64 {
    let entropy = stagepost::clock::entropy();
    let seed = setting("STAGEPOST_CRASH_SEED");
    let seed = seed.unwrap_or_else(|| u64::from(entropy[0]) << 8 | u64::from(entropy[1]));
    println!("STAGEPOST_CRASH_SEED={seed}");
    seed
}

/// A node over that store, not yet started.
pub fn node_over(store: &str, definitions: &str) -> Server {
    Server::new(definitions).over(store).with("STAGEPOST_WRITERS", WRITERS)
}

/// Those who are told by the nodes.
pub struct World {
    receiver: Receiver,
    smtp: Smtp,
    /// The load on all nodes.
    pub load: Arc<Load>,
    clients: Vec<JoinHandle<Vec<User>>>,
}

impl World {
    /// A world with `count` nodes over a store, all started at the same moment.
    pub async fn start(store: &str, count: usize, seed: u64) -> (Self, Vec<Server>) {
        // The receiver is not always in the mood either, so that retries are under way when a node dies.
        let receiver =
            Receiver::start(
                |_, number| if number % 97 == 96 { Reply::RetryAfter(503, 1) } else { Reply::Status(200) },
            );
        let smtp = Smtp::start(&[]);
        let node = || {
            let server = node_over(store, &definitions(&receiver));
            let server = server.with("STAGEPOST_SMTP_URL", &format!("smtp://127.0.0.1:{}", smtp.port()));
            server.with("STAGEPOST_MAIL_FROM", "stagepost@example.com").started()
        };
        let nodes = join_all((0..count).map(|_| node())).await;
        let apis = nodes.iter().map(|node| Api::with_timeout(node.api().base(), CLIENT_TIMEOUT)).collect();
        verdict::computed(nodes[0].api(), GRACE).await;
        let load = Arc::new(Load::new(apis, seed));
        load.servers_are_up(true);
        let clients =
            (0..CLIENTS).map(|client| tokio::spawn(Arc::clone(&load).post_until_stopped(client))).collect();
        (Self { receiver, smtp, load, clients }, nodes)
    }

    /// Ends the load, waits until everything has come of it, and looks whether all of it is right. `api` is a node that runs.
    pub async fn judge(self, api: &Api) {
        let last_fault = Instant::now();
        self.load.stop();
        let mut users = Vec::new();
        for client in self.clients {
            users.extend(client.await.expect("a client"));
        }
        let posts: usize = users.iter().map(|user| user.posts.len()).sum();
        println!("{} users, {posts} posts, {} of them sent again", users.len(), self.load.repeated());
        assert!(posts > 500, "too little load to mean anything: {posts} posts");

        verdict::settled(api, &users, lease() + GRACE).await;
        println!("settled {:?} after the last fault", last_fault.elapsed());
        let id = |mail: &serde_json::Value| mail["headers"]["Message-ID"].as_str().expect("an id").to_owned();
        let mails = self.smtp.mails().iter().map(id).collect();
        let facts = Facts::gather(api, &self.receiver, mails, users).await;
        facts.every_post_is_there_exactly_once();
        facts.journeys_agree_with_their_events();
        facts.every_stall_was_mailed_under_one_id(api).await;
        facts.audiences_agree_with_their_events();
        facts.totals_agree_with_their_events();
        facts.changes_left_in_order_under_stable_ids(Repeated::Ever);
        facts.deliveries_agree_with_what_was_received();
    }
}
