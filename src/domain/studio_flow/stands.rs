//! Which stages a run may stand in when it is at a state.
//!
//! A post at an exit says the last word on a journey, so it must not contradict an earlier one: `ended` after `no_reply`
//! would call off the people who look after it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::edges::Edge;
use super::flow::{StudioFlow, TRIGGER};
use super::post::{PostAddress, is_post, stage};

/// For each state the stages that may have been posted last on the way to it; `None` for a way without any post. Empty for
/// a state that no way leads to.
pub(super) fn stages(
    flow: &StudioFlow,
    address: &PostAddress,
    posts: &HashMap<Edge, String>,
) -> Vec<BTreeSet<Option<String>>> {
    let places = flow.places();
    let mut stands = vec![BTreeSet::new(); flow.states().len()];
    let mut waiting = VecDeque::new();
    for (place, state) in flow.states().enumerate() {
        if state.kind() == TRIGGER {
            stands[place].insert(None);
            waiting.push_back(place);
        }
    }
    // Sets only grow, and there are no more stages than posts: this ends.
    while let Some(place) = waiting.pop_front() {
        let Some(state) = flow.states().nth(place) else { continue };
        let by_hand = is_post(state, Some(address)).then(|| stage(state)).flatten();
        for (index, transition) in state.transitions().enumerate() {
            let Some(next) = transition.next().and_then(|next| places.get(next).copied()) else { continue };
            let posted = posts.get(&Edge { state: place, index }).map(String::as_str).or(by_hand);
            let carried = match posted {
                Some(stage) => BTreeSet::from([Some(stage.to_owned())]),
                None => stands[place].clone(),
            };
            let before = stands[next].len();
            stands[next].extend(carried);
            if stands[next].len() > before {
                waiting.push_back(next);
            }
        }
    }
    stands
}
