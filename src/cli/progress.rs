//! How far a copy got: a bar on a terminal, else a line now and then.

use std::fmt;
use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use crate::domain::copying::RecordKind;
use crate::store::copy::{Phase, Progress};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

const WITH_TOTAL: &str = "{prefix:30} {bar:30} {human_pos}/{human_len}  {rate}  {left}";
const WITHOUT_TOTAL: &str = "{prefix:30} {spinner:30} {human_pos}  {rate}";

/// Shows it on stderr.
pub(super) struct Display {
    is_terminal: bool,
    now: Option<Showing>,
}

/// What is shown now.
struct Showing {
    phase: Phase,
    kind: RecordKind,
    bar: ProgressBar,
    said: Instant,
}

impl Display {
    pub(super) fn new() -> Self {
        Self { is_terminal: stderr().is_terminal(), now: None }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        if progress.done == 0 && progress.total.unwrap_or(0) == 0 {
            return;
        }
        let is_other = |now: &Showing| (now.phase, now.kind) != (progress.phase, progress.kind);
        if self.now.as_ref().is_none_or(is_other) {
            self.end();
            self.now = Some(self.begin(progress));
        }
        let Some(now) = &mut self.now else { return };
        if let Some(total) = progress.total {
            // What became part of another profile is not counted, and copied all the same.
            now.bar.set_length(total.max(progress.done));
        }
        now.bar.set_position(progress.done);
        if !self.is_terminal && now.said.elapsed() >= EVERY {
            now.said = Instant::now();
            eprintln!("{}", now.line());
        }
    }

    /// Nothing more of what is shown now is to come.
    pub(super) fn end(&mut self) {
        let Some(now) = self.now.take() else { return };
        now.bar.finish_and_clear();
        eprintln!("{}", now.last_line());
    }

    fn begin(&self, progress: Progress) -> Showing {
        let bar = if self.is_terminal { ProgressBar::no_length() } else { ProgressBar::hidden() };
        let template = if progress.total.is_some() { WITH_TOTAL } else { WITHOUT_TOTAL };
        let style = ProgressStyle::with_template(template).expect("the templates are sound");
        let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A terminal that can't be written to shows nothing anyway.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        });
        let style = style.with_key("left", |state: &ProgressState, out: &mut dyn fmt::Write| {
            let secs = state.eta().as_secs();
            if secs > 0 {
                let _ = write!(out, "{} left", HumanDuration(Duration::from_secs(secs)));
            }
        });
        let Progress { phase, kind, .. } = progress;
        let bar = bar.with_style(style).with_prefix(format!("{} {}", verb(phase), kind.as_str()));
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.done);
        // What an earlier run did says nothing of how fast this one is.
        bar.reset_eta();
        Showing { phase, kind, bar, said: Instant::now() }
    }
}

impl Showing {
    fn line(&self) -> String {
        let of = self.bar.length().map_or(String::new(), |total| format!(" of {total}"));
        let secs = self.bar.length().map_or(0, |_| self.bar.eta().as_secs());
        let left = if secs == 0 { String::new() } else { format!(", {secs} s left") };
        let (prefix, done, rate) = (self.bar.prefix(), self.bar.position(), self.bar.per_sec());
        format!("{prefix}: {done}{of}, {rate:.0} a second{left}")
    }

    fn last_line(&self) -> String {
        let (prefix, done, took) = (self.bar.prefix(), self.bar.position(), self.bar.elapsed().as_secs_f64());
        format!("{prefix}: {done} in {took:.1} s")
    }
}

fn verb(phase: Phase) -> &'static str {
    match phase {
        Phase::Copying => "copying",
        Phase::Comparing => "comparing",
    }
}
