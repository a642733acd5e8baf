//! The form of a flow: what was typed, level by level, and the definition that it makes.
//!
//! Fields of a level are called `<level>.<field>`, those of its actions `<level>.<list>.<action>.<field>`; the list is `a` for what
//! it does and `i` for what it does outside the hours instead. All fields of an action are sent along, those too that its channel
//! does not have: nothing is lost where a channel is changed and changed back.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::form::Fields;
use super::super::texts::filled;
use crate::domain::definition::{Channel, Flow, Level, OutsideHours, Problem};
use crate::domain::limits;

/// What a flow has besides its levels.
pub(super) const FLOW: [&str; 7] =
    ["initial", "terminal", "expire_after", "sid", "team", "more_than", "within"];
/// What a level has besides its actions.
pub(super) const LEVEL: [&str; 5] = ["stage", "after", "outside", "every", "times"];
/// What actions have, whatever their channel.
const ACTION: [&str; 10] = [
    "channel",
    "to",
    "template",
    "text",
    "via",
    "flow_sid",
    "workspace_sid",
    "workflow_sid",
    "priority",
    "values",
];
/// The two lists of actions.
const LISTS: [&str; 2] = ["a", "i"];

/// Texts by the names of their fields.
type Texts = BTreeMap<&'static str, String>;

/// A flow as it stands in its form.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct FlowForm {
    pub own: Texts,
    pub levels: Vec<LevelForm>,
}

/// A level.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct LevelForm {
    pub own: Texts,
    /// What it does, and what it does outside the hours instead.
    pub lists: [Vec<Texts>; 2],
}

impl FlowForm {
    /// A flow that is there.
    pub fn of(flow: &Flow) -> Self {
        let digest = flow.digest;
        let own = [
            flow.initial.clone().unwrap_or_default(),
            flow.terminal.join("\n"),
            flow.expire_after.to_string(),
            flow.sid.clone().unwrap_or_default(),
            flow.team.clone().unwrap_or_default(),
            digest.map(|digest| digest.more_than.to_string()).unwrap_or_default(),
            digest.map(|digest| digest.within.to_string()).unwrap_or_default(),
        ];
        Self {
            own: FLOW.into_iter().zip(own).collect(),
            levels: flow.escalation.iter().map(LevelForm::of).collect(),
        }
    }

    /// One that nobody defined yet.
    pub fn new() -> Self {
        let expire_after = limits::DEFAULT_EXPIRE_AFTER.to_string();
        let text = |name| if name == "expire_after" { expire_after.clone() } else { String::new() };
        Self { own: FLOW.into_iter().map(|name| (name, text(name))).collect(), levels: Vec::new() }
    }

    /// What was sent.
    pub fn read(fields: &Fields) -> Self {
        let sent: HashMap<&str, &str> =
            fields.0.iter().map(|(name, value)| (name.as_str(), value.trim())).collect();
        let texts = |names: &[&'static str], before: &str| -> Texts {
            let text = |name: &str| {
                sent.get(format!("{before}{name}").as_str()).map_or("", |text| text).replace('\r', "")
            };
            names.iter().map(|name| (*name, text(name))).collect()
        };
        let actions = |level: usize, list: &str| -> Vec<Texts> {
            let place = |action: usize| format!("{level}.{list}.{action}.");
            // One more than there may be, so that it is said; of levels, too.
            let there = (0..=limits::MAX_ACTIONS).map(place);
            let there = there.take_while(|place| sent.contains_key(format!("{place}channel").as_str()));
            there.map(|place| texts(&ACTION, &place)).collect()
        };
        let levels =
            (0..=limits::MAX_LEVELS).take_while(|level| sent.contains_key(format!("{level}.stage").as_str()));
        let level = |level| LevelForm {
            own: texts(&LEVEL, &format!("{level}.")),
            lists: LISTS.map(|list| actions(level, list)),
        };
        Self { own: texts(&FLOW, ""), levels: levels.map(level).collect() }
    }

    /// Does what a button says: `add`, `remove <level>`, `action <level>`, `instead <level>`, `drop <level>.<list>.<action>`.
    pub fn change(&mut self, button: &str) {
        let (what, place) = button.split_once(' ').unwrap_or((button, ""));
        let mut place = place.split('.');
        let level = place
            .next()
            .and_then(|level| level.parse::<usize>().ok())
            .filter(|level| *level < self.levels.len());
        match (what, level) {
            ("add", _) => {
                let stage = self.levels.last().map(|level| level.own["stage"].clone());
                self.levels.push(LevelForm::new(stage.unwrap_or_default()));
            }
            ("remove", Some(level)) => {
                self.levels.remove(level);
            }
            ("action", Some(level)) => self.levels[level].lists[0].push(action("email")),
            ("instead", Some(level)) => {
                self.levels[level].lists[1].push(action("email"));
                self.levels[level].own.insert("outside", "instead".to_owned());
            }
            ("drop", Some(level)) => {
                let list = LISTS.iter().position(|list| Some(*list) == place.next());
                let action = place.next().and_then(|action| action.parse::<usize>().ok());
                let actions = list.map(|list| &mut self.levels[level].lists[list]);
                if let (Some(actions), Some(action)) = (actions, action)
                    && action < actions.len()
                {
                    actions.remove(action);
                }
            }
            _ => {}
        }
    }

    /// The definition that it makes, and what is wrong with it before anybody reads that.
    pub fn definition(&self, name: &str, before: Option<&Flow>) -> (Value, Vec<Problem>) {
        let mut problems = Vec::new();
        let own = |name: &str| self.own.get(name).map_or("", String::as_str);
        let mut definition = given(&self.own, &["initial", "expire_after", "sid", "team"]);
        definition.insert("name".to_owned(), name.into());
        definition.insert("terminal".to_owned(), lines(own("terminal")));
        if !own("more_than").is_empty() || !own("within").is_empty() {
            let mut digest = given(&self.own, &["within"]);
            digest.extend(number("more_than", own("more_than")));
            definition.insert("digest".to_owned(), digest.into());
        }
        // What the form does not show stays as it is.
        if let Some(widgets) = before.map(|flow| &flow.widgets).filter(|widgets| !widgets.is_empty()) {
            definition.insert("widgets".to_owned(), json!(widgets));
        }
        let levels = self.levels.iter().enumerate();
        let levels =
            levels.map(|(index, level)| level.definition(&format!("escalation[{index}]"), &mut problems));
        definition.insert("escalation".to_owned(), levels.collect());
        (definition.into(), problems)
    }
}

impl LevelForm {
    fn of(level: &Level) -> Self {
        let (outside, instead) = match &level.outside_hours {
            OutsideHours::Wait => ("wait", &[][..]),
            OutsideHours::Send => ("send", &[][..]),
            OutsideHours::Instead(actions) => ("instead", actions.as_slice()),
        };
        let own = [
            level.stage.clone(),
            level.after.to_string(),
            outside.to_owned(),
            level.repeat.map(|repeat| repeat.every.to_string()).unwrap_or_default(),
            level.repeat.map(|repeat| repeat.times.to_string()).unwrap_or_default(),
        ];
        let lists =
            [level.actions.as_slice(), instead].map(|actions| actions.iter().map(of_channel).collect());
        Self { own: LEVEL.into_iter().zip(own).collect(), lists }
    }

    fn new(stage: String) -> Self {
        let own = [stage, "30m".to_owned(), "wait".to_owned(), String::new(), String::new()];
        Self { own: LEVEL.into_iter().zip(own).collect(), lists: [vec![action("email")], Vec::new()] }
    }

    fn definition(&self, at: &str, problems: &mut Vec<Problem>) -> Value {
        let mut level = given(&self.own, &["stage", "after"]);
        let mut actions = |list: usize, key: &str| -> Value {
            let all = self.lists[list].iter().enumerate();
            all.map(|(index, action)| of_action(action, &format!("{at}.{key}[{index}]"), problems)).collect()
        };
        level.insert("actions".to_owned(), actions(0, "actions"));
        match self.own["outside"].as_str() {
            "send" => {
                level.insert("outside_hours".to_owned(), "send".into());
            }
            "instead" => {
                level.insert("after_hours".to_owned(), actions(1, "after_hours"));
            }
            _ => {}
        }
        if !self.own["every"].is_empty() || !self.own["times"].is_empty() {
            let mut repeat = given(&self.own, &["every"]);
            repeat.extend(number("times", &self.own["times"]));
            level.insert("repeat".to_owned(), repeat.into());
        }
        level.into()
    }
}

/// An action with nothing but its channel.
fn action(channel: &str) -> Texts {
    let text = |name| if name == "channel" { channel.to_owned() } else { String::new() };
    ACTION.into_iter().map(|name| (name, text(name))).collect()
}

/// A channel as it stands in the form.
fn of_channel(channel: &Channel) -> Texts {
    let mut texts = action(channel.as_str());
    let Ok(Value::Object(written)) = serde_json::to_value(channel) else { return texts };
    for (key, value) in &written {
        let (name, text) = match value {
            Value::String(text) => (key.as_str(), text.clone()),
            Value::Number(number) => (key.as_str(), number.to_string()),
            Value::Array(items) => {
                (key.as_str(), items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"))
            }
            // Parameters of a flow, attributes of a task.
            Value::Object(values) if !values.is_empty() => {
                ("values", serde_json::to_string_pretty(values).unwrap_or_default())
            }
            Value::Object(_) | Value::Null | Value::Bool(_) => continue,
        };
        if let Some(known) = texts.get_mut(name) {
            *known = text;
        }
    }
    texts
}

/// The channel that an action is, with what belongs to it.
fn of_action(action: &Texts, at: &str, problems: &mut Vec<Problem>) -> Value {
    let channel = action["channel"].as_str();
    let (texts, values): (&[&str], Option<&str>) = match channel {
        "email" => (&["channel", "template"], None),
        "call" | "sms" => (&["channel", "text", "via"], None),
        "studio_execution" => (&["channel", "flow_sid", "via"], Some("parameters")),
        "task" => (&["channel", "workspace_sid", "workflow_sid", "via"], Some("attributes")),
        _ => (&["channel"], None),
    };
    let mut written = given(action, texts);
    if channel != "task" {
        written.insert("to".to_owned(), lines(&action["to"]));
    } else {
        written.extend(number("priority", &action["priority"]));
    }
    if let Some(key) = values.filter(|_| !action["values"].is_empty()) {
        match serde_json::from_str::<Map<String, Value>>(&action["values"]) {
            Ok(values) => {
                written.insert(key.to_owned(), values.into());
            }
            Err(error) => {
                let message = filled("definition.no_json", &[("why", &error.to_string())]);
                problems.push(Problem::new(format!("{at}.{key}"), message));
            }
        }
    }
    written.into()
}

/// Those texts that are not empty.
fn given(texts: &Texts, names: &[&str]) -> Map<String, Value> {
    let of = |name: &&str| {
        texts.get(*name).filter(|text| !text.is_empty()).map(|text| ((*name).to_owned(), json!(text)))
    };
    names.iter().filter_map(of).collect()
}

/// A number; what is none stays a text, which the reader of definitions says so of.
fn number(name: &str, text: &str) -> Option<(String, Value)> {
    let value = text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number));
    (!text.is_empty()).then(|| (name.to_owned(), value))
}

/// The lines of a text that are not empty.
fn lines(text: &str) -> Value {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::{Definition, Kind, document, render};

    fn flow(definition: &Value) -> Flow {
        match document::read_one(Kind::Flow, Some("f"), definition) {
            Ok(Definition::Flow(flow)) => flow,
            other => panic!("{other:?}"),
        }
    }

    fn sent(form: &FlowForm) -> Fields {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut put = |before: &str, texts: &Texts| {
            fields.extend(texts.iter().map(|(name, text)| (format!("{before}{name}"), text.clone())));
        };
        put("", &form.own);
        for (number, level) in form.levels.iter().enumerate() {
            put(&format!("{number}."), &level.own);
            for (list, actions) in LISTS.iter().zip(&level.lists) {
                for (place, action) in actions.iter().enumerate() {
                    put(&format!("{number}.{list}.{place}."), action);
                }
            }
        }
        Fields(fields)
    }

    #[test]
    fn a_flow_goes_through_its_form_unchanged() {
        let mail =
            json!({ "channel": "email", "to": ["on_call:ops", "a@example.com"], "template": "no_reply" });
        let whole = flow(&json!({
            "initial": "start", "terminal": ["done", "off"], "expire_after": "7d", "team": "ops",
            "sid": "FW0123456789abcdef0123456789abcdef", "widgets": { "ask": "asked" },
            "digest": { "more_than": 3, "within": "5m" },
            "escalation": [
                { "stage": "no_reply", "after": "30m", "actions": [mail] },
                { "stage": "no_reply", "after": "1h", "outside_hours": "send", "repeat": { "every": "10m", "times": 3 }, "actions": [
                    { "channel": "call", "to": ["+15551234567"], "text": "a\n{{ journey.flow }}" },
                    { "channel": "sms", "to": ["{{ journey.phoneNumber }}"], "via": "other" },
                    { "channel": "webhook", "to": ["crm"] },
                ] },
                { "stage": "asked", "after": "2h", "after_hours": [mail], "actions": [
                    { "channel": "studio_execution", "to": ["+15551234567"], "flow_sid": "FW0123456789abcdef0123456789abcdef",
                      "parameters": { "a": [1, "x"] } },
                    { "channel": "task", "workspace_sid": "WS0123456789abcdef0123456789abcdef", "attributes": { "k": 1 }, "priority": 5 },
                ] },
            ],
        }));
        let form = FlowForm::of(&whole);
        let read = FlowForm::read(&sent(&form));
        assert_eq!(read, form);
        let (definition, problems) = read.definition("f", Some(&whole));
        assert_eq!(problems, []);
        assert_eq!(render::flow(&flow(&definition)), render::flow(&whole));
    }

    #[test]
    fn buttons_change_levels_and_lose_nothing() {
        let mut form = FlowForm::new();
        form.change("add");
        form.levels[0].own.insert("stage", "no_reply".to_owned());
        form.levels[0].lists[0][0].insert("to", "a@example.com".to_owned());
        form.change("add");
        assert_eq!(form.levels[1].own["stage"], "no_reply", "mostly it is another level of the same stage");
        form.change("action 0");
        form.change("instead 0");
        form.change("drop 0.a.1");
        form.change("remove 1");
        for nonsense in ["remove 7", "drop 0.a.9", "drop 0.x.0", "drop", "action x", "", "explode 0"] {
            form.change(nonsense);
        }
        assert_eq!(form.levels.len(), 1);
        assert_eq!((form.levels[0].lists[0].len(), form.levels[0].lists[1].len()), (1, 1));
        assert_eq!(form.levels[0].lists[0][0]["to"], "a@example.com");
        assert_eq!(form.levels[0].own["outside"], "instead");
    }

    #[test]
    fn what_is_no_json_is_said_of_its_field() {
        let mut form = FlowForm::new();
        form.change("add");
        form.levels[0].lists[0][0].extend([("channel", "task".to_owned()), ("values", "{".to_owned())]);
        let (_, problems) = form.definition("f", None);
        assert_eq!(problems[0].field, "escalation[0].actions[0].attributes");
    }
}
