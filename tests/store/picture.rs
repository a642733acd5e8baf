//! Everything that a store answers, as one value to compare.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;

use stagepost::domain::delivery::{DeliveryFilter, DeliveryStatus};
use stagepost::domain::event::Event;
use stagepost::domain::figures::{Family, Grain, OldestFigures};
use stagepost::domain::ids::{DeliveryId, EventId, LeafId, UserKey};
use stagepost::domain::journey::{JourneyFilter, JourneyStatus};
use stagepost::domain::page::{Order, Page, PageRequest};
use stagepost::domain::profile::MessageHash;
use stagepost::domain::shelf::Shelf;
use stagepost::domain::sizes::Per;
use stagepost::store::{EventFilter, Result, Store};

use crate::build::{at, event_id, named};
use crate::writer::unrevised;

/// What to ask about.
pub struct Cast {
    pub users: Vec<UserKey>,
    pub audiences: Vec<String>,
    pub destinations: Vec<String>,
    pub flows: Vec<String>,
    pub messages: Vec<MessageHash>,
    /// Kinds and ids.
    pub external_ids: Vec<(String, String)>,
    /// Leaves and pages.
    pub pages: Vec<(LeafId, u32)>,
    /// Families and subjects.
    pub figures: BTreeSet<(Family, String)>,
    /// Whether the sizes of audiences in the past are asked about, or only who came and went.
    pub exact_sizes: bool,
}

/// All rows of a list, page by page.
pub async fn walk<T, F: Future<Output = Result<Page<T>>>>(
    limit: usize,
    mut ask: impl FnMut(PageRequest) -> F,
) -> Vec<T> {
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let page = ask(PageRequest { limit, cursor }).await.unwrap();
        assert!(page.rows.len() <= limit);
        rows.extend(page.rows);
        cursor = page.cursor;
        if cursor.is_none() {
            return rows;
        }
    }
}

/// The whole log, asked for `limit` events at a time.
pub async fn whole_log(store: &dyn Store, limit: usize) -> Vec<Vec<Event>> {
    let (mut parts, mut after): (Vec<Vec<Event>>, Option<EventId>) = (Vec::new(), None);
    loop {
        let part = store.event_log(after, EventId::from_bytes([255; 16]), limit).await.unwrap();
        let Some(last) = part.last() else { return parts };
        after = Some(last.id);
        parts.push(part);
    }
}

/// One line per question, with its answer.
pub async fn picture(store: &dyn Store, cast: &Cast) -> Vec<String> {
    let mut lines = Vec::new();
    macro_rules! note {
        ($question:expr, $answer:expr) => {
            lines.push(format!("{}: {:?}", $question, $answer))
        };
    }
    note!("counts", store.counts().await.unwrap());
    note!("definitions", store.definitions().await.unwrap());
    note!("admin", store.admin_token_hash().await.unwrap());
    note!("unknown flows", store.unknown_flows().await.unwrap());
    note!("audiences", store.audiences_with_members().await.unwrap());
    let profiles = store.profiles(&cast.users).await.unwrap().into_iter();
    note!("profiles", profiles.map(|profile| profile.map(unrevised)).collect::<Vec<_>>());
    note!("next timer", store.next_timer().await.unwrap());
    for now in [0, 3, 1_000] {
        note!(format!("timers {now}"), store.due_timers(at(now), 3).await.unwrap());
        // Those that arrived in the same millisecond come in any order, so neither it nor a bound can be compared here.
        let mut expired = store.expired_seen(at(now), 99).await.unwrap();
        expired.sort();
        note!(format!("expired {now}"), expired);
        note!(format!("first expired {now}"), store.expired_seen(at(now), 3).await.unwrap().len());
    }
    for user in &cast.users {
        note!(format!("profile {user}"), store.profile(user).await.unwrap().map(unrevised));
        let (profiles, last) = store.profiles_after(Some(user), 2).await.unwrap();
        let profiles: Vec<_> = profiles.into_iter().map(unrevised).collect();
        note!(format!("after {user}"), (profiles, last));
        for message in &cast.messages {
            note!(format!("seen {user}"), store.seen(&[(user.clone(), *message)]).await.unwrap());
        }
    }
    for audience in &cast.audiences {
        note!(format!("members {audience}"), walk(2, async |p| store.members(audience, &p).await).await);
    }
    lines.extend(computation_lines(store, cast).await);
    lines.extend(console_lines(store, cast).await);
    lines.extend(log_lines(store, cast).await);
    lines.extend(journey_lines(store, cast).await);
    lines.extend(delivery_lines(store, cast).await);
    lines
}

async fn computation_lines(store: &dyn Store, cast: &Cast) -> Vec<String> {
    let mut lines = vec![format!("backfills: {:?}", store.backfills().await.unwrap())];
    for user in &cast.users {
        let wanted: Vec<_> = cast.pages.iter().map(|(leaf, page)| (user.clone(), *leaf, *page)).collect();
        lines.push(format!("pages of {user}: {:?}", store.leaf_pages(&wanted).await.unwrap()));
        for audience in &cast.audiences {
            let since = store.is_member(audience, user).await.unwrap();
            lines.push(format!("is {user} in {audience}: {since:?}"));
        }
    }
    for audience in &cast.audiences {
        for per in Per::ALL {
            for (from, to) in [(at(i64::MIN), at(i64::MAX)), (at(0), at(90_000_000)), (at(1), at(0))] {
                let mut points = store.audience_sizes(audience, per, from, to).await.unwrap();
                if !cast.exact_sizes {
                    points.iter_mut().for_each(|point| point.size = 0);
                }
                lines.push(format!("sizes {audience} {per:?} {from} {to}: {points:?}"));
            }
        }
        for other in &cast.audiences {
            let both = store.overlap(audience, other).await.unwrap();
            lines.push(format!("in {audience} and {other}: {both}"));
        }
    }
    if cast.exact_sizes {
        let audiences: Vec<&str> = cast.audiences.iter().map(String::as_str).collect();
        let found = store.sizes_of(&audiences, Per::Hour, at(0), at(i64::MAX)).await.unwrap();
        lines.push(format!("sizes of all: {found:?}"));
    }
    for (hours, days) in [(0, 0), (90_000_000, 0), (0, 90_000_000)] {
        let is_there = store.has_sizes_before(at(hours), at(days)).await.unwrap();
        lines.push(format!("sizes before {hours} {days}: {is_there}"));
    }
    for (kind, id) in &cast.external_ids {
        for limit in [1, 9] {
            let users = store.users_by_external_id(kind, id, limit).await.unwrap();
            lines.push(format!("who is {kind} {id}, {limit}: {users:?}"));
        }
    }
    lines
}

async fn console_lines(store: &dyn Store, cast: &Cast) -> Vec<String> {
    let mut lines = Vec::new();
    for (family, subject) in &cast.figures {
        for grain in family.grains() {
            for (from, to) in [(at(i64::MIN), at(i64::MAX)), (at(0), at(90_000_000)), (at(1), at(0))] {
                let points = store.figures(*family, subject, *grain, from, to).await.unwrap();
                lines.push(format!("{family:?} {subject:?} {grain:?} {from} {to}: {points:?}"));
            }
        }
    }
    for grain in Grain::ALL {
        let wanted: Vec<_> =
            cast.figures.iter().map(|(family, subject)| (*family, subject.as_str())).collect();
        let found = store.figures_of(&wanted, grain, at(0), at(i64::MAX)).await.unwrap();
        lines.push(format!("{grain:?} of all: {found:?}"));
    }
    for [minutes, hours, days] in [[0; 3], [90_000_000, 0, 0], [0, 90_000_000, 0], [0, 0, 90_000_000]] {
        let oldest = OldestFigures { minutes: at(minutes), hours: at(hours), days: at(days) };
        let is_there = store.has_figures_before(&oldest).await.unwrap();
        lines.push(format!("figures before {oldest:?}: {is_there}"));
    }
    for shelf in Shelf::ALL {
        let found = walk(2, async |p| store.entries(shelf, &p).await).await;
        for entry in &found {
            assert_eq!(store.entry(shelf, &entry.key).await.unwrap().as_ref(), Some(&entry.value));
        }
        lines.push(format!("{shelf:?}: {found:?}"));
    }
    lines
}

async fn log_lines(store: &dyn Store, cast: &Cast) -> Vec<String> {
    let mut lines = vec![format!("last event: {:?}", store.last_event().await.unwrap())];
    for limit in [1, 4, 1000] {
        lines.push(format!("log by {limit}: {:?}", whole_log(store, limit).await));
    }
    let all: Vec<EventId> = whole_log(store, 1000).await.concat().iter().map(|event| event.id).collect();
    if let Some(middle) = all.get(all.len() / 2) {
        lines
            .push(format!("until: {:?}", store.event_log(all.get(1).copied(), *middle, 1000).await.unwrap()));
    }
    for name in ["Tried", "Page Viewed", "Screen Viewed", "nothing"] {
        let (names, newest) = ([name.to_owned()].into(), EventId::from_bytes([255; 16]));
        let after = all.first().copied();
        let part = store.wanted_log(&named(&names), after, newest, 7).await.unwrap();
        lines.push(format!("{name}: {part:?}"));
    }
    let asked: Vec<EventId> = all.iter().rev().step_by(2).copied().chain([event_id(1, 0)]).collect();
    lines.push(format!("events: {:?}", store.events(&asked).await.unwrap()));
    let mut filters = vec![EventFilter::default()];
    filters.extend(
        cast.users.iter().map(|user| EventFilter { users: [user.clone()].into(), ..EventFilter::default() }),
    );
    filters.push(EventFilter { type_name: Some("identify".into()), ..EventFilter::default() });
    for filter in filters {
        let found = walk(3, async |p| store.newest_events(&filter, &p).await).await;
        lines.push(format!("{filter:?}: {found:?}"));
    }
    lines
}

async fn journey_lines(store: &dyn Store, cast: &Cast) -> Vec<String> {
    let mut filters = vec![JourneyFilter::default()];
    for status in JourneyStatus::ALL {
        filters.push(JourneyFilter { status: Some(status), ..Default::default() });
    }
    for user in &cast.users {
        filters.push(JourneyFilter { user: Some(user.clone()), ..Default::default() });
        let status = Some(JourneyStatus::Completed);
        filters.push(JourneyFilter { user: Some(user.clone()), status, ..Default::default() });
    }
    for flow in &cast.flows {
        let of_flow = JourneyFilter { flow: Some(flow.clone()), ..Default::default() };
        filters.push(JourneyFilter { order: Order::OldestFirst, ..of_flow.clone() });
        for status in JourneyStatus::ALL {
            filters.push(JourneyFilter { status: Some(status), ..of_flow.clone() });
        }
        filters.push(of_flow);
    }
    let active = Some(JourneyStatus::Active);
    filters.push(JourneyFilter { status: active, order: Order::OldestFirst, ..Default::default() });
    filters.push(JourneyFilter { from: Some(at(2_005)), to: Some(at(2_020)), ..Default::default() });
    filters.push(JourneyFilter { from: Some(at(9)), to: Some(at(-9)), ..Default::default() });
    let mut lines = Vec::new();
    for filter in filters {
        let found = walk(2, async |p| store.journeys(&filter, &p).await).await;
        for journey in &found {
            assert_eq!(store.journey(journey.id).await.unwrap().as_ref(), Some(journey));
        }
        lines.push(format!("{filter:?}: {found:?}"));
    }
    for acknowledged in [false, true] {
        let found = walk(2, async |p| store.inbox(acknowledged, &p).await).await;
        lines.push(format!("inbox {acknowledged}: {found:?}"));
    }
    lines
}

async fn delivery_lines(store: &dyn Store, cast: &Cast) -> Vec<String> {
    let mut filters = vec![DeliveryFilter::default()];
    for status in DeliveryStatus::ALL {
        filters.push(DeliveryFilter { status: Some(status), ..Default::default() });
    }
    for user in &cast.users {
        filters.push(DeliveryFilter { user: Some(user.clone()), ..Default::default() });
    }
    filters.push(DeliveryFilter { since: Some(at(2_010)), ..Default::default() });
    for destination in &cast.destinations {
        for status in DeliveryStatus::ALL {
            let destination = Some(destination.clone());
            filters.push(DeliveryFilter { destination, status: Some(status), ..Default::default() });
        }
    }
    let mut lines = Vec::new();
    for filter in filters {
        let found = walk(2, async |p| store.deliveries(&filter, &p).await).await;
        for delivery in &found {
            assert_eq!(store.delivery(delivery.id).await.unwrap().as_ref(), Some(delivery));
        }
        lines.push(format!("{filter:?}: {found:?}"));
        let until = DeliveryId::from_bytes([255; 16]);
        let part = store.deliveries_after(&filter, None, until, 3).await.unwrap();
        lines.push(format!("oldest {part:?}"));
        if let (Some(after), Some(until)) = (part.last, found.first()) {
            let part = store.deliveries_after(&filter, Some(after), until.id, 2).await.unwrap();
            lines.push(format!("next {part:?}"));
        }
    }
    let destinations: Vec<&str> = cast.destinations.iter().map(String::as_str).collect();
    lines.push(format!("first {destinations:?}: {:?}", store.first_due(&destinations).await.unwrap()));
    let busy: [HashSet<UserKey>; 2] = [HashSet::new(), cast.users.iter().step_by(2).cloned().collect()];
    for destination in &cast.destinations {
        for busy in &busy {
            let next = store.next_delivery(destination, busy).await.unwrap();
            lines.push(format!("next {destination:?} {}: {next:?}", busy.len()));
            for (now, limit) in [(0, 9), (3, 1), (3, 9), (1_000, 2), (1_000, 99)] {
                let due = store.due_deliveries(destination, at(now), busy, limit).await.unwrap();
                lines.push(format!("due {destination:?} {} {now} {limit}: {due:?}", busy.len()));
                for whole in [false, true] {
                    let count = store.count_due(destination, at(now), busy, limit, whole).await.unwrap();
                    lines.push(format!(
                        "count {destination:?} {} {now} {limit} {whole}: {count:?}",
                        busy.len()
                    ));
                }
            }
        }
    }
    let lanes: Vec<(String, UserKey)> = cast
        .destinations
        .iter()
        .flat_map(|destination| cast.users.iter().map(move |user| (destination.clone(), user.clone())))
        .collect();
    lines.push(format!("newest pending: {:?}", store.newest_pending(&lanes, 2).await.unwrap()));
    for (destination, user) in &lanes {
        let pending = store.pending_of(destination, user, None, 3).await.unwrap();
        lines.push(format!("pending {destination:?} {user}: {pending:?}"));
    }
    lines
}
