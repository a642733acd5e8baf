//! The load: users with a script of posts each, sent one after the other and each until it is acknowledged.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use stagepost::clock::Clock;
use stagepost::domain::time::Span;
use tokio::sync::watch;

use super::api::Api;
use super::receiver::Receiver;

/// What a client waits before it tries again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an order that is nearly an hour old still counts for `Hot`.
const LEFT: Span = Span::from_secs(5);

/// What the servers do with the load: mail who does not reply, tell `receiver` who comes into an audience and who leaves it.
pub fn definitions(receiver: &Receiver) -> String {
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

[[trait]]
name = "Orders"
query = "event('Order Completed').count()"

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
    apis: Vec<Api>,
    /// How many requests were made: they go round the servers.
    made: AtomicUsize,
    seed: u64,
    up: watch::Sender<bool>,
    stopping: AtomicBool,
    repeated: AtomicU64,
    acknowledged: AtomicU64,
    newest: Mutex<Vec<(String, String)>>,
}

impl Load {
    /// A load that waits for the servers, and then calls any of them.
    pub fn new(apis: Vec<Api>, seed: u64) -> Self {
        Self {
            apis,
            made: AtomicUsize::new(0),
            seed,
            up: watch::Sender::new(false),
            stopping: AtomicBool::new(false),
            repeated: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            newest: Mutex::new(Vec::new()),
        }
    }

    /// Tells the clients whether it makes sense to post.
    pub fn servers_are_up(&self, up: bool) {
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

    /// How many posts were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
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
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
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
            let made = self.made.fetch_add(1, Ordering::SeqCst);
            match self.apis[made % self.apis.len()].try_post(path, body).await {
                Ok(answer) if answer.status == 200 => return,
                Ok(answer) => {
                    // 408: it was made to hang in the middle of the request.
                    let passing = matches!(answer.status, 408 | 429 | 503);
                    assert!(passing, "POST {path} {body}: {} {}", answer.status, answer.body);
                }
                // It died, before or after it had stored the post: nobody knows.
                Err(_) => {}
            }
            // Come back, as a client would.
            tokio::time::sleep(PAUSE).await;
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
