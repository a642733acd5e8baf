//! Ladders, one firing after the other, as a writer would climb them.

use super::*;
use crate::domain::definition::{Recipient, Repeat, WeekHours};
use crate::domain::ids::{DeliveryId, UserKey};
use crate::domain::journey::{Acknowledgement, Death, EscalationReceipt, JourneyStatus, Note};
use crate::domain::limits;
use crate::domain::test_journeys;
use chrono::{Datelike, NaiveTime, Weekday};
use chrono_tz::Tz;

#[path = "ladder_properties.rs"]
mod properties;

const WEEK: [Weekday; 5] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];

fn time(text: &str) -> NaiveTime {
    text.parse().unwrap()
}

/// An instant by the team's clock.
fn at(zone: Tz, text: &str) -> Timestamp {
    use chrono::TimeZone as _;
    let local = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    Timestamp::from_chrono(zone.from_local_datetime(&local).unwrap().to_utc())
}

fn brussels(text: &str) -> Timestamp {
    at(chrono_tz::Europe::Brussels, text)
}

fn team(zone: Tz, hours: &[(&[Weekday], &str, &str)]) -> Team {
    let hours = hours.iter().map(|(days, from, until)| WeekHours {
        days: days.to_vec(),
        from: time(from),
        until: time(until),
    });
    Team {
        key: "ops".to_owned(),
        time_zone: zone,
        hours: hours.collect(),
        holidays: Vec::new(),
        on_call: Vec::new(),
        summary: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

/// Monday to Friday, eight to six, in Brussels.
fn office() -> Team {
    team(chrono_tz::Europe::Brussels, &[(&WEEK, "08:00:00", "18:00:00")])
}

fn mail(to: &str) -> Channel {
    Channel::Email { to: vec![Recipient::Address(to.to_owned())], template: "no_reply".to_owned() }
}

fn level(after: &str) -> Level {
    Level {
        stage: "no_reply".to_owned(),
        after: after.parse().unwrap(),
        actions: vec![mail("ops@example.com")],
        outside_hours: OutsideHours::Wait,
        repeat: None,
    }
}

fn repeating(after: &str, every: &str, times: u32) -> Level {
    Level { repeat: Some(Repeat { every: every.parse().unwrap(), times }), ..level(after) }
}

fn flow(escalation: Vec<Level>) -> Flow {
    Flow { escalation, ..test_journeys::flow("appointment") }
}

fn journey(stage_at: Timestamp) -> Journey {
    test_journeys::journey("appointment", "no_reply", stage_at)
}

fn note(at: Timestamp) -> Note {
    Note { by: "ada".to_owned(), reason: String::new(), at, via: None }
}

/// A level that fired: its number, how often before, and when.
type Fired = (u32, u32, Timestamp);

fn mark(journey: &mut Journey, due: DueLevel<'_>, now: Timestamp) -> Fired {
    for action in due.actions {
        let delivery_id =
            DeliveryId::floor(now.plus(Span::from_millis(i64::try_from(journey.escalations.len()).unwrap())));
        journey.mark(Escalation {
            stage: due.level.stage.clone(),
            level: due.number,
            key: due.key,
            channel: action.as_str().to_owned(),
            at: now,
            delivery_id,
            again: due.again,
            moved_by: due.moved_by,
            receipt: None,
        });
    }
    (due.number, due.again, now)
}

/// Everything that fires at `now`.
fn fire(journey: &mut Journey, flow: &Flow, team: Option<&Team>, now: Timestamp) -> Vec<Fired> {
    let mut fired = Vec::new();
    while let Some(due) = Ladder::new(journey, flow, team, now).due() {
        fired.push(mark(journey, due, now));
        assert!(fired.len() < 1000, "the ladder has no end: {fired:?}");
    }
    fired
}

/// Everything that fires from `now` until `end`, each in time.
fn climb(
    journey: &mut Journey,
    flow: &Flow,
    team: Option<&Team>,
    mut now: Timestamp,
    end: Timestamp,
) -> Vec<Fired> {
    let mut fired = Vec::new();
    while let Some(next) = Ladder::new(journey, flow, team, now).wakes_at().filter(|next| *next <= end) {
        now = next;
        let more = fire(journey, flow, team, now);
        assert!(!more.is_empty(), "it wakes for nothing at {now}");
        fired.extend(more);
    }
    fired
}

fn all(journey: &mut Journey, flow: &Flow, team: Option<&Team>) -> Vec<Fired> {
    let begin = journey.stage_at;
    climb(journey, flow, team, begin, begin.plus(Span::from_days(20)))
}

fn minutes(from: Timestamp, minutes: i64) -> Timestamp {
    from.plus(Span::from_secs(minutes * 60))
}

fn fail_newest(journey: &mut Journey, at: Timestamp) {
    let newest = journey.escalations.last().map(|mark| (mark.key, mark.again)).unwrap();
    for mark in journey.escalations.iter_mut().filter(|mark| (mark.key, mark.again) == newest) {
        mark.receipt = Some(EscalationReceipt { status: "no-answer".to_owned(), reached: Some(false), at });
    }
}

#[test]
fn without_hours_levels_fire_at_their_times() {
    let flow = flow(vec![level("30m"), level("1h"), level("1h"), level("2d")]);
    let begin = brussels("2026-11-21 23:50");
    let fired = all(&mut journey(begin), &flow, None);
    let wanted =
        [(1, 30), (2, 60), (3, 60), (4, 2880)].map(|(number, after)| (number, 0, minutes(begin, after)));
    assert_eq!(fired, wanted);
}

#[test]
fn what_is_looked_at_late_fires_at_once_where_there_are_no_hours() {
    let flow = flow(vec![level("30m"), level("1h"), level("5h")]);
    let begin = brussels("2026-11-20 10:00");
    let (mut journey, late) = (journey(begin), minutes(begin, 180));
    assert_eq!(fire(&mut journey, &flow, None, late), [(1, 0, late), (2, 0, late)]);
    assert_eq!(Ladder::new(&journey, &flow, None, late).wakes_at(), Some(minutes(begin, 300)));
}

#[test]
fn a_mail_beside_a_call_that_nobody_answered_holds_nothing_up() {
    let flow = flow(vec![level("30m"), level("5h")]);
    let begin = brussels("2026-11-20 10:00");
    let (mut journey, missed) = (journey(begin), minutes(begin, 31));
    fire(&mut journey, &flow, None, minutes(begin, 30));
    let mail = journey.escalations[0].clone();
    let receipt = EscalationReceipt { status: "no-answer".to_owned(), reached: Some(false), at: missed };
    journey.escalations.push(Escalation { channel: "call".to_owned(), receipt: Some(receipt), ..mail });
    assert_eq!(Ladder::new(&journey, &flow, None, missed).wakes_at(), Some(missed));
    // Another one answered.
    let answered = EscalationReceipt { status: "answered".to_owned(), reached: Some(true), at: missed };
    let call = journey.escalations[1].clone();
    journey.escalations.push(Escalation { receipt: Some(answered), ..call });
    assert_eq!(Ladder::new(&journey, &flow, None, missed).wakes_at(), Some(minutes(begin, 300)));
}

#[test]
fn outside_the_hours_a_level_waits_and_the_next_ones_keep_their_distance() {
    let flow = flow(vec![level("30m"), level("1h"), level("4h"), level("12h")]);
    // A Friday evening.
    let fired = all(&mut journey(brussels("2026-11-20 17:45")), &flow, Some(&office()));
    let wanted = ["2026-11-23 08:00", "2026-11-23 08:30", "2026-11-23 11:30", "2026-11-24 08:00"];
    assert_eq!(fired, [1, 2, 3, 4].map(|n: u32| (n, 0, brussels(wanted[n as usize - 1]))));
}

#[test]
fn hours_may_cross_midnight() {
    let nights =
        team(chrono_tz::Europe::Brussels, &[(&[Weekday::Fri, Weekday::Sat], "22:00:00", "06:00:00")]);
    let flow = flow(vec![level("30m"), level("1h"), level("7h")]);
    let fired = all(&mut journey(brussels("2026-11-20 23:15")), &flow, Some(&nights));
    let wanted = ["2026-11-20 23:45", "2026-11-21 00:15", "2026-11-21 22:00"];
    assert_eq!(fired, [1, 2, 3].map(|n: u32| (n, 0, brussels(wanted[n as usize - 1]))));
}

#[test]
fn clocks_that_change_make_no_difference_to_the_opening() {
    // The clocks go back on Sunday: the weekend lasts an hour longer.
    let fired = all(&mut journey(brussels("2026-10-23 17:45")), &flow(vec![level("30m")]), Some(&office()));
    assert_eq!(fired, [(1, 0, brussels("2026-10-26 08:00"))]);
    assert_eq!(brussels("2026-10-26 08:00").to_rfc3339(), "2026-10-26T07:00:00.000Z");
}

#[test]
fn a_level_that_may_fires_at_night_whatever_waits_before_it() {
    let send = Level { outside_hours: OutsideHours::Send, ..level("1h") };
    let flow = flow(vec![level("30m"), send, level("2h")]);
    let fired = all(&mut journey(brussels("2026-11-20 17:45")), &flow, Some(&office()));
    let wanted = [
        (2, 0, brussels("2026-11-20 18:45")),
        (1, 0, brussels("2026-11-23 08:00")),
        (3, 0, brussels("2026-11-23 09:30")),
    ];
    assert_eq!(fired, wanted);
}

#[test]
fn outside_the_hours_something_else_may_happen_at_once() {
    let instead =
        Level { outside_hours: OutsideHours::Instead(vec![mail("night@example.com")]), ..level("30m") };
    let flow = flow(vec![instead.clone(), level("1h")]);
    let begin = brussels("2026-11-20 17:45");
    let team = office();
    let evening = journey(begin);
    let due = Ladder::new(&evening, &flow, Some(&team), minutes(begin, 30)).due().unwrap();
    assert_eq!((due.actions, due.is_outside_hours), (&[mail("night@example.com")][..], true));
    let noon = journey(brussels("2026-11-20 12:00"));
    let due = Ladder::new(&noon, &flow, Some(&team), minutes(noon.stage_at, 30)).due().unwrap();
    assert_eq!((due.actions, due.is_outside_hours), (instead.actions.as_slice(), false));
    let fired = all(&mut journey(begin), &flow, Some(&team));
    assert_eq!(fired, [(1, 0, minutes(begin, 30)), (2, 0, brussels("2026-11-23 08:00"))]);
}

#[test]
fn a_level_that_just_missed_the_closing_hour_puts_off_the_next() {
    let flow = flow(vec![level("30m"), level("45m")]);
    let begin = brussels("2026-11-23 17:29");
    let (mut journey, team) = (journey(begin), office());
    // It was due at 17:59, and is looked at a second after six.
    let closed = brussels("2026-11-23 18:00").plus(Span::from_secs(1));
    assert_eq!(fire(&mut journey, &flow, Some(&team), closed), []);
    let fired = climb(&mut journey, &flow, Some(&team), closed, minutes(closed, 3000));
    assert_eq!(fired, [(1, 0, brussels("2026-11-24 08:00")), (2, 0, brussels("2026-11-24 08:15"))]);
}

#[test]
fn with_hours_levels_keep_their_distance_also_after_the_server_was_down() {
    let flow = flow(vec![level("30m"), level("1h")]);
    let begin = brussels("2026-11-20 10:00");
    let (mut journey, team, late) = (journey(begin), office(), minutes(begin, 180));
    assert_eq!(fire(&mut journey, &flow, Some(&team), late), [(1, 0, late)]);
    assert_eq!(Ladder::new(&journey, &flow, Some(&team), late).wakes_at(), Some(minutes(late, 30)));
    // A second or two are none.
    let (mut journey, late) = (self::journey(begin), minutes(begin, 30).plus(Span::from_secs(2)));
    assert_eq!(fire(&mut journey, &flow, Some(&team), late), [(1, 0, late)]);
    assert_eq!(Ladder::new(&journey, &flow, Some(&team), late).wakes_at(), Some(minutes(begin, 60)));
}

#[test]
fn a_level_repeats_itself_up_to_its_limit() {
    let flow = flow(vec![repeating("30m", "20m", 3), level("1h")]);
    let begin = brussels("2026-11-20 10:00");
    let fired = all(&mut journey(begin), &flow, None);
    let wanted = [(1, 0, 30), (1, 1, 50), (2, 0, 60), (1, 2, 70), (1, 3, 90)];
    assert_eq!(fired, wanted.map(|(number, again, after)| (number, again, minutes(begin, after))));
}

#[test]
fn a_repetition_is_not_made_up_for() {
    let flow = flow(vec![repeating("30m", "20m", 9)]);
    let begin = brussels("2026-11-20 10:00");
    let mut journey = journey(begin);
    fire(&mut journey, &flow, None, minutes(begin, 30));
    let late = minutes(begin, 300);
    assert_eq!(fire(&mut journey, &flow, None, late), [(1, 1, late)], "one, not fourteen");
    assert_eq!(Ladder::new(&journey, &flow, None, late).wakes_at(), Some(minutes(late, 20)));
}

#[test]
fn what_waits_for_the_same_opening_does_not_come_at_once() {
    let flow = flow(vec![repeating("15m", "30m", 2), level("1h")]);
    let begin = brussels("2026-11-23 17:30");
    let fired = all(&mut journey(begin), &flow, Some(&office()));
    let wanted = [
        (1, 0, brussels("2026-11-23 17:45")),
        // Planned for 18:15, 18:30 and 18:45.
        (1, 1, brussels("2026-11-24 08:00")),
        (2, 0, brussels("2026-11-24 08:15")),
        (1, 2, brussels("2026-11-24 08:30")),
    ];
    assert_eq!(fired, wanted);
}

#[test]
fn after_a_snooze_the_newest_level_reminds_and_the_rest_goes_on_from_there() {
    let flow = flow(vec![level("30m"), level("1h"), level("3h")]);
    let begin = brussels("2026-11-20 10:00");
    let mut journey = journey(begin);
    assert_eq!(fire(&mut journey, &flow, None, minutes(begin, 60)).len(), 2);
    journey.snooze(minutes(begin, 400), note(minutes(begin, 60)));
    let fired = climb(&mut journey, &flow, None, minutes(begin, 60), minutes(begin, 9000));
    assert_eq!(fired, [(2, 1, minutes(begin, 400)), (3, 0, minutes(begin, 520))]);
}

#[test]
fn a_snooze_that_ends_at_night_waits_for_the_opening() {
    let flow = flow(vec![level("30m"), level("1h")]);
    let (mut journey, team) = (journey(brussels("2026-11-20 17:00")), office());
    let first = brussels("2026-11-20 17:30");
    assert_eq!(fire(&mut journey, &flow, Some(&team), first), [(1, 0, first)]);
    journey.snooze(brussels("2026-11-20 22:00"), note(first));
    let fired = climb(&mut journey, &flow, Some(&team), first, brussels("2026-11-30 08:00"));
    assert_eq!(fired, [(1, 1, brussels("2026-11-23 08:00")), (2, 0, brussels("2026-11-23 08:30"))]);
}

#[test]
fn a_snooze_before_the_first_level_puts_it_off() {
    let flow = flow(vec![level("30m"), level("1h")]);
    let begin = brussels("2026-11-20 10:00");
    let mut late = journey(begin);
    late.snooze(minutes(begin, 120), note(begin));
    assert_eq!(all(&mut late, &flow, None), [(1, 0, minutes(begin, 120)), (2, 0, minutes(begin, 150))]);
    let mut early = journey(begin);
    early.snooze(minutes(begin, 10), note(begin));
    assert_eq!(all(&mut early, &flow, None), [(1, 0, minutes(begin, 30)), (2, 0, minutes(begin, 60))]);
}

#[test]
fn the_newest_snooze_counts() {
    let flow = flow(vec![level("30m"), level("10h")]);
    let begin = brussels("2026-11-20 10:00");
    let mut journey = journey(begin);
    fire(&mut journey, &flow, None, minutes(begin, 30));
    journey.snooze(minutes(begin, 60), note(minutes(begin, 30)));
    journey.snooze(minutes(begin, 90), note(minutes(begin, 40)));
    let fired = climb(&mut journey, &flow, None, minutes(begin, 40), minutes(begin, 600));
    assert_eq!(fired, [(1, 1, minutes(begin, 90))]);
}

#[test]
fn where_nobody_was_reached_the_next_level_fires_at_once() {
    let two = Level { actions: vec![mail("a@example.com"), mail("b@example.com")], ..level("30m") };
    let flow = flow(vec![two, level("2h"), level("3h")]);
    let begin = brussels("2026-11-20 10:00");
    let mut journey = journey(begin);
    fire(&mut journey, &flow, None, minutes(begin, 30));
    let failed_at = minutes(begin, 33);
    journey.escalations[0].receipt =
        Some(EscalationReceipt { status: "busy".to_owned(), reached: Some(false), at: failed_at });
    assert_eq!(fire(&mut journey, &flow, None, failed_at), [], "the other may still be answered");
    fail_newest(&mut journey, failed_at);
    assert_eq!(fire(&mut journey, &flow, None, failed_at), [(2, 0, failed_at)]);
    let next = Ladder::new(&journey, &flow, None, failed_at).wakes_at();
    assert_eq!(next, Some(minutes(failed_at, 60)), "the third keeps its distance");
    fail_newest(&mut journey, minutes(begin, 40));
    assert_eq!(Ladder::new(&journey, &flow, None, failed_at).wakes_at(), Some(minutes(begin, 40)));
}

#[test]
fn where_nobody_was_reached_the_next_level_still_waits_for_the_opening() {
    let flow = flow(vec![level("30m"), level("2h")]);
    let (mut journey, team) = (journey(brussels("2026-11-20 17:25")), office());
    let first = brussels("2026-11-20 17:55");
    fire(&mut journey, &flow, Some(&team), first);
    fail_newest(&mut journey, minutes(first, 10));
    let next = Ladder::new(&journey, &flow, Some(&team), minutes(first, 10)).wakes_at();
    assert_eq!(next, Some(brussels("2026-11-23 08:00")));
}

#[test]
fn a_run_that_died_is_due_at_once() {
    let flow = flow(vec![level("1h"), level("3h")]);
    let begin = brussels("2026-11-20 10:00");
    let died =
        Some(Death { at: minutes(begin, 5), reason: "FLOW_END".to_owned(), told_at: Timestamp::default() });
    let mut dead = Journey { died, ..journey(begin) };
    let team = office();
    assert_eq!(dead.next_wake(None, None, begin), Some(minutes(begin, 5)), "it stalls without a level, too");
    let fired = all(&mut dead, &flow, Some(&team));
    assert_eq!(fired, [(1, 0, minutes(begin, 5)), (2, 0, minutes(begin, 125))]);
    // Told of a stage that it reached before, by another clock.
    let earlier = Some(Death {
        at: begin.minus(Span::from_secs(300)),
        reason: String::new(),
        told_at: Timestamp::default(),
    });
    let mut dead = Journey { died: earlier, ..journey(begin) };
    assert_eq!(all(&mut dead, &flow, None), [(1, 0, begin), (2, 0, minutes(begin, 115))]);
    let late = Some(Death { at: minutes(begin, 90), reason: String::new(), told_at: Timestamp::default() });
    let mut stalled = Journey { died: late, ..journey(begin) };
    assert_eq!(all(&mut stalled, &flow, None), [(1, 0, minutes(begin, 60)), (2, 0, minutes(begin, 180))]);
}

#[test]
fn acknowledged_closed_or_in_another_stage_it_stops() {
    let flow = flow(vec![repeating("30m", "10m", 5), level("1h")]);
    let begin = brussels("2026-11-20 10:00");
    let fired = |change: fn(&mut Journey)| {
        let mut journey = journey(begin);
        fire(&mut journey, &flow, None, minutes(begin, 30));
        change(&mut journey);
        climb(&mut journey, &flow, None, minutes(begin, 30), minutes(begin, 9000)).len()
    };
    assert_eq!(fired(|_| {}), 6);
    assert_eq!(fired(|journey| journey.status = JourneyStatus::Completed), 0);
    assert_eq!(fired(|journey| journey.stage = "asked".to_owned()), 0);
    assert_eq!(
        fired(|journey| journey.acknowledged.push(Acknowledgement {
            stage: journey.stage.clone(),
            stage_at: journey.stage_at,
            note: note(journey.stage_at),
        })),
        0
    );
}

#[test]
fn a_level_that_fired_in_an_earlier_stay_does_not_fire_again() {
    let flow = flow(vec![repeating("30m", "10m", 5), level("1h")]);
    let begin = brussels("2026-11-20 10:00");
    let mut journey = journey(begin);
    fire(&mut journey, &flow, None, minutes(begin, 30));
    journey.stage_at = minutes(begin, 35);
    let fired = climb(&mut journey, &flow, None, minutes(begin, 35), minutes(begin, 9000));
    assert_eq!(fired, [(2, 0, minutes(begin, 95))]);
}

#[test]
fn a_journey_keeps_a_bounded_number_of_marks_and_those_that_count() {
    let begin = brussels("2026-11-20 10:00");
    let actions = vec![mail("ops@example.com"); 10];
    let escalation = (1..=20).map(|hours| Level {
        after: Span::from_hours(hours),
        actions: actions.clone(),
        ..repeating("1h", "7m", 50)
    });
    let flow = flow(escalation.collect());
    let mut journey = journey(begin);
    let fired = all(&mut journey, &flow, None);
    assert_eq!(fired.len(), 20 * 51);
    let distinct: std::collections::HashSet<_> =
        fired.iter().map(|(number, again, _)| (number, again)).collect();
    assert_eq!(distinct.len(), fired.len(), "each once, although marks were forgotten");
    assert!(journey.escalations.len() <= limits::MAX_ESCALATIONS);
    assert_eq!(journey.escalations[0].at, minutes(begin, 60), "the first mail is remembered");
}

const ZONES: [Tz; 5] = [
    chrono_tz::Europe::Brussels,
    chrono_tz::America::New_York,
    chrono_tz::Australia::Lord_Howe,
    chrono_tz::Asia::Kolkata,
    chrono_tz::America::Santiago,
];

#[test]
fn the_test_zones_change_their_clocks() {
    // Else the properties above would say little.
    use chrono::{Offset as _, TimeZone as _};
    let offset = |zone: Tz, month: u32| {
        let at = chrono::Utc.with_ymd_and_hms(2026, month, 15, 0, 0, 0).unwrap();
        assert_eq!(at.month(), month);
        zone.offset_from_utc_datetime(&at.naive_utc()).fix()
    };
    assert_eq!(ZONES.iter().filter(|zone| offset(**zone, 1) != offset(**zone, 7)).count(), 4);
}

#[test]
fn what_people_said_of_a_stall_holds_on_where_it_began_earlier_than_was_known() {
    use crate::domain::change::ChangeSet;
    use crate::domain::event::StudioStep;
    use crate::domain::ids::IdSource;
    use crate::domain::journey::Post;
    let flow = flow(vec![level("30m"), level("60m")]);
    let user = UserKey::user("u1");
    let (mut list, mut changes, mut ids) = (Vec::new(), ChangeSet::default(), IdSource::new([1; 32]));
    let mut post = |list: &mut Vec<Journey>, at: Timestamp, received_at: Timestamp, id: &str| {
        let (flow_name, stage) = ("appointment", "no_reply");
        let step = StudioStep { flow: flow_name, stage, phone_number: None, execution_sid: Some("FN1") };
        let post = Post { step, at, received_at, message_id: id };
        changes.journeys_of(&user, list).post(Some(&flow), &post, received_at, &mut ids);
    };
    let begin = brussels("2026-11-20 10:00");
    let widget = begin.plus(Span::from_millis(800));
    post(&mut list, widget, widget, "m1");
    assert_eq!(fire(&mut list[0], &flow, None, minutes(begin, 31)).len(), 1);
    list[0].snooze(minutes(begin, 45), note(minutes(begin, 32)));
    list[0].acknowledge(note(minutes(begin, 33)), &mut Vec::new());
    // Event Streams tells of the same step, late, by Twilio's clock of whole seconds.
    post(&mut list, begin, minutes(begin, 34), "studio:FN1:FT1");
    assert_eq!((list.len(), list[0].stage_at), (1, begin));
    assert!(list[0].acknowledgement().is_some() && list[0].snooze_of_stall().is_some());
    assert_eq!(fire(&mut list[0], &flow, None, minutes(begin, 61)), []);
}

#[test]
fn a_journey_is_not_given_up_while_a_level_waits_for_its_opening() {
    let mut flow = flow(vec![level("1h"), level("2h")]);
    flow.expire_after = "1d".parse().unwrap();
    let team = office();
    // Friday, half past five.
    let stage_at = brussels("2026-11-20 17:30");
    let mut journey = journey(stage_at);
    let (mut moves, mut fired, mut now) = (Vec::new(), Vec::new(), stage_at);
    // As a writer climbs it.
    while let Some(next) = journey.next_wake(Some(&flow), Some(&team), now) {
        now = next.max(now);
        journey.expire(Some(&flow), Some(&team), now, &mut moves);
        fired.extend(fire(&mut journey, &flow, Some(&team), now));
    }
    let monday = brussels("2026-11-23 08:00");
    assert_eq!(fired, [(1, 0, monday), (2, 0, minutes(monday, 60))]);
    assert_eq!((journey.status, now), (JourneyStatus::Expired, minutes(monday, 23 * 60)));
}

#[test]
fn what_is_imported_late_is_given_up_whatever_the_hours() {
    let flow = flow(vec![level("1h")]);
    let stage_at = brussels("2025-11-21 17:30");
    let mut journey = journey(stage_at);
    let mut moves = Vec::new();
    journey.expire(Some(&flow), Some(&office()), brussels("2026-11-21 12:00"), &mut moves);
    assert_eq!(journey.status, JourneyStatus::Expired);
}

#[test]
fn a_death_that_was_just_told_waits_a_little_for_a_terminal_stage() {
    let flow = flow(vec![level("1h")]);
    let begin = brussels("2026-11-20 10:00");
    let (at, told_at) = (minutes(begin, 5), minutes(begin, 6));
    let dead = Journey { died: Some(Death { at, reason: String::new(), told_at }), ..journey(begin) };
    let acts_at = told_at.plus(limits::DEATH_GRACE);
    assert_eq!(dead.next_wake(None, None, told_at), Some(acts_at));
    assert_eq!(Ladder::new(&dead, &flow, None, told_at).wakes_at(), Some(acts_at));
}
