//! What holds of every ladder.

use proptest::prelude::*;

use super::*;

fn any_team() -> impl Strategy<Value = Team> {
    let hour = || (0_u32..24, prop_oneof![Just(0_u32), Just(30)]);
    let piece = (prop::sample::subsequence((0..7_u8).collect::<Vec<_>>(), 1..=7), hour(), hour());
    (prop::sample::select(&ZONES[..]), prop::collection::vec(piece, 1..4)).prop_map(|(zone, pieces)| {
        let mut made = team(zone, &[]);
        made.hours = pieces
            .into_iter()
            .map(|(days, from, until)| WeekHours {
                days: days.into_iter().map(|day| Weekday::try_from(day).unwrap()).collect(),
                from: NaiveTime::from_hms_opt(from.0, from.1, 0).unwrap(),
                until: NaiveTime::from_hms_opt(until.0, until.1, 0).unwrap(),
            })
            .collect();
        made
    })
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let outside = prop_oneof![
        3 => Just(OutsideHours::Wait),
        1 => Just(OutsideHours::Send),
        1 => Just(OutsideHours::Instead(vec![mail("night@example.com")])),
    ];
    let repeat = prop::option::of((5_i64..600, 1_u32..4));
    let one = (1_i64..3000, outside, repeat).prop_map(|(after, outside_hours, repeat)| Level {
        after: Span::from_secs(after * 60),
        outside_hours,
        repeat: repeat.map(|(every, times)| Repeat { every: Span::from_secs(every * 60), times }),
        ..level("1h")
    });
    prop::collection::vec(one, 1..5).prop_map(|mut levels| {
        levels.sort_by_key(|level| level.after);
        flow(levels)
    })
}

/// What happens to a climber now and then.
#[derive(Clone, Debug)]
enum Happening {
    Late(i64),
    Snooze(i64),
    Fail,
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => (0_i64..2000).prop_map(Happening::Late),
        1 => (1_i64..4000).prop_map(Happening::Snooze),
        1 => Just(Happening::Fail),
    ]
}

proptest! {
    /// Each level once, and never outside the hours unless it may.
    #[test]
    fn levels_fire_once_and_within_the_hours(
        flow in any_flow(),
        team in any_team(),
        begin in 0_i64..525_600,
        happenings in prop::collection::vec(any_happening(), 0..12),
    ) {
        let begin = minutes(at(chrono_tz::UTC, "2026-01-01 00:00"), begin);
        let mut journey = journey(begin);
        let (mut now, mut fired, mut rest) = (begin, Vec::new(), begin);
        let mut happenings = happenings.into_iter();
        while let Some(next) = Ladder::new(&journey, &flow, Some(&team), now).wakes_at() {
            now = next.max(now);
            let happening = happenings.next();
            if let Some(Happening::Late(by)) = happening {
                now = minutes(now, by);
            }
            for (number, again, at) in fire(&mut journey, &flow, Some(&team), now) {
                let level = flow.levels("no_reply").find(|(it, ..)| *it == number).unwrap().2;
                prop_assert!(team.is_open(at) || level.outside_hours != OutsideHours::Wait, "{at}: {level:?}");
                prop_assert!(at >= rest, "it fired while it was to rest until {rest}");
                fired.push((number, again));
            }
            match happening {
                Some(Happening::Snooze(by)) => {
                    rest = minutes(now, by);
                    journey.snooze(rest, note(now));
                }
                Some(Happening::Fail) if !journey.escalations.is_empty() => fail_newest(&mut journey, now),
                _ => {}
            }
        }
        let distinct: std::collections::HashSet<_> = fired.iter().collect();
        prop_assert_eq!(distinct.len(), fired.len(), "{:?}", fired);
        let levels = flow.escalation.len();
        prop_assert_eq!(fired.iter().filter(|(_, again)| *again == 0).count(), levels, "each of them");
    }

    /// Levels that wait are at least as far apart as the flow says, wherever the hours move them.
    #[test]
    fn levels_keep_their_distances(flow in any_flow(), team in any_team(), begin in 0_i64..525_600) {
        let begin = minutes(at(chrono_tz::UTC, "2026-01-01 00:00"), begin);
        let fired = all(&mut journey(begin), &flow, Some(&team));
        let waits = |number: u32| {
            let level = flow.levels("no_reply").find(|(it, ..)| *it == number).unwrap().2;
            (level.outside_hours == OutsideHours::Wait).then_some(level.after.millis())
        };
        let first = fired.iter().filter(|(_, again, _)| *again == 0);
        let waiting: Vec<_> = first.filter_map(|(number, _, at)| Some((waits(*number)?, at.millis()))).collect();
        for pair in waiting.windows(2) {
            prop_assert!(pair[1].1 - pair[0].1 >= pair[1].0 - pair[0].0, "{:?}", fired);
        }
        for (number, again, at) in fired.iter().filter(|(_, again, _)| *again == 0) {
            if waits(*number).is_none() {
                let level = flow.levels("no_reply").find(|(it, ..)| it == number).unwrap().2;
                prop_assert!(*at >= begin.plus(level.after), "{again}");
            }
        }
    }
}
