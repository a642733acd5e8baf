//! Which stages a run may stand in when it is at a state.
//!
//! A post at an exit says the last word on a journey, so it must not contradict an earlier one: `ended` after `no_reply`
//! would call off the people who look after it.

use std::collections::{BTreeSet, HashMap};

use super::edges::Edge;
use super::flow::{State, StudioFlow, TRIGGER};
use super::post::{PostAddress, is_post, stage};

/// For each state the stages that may have been posted last on the way to it; `None` for a way without any post. Empty for
/// a state that no way leads to.
pub(super) fn stages<'a>(
    flow: &'a StudioFlow,
    address: &PostAddress,
    posts: &'a HashMap<Edge, String>,
) -> Vec<BTreeSet<Option<&'a str>>> {
    let places = flow.places();
    let mut stands = vec![BTreeSet::new(); flow.states().len()];
    let triggers = flow.states().enumerate().filter(|(_, state)| state.kind() == TRIGGER);
    let mut arrivals: Vec<(usize, Option<&str>)> = triggers.map(|(place, _)| (place, None)).collect();
    // Each stage arrives at each state once, so this ends.
    while let Some((place, standing)) = arrivals.pop() {
        if !stands[place].insert(standing) {
            continue;
        }
        let state = State(&flow.raw_states()[place]);
        let by_hand = is_post(state, Some(address)).then(|| stage(state)).flatten();
        for (index, transition) in state.transitions().enumerate() {
            let Some(&next) = transition.next().and_then(|next| places.get(next)) else { continue };
            let posted = posts.get(&Edge { state: place, index }).map(String::as_str).or(by_hand);
            arrivals.push((next, posted.or(standing)));
        }
    }
    stands
}
