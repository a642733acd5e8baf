//! What happens in the world of people, drawn from a seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stagepost::domain::definition::History;
use stagepost::domain::time::Span;

use super::forms::SPECS;

/// Under which ids somebody does something.
#[derive(Clone, Debug)]
pub struct Who {
    pub user: Option<String>,
    pub anonymous: Option<String>,
}

/// What somebody does.
#[derive(Clone, Debug)]
pub enum Deed {
    Order { total: u32, sku: &'static str },
    Add { sku: &'static str },
    Stage { stage: &'static str, sid: Option<u8> },
    Plan { plan: Option<&'static str> },
    Limit { limit: u32 },
    Join { group: &'static str, tier: Option<&'static str> },
    Alias { previous: String },
}

/// One event.
#[derive(Clone, Debug)]
pub struct Post {
    pub who: Who,
    pub deed: Deed,
    /// How long before now it says it happened; negative: in the future.
    pub late_ms: i64,
}

/// How a computation is to be defined.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub which: usize,
    pub form: usize,
    pub history: History,
    pub include_anonymous: bool,
    pub enabled: bool,
    /// Whether `crm` and `desk` are told.
    pub destinations: [bool; 2],
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// Requests that arrive at the same moment, of one event or more each.
    Send(Vec<Vec<Post>>),
    /// One of the messages sent so far is sent again.
    Repeat { which: usize },
    /// Time passes.
    Pass { ms: i64 },
    /// The engine works for so many steps.
    Work { steps: u32 },
    /// The receivers are tried; each attempt fails with this many chances in ten.
    Deliver { failures: u8 },
    /// Computations are defined or changed, together.
    Define(Vec<Wish>),
    /// One is enabled or disabled.
    Switch { which: usize },
    /// One gets other destinations.
    Route { which: usize, destinations: [bool; 2] },
    /// One is removed.
    Remove { which: usize, exit: bool },
    /// One of those that were removed is defined again as it was.
    Restore,
    /// An operator acknowledges or resolves one of the journeys.
    Operate { which: usize, resolve: bool },
    /// Dead letters are put back.
    Replay,
    /// The process dies and starts again.
    Restart,
    /// A commit breaks, before or after it is written, and with it the process.
    Break { after: u32, written: bool },
}

/// How lively a world is.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    pub users: u8,
    pub anonymous: u8,
    /// How many in a hundred events say that two ids are one person.
    pub links: u32,
    /// Most events of one user in one request; 0: few.
    pub burst: u32,
}

const STAGES: [&str; 6] = ["initiation", "no_reply", "no_reply", "reminder", "confirmed", "cancelled"];
const SKUS: [&str; 4] = ["a", "b", "c", "d"];
const GROUPS: [&str; 4] = ["acme", "acme", "ivy", "zeta"];

/// Draws actions.
pub struct Generator {
    pub rng: StdRng,
    crowd: Crowd,
}

impl Generator {
    pub fn new(seed: u64, crowd: Crowd) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), crowd }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    fn user(&mut self) -> String {
        if self.rng.random_bool(0.02) {
            return "0".to_owned();
        }
        format!("u{}", self.rng.random_range(0..self.crowd.users))
    }

    fn anonymous(&mut self) -> String {
        if self.rng.random_bool(0.04) {
            return "null".to_owned();
        }
        format!("a{}", self.rng.random_range(0..self.crowd.anonymous))
    }

    fn who(&mut self) -> Who {
        let which = self.rng.random_range(0..100);
        let user = (which < 70).then(|| self.user());
        let anonymous = (which >= 70 - self.crowd.links).then(|| self.anonymous());
        Who { user, anonymous }
    }

    fn late(&mut self) -> i64 {
        match self.rng.random_range(0..10) {
            0..4 => 0,
            4..7 => self.rng.random_range(0..3_600_000),
            7..9 => self.rng.random_range(0..5 * 86_400_000),
            _ => -self.rng.random_range(0..86_400_000),
        }
    }

    fn post(&mut self) -> Post {
        let who = self.who();
        let sku = self.pick(&SKUS);
        if self.rng.random_range(0..300) < self.crowd.links {
            let previous = if self.rng.random_bool(0.5) { self.user() } else { self.anonymous() };
            let who = Who { user: Some(self.user()), anonymous: who.anonymous };
            return Post { who, deed: Deed::Alias { previous }, late_ms: self.late() };
        }
        let deed = match self.rng.random_range(0..100) {
            0..40 => Deed::Order { total: self.rng.random_range(1..100), sku },
            40..55 => Deed::Add { sku },
            55..70 => Deed::Stage {
                stage: self.pick(&STAGES),
                sid: self.rng.random_bool(0.3).then(|| self.rng.random_range(0..3)),
            },
            70..80 => Deed::Plan { plan: self.pick(&[Some("pro"), Some("pro"), Some("free"), None]) },
            80..84 => Deed::Limit { limit: self.rng.random_range(1..100) },
            _ => {
                Deed::Join { group: self.pick(&GROUPS), tier: self.pick(&[Some("gold"), Some("tin"), None]) }
            }
        };
        Post { who, deed, late_ms: self.late() }
    }

    /// Many events of one user or visitor.
    fn burst(&mut self) -> Vec<Post> {
        let is_known = self.rng.random_bool(0.6);
        let who =
            Who { user: is_known.then(|| self.user()), anonymous: (!is_known).then(|| self.anonymous()) };
        let count = self.rng.random_range(self.crowd.burst / 4..self.crowd.burst);
        let one = |generator: &mut Self| {
            let sku = generator.pick(&SKUS);
            let deed = if generator.rng.random_bool(0.9) {
                Deed::Order { total: generator.rng.random_range(1..100), sku }
            } else {
                Deed::Add { sku }
            };
            let late_ms = generator.rng.random_range(-3_600_000..4 * 86_400_000);
            Post { who: who.clone(), deed, late_ms }
        };
        (0..count).map(|_| one(self)).collect()
    }

    fn requests(&mut self) -> Vec<Vec<Post>> {
        let few = |generator: &mut Self| {
            let size = generator.rng.random_range(1..5);
            (0..size).map(|_| generator.post()).collect::<Vec<_>>()
        };
        match self.rng.random_range(0..10) {
            0..3 if self.crowd.burst > 0 => vec![self.burst(), few(self)],
            0..5 => vec![vec![self.post()]],
            5..7 => vec![few(self)],
            7..9 => vec![few(self), few(self)],
            _ => vec![few(self), few(self), few(self)],
        }
    }

    fn destinations(&mut self) -> [bool; 2] {
        self.pick(&[[true, false], [true, true], [true, true], [false, true], [false, false]])
    }

    fn wish(&mut self) -> Wish {
        let which = self.rng.random_range(0..SPECS.len());
        let all = History::All;
        let histories = [all, all, all, History::Off, History::Last(Span::from_hours(36))];
        Wish {
            which,
            form: self.rng.random_range(0..SPECS[which].forms.len()),
            history: self.pick(&histories),
            include_anonymous: self.rng.random_bool(0.3),
            enabled: self.rng.random_bool(0.95),
            destinations: self.destinations(),
        }
    }

    fn wishes(&mut self) -> Vec<Wish> {
        let mut wishes: Vec<Wish> = (0..self.rng.random_range(1..4)).map(|_| self.wish()).collect();
        wishes.sort_by_key(|wish| wish.which);
        wishes.dedup_by_key(|wish| wish.which);
        wishes
    }

    /// The next thing that happens.
    pub fn action(&mut self) -> Action {
        let which = self.rng.random_range(0..1000);
        match self.rng.random_range(0..100) {
            0..46 => Action::Send(self.requests()),
            46..49 => Action::Repeat { which },
            49..58 => Action::Pass {
                ms: match self.rng.random_range(0..3) {
                    0 => self.rng.random_range(1..2_000),
                    1 => self.rng.random_range(1..4 * 3_600_000),
                    _ => self.rng.random_range(1..2 * 86_400_000),
                },
            },
            58..66 => Action::Work { steps: self.rng.random_range(1..8) },
            66..71 => Action::Deliver { failures: self.rng.random_range(0..6) },
            71..79 => Action::Define(self.wishes()),
            79..80 => Action::Restore,
            80..82 => Action::Switch { which },
            82..86 => Action::Route { which, destinations: self.destinations() },
            86..89 => Action::Remove { which, exit: self.rng.random_bool(0.6) },
            89..91 => Action::Operate { which, resolve: self.rng.random_bool(0.5) },
            91..92 => Action::Replay,
            92..95 => Action::Restart,
            _ => Action::Break { after: self.rng.random_range(0..3), written: self.rng.random_bool(0.5) },
        }
    }
}
