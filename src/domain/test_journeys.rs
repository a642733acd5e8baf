//! Flows and journeys that tests begin with.

use std::collections::BTreeMap;

use super::definition::Flow;
use super::ids::{JourneyId, UserKey};
use super::journey::{Journey, JourneyStatus};
use super::limits;
use super::time::Timestamp;

/// A flow that says nothing but its name and that `confirmed` ends it.
pub fn flow(name: &str) -> Flow {
    Flow {
        name: name.to_owned(),
        sid: None,
        widgets: BTreeMap::new(),
        initial: None,
        terminal: vec!["confirmed".to_owned()],
        expire_after: limits::DEFAULT_EXPIRE_AFTER,
        team: None,
        escalation: Vec::new(),
        digest: None,
        revisit: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

/// A journey of user `u1` that stands in that stage since it began `at` that time.
pub fn journey(flow: &str, stage: &str, at: Timestamp) -> Journey {
    Journey {
        id: JourneyId::floor(at),
        user: UserKey::user("u1"),
        flow: flow.to_owned(),
        phone_number: None,
        execution_sid: None,
        status: JourneyStatus::Active,
        stage: stage.to_owned(),
        stage_at: at,
        started_at: at,
        updated_at: at,
        ended_at: None,
        steps: Vec::new(),
        steps_left_out: 0,
        escalations: Vec::new(),
        acknowledged: Vec::new(),
        snoozes: Vec::new(),
        died: None,
        resolved: None,
    }
}
