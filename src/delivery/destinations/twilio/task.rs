//! TaskRouter tasks.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::client::Fields;
use super::doubt::Doubt;
use super::{Ask, Letter, receipt};
use crate::domain::delivery::Receipt;
use crate::domain::twilio::{REFERENCE, Thing};

pub(super) struct Task<'a> {
    letter: Letter<'a>,
    workspace_sid: &'a str,
    form: Fields,
}

impl<'a> Task<'a> {
    /// A task in that workspace, or the account's own where none is named, for that workflow.
    ///
    /// # Errors
    /// Why there can be none.
    pub fn new(
        letter: Letter<'a>,
        (workspace_sid, workflow_sid): (Option<&'a str>, Option<&str>),
        attributes: &Map<String, Value>,
        priority: Option<u32>,
    ) -> Result<Self, String> {
        let workspace_sid = workspace_sid
            .or(letter.account().workspace_sid.as_deref())
            .ok_or("a task needs a workspace: set `workspace_sid` of the action, or of this destination")?;
        let mut form: Fields = vec![("Attributes", Value::Object(facts(&letter, attributes)).to_string())];
        form.extend(workflow_sid.map(|sid| ("WorkflowSid", sid.to_owned())));
        form.extend(priority.map(|priority| ("Priority", priority.to_string())));
        Ok(Self { letter, workspace_sid, form })
    }
}

/// What a flow or an agent is told beside what the definition says, which goes before; the reference is always ours.
pub(super) fn facts(letter: &Letter<'_>, own: &Map<String, Value>) -> Map<String, Value> {
    let journey = letter.context.get("journey");
    let of_journey = |name: &str| journey.and_then(|journey| journey.get(name)).cloned().unwrap_or_default();
    let of_context = |name: &str| letter.context.get(name).cloned().unwrap_or_default();
    let known = json!({
        "userID": of_journey("userId"),
        "phoneNumber": of_journey("phoneNumber"),
        "flow": of_journey("flow"),
        "stage": of_journey("stage"),
        "journeyId": of_journey("id"),
        "executionSid": of_journey("executionSid"),
        "level": of_context("level"),
        "stalledFor": of_context("stalledFor"),
        "link": of_context("link"),
    });
    let mut facts: Map<String, Value> = match known {
        Value::Object(known) => known.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    };
    facts.extend(own.clone());
    facts.insert(REFERENCE.to_owned(), letter.delivery.id.to_string().into());
    facts
}

#[async_trait]
impl Ask for Task<'_> {
    fn thing(&self) -> Thing {
        Thing::Task
    }

    fn name(&self) -> &'static str {
        "the task"
    }

    fn url(&self) -> String {
        format!("{}/v1/Workspaces/{}/Tasks", self.letter.account().urls.taskrouter, self.workspace_sid)
    }

    fn form(&self) -> &Fields {
        &self.form
    }

    async fn find(&self, _: &Doubt) -> Result<Option<Receipt>, Box<Refusal>> {
        let expression = format!("{REFERENCE} == \"{}\"", self.letter.delivery.id);
        let query = vec![("EvaluateTaskAttributes", expression), ("PageSize", "1".to_owned())];
        let found = self.letter.client.get(&self.url(), &query).await?;
        let Some(tasks) = found.get("tasks").and_then(Value::as_array) else {
            return Err(Refusal::before_sending("Twilio's list of tasks can't be read".to_owned()));
        };
        let text =
            |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let now = self.letter.client.network.clock.now();
        let of = |row: &Value| receipt(Thing::Task, text(row, "sid"), &text(row, "assignment_status"), now);
        Ok(tasks.first().map(of))
    }
}
