//! What Studio tells of an execution by itself, through Event Streams or when it is asked, as the events that the flow's own
//! widgets would have posted.
//!
//! Studio knows widgets, not stages: a flow's definition says which stage is reached by leaving which widget. It does not know
//! whose run it is either; [`super::super::event::StudioRun`] says what becomes of that.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::definition::{Definitions, Flow};
use crate::domain::event::{
    Call, Event, STUDIO_FLOW_ENDED, STUDIO_START, STUDIO_STEP, STUDIO_STEP_ENDED, studio_message,
};
use crate::domain::ids::EventId;
use crate::domain::time::Timestamp;

/// The state that every flow begins with.
const TRIGGER: &str = "Trigger";
/// The stage in which a run begins whose flow says nothing of that.
const STARTED: &str = "started";

/// One run of a Studio flow, as far as Studio tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The execution (`FN…`).
    pub sid: String,
    /// Its flow (`FW…`).
    pub flow_sid: Option<String>,
    /// The person's address.
    pub address: Option<String>,
    /// The user, where somebody knows.
    pub user: Option<String>,
}

/// A step that ended: the run left a widget by one of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What names it: its SID (`FT…`), or that of the message that told of it.
    pub id: String,
    /// The widget that was left.
    pub from: Option<String>,
    /// By which of its events.
    pub event: Option<String>,
    /// The widget that was entered; `Ended` at the end.
    pub to: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Flow {
    /// The stage that is reached by leaving a widget by that event, as the flow's `widgets` say.
    pub fn stage_of_leaving(&self, widget: &str, event: Option<&str>) -> Option<&str> {
        let by_event = event.and_then(|event| self.widgets.get(&format!("{widget}/{event}")));
        by_event.or_else(|| self.widgets.get(widget)).map(String::as_str)
    }

    /// The stage in which a run begins.
    fn stage_of_start(&self) -> &str {
        let stage = self.widgets.get(TRIGGER).or(self.initial.as_ref());
        stage.map_or(STARTED, String::as_str)
    }
}

impl Definitions {
    /// The flow that is that Studio flow.
    pub fn flow_by_sid(&self, sid: &str) -> Option<&Flow> {
        self.flows.values().find(|flow| flow.sid.as_deref() == Some(sid)).map(AsRef::as_ref)
    }

    /// What the flow of an execution is called, and what is defined of it: by its SID, which is the name of one that no definition
    /// knows; else as it is known of the run already.
    pub fn flow_of<'a>(
        &'a self,
        execution: &'a Execution,
        known: Option<&'a str>,
    ) -> (Option<&'a str>, Option<&'a Flow>) {
        let by_sid = execution.flow_sid.as_deref().and_then(|sid| self.flow_by_sid(sid));
        let name = by_sid.map(|flow| flow.name.as_str()).or(execution.flow_sid.as_deref()).or(known);
        let by_name = || name.and_then(|name| self.flows.get(name)).map(AsRef::as_ref);
        (name, by_sid.or_else(by_name))
    }
}

/// Makes events of what Studio tells of one execution.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    /// The execution.
    pub execution: &'a Execution,
    /// Its flow's name, where that is known.
    pub flow_name: Option<&'a str>,
    /// Its flow, where a definition knows it.
    pub flow: Option<&'a Flow>,
    /// Stages that are reached by leaving widgets, beside what the flow says.
    pub posts: Option<&'a BTreeMap<String, String>>,
    /// Key of the source that tells.
    pub source: &'a str,
    /// Whether it was asked for, because nobody had told.
    pub recovered: bool,
    /// When it was told.
    pub now: Timestamp,
}

impl Teller<'_> {
    /// The stage in which the run begins.
    pub fn stage_of_start(&self) -> &str {
        self.flow.map_or(STARTED, Flow::stage_of_start)
    }

    /// The stage that a step reaches. Leaving the trigger is the start, which is told of by itself.
    pub fn stage_of(&self, step: &Step) -> Option<&str> {
        let widget = step.from.as_deref()?;
        let own = self.flow.and_then(|flow| flow.stage_of_leaving(widget, step.event.as_deref()));
        let stage = own.or_else(|| self.posts?.get(widget).map(String::as_str))?;
        (widget != TRIGGER || stage != self.stage_of_start()).then_some(stage)
    }

    /// The execution began.
    pub fn started(&self, at: Timestamp) -> Event {
        let mut properties = self.properties();
        properties.insert("stage".to_owned(), self.stage_of_start().into());
        self.event(STUDIO_START, STUDIO_STEP, properties, at)
    }

    /// A step ended: a stage of its flow, or something to be kept.
    pub fn step(&self, step: &Step) -> Event {
        let mut properties = self.properties();
        for (key, value) in [("widget", &step.from), ("event", &step.event), ("to", &step.to)] {
            if let Some(value) = value {
                properties.insert(key.to_owned(), value.as_str().into());
            }
        }
        match self.stage_of(step) {
            Some(stage) => {
                properties.insert("stage".to_owned(), stage.into());
                self.event(&step.id, STUDIO_STEP, properties, step.at)
            }
            None => self.event(&step.id, STUDIO_STEP_ENDED, properties, step.at),
        }
    }

    /// The execution ended.
    pub fn ended(&self, at: Timestamp, reason: Option<&str>) -> Event {
        let mut properties = self.properties();
        properties.insert("reason".to_owned(), reason.unwrap_or_default().into());
        self.event("ended", STUDIO_FLOW_ENDED, properties, at)
    }

    /// The message id of a step.
    pub fn message_id(&self, step: &str) -> String {
        studio_message(&self.execution.sid, step)
    }

    fn properties(&self) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut put = |key: &str, value: &str| properties.insert(key.to_owned(), value.into());
        if let Some(flow) = self.flow_name {
            put("flow", flow);
        }
        put("executionSid", &self.execution.sid);
        if let Some(sid) = &self.execution.flow_sid {
            put("flowSid", sid);
        }
        if let Some(address) = &self.execution.address {
            put("phoneNumber", address);
        }
        if self.recovered {
            properties.insert("recovered".to_owned(), true.into());
        }
        properties
    }

    /// Somebody of whom not even an address is known is a visitor by the name of his execution, until more is.
    fn event(&self, step: &str, name: &str, properties: Map<String, Value>, at: Timestamp) -> Event {
        let user = self.execution.user.as_ref().or(self.execution.address.as_ref());
        Event {
            // The writer gives the real one.
            id: EventId::floor(Timestamp::default()),
            message_id: self.message_id(step),
            dedupe: true,
            source: self.source.to_owned(),
            user_id: user.cloned(),
            anonymous_id: user.is_none().then(|| self.execution.sid.clone()),
            call: Call::Track { event: name.to_owned(), properties },
            context: Map::new(),
            integrations: Map::new(),
            extra: Map::new(),
            channel: "server".to_owned(),
            timestamp: at,
            original_timestamp: at,
            sent_at: None,
            received_at: self.now,
        }
    }
}
