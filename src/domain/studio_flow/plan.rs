//! Where posts belong in a flow, and what stage each of them tells of.

use std::collections::HashMap;

use super::edges::{Edge, edges};
use super::flow::{State, StudioFlow, TRIGGER, Transition};
use super::post::{INITIATION, Settings, is_post, name_problem};
use super::replies::{self, ReplySplits, is_reply, stage_of_branch};
use super::stands;
use crate::domain::definition::Problem;
use crate::domain::definition::document::did_you_mean;

const REPLIED: &str = "replied";
const NO_REPLY: &str = "no_reply";
const NO_ANSWER: &str = "no_answer";
const FAILED: &str = "failed";
const ENDED: &str = "ended";

/// What happens at a transition that a post tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A run begins.
    Entry,
    /// Somebody replied, or a split judged what he replied.
    Reply,
    /// Nobody replied in time.
    NoReply,
    /// A call was not answered.
    NoAnswer,
    /// A message was not sent or did not arrive, or a flow ends because something failed.
    Failure,
    /// The flow ends.
    Exit,
    /// Nothing known: the author asked for a post.
    AskedFor,
}

impl Moment {
    /// In a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Reply => "reply",
            Self::NoReply => "no reply",
            Self::NoAnswer => "no answer",
            Self::Failure => "failure",
            Self::Exit => "exit",
            Self::AskedFor => "asked for",
        }
    }
}

/// A transition that a post belongs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its name: state and event (`send_1/timeout`), with a number from the second of that event on (`split_1/match_2`).
    pub key: String,
    /// What happens there.
    pub moment: Moment,
    /// The state that it leads to; `None` where the flow ends.
    pub next: Option<String>,
    /// The stage to be posted; `None` where the post is left out.
    pub stage: Option<String>,
    /// Where the post is left out because runs come here with different stages, which one post can't all say again: those stages.
    pub stands: Vec<String>,
    /// Liquid for the reply, where there is one.
    pub(super) reply: Option<String>,
    pub(super) edge: Edge,
}

/// Plans the posts of a flow that has no own ones.
pub(super) fn plan(flow: &StudioFlow, settings: &Settings) -> Result<Vec<Point>, Vec<Problem>> {
    let planner = Planner { flow, settings, places: flow.places(), splits: ReplySplits::of(flow) };
    let mut points: Vec<Point> = Vec::new();
    let (mut all, mut by_hand) = (Vec::new(), Vec::new());
    for (edge, state, transition) in edges(flow) {
        let key = format!("{}/{}", state.name(), state.label(edge.index));
        if planner.has_post(state, transition) {
            by_hand.push(key);
            continue;
        }
        let unused = state.kind() == TRIGGER && transition.next().is_none();
        if !unused {
            points.extend(planner.point(&key, edge, state, transition));
            all.push(key);
        }
    }
    let problems = problems(settings, &all, &by_hand);
    if !problems.is_empty() {
        return Err(problems);
    }
    settle_exits(flow, settings, &mut points);
    Ok(points)
}

struct Planner<'a> {
    flow: &'a StudioFlow,
    settings: &'a Settings,
    places: HashMap<&'a str, usize>,
    splits: ReplySplits,
}

impl<'a> Planner<'a> {
    /// Whether a transition leads to or from a post that was made by hand: what it tells of is told.
    fn has_post(&self, state: State<'_>, transition: Transition<'_>) -> bool {
        let address = Some(&self.settings.address);
        let next = transition.next().and_then(|next| self.flow.states().nth(*self.places.get(next)?));
        is_post(state, address) || next.is_some_and(|next| is_post(next, address))
    }

    fn point(&self, key: &str, edge: Edge, state: State<'_>, transition: Transition<'_>) -> Option<Point> {
        let asked = asked(self.settings, key);
        let (moment, proposed) = match self.proposal(edge, state, transition) {
            Some((moment, stage)) => (moment, Some(stage)),
            None if transition.next().is_none() => (Moment::Exit, branch(state, transition)),
            None => (asked.filter(|stage| !stage.is_empty()).map(|_| Moment::AskedFor)?, None),
        };
        let stage = asked.map(str::to_owned).or(proposed).filter(|stage| !stage.is_empty());
        let reply = if is_reply(state.kind(), transition.event()) {
            Some(replies::variable(state.name(), state.kind(), transition.event()))
        } else {
            self.splits.variable(edge.state).map(str::to_owned)
        };
        let next = transition.next().map(str::to_owned);
        Some(Point { key: key.to_owned(), moment, next, stage, stands: Vec::new(), reply, edge })
    }

    /// What is told at a transition whatever comes after it.
    fn proposal(&self, edge: Edge, state: State<'_>, transition: Transition<'_>) -> Option<(Moment, String)> {
        let told = |moment, stage: &str| Some((moment, stage.to_owned()));
        let kind = state.kind();
        match (kind, transition.event()) {
            (TRIGGER, _) => told(Moment::Entry, INITIATION),
            ("send-and-wait-for-reply" | "gather-input-on-call", "timeout") => {
                told(Moment::NoReply, NO_REPLY)
            }
            ("make-outgoing-call-v1" | "make-outgoing-call-v2", "busy" | "noAnswer") => {
                told(Moment::NoAnswer, NO_ANSWER)
            }
            (
                "send-and-wait-for-reply"
                | "send-message"
                | "make-outgoing-call-v1"
                | "make-outgoing-call-v2",
                "deliveryFailure" | "failed",
            ) => told(Moment::Failure, FAILED),
            (_, event) if transition.next().is_none() && means_failure(event) => {
                told(Moment::Failure, FAILED)
            }
            (kind, event) if is_reply(kind, event) => {
                (!self.judged_later(transition)).then(|| (Moment::Reply, REPLIED.to_owned()))
            }
            _ => {
                self.splits.variable(edge.state)?;
                let stage = stage_of_branch(transition).unwrap_or_else(|| REPLIED.to_owned());
                (!self.judged_later(transition)).then_some((Moment::Reply, stage))
            }
        }
    }

    /// Whether a split that comes next says better what the reply meant.
    fn judged_later(&self, transition: Transition<'_>) -> bool {
        self.splits.judge(self.flow, &self.places, transition)
    }
}

/// The stage of an exit by a split that judges something else than a reply.
fn branch(state: State<'_>, transition: Transition<'_>) -> Option<String> {
    (state.kind() == "split-based-on" && transition.event() == "match")
        .then(|| stage_of_branch(transition))
        .flatten()
}

fn means_failure(event: &str) -> bool {
    event.starts_with("fail")
        || event.ends_with("Failure")
        || event.ends_with("Error")
        || event == "maxFailedAttempts"
}

/// What the author wants to be posted at a transition.
fn asked<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    settings.stages.iter().find(|(known, _)| known == key).map(|(_, stage)| stage.as_str())
}

/// What is wrong with the stages that the author wants, and with the flow's name.
fn problems(settings: &Settings, all: &[String], by_hand: &[String]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = settings
        .stages
        .iter()
        .filter_map(|(key, stage)| {
            let message = if by_hand.contains(key) {
                "has a post that was made by hand; change it there".to_owned()
            } else if all.contains(key) {
                name_problem(stage)?
            } else {
                let hint = did_you_mean(key, all.iter().map(String::as_str));
                format!("is no transition that a post can stand on, written as `state/event`{hint}")
            };
            Some(Problem::new(key.as_str(), message))
        })
        .collect();
    if settings.flow.trim().is_empty() {
        problems.push(Problem::new("flow", "the flow needs a name"));
    }
    problems.extend(name_problem(&settings.flow).map(|message| Problem::new("flow", message)));
    problems
}

/// Gives plain exits their stage: the one that runs have there already, said once more (which repairs a post that was lost), or
/// `ended` where they only began. Where they have different ones, the exit is left without a post.
fn settle_exits(flow: &StudioFlow, settings: &Settings, points: &mut [Point]) {
    let is_open = |point: &Point| point.moment == Moment::Exit && asked(settings, &point.key).is_none();
    let posts: HashMap<Edge, String> = points
        .iter()
        .filter(|point| !is_open(point))
        .filter_map(|point| Some((point.edge, point.stage.clone()?)))
        .collect();
    let beginning: Vec<String> = points
        .iter()
        .filter(|point| point.moment == Moment::Entry)
        .filter_map(|point| point.stage.clone())
        .chain([REPLIED.to_owned()])
        .collect();
    let stands = stands::stages(flow, &settings.address, &posts);
    for point in points.iter_mut().filter(|point| is_open(point)) {
        let is_beginning = |stage: &Option<&str>| {
            stage.is_none_or(|stage| beginning.iter().any(|beginning| beginning == stage))
        };
        let (begun, said): (Vec<Option<&str>>, Vec<Option<&str>>) =
            stands[point.edge.state].iter().copied().partition(is_beginning);
        match (begun.as_slice(), said.as_slice()) {
            (_, []) => point.stage = point.stage.take().or_else(|| Some(ENDED.to_owned())),
            ([], [Some(only)]) => point.stage = Some((*only).to_owned()),
            _ => {
                point.stage = None;
                point.stands = begun.into_iter().chain(said).flatten().map(str::to_owned).collect();
            }
        }
    }
}
