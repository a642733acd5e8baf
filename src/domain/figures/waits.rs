//! Waiting times as figures tell them apart: by lengths that people would say, so that what a timer brings stands there as its time.

use super::known_as;
use crate::domain::time::Span;

/// The lengths there are, by their unit in seconds; together they rise, and from 5 s on none is more than a quarter longer than the
/// one before.
const LENGTHS: [(u32, &[u32]); 4] = [
    (
        1,
        &[
            0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 20, 25, 30, 35, 40, 45, 50, 60, 75, 90, 105, 120, 150,
            180, 210,
        ],
    ),
    (60, &[4, 5, 6, 7, 8, 10, 12, 15, 18, 20, 25, 30, 35, 40, 45, 50, 60, 75, 90, 105, 120, 150, 180, 210]),
    (3_600, &[4, 5, 6, 7, 8, 10, 12, 15, 18, 21, 24, 30, 36, 42, 48, 60, 72, 84]),
    (
        86_400,
        &[
            4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 25, 30, 35, 42, 50, 60, 70, 80, 90, 105, 120, 150, 180, 210,
            240, 270, 300, 365, 450, 550, 640, 730, 900, 1095, 1300, 1460, 1825, 2190, 2700, 3300, 3650,
        ],
    ),
];

fn lengths() -> impl Iterator<Item = u32> {
    LENGTHS.into_iter().flat_map(|(unit, lengths)| lengths.iter().map(move |length| unit * length))
}

/// About how long a waiting time is, in seconds: the nearest of the lengths there are. From 5 s to ten years that is at most a ninth
/// off.
pub fn about(wait: Span) -> u32 {
    let millis = wait.millis();
    let distance = |seconds: &u32| (i64::from(*seconds) * 1000).abs_diff(millis);
    lengths().min_by_key(distance).unwrap_or_default()
}

/// The detail of [`Family::Waited`](super::Family::Waited): about so long in the stage before that one.
pub fn wait_detail(stage: &str, wait: Span) -> String {
    format!("{}:{}", known_as(stage), about(wait))
}

/// The stage, and the seconds, that such a detail tells of.
pub fn read_wait_detail(detail: &str) -> Option<(&str, u32)> {
    let (stage, seconds) = detail.rsplit_once(':')?;
    Some((stage, seconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::limits;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn about_is_near(millis in 5_000_i64..=limits::MAX_HISTORY.millis()) {
            let about = i64::from(about(Span::from_millis(millis))) * 1000;
            prop_assert!((about - millis).abs() * 9 <= millis, "{millis} is not about {about}");
        }

        #[test]
        fn a_longer_wait_is_not_about_less(one: i64, other: i64) {
            let (short, long) = (Span::from_millis(one.min(other)), Span::from_millis(one.max(other)));
            prop_assert!(about(short) <= about(long));
        }

        #[test]
        fn a_wait_is_read_back_from_its_detail(stage in ".{0,60}", millis: i64) {
            let wait = Span::from_millis(millis);
            let detail = wait_detail(&stage, wait);
            prop_assert_eq!(read_wait_detail(&detail), Some((known_as(&stage), about(wait))));
        }
    }

    #[test]
    fn what_timers_bring_is_their_time() {
        for seconds in
            [0, 1, 5, 10, 15, 30, 60, 90, 120, 300, 600, 900, 1_800, 2_700, 3_600, 7_200, 86_400, 604_800]
        {
            // A little later than the timer, as answers and posts take their time.
            let late = Span::from_millis(i64::from(seconds) * 1010 + 300);
            assert_eq!(about(late), seconds, "{late}");
        }
        assert_eq!(about(Span::from_millis(i64::MAX)), 3650 * 86_400);
        assert_eq!(about(Span::from_millis(-1)), 0);
    }

    #[test]
    fn lengths_rise() {
        assert!(lengths().is_sorted_by(|one, next| one < next));
    }
}
