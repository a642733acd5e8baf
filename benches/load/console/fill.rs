//! Posts that fill the store: each user has a journey, half of them an order; and those that go on meanwhile.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::client::{Connection, Until, load, mix, post};
use super::super::management::Management;
use super::super::server::Server;
use super::super::tracks::{WRITE_KEY, single, track};
use super::definitions::{AUDIENCES, FLOWS};

/// Users in one post.
const TOGETHER: u64 = 100;
/// The user of whom there are many events.
pub const BUSY: u64 = 7;
/// Events of that user beside those that all have.
const BUSY_EVENTS: u64 = 5000;
/// The journeys that stall: one of so many.
pub const STALLS: u64 = 5;

/// The id of that user.
pub fn user(number: u64) -> String {
    format!("user-{number:07}")
}

fn step(text: &mut String, number: u64, flow: u64, stage: &str) {
    let id = user(number);
    write!(
        text,
        r#",{{"type":"track","userId":"{id}","event":"Studio Flow Step","messageId":"{id}-{stage}","properties":{{"flow":"flow_{flow:03}","stage":"{stage}","phoneNumber":"+1555{number:07}"}}}}"#
    )
    .expect("a string takes everything");
}

/// All posts of one user, in their order, each behind a comma.
fn calls(text: &mut String, number: u64) {
    let (id, mixed) = (user(number), mix(number));
    let flow = mixed % FLOWS;
    if number.is_multiple_of(4) {
        let plan = ["free", "pro"][usize::from(mixed >> 63 == 1)];
        write!(text, r#",{{"type":"identify","userId":"{id}","messageId":"{id}-i","traits":{{"plan":"{plan}","email":"{id}@example.com","name":"Somebody {number}"}}}}"#).expect("a string takes everything");
    }
    step(text, number, flow, "initiation");
    let ends = ["confirmed", "confirmed", "confirmed", "cancelled"]
        [usize::try_from(mixed >> 40 & 3).expect("0 to 3")];
    step(text, number, flow, if number.is_multiple_of(STALLS) { "no_reply" } else { ends });
    if mixed >> 62 & 1 == 1 {
        let event = if number.is_multiple_of(10) {
            "Order Completed".to_owned()
        } else {
            format!("Event {}", mixed % AUDIENCES)
        };
        write!(text, r#",{{"type":"track","userId":"{id}","event":"{event}","messageId":"{id}-o","properties":{{"total":{},"sku":"AB-12-CD"}}}}"#, mixed % 500).expect("a string takes everything");
    }
}

fn batch(calls: &str) -> Vec<u8> {
    let body = format!(r#"{{"writeKey":"{WRITE_KEY}","batch":[{}]}}"#, &calls[1..]);
    post("/v1/batch", "application/json", &body)
}

/// Posts about that many users, as fast as it goes.
pub async fn everything(server: &Server, users: u64) {
    let make = |number: u64| {
        let mut text = String::new();
        (number * TOGETHER..(number + 1) * TOGETHER).for_each(|user| calls(&mut text, user));
        batch(&text)
    };
    let done = load(&server.address, 8, Until::Requests(users / TOGETHER), 0, make).await;
    assert_eq!(done.refused, 0, "every post is taken");
    let busy = |number: u64| {
        let event = |item: u64| {
            track(&user(BUSY), "Page Seen", &format!("busy-{number}-{item}"), "", r#""path":"/""#)
        };
        super::super::tracks::batch((0..TOGETHER).map(event))
    };
    load(&server.address, 1, Until::Requests(BUSY_EVENTS / TOGETHER), 0, busy).await;
}

/// Waits until every journey that is to stall does, and all calls that get through have.
pub async fn settle(management: &mut Management, users: u64) {
    let stalled = users / STALLS;
    while management.metric("stagepost_journeys", "status=\"stalled\"").await < stalled
        || management.metric("stagepost_deliveries", "destination=\"crm\",status=\"pending\"").await > 0
        || management.metric("stagepost_deliveries", "destination=\"refusing\",status=\"pending\"").await > 0
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Posts so many orders of known users a second, until this is dropped.
pub fn keep_posting(server: &Server, a_second: u64, users: u64) -> Posting {
    let over = Arc::new(AtomicBool::new(false));
    let (address, told) = (server.address.clone(), Arc::clone(&over));
    tokio::spawn(async move {
        let mut connection = Connection::open(&address).await;
        let mut turns =
            tokio::time::interval(Duration::from_secs(1) / u32::try_from(a_second).expect("a few"));
        for number in 0_u64.. {
            turns.tick().await;
            if told.load(Ordering::Relaxed) {
                break;
            }
            let id = user(mix(number) % users);
            let call = track(&id, "Event 1", &format!("beside-{number}-{id}"), "", r#""total":1"#);
            assert_eq!(connection.send(&single(&call)).await, 200, "posts are taken");
        }
    });
    Posting(over)
}

/// Posts that go on; dropping it ends them.
pub struct Posting(Arc<AtomicBool>);

impl Drop for Posting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
