//! What was counted in the months before: a server that was just filled has figures of one hour only, and charts read weeks of them.
//! They are written as a copy of a store is.

use stagepost::clock::Clock;
use stagepost::domain::change::{ChangeSet, SizeWrite};
use stagepost::domain::definition::Definition;
use stagepost::domain::figures::{Family, Figure, FigureWrite, Grain, wait_detail};
use stagepost::domain::sizes::{Per, SizePoint};
use stagepost::domain::time::{Span, Timestamp};
use stagepost::store::Store;

/// How many points of each grain there are.
const MINUTES: i64 = 1440;
const HOURS: i64 = 24 * 10;
const DAYS: i64 = 60;
/// Points in one change set.
const TOGETHER: usize = 20_000;
/// Steps of waiting times (`wait_step`) that a stage's journeys spread over.
const WAITS: i64 = 20;

/// The beginnings of the points before the present one, the newest first.
fn starts(grain: Grain, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let (span, many) = match grain {
        Grain::Minute => (Span::from_secs(60), MINUTES),
        Grain::Hour => (Span::from_hours(1), HOURS),
        Grain::Day => (Span::from_days(1), DAYS),
        Grain::Ever => (Span::from_days(1), 0),
    };
    let present = grain.start_of(now);
    (1..=many).map(move |back| present.minus(Span::from_millis(back * span.millis())))
}

/// What each family tells apart.
fn details(family: Family) -> Vec<String> {
    let stages = ["initiation", "no_reply", "confirmed", "cancelled"].map(str::to_owned);
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match family {
        Family::Accepted | Family::Opened => named(&[""]),
        Family::Ended => named(&["completed", "resolved", "superseded"]),
        Family::Stalled => named(&["no_reply"]),
        Family::Standing => Vec::new(),
        Family::Reached => stages.to_vec(),
        Family::Waited => stages
            .iter()
            .flat_map(|stage| (0..WAITS).map(move |step| wait_detail(stage, Span::from_secs(1 << step))))
            .collect(),
        Family::Escalated => named(&["email", "webhook"]),
        Family::Attempted => named(&["delivered", "retry", "failed", "dead"]),
    }
}

/// Writes figures of all sources, flows and destinations, and sizes of all audiences.
pub async fn write(store: &dyn Store) {
    let now = Clock::system().now();
    let mut changes = ChangeSet::default();
    for definition in store.definitions().await.expect("they can be read") {
        let families: &[Family] = match definition {
            Definition::Source(_) => &[Family::Accepted],
            Definition::Flow(_) => &[
                Family::Opened,
                Family::Ended,
                Family::Stalled,
                Family::Reached,
                Family::Waited,
                Family::Escalated,
            ],
            Definition::Destination(_) => &[Family::Attempted],
            Definition::Audience(ref audience) => {
                changes.sizes.extend(sizes(&audience.id, now));
                &[]
            }
            _ => &[],
        };
        for family in families {
            for grain in family.grains() {
                for (start, detail) in starts(*grain, now)
                    .flat_map(|start| details(*family).into_iter().map(move |it| (start, it)))
                {
                    let figure = Figure { family: *family, subject: definition.key().to_owned(), detail };
                    changes.figure_points.push(FigureWrite { figure, grain: *grain, start, count: 5 });
                }
                commit(store, &mut changes, TOGETHER).await;
            }
        }
    }
    commit(store, &mut changes, 0).await;
}

fn sizes(audience: &str, now: Timestamp) -> Vec<SizeWrite> {
    let point = |(per, start)| SizeWrite {
        audience_id: audience.to_owned(),
        per,
        point: SizePoint { start, entered: 3, exited: 2, size: 1000 },
    };
    let hours = starts(Grain::Hour, now).map(|start| (Per::Hour, start));
    hours.chain(starts(Grain::Day, now).map(|start| (Per::Day, start))).map(point).collect()
}

/// Writes what has come together, if that is more than `most`.
async fn commit(store: &dyn Store, changes: &mut ChangeSet, most: usize) {
    if changes.figure_points.len() + changes.sizes.len() > most {
        store.commit(changes).await.expect("the store takes it");
        *changes = ChangeSet::default();
    }
}
