//! What happens in a simulated world, drawn from a seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// A stage post; `late_ms` is how long before now it says it happened (negative: in the future).
    Stage { user: u8, flow: &'static str, stage: &'static str, sid: Option<u8>, late_ms: i64 },
    /// An `Order Completed` of that total.
    Order { user: u8, total: u32, late_ms: i64 },
    /// An identify that sets `plan`.
    Plan { user: u8, plan: &'static str, late_ms: i64 },
    /// One of the messages sent so far is sent again.
    Repeat { which: usize },
    /// Several of the above in one request.
    Batch(Vec<Action>),
    /// Time passes.
    Pass { ms: i64 },
    /// The receivers are tried; each attempt fails with this many chances in ten.
    Deliver { failures: u8 },
    /// One of the audiences is defined, changed or removed.
    Audience { which: usize, form: u8 },
    /// The flow's rules change.
    Flow { form: u8 },
    /// An operator acknowledges or resolves one of the journeys.
    Operate { which: usize, resolve: bool },
    /// Dead letters are put back.
    Replay,
    /// The process dies and starts again.
    Restart,
    /// A commit breaks, before or after it is written, and with it the process.
    Break { after: u32, written: bool },
}

const STAGES: [&str; 6] = ["initiation", "no_reply", "no_reply", "reminder", "confirmed", "cancelled"];

/// Draws actions.
pub struct Generator {
    pub rng: StdRng,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed) }
    }

    fn late(&mut self) -> i64 {
        match self.rng.random_range(0..10) {
            0..5 => 0,
            5..8 => self.rng.random_range(0..3_600_000),
            8 => self.rng.random_range(0..5 * 86_400_000),
            _ => -self.rng.random_range(0..86_400_000),
        }
    }

    fn post(&mut self) -> Action {
        let user = self.rng.random_range(0..4);
        match self.rng.random_range(0..10) {
            0..5 => Action::Stage {
                user,
                flow: if self.rng.random_bool(0.85) { "appointment" } else { "unheard_of" },
                stage: STAGES[self.rng.random_range(0..STAGES.len())],
                sid: self.rng.random_bool(0.4).then(|| self.rng.random_range(0..3)),
                late_ms: self.late(),
            },
            5..8 => Action::Order { user, total: self.rng.random_range(1..100), late_ms: self.late() },
            _ => Action::Plan {
                user,
                plan: if self.rng.random_bool(0.5) { "pro" } else { "free" },
                late_ms: self.late(),
            },
        }
    }

    /// The next thing that happens.
    pub fn action(&mut self) -> Action {
        match self.rng.random_range(0..100) {
            0..45 => self.post(),
            45..50 => Action::Repeat { which: self.rng.random_range(0..1000) },
            50..55 => {
                let size = self.rng.random_range(1..6);
                Action::Batch((0..size).map(|_| self.post()).collect())
            }
            55..72 => Action::Pass {
                ms: match self.rng.random_range(0..3) {
                    0 => self.rng.random_range(1..2_000),
                    1 => self.rng.random_range(1..4 * 3_600_000),
                    _ => self.rng.random_range(1..3 * 86_400_000),
                },
            },
            72..84 => Action::Deliver { failures: self.rng.random_range(0..6) },
            84..88 => {
                Action::Audience { which: self.rng.random_range(0..100), form: self.rng.random_range(0..4) }
            }
            88..90 => Action::Flow { form: self.rng.random_range(0..3) },
            90..92 => {
                Action::Operate { which: self.rng.random_range(0..100), resolve: self.rng.random_bool(0.5) }
            }
            92..93 => Action::Replay,
            93..96 => Action::Restart,
            _ => Action::Break { after: self.rng.random_range(0..3), written: self.rng.random_bool(0.5) },
        }
    }
}
