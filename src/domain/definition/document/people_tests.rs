//! Teams, and how flows reach them.

use chrono::NaiveTime;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::definition::{
    Channel, Digest, Flow, JourneyField, Level, OutsideHours, Recipient, Repeat, Shift, Summary, Team,
    WeekHours, render,
};
use crate::domain::time::{Span, Timestamp};

const FLOW_SID: &str = "FW0123456789abcdef0123456789abcdef";
const WORKSPACE_SID: &str = "WS0123456789abcdef0123456789abcdef";
const WORKFLOW_SID: &str = "WW0123456789abcdef0123456789abcdef";

fn team(body: Value) -> Team {
    match read_one(Kind::Team, None, &body).unwrap() {
        Definition::Team(team) => team,
        other => panic!("{other:?}"),
    }
}

fn flow(body: Value) -> Flow {
    match read_one(Kind::Flow, None, &body).unwrap() {
        Definition::Flow(flow) => flow,
        other => panic!("{other:?}"),
    }
}

fn problems(kind: Kind, body: Value) -> Vec<(String, String)> {
    let problems = read_one(kind, None, &body).expect_err("a definition with problems");
    problems.into_iter().map(|problem| (problem.field, problem.message)).collect()
}

fn expect(kind: Kind, body: Value, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(at, say)| ((*at).to_owned(), (*say).to_owned())).collect();
    assert_eq!(problems(kind, body), expected);
}

fn days(hours: &WeekHours) -> String {
    hours.days.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_whole_team() {
    let team = team(json!({
        "key": "ops",
        "time_zone": "Europe/Brussels",
        "hours": [
            {"days": ["mon-thu", "sat"], "from": "08:00", "until": "18:00"},
            {"days": "Friday", "from": "08:00:00", "until": "24:00"},
        ],
        "holidays": ["2026-12-25", "2027-01-01"],
        "on_call": [
            {"days": "fri-mon", "from": "18:00", "until": "08:00", "name": "Ada", "email": "ada@example.com",
             "phone": ["+32470123456", "client:ada"]},
            {"email": ["ops@example.com"]},
        ],
        "summary": {"at": "08:00", "to": ["ops@example.com"], "flows": ["appointment_confirmation"]},
    }));
    assert_eq!(team.time_zone, chrono_tz::Europe::Brussels);
    assert_eq!(days(&team.hours[0]), "Mon Tue Wed Thu Sat");
    assert_eq!((days(&team.hours[1]), team.hours[1].until), ("Fri".into(), NaiveTime::MIN));
    assert_eq!(team.holidays.len(), 2);
    let [ada, anybody] = team.on_call.as_slice() else { panic!("{:?}", team.on_call) };
    assert_eq!(days(&ada.hours), "Mon Fri Sat Sun", "a range may go over the end of the week");
    assert_eq!((ada.email.as_slice(), ada.phone.len()), (&["ada@example.com".to_owned()][..], 2));
    assert_eq!((anybody.hours.from, anybody.hours.until), (NaiveTime::MIN, NaiveTime::MIN));
    assert_eq!(anybody.hours.days.len(), 7, "left out, it is every day");
    let summary = team.summary.unwrap();
    assert_eq!((summary.days.len(), summary.flows.len()), (7, 1));
}

#[test]
fn what_is_wrong_with_a_team() {
    expect(
        Kind::Team,
        json!({
            "key": "Ops", "time_zone": "Brussels", "holiday": [],
            "hours": [{"days": ["mon", "mun-fri"], "from": "8h", "until": "25:00"}, {"days": [], "form": "08:00"}],
            "holidays": ["2026-02-30", "2026-12-25", "2026-12-25"],
            "on_call": [{"name": "Ada"}, {"email": "ada", "phone": ["0470123456"]}],
            "summary": {"to": []},
        }),
        &[
            ("key", "must be 1 to 64 characters of a-z, 0-9, _ and -"),
            ("time_zone", "is not the name of a time zone such as Europe/Brussels or UTC"),
            ("holidays[0]", "is not a day such as 2026-12-25"),
            ("holidays[2]", "`2026-12-25` is listed twice"),
            ("summary.at", "is missing"),
            ("summary.to", "name at least one mail address"),
            (
                "hours[0].days[1]",
                "is no day of the week: write mon, tue, wed, thu, fri, sat or sun, or several such as mon-fri",
            ),
            ("hours[0].from", "is not a time of day such as 08:00"),
            ("hours[0].until", "is not a time of day such as 08:00"),
            ("hours[1].days", "name at least one day"),
            ("hours[1].form", "unknown key `form`; did you mean `from`?"),
            ("on_call[0]", "names nobody who could be reached: write `email`, `phone` or both"),
            ("on_call[1].email", "is not a mail address such as ops@example.com"),
            (
                "on_call[1].phone[0]",
                "is not a telephone number such as +32470123456, and no client:… or sip:… address",
            ),
            ("holiday", "unknown key `holiday`; did you mean `holidays`?"),
        ],
    );
}

#[test]
fn a_flow_with_every_channel() {
    let flow = flow(json!({
        "name": "appointment_confirmation",
        "sid": FLOW_SID,
        "widgets": {"send_reminder/timeout": "no_reply", "say_goodbye": "confirmed"},
        "team": "ops",
        "digest": {"more_than": 10, "within": "5m"},
        "terminal": ["confirmed"],
        "escalation": [
            {"stage": "no_reply", "after": "30m", "channel": "email", "template": "no_reply",
             "to": ["ops@example.com", "on_call:ops", "{{user.email}}"], "outside_hours": "send"},
            {"stage": "no_reply", "after": "1h", "repeat": {"every": "30m", "times": 3},
             "after_hours": [{"channel": "sms", "to": ["on_call:ops"], "text": "stalled"}],
             "actions": [
                {"channel": "call", "to": ["{{ journey.phoneNumber }}", "+32470123456"], "via": "twilio_eu"},
                {"channel": "webhook", "to": ["slack"]},
                {"channel": "studio_execution", "to": ["on_call:ops"], "flow_sid": FLOW_SID, "parameters": {"a": 1}},
                {"channel": "task", "workspace_sid": WORKSPACE_SID, "workflow_sid": WORKFLOW_SID, "priority": 5},
             ]},
        ],
    }));
    assert_eq!((flow.sid.as_deref(), flow.team.as_deref()), (Some(FLOW_SID), Some("ops")));
    assert_eq!(flow.widgets["send_reminder/timeout"], "no_reply");
    assert_eq!(flow.digest, Some(Digest { more_than: 10, within: Span::from_secs(300) }));
    let [first, second] = flow.escalation.as_slice() else { panic!("{:?}", flow.escalation) };
    let Channel::Email { to, .. } = &first.actions[0] else { panic!("{first:?}") };
    let email = Recipient::Field(JourneyField::Trait("email".into()));
    assert_eq!(to[1..], [Recipient::OnCall("ops".into()), email]);
    assert_eq!((&first.outside_hours, first.repeat), (&OutsideHours::Send, None));
    assert_eq!(second.repeat, Some(Repeat { every: Span::from_secs(1800), times: 3 }));
    let names: Vec<&str> = second.actions.iter().map(Channel::as_str).collect();
    assert_eq!(names, ["call", "webhook", "studio_execution", "task"]);
    assert!(matches!(&second.actions[0], Channel::Call { via, text: None, .. } if via == "twilio_eu"));
    assert!(matches!(&second.actions[3], Channel::Task { via, .. } if via == "twilio"));
    let OutsideHours::Instead(instead) = &second.outside_hours else { panic!("{second:?}") };
    assert!(matches!(&instead[0], Channel::Sms { text: Some(text), .. } if text == "stalled"));
}

#[test]
fn what_is_wrong_with_a_flow() {
    let level = |rest: Value| {
        let mut level = json!({"stage": "a", "after": "1m"});
        level.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        level
    };
    expect(
        Kind::Flow,
        json!({
            "name": "f", "sid": "FN0123456789abcdef0123456789abcdef", "widgets": {"a/b/c": "x", "a": 1},
            "digest": {"more_than": 0, "within": "2d"},
            "escalation": [
                level(json!({"channel": "mail"})),
                level(json!({"channel": "email", "to": ["{{ journey.phoneNumber }}", "on_call:Ops", "{{ journey.phone }}"], "template": "x"})),
                level(json!({"channel": "call", "to": ["ops@example.com", "+32470123456", "+32470123456"], "txt": "x"})),
                level(json!({"channel": "studio_execution", "to": [], "flow_sid": "FW", "parameters": []})),
                level(json!({"actions": [], "channel": "sms", "outside_hours": "sent"})),
                level(json!({"actions": [{"channel": "task", "priority": -1}, {"to": []}], "repeat": {"every": "0s"},
                    "outside_hours": "wait", "after_hours": []})),
            ],
        }),
        &[
            ("sid", "is not a SID that begins with FW: FW and 32 hexadecimal digits"),
            (
                "widgets.a/b/c",
                "is no widget: write its name, or its name and one of its events such as send_reminder/timeout",
            ),
            ("widgets.a", "expected a text in quotes, found the number 1"),
            ("digest.more_than", "expected a whole number from 1 to 1000, found the number 0"),
            ("digest.within", "must be from 1ms to 15m, not 2d"),
            (
                "escalation[0].channel",
                "expected email or webhook or call or sms or studio_execution or task, found another text; did you mean `email`?",
            ),
            (
                "escalation[1].to[0]",
                "is a telephone number, which gets no mail; a trait may hold an address: {{ user.email }}",
            ),
            (
                "escalation[1].to[1]",
                "the team behind on_call: must be 1 to 64 characters of a-z, 0-9, _ and -",
            ),
            (
                "escalation[1].to[2]",
                "`{{ journey.phone }}` is no field of a journey; there are journey.phoneNumber, journey.userId and user.<trait>",
            ),
            (
                "escalation[2].to[0]",
                "is not a telephone number such as +32470123456, and no client:… or sip:… address",
            ),
            ("escalation[2].to[2]", "`+32470123456` is listed twice"),
            ("escalation[2].txt", "unknown key `txt`; did you mean `text`?"),
            ("escalation[3].to", "name at least one telephone number"),
            ("escalation[3].flow_sid", "is not a SID that begins with FW: FW and 32 hexadecimal digits"),
            ("escalation[3].parameters", "expected a table { … }, found a list"),
            (
                "escalation[4].outside_hours",
                "has no meaning without the flow's `team`, whose hours it is about",
            ),
            (
                "escalation[4].outside_hours",
                "expected wait or send, found another text; did you mean `send`?",
            ),
            ("escalation[4].channel", "write either `channel` or `actions`, not both"),
            ("escalation[4].actions", "name at least one channel"),
            (
                "escalation[5].outside_hours",
                "has no meaning without the flow's `team`, whose hours it is about",
            ),
            (
                "escalation[5].after_hours",
                "has no meaning without the flow's `team`, whose hours it is about",
            ),
            ("escalation[5].after_hours", "is done instead, so `outside_hours` can't be written beside it"),
            ("escalation[5].repeat.every", "must be from 1s to 3650d, not 0ms"),
            ("escalation[5].repeat.times", "is missing"),
            (
                "escalation[5].actions[0].priority",
                "expected a whole number from 0 to 2147483647, found the number -1",
            ),
            ("escalation[5].actions[1].channel", "is missing"),
        ],
    );
}

#[test]
fn what_looks_like_something_else_is_named() {
    let level = |rest: Value| {
        let mut level = json!({"stage": "a", "after": "1m", "channel": "webhook"});
        level.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"name": "f", "escalation": [level]})
    };
    let at = "escalation[0].to[0]";
    for (rest, message) in [
        (
            json!({"to": ["https://crm.example.com/hook"]}),
            "names a destination's key, not an address; the address belongs into a [[destination]]",
        ),
        (
            json!({"channel": "email", "template": "x", "to": ["{{ user.email }"]}),
            "the braces don't close: write {{ user.email }}",
        ),
        (
            json!({"channel": "sms", "to": ["{ user.phone }}"]}),
            "the braces don't close: write {{ user.email }}",
        ),
    ] {
        expect(Kind::Flow, level(rest), &[(at, message)]);
    }
    let hours = json!({"key": "ops", "time_zone": "UTC", "hours": []});
    expect(Kind::Team, hours, &[("hours", "is empty: leave it out for always")]);
}

fn span() -> impl Strategy<Value = Span> {
    (1..10_000_i64).prop_map(Span::from_secs)
}

fn week_hours() -> impl Strategy<Value = WeekHours> {
    let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let time =
        || (0..24 * 60_u32).prop_map(|minute| NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap());
    let days = proptest::sample::subsequence(week.to_vec(), 1..=7);
    let days = days.prop_map(|days| days.iter().map(|day| day.parse().unwrap()).collect());
    (days, time(), time()).prop_map(|(days, from, until)| WeekHours { days, from, until })
}

fn recipient(address: &'static str) -> impl Strategy<Value = Recipient> {
    prop_oneof![
        Just(Recipient::Address(address.to_owned())),
        "[a-z]{1,5}".prop_map(Recipient::OnCall),
        "[a-z]{1,5}".prop_map(|name| Recipient::Field(JourneyField::Trait(name))),
        Just(Recipient::Field(JourneyField::UserId)),
    ]
}

fn recipients(address: &'static str) -> impl Strategy<Value = Vec<Recipient>> {
    vec(recipient(address), 1..4).prop_map(|mut all| {
        all.sort_by_key(|one| String::from(one.clone()));
        all.dedup();
        all
    })
}

fn channel() -> impl Strategy<Value = Channel> {
    let (mail, phone) = (|| recipients("ops@example.com"), || recipients("+32470123456"));
    let text = || option::of("[a-z{} ]{0,10}x");
    let via = || "[a-z]{1,6}";
    let values = || {
        btree_map("[a-z]{1,3}", 0..9_i32, 0..3).prop_map(|values| json!(values).as_object().unwrap().clone())
    };
    prop_oneof![
        (mail(), "[a-z]{1,6}").prop_map(|(to, template)| Channel::Email { to, template }),
        proptest::collection::hash_set("[a-z]{1,6}", 1..3)
            .prop_map(|to| Channel::Webhook { to: to.into_iter().collect() }),
        (phone(), text(), via()).prop_map(|(to, text, via)| Channel::Call { to, text, via }),
        (phone(), text(), via()).prop_map(|(to, text, via)| Channel::Sms { to, text, via }),
        (phone(), values(), via()).prop_map(|(to, parameters, via)| Channel::StudioExecution {
            to,
            flow_sid: FLOW_SID.to_owned(),
            parameters,
            via
        }),
        (any::<bool>(), values(), option::of(0..9_u32), via()).prop_map(
            |(has, attributes, priority, via)| {
                Channel::Task {
                    workspace_sid: Some(WORKSPACE_SID.to_owned()),
                    workflow_sid: has.then(|| WORKFLOW_SID.to_owned()),
                    attributes,
                    priority,
                    via,
                }
            }
        ),
    ]
}

fn level() -> impl Strategy<Value = Level> {
    let outside = prop_oneof![
        Just(OutsideHours::Wait),
        Just(OutsideHours::Send),
        vec(channel(), 1..3).prop_map(OutsideHours::Instead),
    ];
    let repeat = option::of((span(), 1..9_u32).prop_map(|(every, times)| Repeat { every, times }));
    ("[a-z]{1,4}", span(), vec(channel(), 1..3), outside, repeat).prop_map(
        |(stage, after, actions, outside_hours, repeat)| Level {
            stage,
            after,
            actions,
            outside_hours,
            repeat,
        },
    )
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let window = (1..=15 * 60_i64).prop_map(Span::from_secs);
    let digest = option::of((1..9_u32, window).prop_map(|(more_than, within)| Digest { more_than, within }));
    let widgets = btree_map("[a-z]{1,4}(/[a-z]{1,4})?", "[a-z]{1,4}", 0..3);
    (widgets, digest, vec(level(), 0..4), any::<bool>()).prop_map(
        |(widgets, digest, mut escalation, has_sid)| {
            escalation.sort_by_key(|level| level.after);
            Flow {
                name: "f".to_owned(),
                sid: has_sid.then(|| FLOW_SID.to_owned()),
                widgets,
                initial: Some("initiation".to_owned()),
                terminal: vec!["Done".to_owned()],
                expire_after: Span::from_days(30),
                team: Some("ops".to_owned()),
                escalation,
                digest,
                revisit: None,
                created_at: Timestamp::default(),
                updated_at: Timestamp::default(),
            }
        },
    )
}

fn any_team() -> impl Strategy<Value = Team> {
    let addresses = |has: bool, address: &str| if has { vec![address.to_owned()] } else { Vec::new() };
    let shift = (week_hours(), "[A-Z]{0,3}", 0..3_u8).prop_map(move |(hours, name, reach)| Shift {
        hours,
        name,
        email: addresses(reach != 0, "ada@example.com"),
        phone: addresses(reach != 1, "+32470123456"),
    });
    let summary = option::of(week_hours().prop_map(|hours| Summary {
        at: hours.from,
        days: hours.days,
        to: vec!["ops@example.com".to_owned()],
        flows: vec!["f".to_owned()],
    }));
    let zone = proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec());
    let holidays = proptest::collection::btree_set(0..5000_u64, 0..4);
    (zone, vec(week_hours(), 0..3), holidays, vec(shift, 0..3), summary).prop_map(
        |(time_zone, hours, holidays, on_call, summary)| {
            let first: chrono::NaiveDate = "2026-01-01".parse().unwrap();
            Team {
                key: "ops".to_owned(),
                time_zone,
                hours,
                holidays: holidays.into_iter().map(|day| first + chrono::Days::new(day)).collect(),
                on_call,
                summary,
                created_at: Timestamp::default(),
                updated_at: Timestamp::default(),
            }
        },
    )
}

fn shown(definition: &Definition) -> Value {
    render::definition(definition, &render::Shown::default())
}

/// As the stores keep it.
fn stored(definition: &Definition) -> Definition {
    rmp_serde::from_slice(&rmp_serde::to_vec_named(definition).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_flow_reads_back_as_itself(flow in any_flow()) {
        let flow = Definition::Flow(flow);
        prop_assert_eq!(&read_one(Kind::Flow, None, &shown(&flow)).unwrap(), &flow);
        prop_assert_eq!(stored(&flow), flow);
    }

    #[test]
    fn a_team_reads_back_as_itself(team in any_team()) {
        let team = Definition::Team(team);
        prop_assert_eq!(&read_one(Kind::Team, None, &shown(&team)).unwrap(), &team);
        prop_assert_eq!(stored(&team), team);
    }
}

#[test]
fn a_level_of_before_there_were_several_actions_is_read() {
    let old = json!({"stage": "no_reply", "after": "30m", "channel": "email", "to": ["ops@example.com"], "template": "x"});
    let level: Level = rmp_serde::from_slice(&rmp_serde::to_vec_named(&old).unwrap()).unwrap();
    let to = vec![Recipient::Address("ops@example.com".into())];
    assert_eq!(level.actions, [Channel::Email { to, template: "x".into() }]);
    assert_eq!((level.outside_hours, level.repeat), (OutsideHours::Wait, None));
    assert_eq!(serde_json::from_value::<Level>(old).unwrap().actions, level.actions);
}
