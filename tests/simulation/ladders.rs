//! Histories of stalls: hours, repetitions, snoozes, receipts, deaths of deliveries and digests, with breaks between any two steps.

use std::collections::{BTreeMap, HashMap, HashSet};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use stagepost::domain::definition::{Definition, EventsWanted, LevelKey, OutsideHours, Team};
use stagepost::domain::delivery::{Cause, Delivery, DeliveryStatus, EMAIL, Receipt};
use stagepost::domain::event::{Call, STUDIO_STEP};
use stagepost::domain::ids::DeliveryId;
use stagepost::domain::journey::{EscalationReceipt, Journey, Ladder};
use stagepost::domain::limits;
use stagepost::domain::time::{Span, Timestamp};
use stagepost::engine::{BackfillPace, Engine, EngineError, Operation};

use crate::machine::{Machine, by_ops, definition, destination, show};
use crate::picture::Picture;
use crate::support::stores::Backend;

const USERS: usize = 6;
const STEPS: usize = 60;
const DESTINATIONS: [&str; 2] = [EMAIL, "crm"];
const MINUTE: i64 = 60_000;

fn mail(to: &str) -> Value {
    json!({ "channel": "email", "to": [to], "template": "no_reply" })
}

/// Levels that the flow has at one time or another. The stage tells the forms apart, so that a mark tells which level it is of.
fn flow(form: usize) -> Definition {
    let level = |after: &str, more: Value| {
        let mut level = json!({ "stage": "no_reply", "after": after });
        let (fields, more) = (level.as_object_mut().unwrap(), more);
        fields.extend(more.as_object().unwrap().clone());
        level
    };
    let escalation = match form {
        0 => json!([
            level("1h", mail("ops@example.com")),
            level(
                "2h",
                json!({
                    "actions": [mail("boss@example.com"), { "channel": "webhook", "to": ["crm"] }],
                    "outside_hours": "send", "repeat": { "every": "40m", "times": 3 },
                })
            ),
            level("9h", mail("on_call:ops")),
        ]),
        1 => json!([
            level("90m", json!({ "actions": [{ "channel": "webhook", "to": ["crm"] }] })),
            level(
                "3h",
                json!({ "actions": [mail("ops@example.com")], "repeat": { "every": "5h", "times": 2 } })
            ),
            level(
                "4h",
                json!({ "actions": [mail("a@example.com")], "after_hours": [mail("night@example.com")] })
            ),
        ]),
        // Nobody has that trait: the next level fires at once.
        _ => json!([level("30m", mail("{{ user.email }}")), level("5h", mail("ops@example.com")),]),
    };
    let mut fields = json!({
        "name": "appointment", "team": "ops", "initial": "initiation", "terminal": ["confirmed"],
        "expire_after": "20d", "escalation": escalation,
    });
    if form != 1 {
        fields["digest"] = json!({ "more_than": 2, "within": "10m" });
    }
    definition("flow", fields)
}

fn team() -> Definition {
    let shift = json!({
        "days": ["mon", "tue", "wed"], "from": "08:00", "until": "20:00", "name": "Ada",
        "email": "ada@example.com", "phone": "+3247000000",
    });
    definition(
        "team",
        json!({
            "key": "ops", "time_zone": "Europe/Brussels",
            "hours": [{ "days": "mon-fri", "from": "08:00", "until": "18:00" }],
            "on_call": [shift],
        }),
    )
}

/// One history, from its seed.
pub async fn history(backend: Backend, seed: u64, verbose: bool) {
    let mut random = StdRng::seed_from_u64(seed);
    let rests = random.random_bool(0.5);
    let mut machine = Machine::new(backend, seed, rests, BackfillPace::default()).await;
    machine.apply(vec![destination("crm", EventsWanted::None), team(), flow(0)]).await;
    for step in 0..STEPS {
        act(&mut machine, &mut random, verbose.then_some(step)).await;
        machine.tick().await;
        check(&machine).await;
    }
    machine.drain(&mut random, &DESTINATIONS).await;
    machine.tick().await;
    check(&machine).await;
}

async fn act(machine: &mut Machine, random: &mut StdRng, shown: Option<usize>) {
    if random.random_bool(0.1) {
        machine.break_after(random.random_range(0..3), random.random_bool(0.5));
    }
    let action = random.random_range(0..14);
    if let Some(step) = shown {
        println!("{step:>3} at {} action {action}", machine.clock.now());
    }
    match action {
        0..4 => post(machine, random).await,
        4..7 => machine.pass(random.random_range(1..600) * MINUTE),
        7 => {
            let failures = [0, 3, 9][random.random_range(0..3)];
            machine.deliver(random, &DESTINATIONS, failures).await;
        }
        8 => {
            let until = Timestamp::from_millis(machine.now() + random.random_range(1..2000) * MINUTE);
            operate(machine, random, Operation::Snooze { until, told_at: None }).await;
        }
        9 => operate(machine, random, Operation::Acknowledge { told_at: None }).await,
        10 => receipt(machine, random).await,
        11 => acknowledge_digest(machine, random).await,
        12 => machine.apply(vec![flow(random.random_range(0..3))]).await,
        _ => machine.restart().await,
    }
}

/// Some of the users come to a stage in the same minute.
async fn post(machine: &mut Machine, random: &mut StdRng) {
    let stage = ["initiation", "no_reply", "no_reply", "no_reply", "reminder", "confirmed"]
        [random.random_range(0..6)];
    for _ in 0..random.random_range(1..USERS) {
        let user = format!("u{}", random.random_range(0..USERS));
        let properties = Map::from_iter([
            ("flow".to_owned(), Value::from("appointment")),
            ("stage".to_owned(), stage.into()),
            ("phoneNumber".to_owned(), "+15551234567".into()),
        ]);
        let late = if random.random_bool(0.2) { random.random_range(0..200) * MINUTE } else { 0 };
        let event =
            machine.event((Some(user), None), late, Call::Track { event: STUDIO_STEP.into(), properties });
        machine.send(vec![vec![event]]).await;
    }
}

async fn operate(machine: &mut Machine, random: &mut StdRng, operation: Operation) {
    let journeys = machine.picture().await.journeys;
    if journeys.is_empty() {
        return;
    }
    let id = journeys[random.random_range(0..journeys.len())].id;
    ask(machine, async |engine| engine.operate(id, operation, by_ops("simulated")).await.map(drop)).await;
}

/// A receiver tells what became of something.
async fn receipt(machine: &mut Machine, random: &mut StdRng) {
    let mut deliveries = machine.picture().await.deliveries;
    deliveries.retain(|delivery| delivery.destination == "crm");
    if deliveries.is_empty() {
        return;
    }
    let id = deliveries[random.random_range(0..deliveries.len())].id;
    let (status, reached) =
        [("ringing", None), ("answered", Some(true)), ("no-answer", Some(false))][random.random_range(0..3)];
    let sid = Some("CA1".to_owned());
    let receipt =
        Receipt { sid, status: status.to_owned(), reached, error_code: None, at: machine.clock.now() };
    ask(machine, async |engine| engine.receipt(id, receipt).await).await;
}

async fn acknowledge_digest(machine: &mut Machine, random: &mut StdRng) {
    let mut digests = machine.picture().await.deliveries;
    digests.retain(|delivery| matches!(delivery.cause, Cause::Digest(_)));
    if digests.is_empty() {
        return;
    }
    let id = digests[random.random_range(0..digests.len())].id;
    ask(machine, async |engine| engine.acknowledge_all(id, by_ops("all of them")).await.map(drop)).await;
}

/// What is refused, or lost in a break, has no effect, or all of it.
async fn ask(machine: &mut Machine, ask: impl AsyncFnOnce(Engine) -> Result<(), EngineError>) {
    let engine = machine.engine.clone();
    match machine.ask(ask(engine)).await {
        Ok(()) | Err(EngineError::Conflict(_) | EngineError::Unavailable(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn check(machine: &Machine) {
    let picture = machine.picture().await;
    machine.check_all(&picture).await;
    let deliveries: HashMap<DeliveryId, &Delivery> =
        picture.deliveries.iter().map(|it| (it.id, it)).collect();
    check_deliveries(&picture, &deliveries);
    let (levels, definitions) = (all_levels(), machine.engine.definitions());
    for journey in &picture.journeys {
        check_marks(journey, &levels, &definitions.teams["ops"], &deliveries);
        check_rest(journey);
        check_nothing_is_due(machine, journey);
    }
    check_desks(machine, &picture, &deliveries);
}

/// Each thing is said once, and each mail that a digest took the place of is in it.
fn check_deliveries(picture: &Picture, deliveries: &HashMap<DeliveryId, &Delivery>) {
    let mut names = HashSet::new();
    let mut marked: HashSet<DeliveryId> = picture
        .journeys
        .iter()
        .flat_map(|journey| &journey.escalations)
        .map(|mark| mark.delivery_id)
        .collect();
    for delivery in &picture.deliveries {
        assert!(
            names.insert((&delivery.destination, &delivery.message_id)),
            "said twice: {}",
            show(delivery)
        );
        match &delivery.cause {
            Cause::Stall(journey) => {
                assert!(marked.remove(&delivery.id), "it has no mark: {}", show(delivery));
                if let Some(by) = delivery.superseded_by {
                    let Cause::Digest(stalls) = &deliveries[&by].cause else { panic!("{}", show(delivery)) };
                    assert!(stalls.contains(&(*journey, delivery.id)), "{}", show(delivery));
                }
            }
            Cause::Digest(stalls) => {
                assert!(stalls.len() > 1, "{}", show(delivery));
                for (_, mail) in stalls {
                    assert_eq!(deliveries[mail].superseded_by, Some(delivery.id), "{}", show(delivery));
                }
            }
            _ => {}
        }
    }
    assert!(marked.is_empty(), "marks without a delivery: {marked:?}");
}

/// Every level that there ever is, with what it does outside the hours.
fn all_levels() -> HashMap<LevelKey, OutsideHours> {
    let levels = (0..3).flat_map(|form| match flow(form) {
        Definition::Flow(flow) => flow.escalation,
        _ => unreachable!("it is one"),
    });
    levels.map(|level| (LevelKey { after: level.after, twin: 0 }, level.outside_hours)).collect()
}

fn check_marks(
    journey: &Journey,
    levels: &HashMap<LevelKey, OutsideHours>,
    team: &Team,
    deliveries: &HashMap<DeliveryId, &Delivery>,
) {
    for mark in &journey.escalations {
        if levels[&mark.key] == OutsideHours::Wait {
            assert!(team.is_open(mark.at), "outside the hours: {} of {}", show(mark), show(journey));
        }
        let mut last = deliveries[&mark.delivery_id];
        if let Some(by) = last.superseded_by {
            last = deliveries[&by];
        }
        // What is told of one that is finished is not looked for.
        if journey.status.is_open() {
            assert_eq!(mark.receipt, EscalationReceipt::of(last), "{}: {}", show(mark), show(last));
        }
    }
}

/// Who is to be left alone is left alone.
fn check_rest(journey: &Journey) {
    let marks = journey.escalations.iter();
    let of_stall: Vec<_> =
        marks.filter(|mark| mark.stage == journey.stage && mark.at >= journey.stage_at).collect();
    if let Some(known) = journey.acknowledgement() {
        let after = of_stall.iter().find(|mark| mark.at > known.note.at);
        assert!(after.is_none(), "it was acknowledged: {}", show(journey));
    }
    if let Some(snooze) = journey.snooze_of_stall() {
        let within = of_stall.iter().find(|mark| mark.at > snooze.note.at && mark.at < snooze.until);
        assert!(within.is_none(), "it was snoozed: {}", show(journey));
    }
    assert!(journey.escalations.len() <= limits::MAX_ESCALATIONS);
}

fn check_nothing_is_due(machine: &Machine, journey: &Journey) {
    let definitions = machine.engine.definitions();
    let (flow, team) = (&definitions.flows["appointment"], &definitions.teams["ops"]);
    let ladder = Ladder::new(journey, flow, Some(team), machine.clock.now());
    assert!(ladder.due().is_none(), "{:?} is due: {}", ladder.due(), show(journey));
}

/// What is held back is at its desk, and no longer than its time.
fn check_desks(machine: &Machine, picture: &Picture, deliveries: &HashMap<DeliveryId, &Delivery>) {
    let mut held: BTreeMap<DeliveryId, Timestamp> = BTreeMap::new();
    for profile in &picture.profiles {
        let Some(gathering) = profile.desk.as_ref().and_then(|desk| desk.gathering.as_ref()) else {
            continue;
        };
        assert!(gathering.until > machine.clock.now(), "{}", show(gathering));
        held.extend(gathering.deliveries.iter().map(|id| (*id, gathering.until)));
    }
    for (id, until) in &held {
        let mail = deliveries[id];
        let leaves = until.plus(limits::DIGEST_GRACE);
        assert_eq!((mail.status, mail.next_attempt_at), (DeliveryStatus::Pending, leaves), "{}", show(mail));
    }
    let now = machine.clock.now().plus(Span::from_secs(1));
    for mail in picture.deliveries.iter().filter(|it| it.destination == EMAIL && it.tries == 0) {
        let waits = mail.status == DeliveryStatus::Pending && mail.next_attempt_at > now;
        assert!(!waits || held.contains_key(&mail.id), "nobody lets it go: {}", show(mail));
    }
}
