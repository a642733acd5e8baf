//! Walks through a flow as Studio does, and really makes its HTTP requests.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};

/// What a person does when a flow waits for him, in order.
#[derive(Clone, Debug)]
pub enum Act {
    /// He replies with this.
    Replies(&'static str),
    /// He says nothing.
    IsSilent,
    /// The message does not arrive.
    IsNotReached,
}

/// One run of a flow.
pub struct Run<'a> {
    pub flow: &'a Value,
    /// The execution's SID.
    pub sid: &'a str,
    /// The person's number.
    pub phone: &'a str,
    /// The parameters it was started with.
    pub data: Value,
    pub acts: VecDeque<Act>,
    widgets: HashMap<String, Value>,
}

impl<'a> Run<'a> {
    pub fn new(flow: &'a Value, sid: &'a str, user: &str, phone: &'a str, acts: &[Act]) -> Self {
        let data = json!({ "userID": user, "name": "Ann O'Hara", "appointment": "Monday & later" });
        Self { flow, sid, phone, data, acts: acts.iter().cloned().collect(), widgets: HashMap::new() }
    }

    /// Goes from the trigger to an end; answers the states that it passed.
    pub async fn walk(mut self) -> Vec<String> {
        let mut passed = Vec::new();
        let mut at = self.flow["initial_state"].as_str().expect("initial_state").to_owned();
        loop {
            assert!(passed.len() < 100, "it goes on for ever: {passed:?}");
            passed.push(at.clone());
            let states = self.flow["states"].as_array().expect("states");
            let state =
                states.iter().find(|state| state["name"] == at.as_str()).expect("the next state").clone();
            let transition = self.step(&at, &state).await;
            match transition["next"].as_str().filter(|next| !next.is_empty()) {
                Some(next) => at = next.to_owned(),
                None => return passed,
            }
        }
    }

    /// Does what a state does; answers the transition that is taken.
    async fn step(&mut self, name: &str, state: &Value) -> Value {
        let event = match state["type"].as_str().expect("a type") {
            "trigger" => "incomingRequest",
            "send-message" => "sent",
            "set-variables" => "next",
            "run-function" => "success",
            "send-and-wait-for-reply" => match self.acts.pop_front().expect("the person does something") {
                Act::Replies(text) => {
                    self.widgets.insert(name.to_owned(), json!({ "inbound": { "Body": text } }));
                    "incomingMessage"
                }
                Act::IsSilent => "timeout",
                Act::IsNotReached => "deliveryFailure",
            },
            "split-based-on" => return self.split(state),
            "make-http-request" => self.request(&state["properties"]).await,
            other => panic!("a walk does not know {other}"),
        };
        transitions(state)
            .into_iter()
            .find(|transition| transition["event"] == event)
            .unwrap_or_else(|| panic!("{name} has no {event}"))
    }

    fn split(&self, state: &Value) -> Value {
        let transitions = transitions(state);
        let matches = |transition: &&Value| {
            transition["conditions"]
                .as_array()
                .is_some_and(|all| all.iter().all(|condition| self.holds(condition)))
        };
        let taken = transitions.iter().find(matches);
        let other = || transitions.iter().find(|transition| transition["event"] == "noMatch");
        taken.or_else(other).expect("a branch").clone()
    }

    fn holds(&self, condition: &Value) -> bool {
        let said =
            self.filled(condition["arguments"][0].as_str().expect("an argument")).trim().to_lowercase();
        let wanted = condition["value"].as_str().expect("a value").to_lowercase();
        match condition["type"].as_str() {
            Some("equal_to") => said == wanted,
            Some("matches_any_of") => wanted.split(',').any(|word| word.trim() == said),
            other => panic!("a walk does not know {other:?}"),
        }
    }

    async fn request(&self, properties: &Value) -> &'static str {
        assert_eq!(properties["method"], "POST");
        let url = self.filled(properties["url"].as_str().expect("a URL"));
        let mut form = form_urlencoded::Serializer::new(String::new());
        for parameter in properties["parameters"].as_array().expect("parameters") {
            let text = |key: &str| parameter[key].as_str().expect("a text").to_owned();
            form.append_pair(&text("key"), &self.filled(&text("value")));
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let content_type = properties["content_type"].as_str().expect("a content type");
        let answer = client.post(url).header("content-type", content_type).body(form.finish()).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) { "success" } else { "failed" }
    }

    /// Liquid, as far as variables go; one that is not there is nothing.
    fn filled(&self, template: &str) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            let (variable, after) = after.split_once("}}").expect("the end of a variable");
            text.push_str(before);
            text.push_str(&self.value(variable.trim()));
            rest = after;
        }
        text + rest
    }

    fn value(&self, variable: &str) -> String {
        let path: Vec<&str> = variable.split('.').collect();
        match path.as_slice() {
            ["flow", "sid"] => self.sid.to_owned(),
            ["flow", "flow_sid"] => "FW0123456789abcdef0123456789abcdef".to_owned(),
            ["contact", "channel", "address"] => self.phone.to_owned(),
            ["flow", "data", key] => self.data[*key].as_str().unwrap_or_default().to_owned(),
            ["widgets", name, "inbound", "Body"] => {
                let widget = self.widgets.get(*name).cloned().unwrap_or_default();
                widget["inbound"]["Body"].as_str().unwrap_or_default().to_owned()
            }
            _ => panic!("a walk does not know {{{{{variable}}}}}"),
        }
    }
}

fn transitions(state: &Value) -> Vec<Value> {
    state["transitions"].as_array().expect("transitions").clone()
}
