//! Puts posts into a flow.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::edges::{Bare, Edge, onward, set_next};
use super::flow::{State, StudioFlow};
use super::plan::{Point, plan};
use super::post::{self, PREFIX, Settings, is_own};
use crate::domain::definition::Problem;
use crate::domain::limits::MAX_STUDIO_STATES;

/// How far below its state a post is placed, and how far apart those of one state are, in the canvas' points.
const BELOW: i64 = 200;
const APART: i64 = 320;

/// A flow with its posts.
#[derive(Clone, Debug)]
pub struct Instrumented {
    /// The flow.
    pub flow: StudioFlow,
    /// Every place where a post belongs or may belong, in the order of the states.
    pub outcomes: Vec<Outcome>,
    /// Own posts that were taken out: nothing led to them, or their place is to have none.
    pub removed: Vec<String>,
}

/// What was done at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The place.
    pub point: Point,
    /// What was done.
    pub done: Done,
    /// The post's name, where there is one.
    pub post: Option<String>,
}

/// What was done at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// A post was put in.
    Added,
    /// The post that was there says something else now.
    Changed,
    /// The post that was there stays as it is.
    Kept,
    /// There is no post.
    LeftOut,
}

impl Instrumented {
    /// Whether the flow is another than it was.
    pub fn changes(&self, from: &StudioFlow) -> bool {
        self.flow != *from
    }
}

/// Puts a post at every place of `flow` that one belongs to, brings those that are there up to date, and takes out those
/// that are not wanted. What it does a second time changes nothing.
///
/// # Errors
/// Stages that can't be posted or whose place does not exist, and flows that would have more states than Studio takes.
pub fn instrument(flow: &StudioFlow, settings: &Settings) -> Result<Instrumented, Vec<Problem>> {
    let bare = Bare::of(flow, &settings.address);
    let points = plan(&bare.flow, settings)?;
    let mut work = Work::new(flow, settings);
    let outcomes: Vec<Outcome> = points.into_iter().map(|point| work.place(&bare, point)).collect();
    let total = bare.flow.states().len() + work.kept.len() + work.added.len();
    if total > MAX_STUDIO_STATES {
        let posts = total - bare.flow.states().len();
        let message = format!(
            "with {posts} posts there would be {total} states; Studio takes {MAX_STUDIO_STATES}: leave some out by a stages file"
        );
        return Err(vec![Problem::new("states", message)]);
    }
    let (flow, removed) = work.assemble(&bare);
    Ok(Instrumented { flow, outcomes, removed })
}

struct Work<'a> {
    whole: &'a StudioFlow,
    settings: &'a Settings,
    names: HashSet<String>,
    /// Which states of the whole flow are own posts.
    own: Vec<bool>,
    /// Own posts that stay, by their place in the whole flow.
    kept: HashMap<usize, Value>,
    added: Vec<Value>,
    /// The post on each transition of the bare flow.
    on: HashMap<Edge, String>,
    /// How many posts of a state are placed.
    of_state: HashMap<usize, i64>,
}

impl<'a> Work<'a> {
    fn new(whole: &'a StudioFlow, settings: &'a Settings) -> Self {
        Self {
            whole,
            settings,
            names: whole.states().map(|state| state.name().to_owned()).collect(),
            own: whole.states().map(|state| is_own(state, Some(&settings.address))).collect(),
            kept: HashMap::new(),
            added: Vec::new(),
            on: HashMap::new(),
            of_state: HashMap::new(),
        }
    }

    fn place(&mut self, bare: &Bare, point: Point) -> Outcome {
        let Some(stage) = point.stage.clone() else {
            return Outcome { point, done: Done::LeftOut, post: None };
        };
        let column = self.of_state.entry(point.edge.state).or_default();
        *column += 1;
        let column = *column - 1;
        let (name, done) = match bare.standing.get(&point.edge) {
            Some(&place) => self.keep(place, &point, &stage),
            None => (self.add(bare, &point, &stage, column), Done::Added),
        };
        self.on.insert(point.edge, name.clone());
        Outcome { point, done, post: Some(name) }
    }

    /// Brings the own post at `place` up to date.
    fn keep(&mut self, place: usize, point: &Point, stage: &str) -> (String, Done) {
        let before = &self.whole.raw_states()[place];
        let mut post = before.clone();
        post::update(&mut post, self.settings, stage, point.reply.as_deref());
        let places = self.whole.places();
        let after = onward(self.whole, &places, &self.own, place);
        for (index, transition) in State(before).transitions().enumerate() {
            let next = transition.next().and_then(|next| places.get(next).map(|place| (next, *place)));
            let next = match next {
                // The author may have wired the two to different states.
                Some((next, place)) if !self.own[place] => Some(next),
                Some((_, place)) => onward(self.whole, &places, &self.own, place),
                None => after,
            };
            set_next(&mut post["transitions"][index], next);
        }
        let done = if post == *before { Done::Kept } else { Done::Changed };
        self.kept.insert(place, post);
        (State(before).name().to_owned(), done)
    }

    fn add(&mut self, bare: &Bare, point: &Point, stage: &str, column: i64) -> String {
        let parent = State(&bare.flow.raw_states()[point.edge.state]);
        let name = self.free_name(&format!("{PREFIX}{}_{}", parent.name(), parent.label(point.edge.index)));
        let offset = offset(parent, column);
        let reply = point.reply.as_deref();
        self.added.push(post::new(&name, self.settings, stage, reply, offset, point.next.as_deref()));
        name
    }

    /// A name that no state has, of letters, digits and `_`.
    fn free_name(&mut self, wanted: &str) -> String {
        let plain: String =
            wanted.chars().map(|it| if it.is_ascii_alphanumeric() || it == '_' { it } else { '_' }).collect();
        let mut name = plain.clone();
        let mut number = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{plain}_{number}");
            number += 1;
        }
        name
    }

    /// The flow with its posts, and the names of those that are gone. States keep their order; new ones follow.
    fn assemble(mut self, bare: &Bare) -> (StudioFlow, Vec<String>) {
        let (mut states, mut removed, mut place_in_bare) = (Vec::new(), Vec::new(), 0);
        for (place, raw) in self.whole.raw_states().iter().enumerate() {
            if self.own[place] {
                match self.kept.remove(&place) {
                    Some(post) => states.push(post),
                    None => removed.push(State(raw).name().to_owned()),
                }
                continue;
            }
            let mut state = raw.clone();
            for (index, transition) in State(&bare.flow.raw_states()[place_in_bare]).transitions().enumerate()
            {
                let post = self.on.get(&Edge { state: place_in_bare, index }).map(String::as_str);
                set_next(&mut state["transitions"][index], post.or(transition.next()));
            }
            states.push(state);
            place_in_bare += 1;
        }
        states.append(&mut self.added);
        (self.whole.with_states(states), removed)
    }
}

/// Where a state's post number `column` is placed on the canvas.
fn offset(parent: State<'_>, column: i64) -> (i64, i64) {
    let at = |axis: &str| {
        let value = parent.property("offset").and_then(|offset| offset.get(axis));
        // Somebody's 12.5 may stay what it is; ours are whole numbers.
        value
            .and_then(Value::as_i64)
            .or_else(|| value?.to_string().split('.').next()?.parse().ok())
            .unwrap_or(0)
    };
    (at("x").saturating_add(APART.saturating_mul(column)), at("y").saturating_add(BELOW))
}
