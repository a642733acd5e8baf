//! What several pages say of a journey.

use std::sync::Arc;

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::super::visit::Visit;
use crate::domain::definition::{Flow, Team};
use crate::domain::journey::{Journey, JourneyStatus};
use crate::domain::time::Timestamp;
use crate::http::api::ahead;

/// Most firings of a ladder that a row tells of.
const FIRINGS: usize = 3;

/// What a journey's ladder hangs on.
pub(super) struct Rules {
    /// Its flow, where that is defined.
    pub flow: Option<Arc<Flow>>,
    /// The team whose hours hold for it.
    pub team: Option<Arc<Team>>,
}

impl Rules {
    /// Those of the flow with that name.
    pub fn of(visit: &Visit, flow: &str) -> Self {
        let definitions = visit.engine().definitions();
        let flow = definitions.flows.get(flow).cloned();
        let team = flow.as_ref().and_then(|flow| definitions.teams.get(flow.team.as_ref()?).cloned());
        Self { flow, team }
    }

    /// By whose clock its times are.
    pub fn zone(&self) -> Tz {
        self.team.as_ref().map_or(Tz::UTC, |team| team.time_zone)
    }

    /// What time alone brings: the next level, `{level, again, at, channels}` or null, and when the journey is given up.
    pub fn ahead(&self, journey: &Journey, now: Timestamp) -> (Value, Timestamp) {
        ahead(journey, self.flow.as_deref(), self.team.as_deref(), now)
    }

    /// How many levels watch the stage that it is in.
    pub fn levels(&self, journey: &Journey) -> usize {
        self.flow.as_ref().map_or(0, |flow| flow.levels(&journey.stage).count())
    }
}

/// A journey in a list.
pub(super) fn row(journey: &Journey, now: Timestamp) -> Value {
    json!({
        "id": journey.id,
        "user": journey.user.user_id(),
        "visitor": journey.user.anonymous_id(),
        "phone": journey.phone_number,
        "flow": journey.flow,
        "stage": journey.stage,
        "stage_at": journey.stage_at,
        "waits": now.millis_since(journey.stage_at) / 1000,
        "status": journey.status.as_str(),
        "execution": journey.execution_sid,
        "started_at": journey.started_at,
        "updated_at": journey.updated_at,
        "ended_at": journey.ended_at,
        "is_open": journey.status.is_open(),
    })
}

/// What its ladder did so far, newest first, and does next.
pub(super) fn ladder(journey: &Journey, rules: &Rules, now: Timestamp) -> Value {
    let mut fired: Vec<(u32, u32, Timestamp, Vec<&str>)> = Vec::new();
    for mark in journey.marks_of_stall().rev() {
        let is_full = fired.len() == FIRINGS;
        match fired.last_mut() {
            Some((level, again, _, channels)) if (*level, *again) == (mark.level, mark.again) => {
                if !channels.contains(&mark.channel.as_str()) {
                    channels.push(&mark.channel);
                }
            }
            Some(_) | None if is_full => break,
            Some(_) | None => fired.push((mark.level, mark.again, mark.at, vec![&mark.channel])),
        }
    }
    let (next, expires_at) = rules.ahead(journey, now);
    let fired: Vec<_> = fired
        .into_iter()
        .map(|(level, again, at, channels)| json!({ "level": level, "again": again, "at": at, "channels": channels }))
        .collect();
    json!({
        "levels": rules.levels(journey),
        "fired": fired,
        "next": next,
        "expires_at": expires_at,
    })
}

/// What a stalled journey of the inbox waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    /// For a human: nobody said anything of the stall.
    Waiting,
    /// Somebody took notice of it.
    Acknowledged,
    /// Somebody wants to hear of it again later.
    Snoozed,
}

impl Tab {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Acknowledged, Self::Snoozed];

    /// The name in addresses and texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Acknowledged => "acknowledged",
            Self::Snoozed => "snoozed",
        }
    }

    /// What a journey waits for; `None` where it does not stall.
    pub fn of(journey: &Journey, now: Timestamp) -> Option<Self> {
        if journey.status != JourneyStatus::Stalled {
            return None;
        }
        Some(if journey.acknowledgement().is_some() {
            Self::Acknowledged
        } else if journey.snooze_of_stall().is_some_and(|snooze| snooze.until > now) {
            Self::Snoozed
        } else {
            Self::Waiting
        })
    }
}
