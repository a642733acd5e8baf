//! The requests of one [`send`](super::sender::Sender::send), in turns: side by side where they concern different users, one
//! after the other where they share one, and no further for a user whose earlier delivery is to be tried again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::sender::{Sent, Verdict};
use crate::clock::Clock;
use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::ids::UserKey;

/// Makes the requests that carry some deliveries to their destination.
#[async_trait]
pub(super) trait Requests: Sync {
    /// Makes one request, or one for each of a destination's addresses, for the deliveries at these places; at least one.
    async fn make(&self, places: &[usize]) -> Verdict;
}

/// What is still to be sent, and what came of the rest.
pub(super) struct Turns<'a> {
    deliveries: &'a [Delivery],
    /// The requests to make: each one's deliveries by their places, in order.
    waiting: Vec<Vec<usize>>,
    sent: Vec<Option<Sent>>,
}

impl<'a> Turns<'a> {
    /// A request for each delivery.
    pub fn one_each(deliveries: &'a [Delivery]) -> Self {
        Self::of(deliveries, (0..deliveries.len()).map(|place| vec![place]).collect())
    }

    /// These requests, which name deliveries by their places. Where two requests share a user, the one that is named first has
    /// his earlier deliveries.
    pub fn of(deliveries: &'a [Delivery], requests: Vec<Vec<usize>>) -> Self {
        Self { deliveries, waiting: requests, sent: vec![None; deliveries.len()] }
    }

    /// Notes what a delivery came to that is part of no request.
    pub fn settled(&mut self, place: usize, sent: Sent) {
        self.sent[place] = Some(sent);
    }

    /// Makes the requests, at most `most` at once, and shares each one's verdict among its deliveries. None is begun once `time`
    /// has passed; what is left then is held back.
    pub async fn run(
        mut self,
        most: usize,
        time: Duration,
        clock: &Clock,
        requests: &impl Requests,
    ) -> Vec<Sent> {
        let begun = Instant::now();
        while !self.waiting.is_empty() {
            let turn = self.next_turn();
            let make = |places: Vec<usize>| async move {
                if begun.elapsed() >= time {
                    return (places, Sent::held());
                }
                let (at, begun) = (clock.now(), Instant::now());
                let verdict = requests.make(&places).await;
                (places, verdict.into_sent(at, millis(begun.elapsed())))
            };
            let mut under_way = stream::iter(turn).map(make).buffer_unordered(most.max(1));
            let mut stuck = HashSet::new();
            while let Some((places, sent)) = under_way.next().await {
                if matches!(sent.outcome, Outcome::Retry { .. } | Outcome::Unsure | Outcome::Sought) {
                    stuck.extend(places.iter().map(|&place| &self.deliveries[place].user));
                }
                for place in places {
                    self.sent[place] = Some(sent.clone());
                }
            }
            drop(under_way);
            self.hold_back(&stuck);
        }
        self.sent.into_iter().map(|sent| sent.unwrap_or_else(Sent::held)).collect()
    }

    /// Takes out the requests that share no user with one before them.
    fn next_turn(&mut self) -> Vec<Vec<usize>> {
        if self.waiting.len() == 1 {
            return std::mem::take(&mut self.waiting);
        }
        let mut users: HashSet<&UserKey> = HashSet::new();
        let (mut turn, mut rest) = (Vec::new(), Vec::new());
        for places in std::mem::take(&mut self.waiting) {
            let own = || places.iter().map(|&place| &self.deliveries[place].user);
            let is_free = own().all(|user| !users.contains(user));
            users.extend(own());
            if is_free { turn.push(places) } else { rest.push(places) }
        }
        self.waiting = rest;
        turn
    }

    /// Leaves out what waits of these users.
    fn hold_back(&mut self, stuck: &HashSet<&UserKey>) {
        if stuck.is_empty() {
            return;
        }
        for places in &mut self.waiting {
            places.retain(|&place| !stuck.contains(&self.deliveries[place].user));
        }
        self.waiting.retain(|places| !places.is_empty());
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
