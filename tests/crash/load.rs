//! The load: users with a script of posts each, sent one after the other and each until it is acknowledged.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use stagepost::clock::Clock;
use stagepost::domain::time::Span;
use tokio::sync::watch;

use crate::support::api::Api;

/// How long an order that is nearly an hour old still counts for `Hot`.
const LEFT: Span = Span::from_secs(5);

/// What a post says.
#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    /// The journey signal this stage.
    Stage(&'static str),
    /// An order, just now or nearly an hour ago.
    Order {
        /// Just now.
        fresh: bool,
    },
    /// The user's plan is this.
    Plan(&'static str),
}

/// One post, as it was acknowledged.
#[derive(Clone, Debug)]
pub struct Post {
    /// Its id, made by the sender.
    pub message_id: String,
    /// What it says.
    pub says: Says,
}

/// One user, and what was posted about him, in order.
#[derive(Debug)]
pub struct User {
    /// His id.
    pub id: String,
    /// The acknowledged posts.
    pub posts: Vec<Post>,
}

impl User {
    /// The stages that were posted, in order.
    pub fn stages(&self) -> Vec<&'static str> {
        self.posts
            .iter()
            .filter_map(|post| if let Says::Stage(stage) = post.says { Some(stage) } else { None })
            .collect()
    }

    /// The message ids of those posts.
    pub fn stage_ids(&self) -> Vec<&str> {
        let stages = self.posts.iter().filter(|post| matches!(post.says, Says::Stage(_)));
        stages.map(|post| post.message_id.as_str()).collect()
    }
}

/// The clients' common ground.
pub struct Load {
    api: Api,
    seed: u64,
    up: watch::Sender<bool>,
    stopping: AtomicBool,
    repeated: AtomicU64,
    newest: Mutex<Vec<(String, String)>>,
}

impl Load {
    /// A load that waits for the server.
    pub fn new(api: Api, seed: u64) -> Self {
        Self {
            api,
            seed,
            up: watch::Sender::new(false),
            stopping: AtomicBool::new(false),
            repeated: AtomicU64::new(0),
            newest: Mutex::new(Vec::new()),
        }
    }

    /// Tells the clients whether it makes sense to post.
    pub fn server_is_up(&self, up: bool) {
        self.up.send_replace(up);
    }

    /// Clients begin with no new user from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// How many posts were sent more than once.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::SeqCst)
    }

    /// The posts that were acknowledged last, as user and message id; the list begins anew.
    pub fn take_newest(&self) -> Vec<(String, String)> {
        let mut newest = std::mem::take(&mut *self.newest.lock().expect("the newest posts"));
        newest.split_off(newest.len().saturating_sub(20))
    }

    /// One client: a user after the other until stopped; gives back all of them, each post acknowledged.
    pub async fn post_until_stopped(self: std::sync::Arc<Self>, client: u64) -> Vec<User> {
        let mut random = StdRng::seed_from_u64(self.seed ^ (client + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut users = Vec::new();
        while !self.stopping.load(Ordering::SeqCst) {
            let mut user = User { id: format!("u{client}-{}", users.len()), posts: Vec::new() };
            for (number, says) in script(&mut random).into_iter().enumerate() {
                let post = Post { message_id: format!("{}-m{number}", user.id), says };
                let (path, body) = request(&user.id, &post);
                self.post_until_acknowledged(path, &body).await;
                self.newest
                    .lock()
                    .expect("the newest posts")
                    .push((user.id.clone(), post.message_id.clone()));
                if random.random_range(0..20) == 0 {
                    // A sender that did not get the answer sends again.
                    self.repeated.fetch_add(1, Ordering::SeqCst);
                    self.post_until_acknowledged(path, &body).await;
                }
                user.posts.push(post);
            }
            users.push(user);
        }
        users
    }

    async fn post_until_acknowledged(&self, path: &str, body: &Value) {
        let mut up = self.up.subscribe();
        for attempt in 0.. {
            if attempt > 0 {
                self.repeated.fetch_add(1, Ordering::SeqCst);
            }
            up.wait_for(|&up| up).await.expect("the load");
            match self.api.try_post(path, body).await {
                Ok(answer) if answer.status == 200 => return,
                // Too busy, or stopping: come back, as a client would.
                Ok(answer) if matches!(answer.status, 429 | 503) => {
                    tokio::time::sleep(Duration::from_millis(50)).await
                }
                Ok(answer) => panic!("POST {path} {body}: {} {}", answer.status, answer.body),
                // It died, before or after it had stored the post: nobody knows.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

/// What happens to one user: a journey with orders and changes of plan in between.
fn script(random: &mut StdRng) -> Vec<Says> {
    let mut script = vec![Says::Stage("initiation")];
    match random.random_range(0..10) {
        0 => {}
        1..=3 => script.push(Says::Stage("confirmed")),
        4 => script.push(Says::Stage("cancelled")),
        5..=7 => script.push(Says::Stage("no_reply")),
        _ => script.extend([Says::Stage("no_reply"), Says::Stage("confirmed")]),
    }
    for _ in 0..random.random_range(0..3) {
        let at = random.random_range(0..=script.len());
        script.insert(at, Says::Order { fresh: random.random_bool(0.5) });
    }
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..=script.len());
        script.insert(at, Says::Plan(if random.random_bool(0.5) { "pro" } else { "free" }));
    }
    script
}

fn request(user: &str, post: &Post) -> (&'static str, Value) {
    let id = &post.message_id;
    match post.says {
        Says::Stage(stage) => (
            "/studio/wk_studio",
            json!({"userID": user, "phoneNumber": "+15550003333", "flow": "appointment_confirmation", "stage": stage, "messageId": id}),
        ),
        Says::Order { fresh } => {
            let now = Clock::system().now();
            let at = if fresh { now } else { now.minus(Span::from_hours(1)).plus(LEFT) };
            (
                "/v1/track",
                json!({"writeKey": "wk_webshop", "userId": user, "event": "Order Completed", "properties": {"total": 9.5},
                    "timestamp": at.to_rfc3339(), "messageId": id}),
            )
        }
        Says::Plan(plan) => (
            "/v1/identify",
            json!({"writeKey": "wk_webshop", "userId": user, "traits": {"plan": plan}, "messageId": id}),
        ),
    }
}
