//! How fast Studio is asked: one request at a time, with a gap that grows when it has enough and shrinks when it has not.

use std::time::Duration;

use tokio::time::Instant;

/// The longest gap, whatever is asked for.
const LONGEST: Duration = Duration::from_secs(60);
/// The gap after the first refusal, at least.
const AFTER_REFUSAL: u32 = 10;

/// The gap between two requests.
#[derive(Clone, Debug)]
pub struct Pace {
    shortest: Duration,
    gap: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// As fast as may be: a tenth of a second between two requests.
    pub fn usual() -> Self {
        Self::new(Duration::from_millis(100))
    }

    /// With `shortest` as the gap when all goes well.
    pub fn new(shortest: Duration) -> Self {
        Self { shortest, gap: shortest, next: None }
    }

    /// Waits until the next request may go.
    pub async fn wait(&mut self) {
        if let Some(next) = self.next {
            tokio::time::sleep_until(next).await;
        }
        self.next = Some(Instant::now() + self.gap);
    }

    /// The request was answered.
    pub fn went_well(&mut self) {
        self.gap = (self.gap / 2).max(self.shortest);
    }

    /// The request was refused, or failed; `asked` is for how long the server wants to be left alone.
    pub fn went_badly(&mut self, asked: Option<Duration>) {
        let longer = (self.gap * 2).max(self.shortest * AFTER_REFUSAL);
        self.gap = longer.max(asked.unwrap_or_default()).min(LONGEST);
        self.next = Some(Instant::now() + self.gap);
    }

    /// The gap now.
    pub fn gap(&self) -> Duration {
        self.gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_slow_it_down_and_answers_let_it_recover() {
        let mut pace = Pace::usual();
        let mut gaps = Vec::new();
        for asked in [None, None, Some(20), None, Some(3600)] {
            pace.went_badly(asked.map(Duration::from_secs));
            gaps.push(pace.gap().as_secs());
        }
        assert_eq!(gaps, [1, 2, 20, 40, 60]);
        for _ in 0..20 {
            pace.went_well();
        }
        assert_eq!(pace.gap(), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_go_one_gap_apart() {
        let (mut pace, begun) = (Pace::usual(), Instant::now());
        for _ in 0..3 {
            pace.wait().await;
        }
        assert_eq!(begun.elapsed(), Duration::from_millis(200));
        pace.went_badly(Some(Duration::from_secs(5)));
        pace.wait().await;
        assert_eq!(begun.elapsed(), Duration::from_millis(5200));
    }
}
