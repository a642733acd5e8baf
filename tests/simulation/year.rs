//! A year on the manual clock, in five zones whose clocks change: every level fires in the minute in which plain counting by the
//! clock on the wall says that it does.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveTime};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use stagepost::domain::event::{Call, STUDIO_STEP};
use stagepost::domain::time::Timestamp;
use stagepost::engine::BackfillPace;

use crate::machine::{Machine, definition};
use crate::support::stores::Backend;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Minutes after which the levels fire; the last one sends at any hour.
const LEVELS: [i64; 4] = [30, 60, 200, 1500];

/// A team: its zone, and when it works from Monday to Friday. One works at night.
const TEAMS: [(&str, &str, &str); 5] = [
    ("Europe/Brussels", "08:00", "18:00"),
    ("America/New_York", "09:30", "17:00"),
    ("Australia/Lord_Howe", "01:30", "09:00"),
    ("America/Santiago", "22:00", "06:00"),
    ("Asia/Kolkata", "00:00", "24:00"),
];
const HOLIDAYS: [&str; 3] = ["2026-12-25", "2027-01-01", "2027-05-17"];

fn time(text: &str) -> NaiveTime {
    format!("{}:00", text.replace("24:", "00:")).parse().unwrap()
}

/// Whether a team works in the minute that begins then, by the clock on the wall alone.
fn works((zone, from, until): (&str, &str, &str), at: i64) -> bool {
    let zone: Tz = zone.parse().unwrap();
    let local = Timestamp::from_millis(at).to_chrono().with_timezone(&zone);
    let (from, until, clock) = (time(from), time(until), local.time());
    let is_on = |date: chrono::NaiveDate| date.weekday().num_days_from_monday() < 5;
    let is_holiday =
        HOLIDAYS.iter().any(|day| day.parse::<chrono::NaiveDate>().unwrap() == local.date_naive());
    let today = local.date_naive();
    let within = if from < until {
        is_on(today) && from <= clock && clock < until
    } else if until == NaiveTime::MIN {
        is_on(today) && from <= clock
    } else {
        (is_on(today) && from <= clock) || (is_on(today.pred_opt().unwrap()) && clock < until)
    };
    within && !is_holiday
}

fn next_open(team: (&str, &str, &str), mut at: i64) -> i64 {
    while !works(team, at) {
        at += MINUTE;
    }
    at
}

/// When the levels of a journey that came to its stage then fire.
fn expected(team: (&str, &str, &str), stage_at: i64) -> [i64; 4] {
    let plan = LEVELS.map(|after| stage_at + after * MINUTE);
    let mut fired = plan;
    fired[0] = next_open(team, plan[0]);
    for place in 1..3 {
        fired[place] = next_open(team, fired[place - 1] + plan[place] - plan[place - 1]);
    }
    // The last one waits for no opening, but what fired before it has moved it, too.
    for place in 0..3 {
        if fired[place] <= fired[3] {
            fired[3] = plan[3] + fired[place] - plan[place];
        }
    }
    fired
}

fn definitions() -> Vec<stagepost::domain::definition::Definition> {
    let mut made = Vec::new();
    for (place, (zone, from, until)) in TEAMS.iter().enumerate() {
        let key = format!("team{place}");
        made.push(definition(
            "team",
            json!({
                "key": key, "time_zone": zone, "holidays": HOLIDAYS,
                "hours": [{ "days": "mon-fri", "from": from, "until": until }],
            }),
        ));
        let level = |after: &i64| {
            json!({
                "stage": "no_reply", "after": format!("{after}m"), "channel": "email",
                "to": ["ops@example.com"], "template": "no_reply",
                "outside_hours": if *after == LEVELS[3] { "send" } else { "wait" },
            })
        };
        made.push(definition(
            "flow",
            json!({
                "name": format!("flow{place}"), "team": key, "expire_after": "30d",
                "escalation": LEVELS.iter().map(level).collect::<Vec<_>>(),
            }),
        ));
    }
    made
}

/// Works until that instant: whenever a timer is due, and not in between.
async fn live_until(machine: &mut Machine, end: i64) {
    loop {
        let next = machine.store.next_timer().await.unwrap().map(|at| at.millis()).filter(|at| *at <= end);
        let Some(next) = next else { break };
        let now = machine.now();
        machine.pass((next - now).max(0));
        machine.tick().await;
    }
    let now = machine.now();
    machine.pass(end - now);
}

#[tokio::test]
async fn a_year_of_stalls_in_five_zones() {
    let mut machine = Machine::new(Backend::Memory, 1, true, BackfillPace::default()).await;
    machine.apply(definitions()).await;
    // The clock begins within a minute; stages come on the minute.
    let begin = machine.now() / MINUTE * MINUTE + MINUTE;
    let mut at = begin;
    let mut posts = 0;
    while at < begin + 366 * DAY {
        live_until(&mut machine, at).await;
        for place in 0..TEAMS.len() {
            let properties = Map::from_iter([
                ("flow".to_owned(), Value::from(format!("flow{place}"))),
                ("stage".to_owned(), "no_reply".into()),
            ]);
            let call = Call::Track { event: STUDIO_STEP.into(), properties };
            let event = machine.event((Some(format!("u{posts}")), None), 0, call);
            machine.send(vec![vec![event]]).await;
            posts += 1;
        }
        // Every hour of the day, and every minute of the hour, has its turn.
        at += 43 * 61 * MINUTE;
    }
    live_until(&mut machine, at + 20 * DAY).await;
    let picture = machine.picture().await;
    assert_eq!(picture.journeys.len(), posts);
    let mut fired: BTreeMap<u32, usize> = BTreeMap::new();
    for journey in &picture.journeys {
        let place: usize = journey.flow[4..].parse().unwrap();
        let stage_at = journey.stage_at.millis();
        for (number, expected) in (1..).zip(expected(TEAMS[place], stage_at)) {
            let mark = journey.escalations.iter().find(|mark| mark.level == number);
            let actual = mark.unwrap_or_else(|| panic!("level {number} of {} never fired", journey.flow)).at;
            assert_eq!(
                actual,
                Timestamp::from_millis(expected),
                "level {number} of {} since {}",
                journey.flow,
                journey.stage_at
            );
            *fired.entry(number).or_default() += 1;
        }
    }
    assert!(fired.values().all(|count| *count == posts), "{fired:?}");
}
