//! Runs of another flow.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::client::Fields;
use super::doubt::Doubt;
use super::{Ask, Letter, receipt, task};
use crate::delivery::sender::Verdict;
use crate::domain::delivery::Receipt;
use crate::domain::time::Span;
use crate::domain::twilio::Thing;

/// How far around the doubt runs are looked for: Twilio's clock is not ours.
const MARGIN: Span = Span::from_secs(60);
/// Runs for one contact whose parameters are looked at.
const MOST: usize = 20;

pub(super) struct Execution<'a> {
    letter: Letter<'a>,
    flow_sid: &'a str,
    to: &'a str,
    form: Fields,
}

impl<'a> Execution<'a> {
    /// A run of that flow for `to`.
    ///
    /// # Errors
    /// Why there can be none.
    pub fn new(
        letter: Letter<'a>,
        flow_sid: &'a str,
        to: &'a str,
        parameters: &Map<String, Value>,
    ) -> Result<Self, String> {
        let account = letter.account();
        let from = account.from.as_deref().or(account.messaging_service_sid.as_deref());
        let from = from.ok_or("a run of a flow needs a sender: set `from` of this destination")?;
        let parameters = task::facts(&letter, parameters);
        let form = vec![
            ("To", to.to_owned()),
            ("From", from.to_owned()),
            ("Parameters", Value::Object(parameters).to_string()),
        ];
        Ok(Self { letter, flow_sid, to, form })
    }

    /// Runs for the contact that `query` lists, and whether these are all.
    async fn runs(&self, query: &Fields) -> Result<(Vec<Value>, bool), Box<Refusal>> {
        let found = self.letter.client.get(&self.url(), query).await?;
        let Some(rows) = found.get("executions").and_then(Value::as_array) else {
            return Err(Refusal::before_sending("Twilio's list of executions can't be read".to_owned()));
        };
        let is_his =
            |row: &&Value| row.get("contact_channel_address").and_then(Value::as_str) == Some(self.to);
        let runs: Vec<Value> = rows.iter().filter(is_his).take(MOST + 1).cloned().collect();
        let is_whole = found.pointer("/meta/next_page_url").is_none_or(Value::is_null) && runs.len() <= MOST;
        Ok((runs, is_whole))
    }

    /// The one of `runs` that was begun with the delivery's id.
    async fn ours(&self, runs: &[Value]) -> Result<Option<Receipt>, Box<Refusal>> {
        let id = self.letter.delivery.id.to_string();
        for run in runs.iter().take(MOST) {
            let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default();
            let url = format!("{}/{}/Context", self.url(), text("sid"));
            let context = self.letter.client.get(&url, &Fields::new()).await?;
            if context.to_string().contains(&id) {
                let now = self.letter.client.network.clock.now();
                return Ok(Some(receipt(Thing::Execution, text("sid").to_owned(), text("status"), now)));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Ask for Execution<'_> {
    fn thing(&self) -> Thing {
        Thing::Execution
    }

    fn name(&self) -> &'static str {
        "the run of the flow"
    }

    fn url(&self) -> String {
        format!("{}/v2/Flows/{}/Executions", self.letter.account().urls.studio, self.flow_sid)
    }

    fn form(&self) -> &Fields {
        &self.form
    }

    async fn find(&self, doubt: &Doubt) -> Result<Option<Receipt>, Box<Refusal>> {
        let (from, until) = doubt.bounds();
        let query = vec![
            ("DateCreatedFrom", from.minus(MARGIN).to_rfc3339_seconds()),
            ("DateCreatedTo", until.plus(MARGIN).to_rfc3339_seconds()),
            ("PageSize", "1000".to_owned()),
        ];
        let (runs, is_whole) = self.runs(&query).await?;
        match self.ours(&runs).await? {
            None if !is_whole => {
                Err(Refusal::before_sending("there are too many executions to tell".to_owned()))
            }
            found => Ok(found),
        }
    }

    /// Twilio runs one flow for a contact at a time.
    async fn conflict(&self) -> Option<Verdict> {
        let query = vec![("status", "active".to_owned()), ("PageSize", "1000".to_owned())];
        let (runs, _) = self.runs(&query).await.ok()?;
        let is_active = |run: &&Value| run.get("status").is_some_and(|status| status == "active");
        let runs: Vec<Value> = runs.iter().filter(is_active).cloned().collect();
        let running = runs.first()?.get("sid").and_then(Value::as_str)?.to_owned();
        if let Ok(Some(receipt)) = self.ours(&runs).await {
            let error =
                Some("Twilio refused a second run for the contact: the first is this one's".to_owned());
            return Some(Verdict { receipt: Some(receipt), error, ..Verdict::delivered() });
        }
        Some(Verdict::failed(format!(
            "Twilio runs one flow for a contact at a time, and {running} of this flow still runs for it: end that one, then replay"
        )))
    }
}
