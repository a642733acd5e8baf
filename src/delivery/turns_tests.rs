use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::delivery::test_deliveries::{NOW, delivery};
use crate::domain::health::Signal;
use crate::domain::time::Timestamp;

/// Answers as it is told, and writes down what it was asked, with what was under way meanwhile.
struct Scripted<F> {
    verdict: F,
    asked: Mutex<Vec<Vec<usize>>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl<F: Fn(&[usize]) -> Verdict> Scripted<F> {
    fn new(verdict: F) -> Self {
        let (asked, under_way, most_under_way) = Default::default();
        Self { verdict, asked, under_way, most_under_way }
    }
}

#[async_trait]
impl<F: Fn(&[usize]) -> Verdict + Sync> Requests for Scripted<F> {
    async fn make(&self, places: &[usize]) -> Verdict {
        self.asked.lock().unwrap().push(places.to_vec());
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        (self.verdict)(places)
    }
}

fn deliveries(users: &[&str]) -> Vec<Delivery> {
    users.iter().map(|user| delivery(user, &json!({ "type": "track" }))).collect()
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(NOW))
}

const LONG: Duration = Duration::from_secs(60);

fn is_held(sent: &Sent) -> bool {
    *sent == Sent::held()
}

#[tokio::test]
async fn users_go_side_by_side_and_one_user_in_order() {
    let all = deliveries(&["a", "a", "b", "c", "a"]);
    let requests = Scripted::new(|_| Verdict::delivered());
    let sent = Turns::one_each(&all).run(10, LONG, &clock(), &requests).await;
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|sent| sent.outcome == Outcome::Delivered && sent.signal == Signal::Good));
    assert_eq!(*requests.asked.lock().unwrap(), [[0], [2], [3], [1], [4]]);
    assert_eq!(requests.most_under_way.load(Ordering::SeqCst), 3);
    let requests = Scripted::new(|_| Verdict::delivered());
    Turns::one_each(&all).run(2, LONG, &clock(), &requests).await;
    assert_eq!(requests.most_under_way.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_to_be_tried_again_holds_the_users_later_ones_back() {
    let all = deliveries(&["a", "b", "a", "b", "a"]);
    let requests = Scripted::new(|places| match places {
        [0] => Verdict::retry(None, "not now"),
        [1] => Verdict::failed("never"),
        _ => Verdict::delivered(),
    });
    let sent = Turns::one_each(&all).run(10, LONG, &clock(), &requests).await;
    assert_eq!(*requests.asked.lock().unwrap(), [[0], [1], [3]], "a final failure holds nothing back");
    assert!(is_held(&sent[2]) && is_held(&sent[4]));
    assert_eq!(sent[3].outcome, Outcome::Delivered);
}

#[tokio::test]
async fn only_the_held_ones_are_taken_out_of_a_shared_request() {
    let all = deliveries(&["a", "a", "b"]);
    let requests = Scripted::new(|places| match places {
        [0] => Verdict::retry(None, "not now"),
        _ => Verdict::delivered(),
    });
    let sent = Turns::of(&all, vec![vec![0], vec![1, 2]]).run(10, LONG, &clock(), &requests).await;
    assert_eq!(*requests.asked.lock().unwrap(), [vec![0], vec![2]]);
    assert!(is_held(&sent[1]));
    assert_eq!(sent[2].outcome, Outcome::Delivered);
}

#[tokio::test]
async fn once_the_time_is_over_nothing_more_begins() {
    let all = deliveries(&["a", "b", "b", "a"]);
    let time = Duration::from_millis(20);
    // A receiver that takes longer than that.
    let requests = Scripted::new(|_| {
        std::thread::sleep(time);
        Verdict::delivered()
    });
    let sent = Turns::one_each(&all).run(1, time, &clock(), &requests).await;
    assert_eq!(*requests.asked.lock().unwrap(), [[0]]);
    assert_eq!(sent[0].outcome, Outcome::Delivered);
    assert!(sent[1..].iter().all(is_held), "within a turn and after it");
}

#[tokio::test]
async fn what_is_settled_beforehand_is_part_of_nothing() {
    let all = deliveries(&["a", "a"]);
    let failed = Verdict::failed("no").into_sent(Timestamp::from_millis(NOW), 0);
    let mut turns = Turns::of(&all, vec![vec![1]]);
    turns.settled(0, failed.clone());
    let requests = Scripted::new(|_| Verdict::delivered());
    let sent = turns.run(10, LONG, &clock(), &requests).await;
    assert_eq!((&sent[0], &sent[1].outcome), (&failed, &Outcome::Delivered));
}

proptest! {
    /// Whatever is answered: each delivery has one outcome, and no receiver takes a user's later call before his earlier one.
    #[test]
    fn nothing_overtakes(users in proptest::collection::vec(0..4_usize, 1..20), answers in proptest::collection::vec(0..3_u8, 20), most in 1..5_usize) {
        let names = ["a", "b", "c", "d"];
        let all = deliveries(&users.iter().map(|&user| names[user]).collect::<Vec<_>>());
        let requests = Scripted::new(|places: &[usize]| match answers[places[0]] {
            0 => Verdict::delivered(),
            1 => Verdict::failed("no"),
            _ => Verdict::retry(None, "later"),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sent = runtime.block_on(Turns::one_each(&all).run(most, LONG, &clock(), &requests));
        prop_assert_eq!(sent.len(), all.len());
        let mut last: HashMap<usize, usize> = HashMap::new();
        for places in requests.asked.lock().unwrap().iter() {
            for &place in places {
                prop_assert!(last.insert(users[place], place).is_none_or(|before| before < place));
            }
        }
        for (place, one) in sent.iter().enumerate() {
            let is_behind = (0..place).any(|before| {
                users[before] == users[place] && matches!(sent[before].outcome, Outcome::Retry { .. })
            });
            prop_assert_eq!(is_held(one), is_behind, "{}", place);
        }
    }
}
