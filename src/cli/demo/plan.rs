//! What happens in the demo's week, and when: all of it follows from the seed.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::cast::{DESK, MARKETER, User};
use super::runs::{self, Run};
use super::shop;
use super::week::Week;
use crate::domain::event::{Call, Event};
use crate::domain::ids::EventId;
use crate::domain::time::{Span, Timestamp};
use serde_json::Map;

/// The keys of the demo's sources.
pub(super) const STUDIO: &str = "studio";
pub(super) const SHOP: &str = "shop";
/// The audience that is defined only in the middle of the week.
pub(super) const LATER_AUDIENCE: &str = "big_spenders";

/// What somebody at the desk does about a stall.
#[derive(Clone, Debug)]
pub(super) enum Word {
    Acknowledge,
    Resolve,
    Snooze(Span),
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A call comes in; a stage names the run that it belongs to, by its number.
    Post { event: Box<Event>, run: Option<usize> },
    /// Somebody of the staff acts on a run.
    Operate { run: usize, word: Word, by: usize, reason: &'static str, via: &'static str },
    /// Somebody of the staff defines an audience.
    Define { audience: &'static str, by: usize },
    /// Somebody of the staff gives a destination a rest.
    Pause { destination: &'static str, by: usize, reason: &'static str },
    /// And ends it.
    Resume { destination: &'static str, by: usize },
    /// Somebody of the staff has a destination's dead letters tried again.
    Replay { destination: &'static str, by: usize },
}

/// One thing that happens, and when.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub at: Timestamp,
    pub act: Act,
}

/// All of it, in order.
pub(super) fn plan(seed: u64, users: &[User], week: Week) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut planned = Vec::new();
    for user in users {
        // They are known from the first day on, before they do anything.
        let at = week.start.plus(Span::from_secs(random.random_range(1..60)));
        planned.push(post(at, SHOP, user, Call::Identify { traits: user.traits() }));
        shop::visits(user, week, &mut random, &mut planned);
    }
    for number in 0..users.len() * 4 {
        let late = number % 20 == 0;
        let at = if late { week.of_late(&mut random) } else { week.moment(&mut random) };
        let user = &users[random.random_range(0..users.len())];
        runs::happen(&Run::new(number, user, at, &mut random), &mut planned);
    }
    planned.extend(of_the_staff(week));
    planned.retain(|it| it.at < week.end);
    planned.sort_by_key(|it| it.at);
    for (number, it) in planned.iter_mut().enumerate() {
        if let Act::Post { event, .. } = &mut it.act {
            event.message_id = format!("demo-{seed}-{number}");
        }
    }
    planned
}

/// What the staff do beside acting on stalls.
fn of_the_staff(week: Week) -> [Planned; 4] {
    let planned = |hours, act| Planned { at: week.start.plus(Span::from_hours(hours)), act };
    let operator = DESK[0];
    [
        planned(56, Act::Define { audience: LATER_AUDIENCE, by: MARKETER }),
        planned(
            79,
            Act::Pause { destination: "warehouse", by: operator, reason: "they move to a new server" },
        ),
        planned(81, Act::Resume { destination: "warehouse", by: operator }),
        planned(103, Act::Replay { destination: "newsletter", by: operator }),
    ]
}

/// A call of `user` that comes to `source` at `at`.
pub(super) fn post(at: Timestamp, source: &str, user: &User, call: Call) -> Planned {
    let event = Event {
        id: EventId::floor(Timestamp::default()),
        message_id: String::new(),
        dedupe: true,
        source: source.to_owned(),
        user_id: Some(user.id.clone()),
        anonymous_id: None,
        call,
        context: Map::new(),
        integrations: Map::new(),
        extra: Map::new(),
        channel: "server".to_owned(),
        timestamp: at,
        original_timestamp: at,
        sent_at: None,
        received_at: at,
    };
    Planned { at, act: Act::Post { event: Box::new(event), run: None } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_week() {
        let week = Week::until(Timestamp::from_millis(1_790_000_000_000));
        let made = |seed| {
            let users = User::all(30, &mut StdRng::seed_from_u64(seed));
            format!("{:?}", plan(seed, &users, week))
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn everything_happens_within_the_week_and_in_order() {
        let week = Week::until(Timestamp::from_millis(1_790_000_000_000));
        let users = User::all(30, &mut StdRng::seed_from_u64(1));
        let planned = plan(1, &users, week);
        assert!(planned.len() > 300, "{}", planned.len());
        assert!(planned.is_sorted_by_key(|it| it.at));
        assert!(planned.iter().all(|it| week.start <= it.at && it.at < week.end));
    }
}
