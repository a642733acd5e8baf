//! Twilio: calls, messages, Studio executions and tasks, which the levels of flows ask for.
//!
//! None of these can be repeated by a name, as other receivers' calls can. So whatever may have been taken already (an answer that
//! never came, a call or message that a process died over, which its attempt `begun` tells) is looked for at Twilio first:
//!
//! ```text
//! may it have been sent? ─ no ──────────────────────────────────▶ send ─ taken ─▶ delivered, with its SID
//!          │ yes                                                   │  └ no answer ─▶ unsure: looked for, after some seconds
//!          ▼                                                       │
//!     look for it ─ found ─▶ delivered, with its SID               │
//!          ├ not there ─ a call or message that was tried ─▶ ambiguous: an operator's replay looks once more, and sends
//!          │            └ anything else ───────────────────────────┘
//!          └ can't be told ─▶ again later
//! ```

mod account;
mod answer;
mod call;
mod client;
mod doubt;
mod execution;
mod listing;
mod memory;
mod sms;
mod task;

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;

use self::answer::{OPTED_OUT, Refusal, Taken};
pub use self::call::KEY_PROMPT;
pub(in crate::delivery) use self::call::spoken;
pub(in crate::delivery) use self::client::Client;
use self::client::Fields;
use self::doubt::Doubt;
pub(super) use self::memory::Memory;
use crate::delivery::sender::Verdict;
use crate::delivery::turns::Requests;
use crate::delivery::ways_back;
use crate::domain::definition::Twilio;
use crate::domain::delivery::{Delivery, Outcome, Payload, Receipt, TwilioRequest};
use crate::domain::link::Links;
use crate::domain::time::{Span, Timestamp};
use crate::domain::twilio::{Thing, reached};

/// The rest of an attempt after its request, which may look for what stands in the way.
const CONFLICT_TIME: Duration = Duration::from_secs(20);

/// One thing that Twilio is asked for.
#[async_trait]
trait Ask: Send + Sync {
    /// What it is.
    fn thing(&self) -> Thing;

    /// What is said of it, in the middle of a sentence.
    fn name(&self) -> &'static str;

    /// Where it is asked for.
    fn url(&self) -> String;

    /// What is asked.
    fn form(&self) -> &Fields;

    /// What is said of the attempt, although it got through.
    fn note(&self) -> Option<&str> {
        None
    }

    /// Who is asked by whom, where he may have said that he wants none of it.
    fn wanted_by(&self) -> Option<[String; 3]> {
        None
    }

    /// Looks for it among what Twilio took in the time that is in doubt. `None`: it is not there.
    async fn find(&self, doubt: &Doubt) -> Result<Option<Receipt>, Box<Refusal>>;

    /// What stands in its way, where Twilio refused it.
    async fn conflict(&self) -> Option<Verdict> {
        None
    }
}

/// What asks Twilio for these deliveries.
pub(super) struct TwilioRequests<'a> {
    pub client: Client<'a>,
    pub deliveries: &'a [Delivery],
}

#[async_trait]
impl Requests for TwilioRequests<'_> {
    async fn make(&self, places: &[usize]) -> Verdict {
        let mut last = Verdict::delivered();
        for delivery in places.iter().filter_map(|&place| self.deliveries.get(place)) {
            last = self.client.attempt(delivery).await;
        }
        last
    }
}

impl<'a> Client<'a> {
    async fn attempt(&self, delivery: &'a Delivery) -> Verdict {
        let ask = match self.ask(delivery) {
            Ok(ask) => ask,
            Err(why) => return Verdict::failed(why),
        };
        let now = self.network.clock.now();
        if let Some(verdict) = self.refused_before(&*ask, now) {
            return verdict;
        }
        // A look-up may go before the request, and both take as long at most.
        let longest = Span::from_millis(i64::try_from(2 * self.timeout.as_millis()).unwrap_or(i64::MAX));
        if let Some(doubt) = Doubt::of(delivery, longest)
            && let Some(verdict) = self.look_for(&*ask, &doubt, delivery).await
        {
            return verdict;
        }
        match self.post(&ask.url(), ask.form()).await {
            Ok(taken) => self.taken(&*ask, taken, delivery),
            Err(refusal) => self.refused(&*ask, *refusal).await,
        }
    }

    /// What `delivery` asks for.
    fn ask(&self, delivery: &'a Delivery) -> Result<Box<dyn Ask + 'a>, String> {
        let Payload::Twilio { request, context } = &delivery.payload else {
            return Err("it is no request to Twilio, which takes nothing else".to_owned());
        };
        let letter = Letter { client: *self, delivery, context };
        Ok(match request {
            TwilioRequest::Call { to, text } => Box::new(call::Call::new(letter, to, text.as_deref())?),
            TwilioRequest::Sms { to, text } => Box::new(sms::Sms::new(letter, to, text.as_deref())?),
            TwilioRequest::StudioExecution { flow_sid, to, parameters } => {
                Box::new(execution::Execution::new(letter, flow_sid, to, parameters)?)
            }
            TwilioRequest::Task { workspace_sid, workflow_sid, attributes, priority } => {
                let work = (workspace_sid.as_deref(), workflow_sid.as_deref());
                Box::new(task::Task::new(letter, work, attributes, *priority)?)
            }
        })
    }

    /// Twilio said lately that the recipient wants nothing: that is law, and needs no further asking.
    fn refused_before(&self, ask: &dyn Ask, now: Timestamp) -> Option<Verdict> {
        let whom = ask.wanted_by()?;
        self.network.twilio.has_opted_out(&whom, now).then(|| {
            let receipt = Receipt {
                sid: None,
                status: "refused".to_owned(),
                reached: Some(false),
                error_code: Some(OPTED_OUT),
                at: now,
            };
            let error = "its recipient has opted out of messages of this sender, as Twilio said within the last day: tell him in \
                         another way";
            Verdict { receipt: Some(receipt), ..Verdict::failed(error) }
        })
    }

    /// Looks for what may have been taken already. `None`: it was not, and is to be sent.
    async fn look_for(&self, ask: &dyn Ask, doubt: &Doubt, delivery: &Delivery) -> Option<Verdict> {
        if !doubt.can_be_settled(self.network.clock.now()) {
            return Some(not_told(Verdict::not_tried("Twilio's lists may not show it yet")));
        }
        let found = match tokio::time::timeout(self.timeout, ask.find(doubt)).await {
            Ok(found) => found,
            Err(_) => {
                let why = format!("looking for it took longer than {:?}", self.timeout);
                return Some(not_told(Verdict::retry(None, why)));
            }
        };
        match found {
            Ok(Some(receipt)) => {
                if let Some(sid) = &receipt.sid {
                    self.network.twilio.note_made(sid, delivery.id);
                }
                let error = "its answer was lost; it was found at Twilio".to_owned();
                Some(Verdict { receipt: Some(receipt), error: Some(error), ..Verdict::delivered() })
            }
            Ok(None) if doubt.is_wanted_anew || may_be_repeated(ask.thing()) => None,
            Ok(None) => {
                let error = format!(
                    "no answer came to an earlier attempt, and Twilio's list does not show {}: it was most likely not made, but that \
                     is not certain. Look into Twilio's log; a replay looks once more, and sends it if it is not there",
                    ask.name()
                );
                let (outcome, error) = (Outcome::Ambiguous, Some(error));
                Some(Verdict { outcome, error, ..Verdict::delivered() })
            }
            Err(refusal) => Some(not_told(refusal.verdict)),
        }
    }

    fn taken(&self, ask: &dyn Ask, taken: Taken, delivery: &Delivery) -> Verdict {
        self.network.twilio.note_made(&taken.sid, delivery.id);
        Verdict {
            status: Some(taken.http_status),
            snippet: Some(taken.snippet),
            error: ask.note().map(str::to_owned),
            receipt: Some(receipt(ask.thing(), taken.sid, &taken.status, self.network.clock.now())),
            ..Verdict::delivered()
        }
    }

    async fn refused(&self, ask: &dyn Ask, refusal: Refusal) -> Verdict {
        if refusal.code == Some(OPTED_OUT)
            && let Some(whom) = ask.wanted_by()
        {
            self.network.twilio.note_opted_out(whom, self.network.clock.now());
        }
        if refusal.may_be_a_conflict
            && let Ok(Some(found)) = tokio::time::timeout(CONFLICT_TIME, ask.conflict()).await
        {
            return beside(found, refusal.verdict);
        }
        refusal.verdict
    }
}

/// Whether a second one does no harm that could not be undone: two tasks for an agent, or two runs of a flow (of which Twilio lets
/// only one run for a contact) are a nuisance, a second call at night is worse. Twilio's list of these is certain, too.
fn may_be_repeated(thing: Thing) -> bool {
    match thing {
        Thing::Execution | Thing::Task => true,
        Thing::Call | Thing::Message => false,
    }
}

/// It could not be told whether it was taken: nothing is sent, and it is looked for again.
fn not_told(refusal: Verdict) -> Verdict {
    let why = refusal.error.as_deref().unwrap_or_default();
    let error = Some(format!("whether it was sent before could not be looked up: {why}"));
    Verdict { outcome: Outcome::Sought, error, receipt: None, ..refusal }
}

/// What was found in the way of a request, beside what Twilio said when it refused it.
fn beside(found: Verdict, refusal: Verdict) -> Verdict {
    let errors: Vec<String> = [found.error, refusal.error].into_iter().flatten().collect();
    Verdict {
        error: Some(errors.join(". ")),
        receipt: found.receipt.or(refusal.receipt),
        status: refusal.status,
        snippet: refusal.snippet,
        outcome: found.outcome,
        signal: found.signal,
    }
}

/// What is known of a thing at Twilio.
fn receipt(thing: Thing, sid: String, status: &str, at: Timestamp) -> Receipt {
    Receipt {
        sid: Some(sid),
        status: status.to_owned(),
        reached: reached(thing, status),
        error_code: None,
        at,
    }
}

/// What a request is made of.
#[derive(Clone, Copy)]
struct Letter<'a> {
    client: Client<'a>,
    delivery: &'a Delivery,
    context: &'a serde_json::Map<String, serde_json::Value>,
}

impl<'a> Letter<'a> {
    fn account(&self) -> &'a Twilio {
        self.client.account
    }

    /// Where Twilio gets back to us.
    ///
    /// # Errors
    /// Why it can't, as a note to the attempt.
    fn way_back(&self) -> Result<&'a Links, &'static str> {
        let links = self.client.network.links.as_ref();
        let reachable = |links: &&Links| ways_back::is_public(links) || !self.account().urls.are_twilios();
        links.filter(reachable).ok_or(
            "taken; what becomes of it is not told, as Twilio can't reach this server: set STAGEPOST_PUBLIC_URL to its public \
             address",
        )
    }
}
