//! What a stream's events come to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::evaluate::Moment;
use crate::flaw::Flaw;
use crate::history::Happened;
use crate::language::{As, Place, Reducer};
use crate::value::{Exact, json, number, quotient, text};

/// The value of `events`, which are in the order of time; `None` for null.
pub fn reduce(moment: Moment, events: &[&Happened], reducer: &Reducer) -> Option<Value> {
    let values = |place: &Place| -> Vec<Value> {
        events.iter().filter_map(|event| at(moment, event, place)).collect()
    };
    let numbers = |place: &Place| numbers(moment, values(place));
    match reducer {
        Reducer::Count => {
            let most = if moment.is(Flaw::CountStopsAtTwo) { 2 } else { usize::MAX };
            Some(Value::from(events.len().min(most)))
        }
        Reducer::Sum(place) => Some(json(numbers(place).iter().sum())),
        Reducer::Average(place) => {
            let numbers = numbers(place);
            let count = if moment.is(Flaw::AverageCountsTheMissing) { events.len() } else { numbers.len() };
            match u32::try_from(count).expect("few events") {
                0 => moment.is(Flaw::AverageOfNothingIsZero).then(|| Value::from(0)),
                count => Some(quotient(numbers.iter().sum(), count)),
            }
        }
        Reducer::Minimum(place, As::String) if !moment.is(Flaw::MinimumAsStringComparesNumbers) => {
            values(place).iter().map(text).min().map(Value::from)
        }
        Reducer::Maximum(place, As::String) => values(place).iter().map(text).max().map(Value::from),
        Reducer::Minimum(place, _) => numbers(place).into_iter().min().map(json),
        Reducer::Maximum(place, _) if moment.is(Flaw::MaximumComparesTexts) => {
            numbers(place).into_iter().map(json).max_by_key(text)
        }
        Reducer::Maximum(place, _) => numbers(place).into_iter().max().map(json),
        Reducer::First(place) => first(moment, events, place),
        Reducer::Last(place) if moment.is(Flaw::LastTakesNulls) => {
            events.last().and_then(|event| at(moment, event, place))
        }
        Reducer::Last(place) => values(place).pop(),
        Reducer::Mode(place, how, least) => mode(moment, values(place), *how, *least),
        Reducer::Unique(place) => Some(Value::from(distinct(moment, &values(place)))),
        Reducer::UniqueCount(place) => Some(Value::from(distinct(moment, &values(place)).len())),
    }
}

/// The value of one event, `None` where it has none.
fn at(moment: Moment, event: &Happened, place: &Place) -> Option<Value> {
    let mut found = match place {
        Place::Property(path) => moment.under(Some(&event.properties), path),
        Place::Context(path) => moment.under(Some(&event.context), path),
    };
    assert_eq!(found.len(), 1, "reducers take paths without `$`");
    found.pop().flatten()
}

fn numbers(moment: Moment, mut values: Vec<Value>) -> Vec<Exact> {
    if moment.is(Flaw::SumIgnoresTexts) {
        values.retain(|value| !value.is_string());
    }
    let numbers: Vec<Exact> = values.iter().filter_map(number).collect();
    if moment.is(Flaw::SumKeepsDistinctValues) {
        return numbers.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    }
    numbers
}

fn first(moment: Moment, events: &[&Happened], place: &Place) -> Option<Value> {
    let mut events = events.to_vec();
    if moment.is(Flaw::FirstToArrive) {
        events.sort_by_key(|event| event.received_at);
    }
    if moment.is(Flaw::TiesAreInReverse) {
        events.reverse();
        events.sort_by_key(|event| event.at);
    }
    events.iter().find_map(|event| at(moment, event, place))
}

/// The most frequent text; each entry of an array is one of its own, unless the array is to be taken whole.
fn mode(moment: Moment, values: Vec<Value>, how: As, least: usize) -> Option<Value> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for value in values {
        let whole = how == As::Array || moment.is(Flaw::ModeTakesArraysWhole);
        match value {
            Value::Array(entries) if !whole || moment.is(Flaw::ModeAlwaysTakesEntries) => {
                entries.iter().for_each(|entry| *counts.entry(text(entry)).or_default() += 1);
            }
            value => *counts.entry(text(&value)).or_default() += 1,
        }
    }
    let most = *counts.values().max()?;
    let mut winners = counts.into_iter().filter(|(_, count)| *count == most).map(|(text, _)| text);
    let winner = if moment.is(Flaw::ModeBreaksTiesBackwards) { winners.next_back() } else { winners.next() };
    winner.filter(|_| most >= least || moment.is(Flaw::ModeIgnoresItsMinimum)).map(Value::from)
}

fn distinct(moment: Moment, values: &[Value]) -> Vec<String> {
    if moment.is(Flaw::UniqueIsInOrderOfArrival) {
        let mut found = Vec::new();
        for value in values.iter().map(text) {
            if !found.contains(&value) {
                found.push(value);
            }
        }
        return found;
    }
    values.iter().map(text).collect::<BTreeSet<_>>().into_iter().collect()
}
