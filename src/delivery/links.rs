//! The links that go out with a delivery: made when it is sent, and never kept with it.

use serde_json::{Map, Value, json};

use crate::domain::delivery::{Cause, Delivery, Payload};
use crate::domain::ids::{Desk, JourneyId};
use crate::domain::limits::{LINK_LIFE, UNSUBSCRIBE_LIFE};
use crate::domain::link::{Link, Links, Purpose, SnoozeFor};
use crate::domain::time::{Span, Timestamp};

/// Until when the links of `delivery` work. The same on every try, so that a repetition has the same bytes.
pub fn until(delivery: &Delivery) -> Timestamp {
    delivery.wanted_since().plus(LINK_LIFE)
}

/// What can be done with one journey: `{acknowledge, resolve, snoozeHour, snoozeTomorrow, until}`.
pub fn of_journey(links: &Links, delivery: &Delivery, journey: JourneyId) -> Value {
    let page = |purpose| page(links, delivery, purpose, LINK_LIFE);
    json!({
        "acknowledge": page(Purpose::Acknowledge(journey)),
        "resolve": page(Purpose::Resolve(journey)),
        "snoozeHour": page(Purpose::Snooze(journey, SnoozeFor::Hour)),
        "snoozeTomorrow": page(Purpose::Snooze(journey, SnoozeFor::Tomorrow)),
        "until": until(delivery),
    })
}

/// `context` with the links that whoever reads it can act by: `links`, and `acknowledge` for each journey of a digest.
pub fn with_links(links: &Links, delivery: &Delivery, context: &Map<String, Value>) -> Map<String, Value> {
    let mut context = context.clone();
    if is_to_person(&context) {
        // A text that was written for others says nothing in their place.
        context.insert("link".to_owned(), "".into());
        let none = ["acknowledge", "resolve", "snoozeHour", "snoozeTomorrow", "until"].map(|name| (name, ""));
        context.insert("links".to_owned(), none.into_iter().collect());
    } else if let Some(journey) = context.get("journey").and_then(journey_id) {
        context.insert("links".to_owned(), of_journey(links, delivery, journey));
    }
    if let Some(digest) = context.get_mut("digest") {
        for journey in digest["journeys"].as_array_mut().into_iter().flatten() {
            if let Some(id) = journey_id(journey) {
                journey["acknowledge"] = page(links, delivery, Purpose::Acknowledge(id), LINK_LIFE).into();
            }
        }
        let all = page(links, delivery, Purpose::AcknowledgeAll, LINK_LIFE);
        context.insert("links".to_owned(), json!({ "acknowledgeAll": all, "until": until(delivery) }));
    }
    if let Some(unsubscribe) = unsubscribe(links, delivery, &context) {
        context.insert("links".to_owned(), json!({ "unsubscribe": unsubscribe }));
    }
    context
}

/// Whether it goes to the one whom a journey is about: what stops an alarm is for those who are to see to it.
pub fn is_to_person(context: &Map<String, Value>) -> bool {
    context.get("toPerson").is_some_and(|it| it == true)
}

/// Where whoever gets the summary of a team says that he wants no more of them; there is one such mail for each.
fn unsubscribe(links: &Links, delivery: &Delivery, context: &Map<String, Value>) -> Option<String> {
    let (Some(Desk::Team(team)), Some(_)) = (delivery.user.desk_of(), context.get("summary")) else {
        return None;
    };
    let Payload::Email { to, .. } = &delivery.payload else { return None };
    let [address] = to.as_slice() else { return None };
    let purpose = Purpose::Unsubscribe { team: team.to_owned(), address: address.clone() };
    Some(page(links, delivery, purpose, UNSUBSCRIBE_LIFE))
}

/// The tokens of the links that may have gone out with `delivery`: its receiver may repeat them in what he answers, and whoever
/// reads what is kept of that must not be able to act by them.
pub fn tokens(links: &Links, delivery: &Delivery) -> Vec<String> {
    let purposes: Vec<Purpose> = match &delivery.cause {
        Cause::Stall(journey) => vec![
            Purpose::Acknowledge(*journey),
            Purpose::Resolve(*journey),
            Purpose::Snooze(*journey, SnoozeFor::Hour),
            Purpose::Snooze(*journey, SnoozeFor::Tomorrow),
            Purpose::CallKey(*journey),
            Purpose::Status(delivery.replays),
        ],
        Cause::Digest(stalls) => {
            let each = stalls.iter().map(|(journey, _)| Purpose::Acknowledge(*journey));
            each.chain([Purpose::AcknowledgeAll]).collect()
        }
        Cause::Event(_)
        | Cause::Time
        | Cause::Backfill
        | Cause::Deletion
        | Cause::Merge
        | Cause::Health
        | Cause::Operator => Vec::new(),
    };
    let token = |purpose| Link { purpose, delivery: delivery.id, expires_at: until(delivery) };
    purposes.into_iter().map(|purpose| links.key.sign(&token(purpose))).collect()
}

fn page(links: &Links, delivery: &Delivery, purpose: Purpose, life: Span) -> String {
    links.page(&Link { purpose, delivery: delivery.id, expires_at: delivery.wanted_since().plus(life) })
}

fn journey_id(journey: &Value) -> Option<JourneyId> {
    journey.get("id")?.as_str()?.parse().ok()
}
