//! How a destination fares: since when it has only failed, and whether it is paused.
//!
//! ```text
//! healthy ─ some attempts fail ─▶ failing ─ nothing else for `pause_after` ─▶ paused ─ a probe gets through ─▶ healthy
//!    ▲─────── one gets through ────┘                                          └─ resumed by hand ─▶ healthy
//! ```
//!
//! A paused destination's queue waits, without its time running out. One that was paused for its failures is tried with one
//! delivery every `probe_every`; one that a person paused is left alone until a person resumes it.

use serde::{Deserialize, Serialize};

use super::definition::Destination;
use super::limits::PAUSE_ATTEMPTS;
use super::time::{Span, Timestamp};

/// What an attempt says about its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It took what it was sent.
    Good,
    /// It did not answer, or not with yes.
    Bad,
    /// It lets nobody in: its credentials don't hold, or its account is closed. Only a person can change that, so that it is
    /// paused at once.
    Barred,
    /// Nothing: it was not asked.
    None,
}

/// Who paused a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// Its failures.
    Failures,
    /// Somebody.
    Person {
        /// Who.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
}

/// A destination that is not sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// By whom.
    pub by: PausedBy,
    /// When one delivery is tried next; `None` for never.
    pub probe_at: Option<Timestamp>,
}

/// How one destination fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The destination's key.
    pub destination: String,
    /// When the first of the present run of failures was; `None` while there is none.
    pub failing_since: Option<Timestamp>,
    /// How many attempts have failed in it. Written with the other fields only, so a restart may count anew.
    pub failures: u32,
    /// What the newest failure said.
    pub last_error: Option<String>,
    /// When something was taken last, as far as it was written down: at the end of a run of failures, and first after a pause.
    pub recovered_at: Option<Timestamp>,
    /// Whether it is paused.
    pub pause: Option<Pause>,
    /// When it was last no longer paused: time for retries counts from here at the earliest.
    pub resumed_at: Option<Timestamp>,
}

/// What has become of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It failed several times in a row.
    BeganToFail,
    /// It takes what it is sent again, without having been paused.
    Recovered,
    /// It is paused for its failures.
    Paused,
    /// A probe of the paused destination failed.
    ProbeFailed,
    /// A probe got through: it is not paused any more.
    Resumed,
}

impl Health {
    /// A destination of which nothing is known.
    pub fn new(destination: String) -> Self {
        Self {
            destination,
            failing_since: None,
            failures: 0,
            last_error: None,
            recovered_at: None,
            pause: None,
            resumed_at: None,
        }
    }

    /// Notes what an attempt said, `now`; answers what has become of the destination if that is to be written down.
    pub fn note(
        &mut self,
        signal: Signal,
        error: Option<&str>,
        destination: &Destination,
        now: Timestamp,
    ) -> Option<Turn> {
        match signal {
            Signal::None => None,
            Signal::Good => self.note_good(now),
            Signal::Bad => self.note_bad(error, destination, now, false),
            Signal::Barred => self.note_bad(error, destination, now, true),
        }
    }

    fn note_good(&mut self, now: Timestamp) -> Option<Turn> {
        let was_failing = self.is_failing() || self.is_unproven();
        (self.failing_since, self.failures) = (None, 0);
        // Whoever paused it by hand has a reason that an attempt which was under way does not know.
        let was_paused = self.pause.as_ref().is_some_and(|pause| pause.by == PausedBy::Failures);
        if was_paused {
            self.pause = None;
            self.resumed_at = Some(now);
        }
        if was_failing || was_paused {
            self.recovered_at = Some(now);
        }
        match (was_paused, was_failing) {
            (true, _) => Some(Turn::Resumed),
            (false, true) => Some(Turn::Recovered),
            (false, false) => None,
        }
    }

    fn note_bad(
        &mut self,
        error: Option<&str>,
        destination: &Destination,
        now: Timestamp,
        is_barred: bool,
    ) -> Option<Turn> {
        let since = *self.failing_since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        self.last_error = error.map(str::to_owned);
        let is_to_be_paused = self.has_only_failed(destination.pause_after, since, now)
            || (is_barred && destination.pause_after.is_some());
        match &mut self.pause {
            Some(Pause { by: PausedBy::Failures, probe_at, .. }) => {
                *probe_at = Some(now.plus(destination.probe_every));
                Some(Turn::ProbeFailed)
            }
            Some(Pause { by: PausedBy::Person { .. }, .. }) => None,
            None if is_to_be_paused => {
                let probe_at = Some(now.plus(destination.probe_every));
                self.pause = Some(Pause { at: now, by: PausedBy::Failures, probe_at });
                Some(Turn::Paused)
            }
            None => (self.failures == PAUSE_ATTEMPTS).then_some(Turn::BeganToFail),
        }
    }

    fn has_only_failed(&self, pause_after: Option<Span>, since: Timestamp, now: Timestamp) -> bool {
        pause_after.is_some_and(|after| since.plus(after) <= now) && self.failures >= PAUSE_ATTEMPTS
    }

    /// Whether it has failed often enough to speak of it: one that stumbles now and then is well.
    fn is_failing(&self) -> bool {
        self.failures >= PAUSE_ATTEMPTS
    }

    /// Somebody wants nothing to be sent; says whether that is news.
    pub fn pause(&mut self, by: String, reason: String, now: Timestamp) -> bool {
        if matches!(&self.pause, Some(Pause { by: PausedBy::Person { .. }, .. })) {
            return false;
        }
        let at = self.pause.as_ref().map_or(now, |pause| pause.at);
        self.pause = Some(Pause { at, by: PausedBy::Person { by, reason }, probe_at: None });
        true
    }

    /// Somebody wants it to be sent to again; says whether that is news. Its failures are forgotten: they count anew.
    pub fn resume(&mut self, now: Timestamp) -> bool {
        if self.pause.take().is_none() {
            return false;
        }
        self.resumed_at = Some(now);
        (self.failing_since, self.failures) = (None, 0);
        true
    }

    /// Whether it failed, was resumed by hand, and neither took anything nor failed often enough since.
    pub fn is_unproven(&self) -> bool {
        self.state() == "healthy" && self.last_error.is_some() && self.resumed_at > self.recovered_at
    }

    /// The name of its state in the API and in metrics: `healthy`, `failing` or `paused`.
    pub fn state(&self) -> &'static str {
        match (&self.pause, self.is_failing()) {
            (Some(_), _) => "paused",
            (None, true) => "failing",
            (None, false) => "healthy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::{DestinationKind, Signing};

    fn destination() -> Destination {
        let kind = DestinationKind::Webhook { urls: Vec::new(), signing: Signing::default(), gzip: false };
        Destination {
            pause_after: Some(Span::from_secs(100)),
            probe_every: Span::from_secs(10),
            ..Destination::new("crm".to_owned(), kind)
        }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn bad(health: &mut Health, secs: i64) -> Option<Turn> {
        health.note(Signal::Bad, Some("answered 500"), &destination(), at(secs))
    }

    fn good(health: &mut Health, secs: i64) -> Option<Turn> {
        health.note(Signal::Good, None, &destination(), at(secs))
    }

    fn failing() -> Health {
        let mut health = Health::new("crm".to_owned());
        (0..4).for_each(|secs| assert_eq!(bad(&mut health, secs), None));
        assert_eq!((health.state(), bad(&mut health, 4)), ("healthy", Some(Turn::BeganToFail)));
        health
    }

    #[test]
    fn nothing_but_failures_for_long_enough_pauses_and_a_probe_that_gets_through_resumes() {
        let mut health = failing();
        assert_eq!(bad(&mut health, 99), None, "not yet");
        assert_eq!((health.state(), bad(&mut health, 100)), ("failing", Some(Turn::Paused)));
        assert_eq!(health.pause.as_ref().unwrap().probe_at, Some(at(110)));
        assert_eq!(bad(&mut health, 111), Some(Turn::ProbeFailed));
        assert_eq!(health.pause.as_ref().unwrap().probe_at, Some(at(121)));
        assert_eq!(health.failing_since, Some(at(0)), "the first failure is kept");
        assert_eq!(good(&mut health, 122), Some(Turn::Resumed));
        assert_eq!((health.state(), health.resumed_at), ("healthy", Some(at(122))));
        assert!(!health.is_unproven());
    }

    #[test]
    fn who_lets_nobody_in_is_paused_at_once_unless_it_never_is() {
        let mut health = Health::new("twilio".to_owned());
        let barred = |health: &mut Health, destination: &Destination| {
            health.note(Signal::Barred, Some("answered 401"), destination, at(0))
        };
        assert_eq!(barred(&mut health, &destination()), Some(Turn::Paused));
        assert_eq!(barred(&mut health, &destination()), Some(Turn::ProbeFailed));
        assert_eq!(good(&mut health, 1), Some(Turn::Resumed));
        let never = Destination { pause_after: None, ..destination() };
        assert_eq!(barred(&mut health, &never), None);
    }

    #[test]
    fn one_success_begins_it_anew() {
        let mut health = failing();
        assert_eq!(good(&mut health, 50), Some(Turn::Recovered));
        for secs in 60..64 {
            assert_eq!(bad(&mut health, secs), None);
        }
        assert_eq!(bad(&mut health, 159), Some(Turn::BeganToFail), "99 seconds since the first failure");
        assert_eq!(bad(&mut health, 160), Some(Turn::Paused));
    }

    #[test]
    fn a_few_failures_do_not_pause_however_long_they_take() {
        let mut health = Health::new("crm".to_owned());
        bad(&mut health, 0);
        for secs in [1000, 2000, 3000] {
            assert_eq!(bad(&mut health, secs), None);
        }
        assert_eq!(bad(&mut health, 4000), Some(Turn::Paused), "the fifth");
    }

    #[test]
    fn what_asked_nobody_says_nothing() {
        let mut health = Health::new("crm".to_owned());
        assert_eq!(health.note(Signal::None, Some("no such field"), &destination(), at(1)), None);
        assert_eq!(health, Health::new("crm".to_owned()));
        let never = Destination { pause_after: None, ..destination() };
        for secs in 0..1000 {
            assert_ne!(health.note(Signal::Bad, None, &never, at(secs * 100)), Some(Turn::Paused));
        }
    }

    #[test]
    fn a_person_has_the_last_word() {
        let mut health = failing();
        assert!(health.pause("ann".to_owned(), String::new(), at(7)));
        assert!(!health.pause("bob".to_owned(), String::new(), at(8)), "ann has done so");
        assert_eq!(good(&mut health, 9), Some(Turn::Recovered), "it was under way");
        assert_eq!((health.state(), bad(&mut health, 10)), ("paused", None));
        assert!(health.resume(at(20)) && !health.resume(at(21)));
        assert_eq!((health.state(), health.resumed_at, health.failures), ("healthy", Some(at(20)), 0));
        assert!(health.is_unproven(), "that it is resumed does not mean that it takes anything");
        assert_eq!(good(&mut health, 22), Some(Turn::Recovered), "that is to be known after a restart, too");
        assert!(!health.is_unproven());
    }
}
