//! Deliveries: everything that leaves stagepost, with its attempts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event::weight;
use super::ids::{DeliveryId, EventId, JourneyId, UserKey};
use super::journey::Journey;
use super::time::Timestamp;

/// The destination key under which escalation mails are queued.
pub const EMAIL: &str = "email";

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Waiting for its (next) attempt.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Refused for good by the receiver, or impossible to send: a dead letter with a final reason.
    Failed,
    /// Ran out of time for further attempts: a dead letter.
    Dead,
    /// It may have arrived; repeating it blindly could do harm.
    Ambiguous,
    /// A newer delivery took its place, or its destination is gone.
    Superseded,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Delivered, Self::Failed, Self::Dead, Self::Ambiguous, Self::Superseded];

    /// The name in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Ambiguous => "ambiguous",
            Self::Superseded => "superseded",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// Why a delivery exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// This event.
    Event(EventId),
    /// Time that passed: a window that ended, a summary that is due.
    Time,
    /// A stage that lasted too long.
    Stall(JourneyId),
    /// Many of those at once: of each journey, the mail that this takes the place of.
    Digest(Vec<(JourneyId, DeliveryId)>),
    /// A computation that was made or changed.
    Backfill,
    /// A computation that is being deleted.
    Deletion,
    /// Two profiles that became one.
    Merge,
    /// A destination that was paused or resumed.
    Health,
    /// A person's word.
    Operator,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// A Segment call, whole, as its JSON object.
    Call(Map<String, Value>),
    /// A mail made from a template when it is sent.
    Email {
        /// Folder of the template under `templates/email/`.
        template: String,
        /// The recipients' addresses.
        to: Vec<String>,
        /// What the template sees: `{journey, user, level, stalledFor, …}`.
        context: Map<String, Value>,
    },
    /// A request to Twilio.
    Twilio {
        /// What is asked for.
        request: TwilioRequest,
        /// What the template of a text sees: the same as a mail's.
        context: Map<String, Value>,
    },
}

/// What Twilio can be asked for. The account, the sender and the addresses are its destination's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum TwilioRequest {
    /// A call that speaks a text and takes a key as an acknowledgement.
    Call {
        /// Whom.
        to: String,
        /// What it says, as a template; `None` for `templates/call/stalled.txt`.
        text: Option<String>,
    },
    /// A message.
    Sms {
        /// To whom.
        to: String,
        /// What it says, as a template; `None` for `templates/sms/stalled.txt`.
        text: Option<String>,
    },
    /// A run of another flow.
    StudioExecution {
        /// The flow (`FW…`).
        flow_sid: String,
        /// The contact.
        to: String,
        /// `Parameters` beside those that stagepost adds.
        parameters: Map<String, Value>,
    },
    /// A task for an agent.
    Task {
        /// The workspace (`WS…`); `None` for that of the destination.
        workspace_sid: Option<String>,
        /// The workflow (`WW…`); may be left out where there is only one.
        workflow_sid: Option<String>,
        /// `Attributes` beside those that stagepost adds.
        attributes: Map<String, Value>,
        /// `Priority`.
        priority: Option<u32>,
    },
}

/// What became of a thing after its receiver took it: told by a status callback, or looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The receiver's name for it: `CA…`, `SM…`, `FN…`, `WT…`.
    pub sid: Option<String>,
    /// The receiver's word: `answered`, `completed`, `no-answer`, `delivered`, `undelivered`, …
    pub status: String,
    /// Whether that reached somebody; `None` while that is open.
    pub reached: Option<bool>,
    /// The receiver's error code, if there is one.
    #[serde(default)]
    pub error_code: Option<u32>,
    /// When it was told.
    pub at: Timestamp,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// What came of it: `delivered`, `retry`, `failed`, `unsure`, `sought` or `ambiguous`; `begun` while it is under way, and for
    /// ever where the process died over it.
    pub status: String,
    /// The receiver's HTTP (or SMTP) status code, where it answered.
    #[serde(default)]
    pub http_status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// The beginning of what the receiver answered.
    #[serde(default)]
    pub response_snippet: Option<String>,
    /// What went wrong, if anything.
    #[serde(default)]
    pub error: Option<String>,
}

impl Attempt {
    /// Whether its receiver may have taken what it sent, as far as is known of it: there was no answer, or it never ended.
    pub fn may_have_sent(&self) -> bool {
        [Outcome::Begun, Outcome::Unsure].iter().any(|outcome| outcome.as_str() == self.status)
    }
}

/// What came of one attempt, decided where the answer is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// None yet: the request is about to leave, and what can't be repeated by a name leaves word of that first. What comes of it
    /// takes its place.
    Begun,
    /// Taken.
    Delivered,
    /// Try again, not before the receiver's `Retry-After` where it gave one (seconds, already clamped).
    Retry {
        /// The receiver's own wish.
        after: Option<super::time::Span>,
    },
    /// Never going to work.
    Failed,
    /// It may have arrived, and the receiver can be asked: the next attempt looks it up before anything is sent.
    Unsure,
    /// An earlier attempt may have arrived, and the receiver could not tell this time: nothing was sent.
    Sought,
    /// Nobody can tell whether it arrived.
    Ambiguous,
}

impl Outcome {
    /// The name kept with the attempt and counted.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Delivered => "delivered",
            Self::Retry { .. } => "retry",
            Self::Failed => "failed",
            Self::Unsure => "unsure",
            Self::Sought => "sought",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// One thing to send to one destination, in the order of its user's other things for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its id; rises with the order of making.
    pub id: DeliveryId,
    /// The destination's key, or [`EMAIL`].
    pub destination: String,
    /// Whose it is: deliveries of one user to one destination leave in the order of their ids.
    pub user: UserKey,
    /// The stable name of what is said: the call's `messageId`, or journey, stage and level of an escalation. (A mail's
    /// Message-ID is made from `id`.)
    pub message_id: String,
    /// Why it exists.
    pub cause: Cause,
    /// What to send.
    pub payload: Payload,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Not to be tried before.
    pub next_attempt_at: Timestamp,
    /// When its time for retries runs from: its first attempt since its making or newest replay; that itself before there was one.
    pub retry_from: Timestamp,
    /// How many attempts there were since `retry_from`.
    pub tries: u32,
    /// How often it was put back by hand.
    #[serde(default)]
    pub replays: u32,
    /// When it was put back last.
    #[serde(default)]
    pub replayed_at: Option<Timestamp>,
    /// Whether it was taken back because nobody needed to be told of it any more: that reached nobody, and was not meant to.
    #[serde(default)]
    pub withdrawn: bool,
    /// Why it is as it is, once it is at its end: what the receiver said last, or what took its place.
    #[serde(default)]
    pub reason: Option<String>,
    /// The delivery that took its place.
    #[serde(default)]
    pub superseded_by: Option<DeliveryId>,
    /// What became of it at the receiver, as far as that was told.
    #[serde(default)]
    pub receipt: Option<Receipt>,
    /// The tries, oldest first; past `limits::MAX_ATTEMPTS_KEPT` those in the middle are left out.
    pub attempts: Vec<Attempt>,
}

impl Delivery {
    /// One that was made just now and waits for its first attempt.
    pub fn new(
        id: DeliveryId,
        destination: String,
        user: UserKey,
        message_id: String,
        cause: Cause,
        payload: Payload,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            destination,
            user,
            message_id,
            cause,
            payload,
            status: DeliveryStatus::Pending,
            created_at: now,
            updated_at: now,
            next_attempt_at: now,
            retry_from: now,
            tries: 0,
            replays: 0,
            replayed_at: None,
            withdrawn: false,
            reason: None,
            superseded_by: None,
            receipt: None,
            attempts: Vec::new(),
        }
    }

    /// At its end, because it is not wanted any more.
    pub fn supersede(&mut self, by: Option<DeliveryId>, reason: String, now: Timestamp) {
        self.status = DeliveryStatus::Superseded;
        self.superseded_by = by;
        self.reason = Some(reason);
        self.updated_at = now;
    }

    /// The stalls that it tells of: each journey, with the delivery that its mark names.
    pub fn stalls(&self) -> Vec<(JourneyId, DeliveryId)> {
        match &self.cause {
            Cause::Stall(journey) => vec![(*journey, self.id)],
            Cause::Digest(stalls) => stalls.clone(),
            _ => Vec::new(),
        }
    }

    /// Notes what became of it at its receiver; says whether that was news. Nothing leads back from a final word, and who tells of
    /// a thing by its name has it.
    pub fn receive(&mut self, receipt: Receipt, now: Timestamp) -> bool {
        let is_stale = self.receipt.as_ref().is_some_and(|known| match known.reached {
            Some(_) => receipt.reached != known.reached,
            None => receipt.reached.is_none() && receipt.at < known.at,
        });
        let was_taken = matches!(self.status, DeliveryStatus::Pending | DeliveryStatus::Ambiguous)
            && receipt.sid.is_some();
        if is_stale && !was_taken {
            return false;
        }
        if was_taken {
            (self.status, self.reason) = (DeliveryStatus::Delivered, None);
        }
        if !is_stale {
            let known_sid = self.receipt.take().and_then(|known| known.sid);
            self.receipt = Some(Receipt { sid: receipt.sid.or(known_sid), ..receipt });
        }
        self.updated_at = now;
        true
    }

    /// About how many bytes it takes.
    pub fn weight(&self) -> usize {
        let map = match &self.payload {
            Payload::Call(call) => call,
            Payload::Email { context, .. } | Payload::Twilio { context, .. } => context,
        };
        map.iter().map(|(key, value)| key.len() + weight(value)).sum()
    }

    /// At its end, because nobody needs to be told of it any more.
    pub fn withdraw(&mut self, reason: String, now: Timestamp) {
        self.withdrawn = true;
        self.supersede(None, reason, now);
    }

    /// Since when it is wanted: its making, or its newest replay.
    pub fn wanted_since(&self) -> Timestamp {
        self.replayed_at.unwrap_or(self.created_at)
    }

    /// Why it needs no sending any more, where it tells of journeys that all were dealt with since; an operator who puts it back
    /// wants it sent whatever became of them. `find` has the journeys, `None` where one is not kept.
    pub fn overtaken<'j>(&self, find: impl Fn(JourneyId) -> Option<&'j Journey>) -> Option<&'static str> {
        if self.status != DeliveryStatus::Pending || self.replays > 0 {
            return None;
        }
        let reasons: Option<Vec<_>> =
            self.stalls().iter().map(|(journey, _)| find(*journey)?.overtakes(self.created_at)).collect();
        match reasons?.as_slice() {
            [] => None,
            [reason] => Some(reason),
            _ => Some("all of its journeys were dealt with before it could be sent"),
        }
    }

    /// What it says of which computation, if it is such a call: the computation's key and the call's type. A newer one for the
    /// same user takes its place.
    pub fn topic(&self) -> Option<(&str, &str)> {
        let Payload::Call(call) = &self.payload else { return None };
        let key = call.get("context")?.get("personas")?.get("computation_key")?.as_str()?;
        Some((key, call.get("type")?.as_str()?))
    }

    /// Whether it tells of the value of the computation with that key.
    pub fn is_about(&self, computation_key: &str) -> bool {
        self.topic().is_some_and(|(key, _)| key == computation_key)
    }
}

/// Which deliveries are wanted; an absent or empty field means any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliveryFilter {
    /// For this destination.
    #[serde(default)]
    pub destination: Option<String>,
    /// With this status.
    #[serde(default)]
    pub status: Option<DeliveryStatus>,
    /// Of this user.
    #[serde(default)]
    pub user: Option<UserKey>,
    /// Made at or after.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Made before.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Whose newest attempt was answered with this HTTP (or SMTP) status.
    #[serde(default)]
    pub http_status: Option<u16>,
    /// Whose reason, message id, or newest error or answer holds this text, whatever the case.
    #[serde(default)]
    pub text: Option<String>,
    /// How many may be looked at for one page; fewer than `limits::MAX_SCAN`, which it is where nothing is said.
    #[serde(skip)]
    pub looks: Option<usize>,
}

impl DeliveryFilter {
    /// Whether `delivery` is wanted.
    pub fn accepts(&self, delivery: &Delivery) -> bool {
        self.destination.as_ref().is_none_or(|key| *key == delivery.destination)
            && self.status.is_none_or(|status| status == delivery.status)
            && self.user.as_ref().is_none_or(|user| *user == delivery.user)
            && self.since.is_none_or(|since| delivery.created_at >= since)
            && self.until.is_none_or(|until| delivery.created_at < until)
            && self.accepts_answer(delivery)
    }

    fn accepts_answer(&self, delivery: &Delivery) -> bool {
        let last = delivery.attempts.last();
        let answered =
            self.http_status.is_none_or(|wanted| last.and_then(|it| it.http_status) == Some(wanted));
        let Some(text) = &self.text else { return answered };
        let text = text.to_lowercase();
        let places = [
            delivery.reason.as_deref(),
            Some(delivery.message_id.as_str()),
            last.and_then(|last| last.error.as_deref()),
            last.and_then(|last| last.response_snippet.as_deref()),
        ];
        answered && places.into_iter().flatten().any(|place| place.to_lowercase().contains(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::IdSource;

    const NOW: i64 = 1_790_000_000_000;

    fn call(status: DeliveryStatus) -> Delivery {
        let now = Timestamp::from_millis(NOW);
        let id = IdSource::new([3; 32]).delivery(now);
        let payload = Payload::Call(Map::new());
        let made =
            Delivery::new(id, "twilio".into(), UserKey::user("u1"), "m".into(), Cause::Time, payload, now);
        Delivery { status, ..made }
    }

    fn receipt(sid: Option<&str>, status: &str, reached: Option<bool>, after: i64) -> Receipt {
        let at = Timestamp::from_millis(NOW + after);
        Receipt { sid: sid.map(str::to_owned), status: status.into(), reached, error_code: None, at }
    }

    #[test]
    fn nothing_leads_back_from_a_final_word() {
        let mut call = call(DeliveryStatus::Delivered);
        let mut told = |receipt| {
            let is_news = call.receive(receipt, Timestamp::from_millis(NOW + 100));
            let known = call.receipt.as_ref().expect("a receipt");
            (is_news, known.status.clone(), known.sid.clone())
        };
        let sid = || Some("CA1".to_owned());
        assert_eq!(told(receipt(Some("CA1"), "ringing", None, 5)), (true, "ringing".into(), sid()));
        assert_eq!(told(receipt(None, "queued", None, 3)), (false, "ringing".into(), sid()), "it is older");
        assert_eq!(told(receipt(None, "answered", Some(true), 8)), (true, "answered".into(), sid()));
        assert_eq!(told(receipt(None, "ringing", None, 9)), (false, "answered".into(), sid()));
        assert_eq!(told(receipt(None, "no-answer", Some(false), 9)), (false, "answered".into(), sid()));
        assert_eq!(told(receipt(None, "completed", Some(true), 9)), (true, "completed".into(), sid()));
    }

    #[test]
    fn who_tells_of_a_thing_by_its_name_has_it() {
        for (status, sid, wanted) in [
            (DeliveryStatus::Ambiguous, Some("CA1"), DeliveryStatus::Delivered),
            (DeliveryStatus::Pending, Some("CA1"), DeliveryStatus::Delivered),
            (DeliveryStatus::Ambiguous, None, DeliveryStatus::Ambiguous),
            (DeliveryStatus::Failed, Some("CA1"), DeliveryStatus::Failed),
        ] {
            let mut call = call(status);
            assert!(call.receive(receipt(sid, "ringing", None, 5), Timestamp::from_millis(NOW + 100)));
            assert_eq!(call.status, wanted, "{status:?} {sid:?}");
        }
    }
}
