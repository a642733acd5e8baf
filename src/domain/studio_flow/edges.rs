//! Transitions as edges of a graph, and the flow as its author made it: without own posts.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::flow::{State, StudioFlow, Transition};
use super::post::{PostAddress, is_own};

/// One transition of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Edge {
    /// The place of its state.
    pub state: usize,
    /// Its place among the state's transitions: several may have the same event.
    pub index: usize,
}

/// Every transition of a flow, in order.
pub(super) fn edges<'a>(flow: &'a StudioFlow) -> impl Iterator<Item = (Edge, State<'a>, Transition<'a>)> {
    flow.states().enumerate().flat_map(|(place, state)| {
        state
            .transitions()
            .enumerate()
            .map(move |(index, transition)| (Edge { state: place, index }, state, transition))
    })
}

/// A flow without own posts.
#[derive(Debug)]
pub(super) struct Bare {
    /// The flow; each transition leads to where it led once the posts on it were through.
    pub flow: StudioFlow,
    /// The place, in the whole flow, of the own post that stood on a transition. No post stands on two.
    pub standing: HashMap<Edge, usize>,
}

impl Bare {
    pub fn of(whole: &StudioFlow, address: &PostAddress) -> Self {
        let places = whole.places();
        let own: Vec<bool> = whole.states().map(|state| is_own(state, Some(address))).collect();
        let mut standing = HashMap::new();
        let mut claimed = HashSet::new();
        let mut states = Vec::new();
        for (state, raw) in whole.states().zip(whole.raw_states()).zip(&own).filter_map(kept) {
            let mut bare = raw.clone();
            for (index, transition) in state.transitions().enumerate() {
                let Some(place) = transition.next().and_then(|next| places.get(next).copied()) else {
                    continue;
                };
                if !own[place] {
                    continue;
                }
                if claimed.insert(place) {
                    standing.insert(Edge { state: states.len(), index }, place);
                }
                set_next(&mut bare["transitions"][index], onward(whole, &places, &own, place));
            }
            states.push(bare);
        }
        Self { flow: whole.with_states(states), standing }
    }
}

fn kept<T>((pair, own): (T, &bool)) -> Option<T> {
    (!own).then_some(pair)
}

/// The first state after the own post at `place` that is none.
pub(super) fn onward<'a>(
    flow: &'a StudioFlow,
    places: &HashMap<&str, usize>,
    own: &[bool],
    place: usize,
) -> Option<&'a str> {
    let mut at = place;
    // Posts that lead to each other in a ring lead nowhere.
    for _ in 0..own.len() {
        let state = State(&flow.raw_states()[at]);
        let next = state.transitions().find_map(Transition::next)?;
        at = *places.get(next)?;
        if !own[at] {
            return Some(next);
        }
    }
    None
}

/// Makes a transition lead to `next`; without one it ends the flow. One that does so already is left as it is written.
pub(super) fn set_next(transition: &mut Value, next: Option<&str>) {
    if Transition(transition).next() == next {
        return;
    }
    let Some(transition) = transition.as_object_mut() else { return };
    match next {
        Some(next) => {
            transition.insert("next".to_owned(), Value::from(next));
        }
        None => {
            transition.shift_remove("next");
        }
    }
}
