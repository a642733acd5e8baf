//! Sizes over time as charts want them: a number for every step, where the store has points only where something changed.

use super::super::chart::Axis;
use crate::domain::figures::FigurePoint;
use crate::domain::sizes::SizePoint;
use crate::domain::time::Timestamp;

/// What became of an audience along an axis.
pub(super) struct Course {
    /// Its size at the end of each step.
    pub sizes: Vec<u64>,
    /// How often somebody entered.
    pub entered: Vec<u64>,
    /// How often somebody left.
    pub exited: Vec<u64>,
    /// Its size before the first step.
    pub before: u64,
}

/// Told by the audience's points along the axis; `now` is the size of this moment.
pub(super) fn course(points: &[SizePoint], axis: &Axis, now: u64) -> Course {
    let counted = |count: fn(&SizePoint) -> u64| {
        let points: Vec<FigurePoint> = points
            .iter()
            .map(|point| FigurePoint { start: point.start, detail: String::new(), count: count(point) })
            .collect();
        axis.counts(&points)
    };
    Course {
        sizes: filled(points, axis.starts(), now),
        entered: counted(|point| point.entered),
        exited: counted(|point| point.exited),
        before: points.first().map_or(now, before),
    }
}

/// The size at a point's beginning.
fn before(point: &SizePoint) -> u64 {
    (point.size + point.exited).saturating_sub(point.entered)
}

/// The size at the end of each step: between points it stays what it was.
fn filled(points: &[SizePoint], starts: &[Timestamp], now: u64) -> Vec<u64> {
    let mut size = points.first().map_or(now, before);
    let mut points = points.iter().peekable();
    let mut filled = Vec::with_capacity(starts.len());
    for start in starts {
        while let Some(point) = points.next_if(|point| point.start <= *start) {
            size = point.size;
        }
        filled.push(size);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_stays_until_somebody_comes_or_goes() {
        let at = |hour: i64| Timestamp::from_millis(hour * 3_600_000);
        let point = |hour, entered, exited, size| SizePoint { start: at(hour), entered, exited, size };
        let starts: Vec<Timestamp> = (0..6).map(at).collect();
        assert_eq!(filled(&[point(2, 3, 1, 12), point(4, 0, 2, 10)], &starts, 99), [10, 10, 12, 12, 10, 10]);
        assert_eq!(filled(&[], &starts, 7), [7; 6]);
    }
}
