//! What nobody told of a run, found by what Studio remembers of it.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use url::Url;

use super::execution::{Step, Teller};
use super::{field, form, phone};
use crate::domain::event::Event;
use crate::domain::journey::Journey;
use crate::domain::studio_flow::{self, HTTP_REQUEST, PREFIX, State};
use crate::domain::time::Timestamp;

/// What Studio remembers of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
    /// Its steps, oldest first.
    pub steps: Vec<Step>,
}

/// What there is to take in of a run: stages that its journey lacks, and its end. `None` for a run that nobody told of at all.
pub fn missing(teller: &Teller<'_>, remembered: &Remembered, journey: Option<&Journey>) -> Vec<Event> {
    let mut events = missing_stages(teller, remembered, journey);
    let is_news = journey.is_none_or(|journey| journey.status.is_open() && journey.died.is_none());
    events.extend(remembered.ended_at.filter(|_| is_news).map(|at| teller.ended(at, Some("ended"))));
    events
}

fn missing_stages(teller: &Teller<'_>, remembered: &Remembered, journey: Option<&Journey>) -> Vec<Event> {
    if journey.is_some_and(|journey| journey.steps_left_out > 0) {
        // Which of them the journey had can't be told any more.
        return Vec::new();
    }
    let mut reached = vec![(teller.stage_of_start(), teller.started(remembered.created_at))];
    for step in &remembered.steps {
        // A stage in a row is one: a widget that is mapped, and behind it one that posts the same.
        if let Some(stage) =
            teller.stage_of(step).filter(|stage| reached.last().is_none_or(|(last, _)| last != stage))
        {
            reached.push((stage, teller.step(step)));
        }
    }
    let steps = journey.map_or(&[][..], |journey| &journey.steps);
    let told: HashSet<&str> = steps.iter().map(|step| step.message_id.as_str()).collect();
    let mut had: Vec<&str> = steps.iter().map(|step| step.stage.as_str()).collect();
    let mut takes = |stage: &str| {
        let at = had.iter().position(|known| *known == stage);
        at.map(|at| had.swap_remove(at)).is_some()
    };
    // Those that are known by their ids first: another post of the same stage is another one's.
    let (known, open): (Vec<_>, Vec<_>) =
        reached.into_iter().partition(|(_, event)| told.contains(event.message_id.as_str()));
    for (stage, _) in &known {
        takes(stage);
    }
    open.into_iter().filter(|(stage, _)| !takes(stage)).map(|(_, event)| event).collect()
}

/// The user of a run, by the fields in its context that flows are started with and that their posts take him from; one whose id no
/// post could have is none.
pub fn user_of(context: &Value) -> Option<String> {
    let places = ["/flow/data", "/trigger/request/parameters", "/flow/variables"];
    let of = |data: &Value| {
        let ids = ["userID", "userId", "user_id"].into_iter().filter_map(|key| data.get(key));
        ids.filter_map(|id| field::id(Some(id.clone()), "userID").ok()?).next()
    };
    places.into_iter().filter_map(|place| context.pointer(place)).find_map(of)
}

/// The address of a run's person, written as posts have it; one that no post could have is none.
pub fn address_of(text: &str) -> Option<String> {
    phone::mended(text.to_owned(), "contact_channel_address").ok()
}

/// The stages that a flow's own widgets post, by widget: those whose address is one of `is_ours`, or whose name says so.
pub fn posts(definition: &Value, is_ours: impl Fn(&Url) -> bool) -> BTreeMap<String, String> {
    let states = definition.get("states").and_then(Value::as_array);
    let post = |state: &Value| {
        let state = State::new(state);
        let url = state.property("url").and_then(Value::as_str).unwrap_or_default();
        let url = Url::parse(url).ok();
        let is_post = state.kind() == HTTP_REQUEST
            && (state.name().starts_with(PREFIX) || url.as_ref().is_some_and(&is_ours));
        let stage = if is_post { stage(state, url.as_ref()) } else { None }?;
        Some((state.name().to_owned(), stage))
    };
    states.into_iter().flatten().filter_map(post).collect()
}

/// The `stage` that a widget posts, wherever it has it; one that Studio fills in is not known beforehand.
fn stage(state: State<'_>, url: Option<&Url>) -> Option<String> {
    let by_parameter = studio_flow::stage(state).filter(|stage| !stage.is_empty()).map(str::to_owned);
    let body = state.property("body").and_then(Value::as_str).unwrap_or_default();
    let by_body = || match serde_json::from_str::<Value>(body) {
        Ok(body) => body.get("stage")?.as_str().map(str::to_owned),
        Err(_) => field_in(body, "stage"),
    };
    let by_query = || url?.query().and_then(|query| field_in(query, "stage"));
    let stage = by_parameter.or_else(by_body).or_else(by_query)?;
    let stage = field::name(Some(stage.into()), "stage").ok()??;
    (!stage.is_empty() && !stage.contains("{{")).then_some(stage)
}

fn field_in(form: &str, name: &str) -> Option<String> {
    let pairs = form::pairs(form.as_bytes()).ok()?;
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
