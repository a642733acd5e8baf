//! Runs of the clinic's flows: what users answer, when, and what the desk does where they don't.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value};

use super::cast::{DESK, User, pick};
use super::plan::{Act, Planned, STUDIO, Word, post};
use crate::domain::event::{Call, STUDIO_STEP};
use crate::domain::time::{Span, Timestamp};

/// What becomes of a run: so many in a hundred, and how it goes.
struct Course {
    weight: u32,
    /// Stages after the first one, each with how many minutes it takes to come there.
    stages: &'static [(&'static str, i64, i64)],
    /// What the desk does after the last one, and when, in minutes.
    desk: &'static [(Desk, i64, i64)],
}

#[derive(Clone, Copy)]
enum Desk {
    Acknowledge,
    Resolve,
    Snooze,
}

/// A flow: its name, its first stage, and how its runs go.
struct Flow {
    name: &'static str,
    initial: &'static str,
    courses: &'static [Course],
}

const fn course(weight: u32, stages: &'static [(&'static str, i64, i64)]) -> Course {
    Course { weight, stages, desk: &[] }
}

const FLOWS: [Flow; 3] = [
    Flow {
        name: "appointment_confirmation",
        initial: "initiation",
        courses: &[
            course(56, &[("confirmed", 1, 55)]),
            course(11, &[("cancelled", 2, 50)]),
            course(12, &[("no_reply", 60, 61), ("confirmed", 3, 100)]),
            course(3, &[("no_reply", 60, 61), ("cancelled", 3, 100)]),
            // Nobody looks after these.
            course(6, &[("no_reply", 60, 61)]),
            course(3, &[]),
            Course {
                weight: 6,
                stages: &[("no_reply", 60, 61)],
                desk: &[(Desk::Acknowledge, 33, 90), (Desk::Resolve, 100, 300)],
            },
            Course { weight: 2, stages: &[("no_reply", 60, 61)], desk: &[(Desk::Snooze, 32, 60)] },
            Course { weight: 1, stages: &[("no_reply", 60, 61)], desk: &[(Desk::Acknowledge, 31, 70)] },
        ],
    },
    Flow {
        name: "visit_reminder",
        initial: "reminder_sent",
        courses: &[
            course(72, &[("attending", 1, 240)]),
            course(10, &[("rescheduled", 2, 300)]),
            course(10, &[]),
            course(3, &[("wants_call", 2, 60)]),
            Course {
                weight: 5,
                stages: &[("wants_call", 2, 60)],
                desk: &[(Desk::Acknowledge, 16, 40), (Desk::Resolve, 41, 120)],
            },
        ],
    },
    Flow {
        name: "visit_feedback",
        initial: "asked",
        courses: &[
            course(62, &[("rated", 1, 600)]),
            course(24, &[]),
            course(4, &[("complaint", 2, 200)]),
            Course {
                weight: 10,
                stages: &[("complaint", 2, 200)],
                desk: &[(Desk::Acknowledge, 6, 90), (Desk::Resolve, 91, 400)],
            },
        ],
    },
];

const SEEN: [&str; 4] =
    ["called, left a message", "calling at four", "asked the doctor to call", "wrote to them"];
const SOLVED: [&str; 4] =
    ["confirmed by phone", "moved to next week", "will come by", "talked it over, all is well"];
const LATER: [&str; 2] = ["asked to be called later", "at work until the evening"];

/// One run.
pub(super) struct Run<'u> {
    number: usize,
    user: &'u User,
    flow: &'static Flow,
    steps: Vec<(Timestamp, &'static str)>,
    desk: Vec<Planned>,
}

impl<'u> Run<'u> {
    /// Run `number`, of `user`, which begins at `begin`.
    pub fn new(number: usize, user: &'u User, begin: Timestamp, random: &mut StdRng) -> Self {
        let flow = &FLOWS[[0, 0, 0, 1, 1, 2][random.random_range(0..6)]];
        let course = drawn(flow.courses, random);
        let mut at = begin;
        let mut steps = vec![(begin, flow.initial)];
        for (stage, least, most) in course.stages {
            at = at.plus(minutes(*least, *most, random));
            steps.push((at, *stage));
        }
        let by = DESK[random.random_range(0..DESK.len())];
        let desk = course.desk.iter().map(|(what, least, most)| {
            let (word, reasons): (Word, &[&'static str]) = match what {
                Desk::Acknowledge => (Word::Acknowledge, &SEEN),
                Desk::Resolve => (Word::Resolve, &SOLVED),
                Desk::Snooze => (Word::Snooze(Span::from_hours(3)), &LATER),
            };
            let via = if random.random_bool(0.5) { "mail" } else { "console" };
            let at = at.plus(minutes(*least, *most, random));
            Planned { at, act: Act::Operate { run: number, word, by, reason: pick(reasons, random), via } }
        });
        let desk = desk.collect();
        Self { number, user, flow, steps, desk }
    }
}

fn drawn<'c>(courses: &'c [Course], random: &mut StdRng) -> &'c Course {
    let mut left = random.random_range(0..courses.iter().map(|course| course.weight).sum());
    for course in courses {
        if left < course.weight {
            return course;
        }
        left -= course.weight;
    }
    &courses[0]
}

fn minutes(least: i64, most: i64, random: &mut StdRng) -> Span {
    Span::from_secs(random.random_range(least * 60..most * 60))
}

/// Puts what happens in a run among what is planned.
pub(super) fn happen(run: &Run<'_>, planned: &mut Vec<Planned>) {
    for (at, stage) in &run.steps {
        let properties = Map::from_iter([
            ("flow".to_owned(), Value::from(run.flow.name)),
            ("stage".to_owned(), (*stage).into()),
            ("phoneNumber".to_owned(), run.user.phone.as_str().into()),
            ("executionSid".to_owned(), format!("FN{:032x}", run.number).into()),
        ]);
        let call = Call::Track { event: STUDIO_STEP.to_owned(), properties };
        let mut step = post(*at, STUDIO, run.user, call);
        if let Act::Post { run: of, .. } = &mut step.act {
            *of = Some(run.number);
        }
        planned.push(step);
    }
    planned.extend(run.desk.iter().cloned());
}
