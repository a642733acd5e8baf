//! The oracle walks every minute: it looks at the clock on the wall, and remembers how far that clock has been.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::domain::definition::Summary;
use crate::domain::time::Span;

const MINUTE: Span = Span::from_secs(60);

/// Zones, and an instant before a change of their clocks: an hour forward and back, half an hour, at midnight, and a whole day.
const CHANGES: [(&str, &str); 10] = [
    ("Europe/Brussels", "2026-03-28T00:00:00Z"),
    ("Europe/Brussels", "2026-10-24T00:00:00Z"),
    ("America/New_York", "2026-03-07T00:00:00Z"),
    ("America/New_York", "2026-10-31T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-03T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-02T00:00:00Z"),
    ("America/Sao_Paulo", "2018-02-17T00:00:00Z"),
    ("America/Sao_Paulo", "2018-11-03T00:00:00Z"),
    ("Pacific/Apia", "2011-12-28T00:00:00Z"),
    ("America/St_Johns", "2010-11-06T00:00:00Z"),
];

fn at(text: &str) -> Timestamp {
    Timestamp::parse_lenient(text).unwrap()
}

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

const MON_FRI: [Weekday; 5] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
const EVERY_DAY: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

fn hours(days: &[Weekday], from: &str, until: &str) -> WeekHours {
    WeekHours { days: days.to_vec(), from: time(from), until: time(until) }
}

fn team(zone: &str, hours: Vec<WeekHours>) -> Team {
    Team {
        key: "ops".into(),
        time_zone: zone.parse().unwrap(),
        hours,
        holidays: Vec::new(),
        on_call: Vec::new(),
        summary: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

/// Whether the clock on the wall shows a time within these hours.
fn shows(hours: &WeekHours, local: NaiveDateTime) -> bool {
    let (day, time) = (local.weekday(), local.time());
    if hours.from < hours.until {
        return hours.days.contains(&day) && hours.from <= time && time < hours.until;
    }
    (hours.days.contains(&day) && hours.from <= time)
        || (hours.days.contains(&day.pred()) && time < hours.until)
}

fn is_open_by_the_wall(team: &Team, local: NaiveDateTime) -> bool {
    let works = team.hours.is_empty() || team.hours.iter().any(|hours| shows(hours, local));
    works && !team.holidays.contains(&local.date())
}

/// Every minute of some days from `begin` on, and how far the clock on the wall has been by then.
fn minutes(team: &Team, begin: Timestamp, days: i64) -> Vec<(Timestamp, NaiveDateTime)> {
    let warm = 2 * 24 * 60;
    let mut furthest = NaiveDateTime::MIN;
    (-warm..days * 24 * 60)
        .map(|minute| Timestamp::from_millis(begin.millis() + minute * MINUTE.millis()))
        .map(|at| {
            furthest = furthest.max(at.to_chrono().with_timezone(&team.time_zone).naive_local());
            (at, furthest)
        })
        .filter(|(at, _)| *at >= begin)
        .collect()
}

/// Compares the calendar with the oracle at every `step`th minute of some days.
fn agrees(team: &Team, begin: Timestamp, days: i64, step: usize) {
    let minutes = minutes(team, begin, days);
    let mut next = None;
    for (index, (at, wall)) in minutes.iter().enumerate().rev() {
        let is_open = is_open_by_the_wall(team, *wall);
        next = if is_open { Some(*at) } else { next };
        if index % step != 0 {
            continue;
        }
        assert_eq!(team.is_open(*at), is_open, "{at} ({wall}) in {team:?}");
        if let Some(next) = next {
            assert_eq!(team.next_opening(*at), next, "from {at} ({wall}) in {team:?}");
        }
    }
}

fn weekdays(numbers: &[usize]) -> Vec<Weekday> {
    (0..7).filter(|day| numbers.contains(day)).map(|day| EVERY_DAY[day]).collect()
}

fn some_hours() -> impl Strategy<Value = WeekHours> {
    let quarter = |quarter: u32| NaiveTime::from_hms_opt(quarter / 4, quarter % 4 * 15, 0).unwrap();
    let days = vec(0_usize..7, 1..5);
    // Many of them begin or end in the hours in which clocks are changed.
    let edge = || prop_oneof![0..16_u32, 0..96_u32];
    (days, edge(), edge()).prop_map(move |(days, from, until)| WeekHours {
        days: weekdays(&days),
        from: quarter(from),
        until: quarter(until),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn around_every_change_of_clocks(change in 0..CHANGES.len(), hours in vec(some_hours(), 0..4), off in vec(0_u64..8, 0..3)) {
        let (zone, begin) = CHANGES[change];
        let mut team = team(zone, hours);
        let first = local_date(team.time_zone, at(begin));
        team.holidays = off.into_iter().map(|day| plus_days(first, day)).collect();
        agrees(&team, at(begin), 8, 5);
    }

    #[test]
    fn a_shift_is_on_when_hours_like_it_are_open(change in 0..CHANGES.len(), hours in some_hours(), minute in 0..8 * 24 * 60_i64) {
        let (zone, begin) = CHANGES[change];
        let shift = Shift { hours: hours.clone(), name: "Ada".into(), email: Vec::new(), phone: Vec::new() };
        let mut team = team(zone, vec![hours]);
        team.on_call = vec![shift];
        let now = Timestamp::from_millis(at(begin).millis() + minute * MINUTE.millis());
        prop_assert_eq!(team.on_call(now).len(), usize::from(team.is_open(now)));
        // Somebody is on call on holidays too.
        let before = team.on_call(now).len();
        team.holidays = EVERY_DAY.iter().zip(0..).map(|(_, day)| plus_days(local_date(team.time_zone, now), day)).collect();
        prop_assert_eq!(team.on_call(now).len(), before);
        prop_assert!(!team.is_open(now));
    }

    #[test]
    fn one_summary_for_each_of_its_days(change in 0..CHANGES.len(), days in vec(0_usize..7, 1..7), quarter in 0..96_u32) {
        let (zone, begin) = CHANGES[change];
        let mut team = team(zone, Vec::new());
        let days = weekdays(&days);
        let at_time = NaiveTime::from_hms_opt(quarter / 4, quarter % 4 * 15, 0).unwrap();
        team.summary = Some(Summary { at: at_time, days: days.clone(), to: Vec::new(), flows: Vec::new() });
        let (mut now, mut due) = (at(begin), Vec::new());
        while let Some(next) = team.next_summary(now).filter(|next| *next < at(begin).plus(Span::from_days(14))) {
            prop_assert!(next > now);
            due.push(next);
            now = next;
        }
        for pair in due.windows(2) {
            prop_assert_eq!(team.last_summary(pair[1]), Some(pair[1]));
            prop_assert_eq!(team.last_summary(pair[1].minus(Span::from_millis(1))), Some(pair[0]));
        }
        prop_assert!(due.len().abs_diff(2 * days.len()) <= 1, "{} in 14 days, of {:?}", due.len(), days);
        for due in due {
            let local = due.to_chrono().with_timezone(&team.time_zone);
            // What was skipped comes as soon as the clock is past it, be that a day later at the same time.
            let before = due.minus(Span::from_millis(1)).to_chrono().with_timezone(&team.time_zone).naive_local();
            let skipped = local.naive_local() - before > Duration::minutes(1);
            prop_assert!(skipped || (local.time() == at_time && days.contains(&local.weekday())));
        }
    }
}

#[test]
fn a_year_hour_by_hour() {
    let years = [
        ("Europe/Brussels", "2026-01-01T00:00:00Z"),
        ("America/New_York", "2026-01-01T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-01-01T00:00:00Z"),
        ("Asia/Tehran", "2021-01-01T00:00:00Z"),
        ("Pacific/Apia", "2011-01-01T00:00:00Z"),
    ];
    for (zone, begin) in years {
        let mut team =
            team(zone, vec![hours(&MON_FRI, "08:00", "18:00"), hours(&[Weekday::Sat], "22:30", "02:30")]);
        let first = local_date(team.time_zone, at(begin));
        team.holidays = [0, 95, 120, 358, 359].map(|day| plus_days(first, day)).to_vec();
        agrees(&team, at(begin), 365, 60);
    }
}

#[test]
fn an_office_in_brussels() {
    let mut team = team("Europe/Brussels", vec![hours(&MON_FRI, "08:00", "18:00")]);
    team.holidays = vec![date("2026-12-25")];
    // A Friday in winter: UTC+1.
    assert!(team.is_open(at("2026-11-20T07:00:00Z")) && team.is_open(at("2026-11-20T16:59:59.999Z")));
    assert!(!team.is_open(at("2026-11-20T06:59:59.999Z")) && !team.is_open(at("2026-11-20T17:00:00Z")));
    // Over the weekend; the first working day after clocks went forward is UTC+2.
    assert_eq!(team.next_opening(at("2026-11-20T17:00:00Z")), at("2026-11-23T07:00:00Z"));
    assert_eq!(team.next_opening(at("2026-03-27T17:00:00Z")), at("2026-03-30T06:00:00Z"));
    // Christmas is a Friday.
    assert_eq!(team.next_opening(at("2026-12-24T17:00:00Z")), at("2026-12-28T07:00:00Z"));
    let open = at("2026-11-20T12:34:56.789Z");
    assert_eq!(team.next_opening(open), open);
}

#[test]
fn a_night_shift_over_the_change_of_clocks() {
    let team = team("Europe/Brussels", vec![hours(&[Weekday::Sat], "22:00", "02:30")]);
    // 2026-10-25: at 03:00 clocks go back to 02:00. It ends at the first 02:30 and does not open again at the second 02:00.
    assert!(team.is_open(at("2026-10-25T00:29:00Z")));
    assert!(!team.is_open(at("2026-10-25T00:30:00Z")) && !team.is_open(at("2026-10-25T01:15:00Z")));
    // 2026-03-29: 02:30 does not come; it ends when clocks jump to 03:00.
    assert!(team.is_open(at("2026-03-29T00:59:59.999Z")) && !team.is_open(at("2026-03-29T01:00:00Z")));
}

#[test]
fn a_team_that_never_opens_does_not_hold_anything_back() {
    let mut team = team("UTC", vec![hours(&EVERY_DAY, "00:00", "00:00")]);
    let now = at("2026-11-20T12:00:00Z");
    assert!(team.is_open(now), "from midnight to midnight is the whole day");
    team.holidays = (0..=LOOK_AHEAD_DAYS).map(|day| plus_days(date("2026-11-20"), day)).collect();
    assert_eq!(team.next_opening(now), now);
    team.holidays.truncate(380);
    assert_eq!(team.next_opening(now), at("2027-12-05T00:00:00Z"));
    for far in [i64::MIN, i64::MAX].map(Timestamp::from_millis) {
        assert_eq!(team.next_opening(far), far);
    }
}

#[test]
fn the_next_nine_is_an_hour_away_at_least() {
    let brussels: Tz = "Europe/Brussels".parse().unwrap();
    for (now, expected) in [
        ("2026-11-22T01:24:00Z", "2026-11-22T08:00:00Z"),
        ("2026-11-22T07:00:00Z", "2026-11-22T08:00:00Z"),
        ("2026-11-22T07:00:01Z", "2026-11-23T08:00:00Z"),
        ("2026-11-22T20:00:00Z", "2026-11-23T08:00:00Z"),
    ] {
        assert_eq!(next_local_time(brussels, at(now), time("09:00")), at(expected), "{now}");
    }
}

#[test]
fn tomorrow_at_nine() {
    let brussels: Tz = "Europe/Brussels".parse().unwrap();
    let evening = at("2026-03-28T22:30:00Z");
    assert_eq!(local_time_on_day(brussels, evening, 1, time("09:00")), at("2026-03-29T07:00:00Z"));
    // 02:30 is skipped that night, to the first instant after the gap; in October it comes twice.
    let skipped = NaiveTime::from_hms_opt(2, 30, 30).unwrap();
    assert_eq!(local_time_on_day(brussels, evening, 1, skipped), at("2026-03-29T01:00:00Z"));
    let october = at("2026-10-24T12:00:00Z");
    assert_eq!(local_time_on_day(brussels, october, 1, time("02:30")), at("2026-10-25T00:30:00Z"));
    assert_eq!(local_time_on_day(brussels, october, 0, time("14:00")), october);
    // Samoa had no 30th of December.
    let apia: Tz = "Pacific/Apia".parse().unwrap();
    assert_eq!(
        local_time_on_day(apia, at("2011-12-30T09:00:00Z"), 1, time("09:00")),
        at("2011-12-30T10:00:00Z")
    );
}
