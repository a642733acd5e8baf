//! A team's clock: when it works, who is on call, when its summary is due.
//!
//! Hours are written by the clock on the wall, and clocks change. What is written as a local time is the first instant at which
//! that clock has come so far: a time that a change of clocks skips is the first instant after the gap, one that comes twice is
//! its first. So every piece of the week begins and ends once, and what was closed does not open anew where an hour is repeated.

use chrono::{Datelike, Days, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Weekday};
use chrono_tz::Tz;

use super::definition::{Shift, Team, WeekHours};
use super::time::{Span, Timestamp};

/// How far ahead an opening is looked for, in days: over a year of holidays.
const LOOK_AHEAD_DAYS: u64 = 400;

/// How far ahead a summary is looked for, in days: the same weekday of the next week, and one more for clocks that skip a day.
const SUMMARY_DAYS: u64 = 8;

/// The longest gap that a change of clocks ever made is a day (Samoa crossed the date line), in minutes with some to spare.
const LONGEST_GAP_MINUTES: i64 = 48 * 60;

/// The instant of `time` on the day that is `days_ahead` days after the day on which `at` falls in `zone`.
///
/// A local time that a change of clocks skips is the first instant after the gap; one that comes twice is its first.
pub fn local_time_on_day(zone: Tz, at: Timestamp, days_ahead: u32, time: NaiveTime) -> Timestamp {
    let day = plus_days(local_date(zone, at), u64::from(days_ahead));
    instant(zone, day.and_time(time))
}

/// The next instant at which it is `time` in `zone`, at least an hour after `at`: at night, that is this morning.
pub fn next_local_time(zone: Tz, at: Timestamp, time: NaiveTime) -> Timestamp {
    let today = local_time_on_day(zone, at, 0, time);
    if today >= at.plus(Span::from_hours(1)) { today } else { local_time_on_day(zone, at, 1, time) }
}

impl Team {
    /// Whether it works at that instant.
    pub fn is_open(&self, at: Timestamp) -> bool {
        days_around(self.time_zone, at).any(|date| self.open_on(date).any(|piece| piece.holds(at)))
    }

    /// The earliest instant from `at` on at which it works. `at` itself where it does not work within 400 days, so that what
    /// waits for an opening is never lost.
    pub fn next_opening(&self, at: Timestamp) -> Timestamp {
        let first = minus_days(local_date(self.time_zone, at), 1);
        // The pieces of a later day never begin before those of an earlier one.
        (0..=LOOK_AHEAD_DAYS + 1)
            .find_map(|ahead| {
                let pieces = self.open_on(plus_days(first, ahead));
                pieces.filter(|piece| piece.ends_after(at)).map(|piece| piece.begin.max(at)).min()
            })
            .unwrap_or(at)
    }

    /// Who is on call at that instant, in the order of the table; holidays make no difference.
    pub fn on_call(&self, at: Timestamp) -> Vec<&Shift> {
        let is_on = |shift: &&Shift| {
            days_around(self.time_zone, at)
                .any(|date| shift.hours.on(date, self.time_zone).any(|piece| piece.holds(at)))
        };
        self.on_call.iter().filter(is_on).collect()
    }

    /// When the first summary after that instant is due; `None` where it gets none.
    pub fn next_summary(&self, after: Timestamp) -> Option<Timestamp> {
        let first = minus_days(local_date(self.time_zone, after), 1);
        (0..=SUMMARY_DAYS)
            .find_map(|ahead| self.summary_on(plus_days(first, ahead)).filter(|due| *due > after))
    }

    /// When the last summary up to that instant was due; `None` where it gets none.
    pub fn last_summary(&self, until: Timestamp) -> Option<Timestamp> {
        let last = plus_days(local_date(self.time_zone, until), 1);
        (0..=SUMMARY_DAYS + 1)
            .find_map(|back| self.summary_on(minus_days(last, back)).filter(|due| *due <= until))
    }

    /// When the summary of that day is due, where there is one.
    fn summary_on(&self, date: NaiveDate) -> Option<Timestamp> {
        let summary = self.summary.as_ref().filter(|summary| summary.days.contains(&date.weekday()))?;
        Some(instant(self.time_zone, date.and_time(summary.at)))
    }

    /// The pieces of one day on which it works.
    fn open_on(&self, date: NaiveDate) -> impl Iterator<Item = Piece> {
        let works = !self.holidays.contains(&date);
        let always = (works && self.hours.is_empty())
            .then(|| Piece::new(self.time_zone, date, NaiveTime::MIN, NaiveTime::MIN));
        let hours = if works { self.hours.as_slice() } else { &[] };
        always.into_iter().chain(hours.iter().flat_map(move |hours| hours.on(date, self.time_zone)))
    }
}

impl WeekHours {
    /// What of it lies on that day: what begins then, up to midnight, and what is left from the day before.
    fn on(&self, date: NaiveDate, zone: Tz) -> impl Iterator<Item = Piece> {
        let crosses_midnight = self.until <= self.from;
        let until = if crosses_midnight { NaiveTime::MIN } else { self.until };
        let begun = self.is_on(date.weekday()).then(|| Piece::new(zone, date, self.from, until));
        let is_left = crosses_midnight && self.until > NaiveTime::MIN && self.is_on(date.weekday().pred());
        let left = is_left.then(|| Piece::new(zone, date, NaiveTime::MIN, self.until));
        begun.into_iter().chain(left)
    }

    fn is_on(&self, day: Weekday) -> bool {
        self.days.contains(&day)
    }
}

/// From one instant to another, without the latter.
struct Piece {
    begin: Timestamp,
    end: Timestamp,
}

impl Piece {
    /// A piece of one day; it ends with that day where `until` is midnight.
    fn new(zone: Tz, date: NaiveDate, from: NaiveTime, until: NaiveTime) -> Self {
        let last = if until == NaiveTime::MIN { plus_days(date, 1) } else { date };
        Self { begin: instant(zone, date.and_time(from)), end: instant(zone, last.and_time(until)) }
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.begin <= at && at < self.end
    }

    /// Whether something of it lies at or after that instant; of one that a gap swallowed nothing does.
    fn ends_after(&self, at: Timestamp) -> bool {
        self.begin < self.end && at < self.end
    }
}

/// The days whose pieces can hold that instant: clocks that were put back show a day that was over already.
fn days_around(zone: Tz, at: Timestamp) -> impl Iterator<Item = NaiveDate> {
    let first = minus_days(local_date(zone, at), 1);
    (0..=2).map(move |ahead| plus_days(first, ahead))
}

fn local_date(zone: Tz, at: Timestamp) -> NaiveDate {
    at.to_chrono().with_timezone(&zone).date_naive()
}

/// The first instant at which the clocks of `zone` have come as far as `local`.
pub fn instant(zone: Tz, local: NaiveDateTime) -> Timestamp {
    if let Some(at) = zone.from_local_datetime(&local).earliest() {
        return Timestamp::from_chrono(at.to_utc());
    }
    // It is in a gap. Gaps end with a whole minute.
    let minute = local.with_second(0).and_then(|local| local.with_nanosecond(0)).unwrap_or(local);
    (1..=LONGEST_GAP_MINUTES)
        .filter_map(|minutes| minute.checked_add_signed(Duration::minutes(minutes)))
        .find_map(|later| zone.from_local_datetime(&later).earliest())
        .map_or_else(|| Timestamp::from_chrono(local.and_utc()), |at| Timestamp::from_chrono(at.to_utc()))
}

// Years end at 9999 for a `Timestamp`; a `NaiveDate` knows many more.
fn plus_days(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX)
}

fn minus_days(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN)
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
