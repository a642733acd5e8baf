//! A case: definitions, and what happens; pure data, so that it can be run again, made smaller and shown.

use crate::history::Post;
use crate::language::{Millis, Query};

/// When every case begins: a midnight.
pub const START: Millis = 1_789_948_800_000;
/// Users, anonymous visitors and accounts in a case.
pub const USERS: usize = 3;
pub const VISITORS: usize = 2;
pub const ACCOUNTS: usize = 2;

/// A definition in one or more forms: it begins as the first and may be changed to another.
#[derive(Clone, Debug)]
pub struct Definition {
    pub key: String,
    pub forms: Vec<Form>,
}

/// A query, and the text in which the product gets it.
#[derive(Clone, Debug)]
pub struct Form {
    pub query: Query,
    pub text: String,
    /// Whether it is about accounts: by its ANY or ALL, or because the definition says so.
    pub accounts: bool,
}

/// Something that happens. After each step the engine rests and everything is compared, unless it says otherwise.
#[derive(Clone, Debug)]
pub enum Step {
    /// Definitions are made, or changed to another form.
    Define { which: Vec<(usize, usize)>, then: Then },
    /// Posts arrive in one request.
    Arrive(Vec<Post>),
    /// The clock goes on to this instant.
    Pass {
        to: Millis,
        /// Nobody looks: timers that are due wait for the next step.
        unseen: bool,
    },
    /// The process ends and starts again.
    Restart,
}

/// What becomes of the work that new definitions make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    /// All of it is done.
    Done,
    /// The process dies after so many pieces of it, and starts again.
    Broken(usize),
    /// After so many pieces something else happens first; nobody looks before.
    LeftOff(usize),
}

/// What is run.
#[derive(Clone, Debug)]
pub struct Case {
    pub definitions: Vec<Definition>,
    pub steps: Vec<Step>,
}

impl Step {
    /// Whether nobody looks at what is shown before the next step.
    pub fn is_unseen(&self) -> bool {
        matches!(self, Self::Pass { unseen: true, .. } | Self::Define { then: Then::LeftOff(_), .. })
    }
}
