//! The audit log: who changed what, when, and what it was before.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::ids::AuditId;
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Made: a definition, a person, a token.
    Created,
    /// Changed: a definition, a person.
    Changed,
    /// Removed: a definition, a person, a token.
    Removed,
    /// A journey's stall was acknowledged.
    Acknowledged,
    /// A journey was closed.
    Resolved,
    /// A journey's ladder rests.
    Snoozed,
    /// A delivery was put back, or a replay of many begun.
    Replayed,
    /// A replay was stopped.
    Cancelled,
    /// A destination was paused.
    Paused,
    /// A destination was resumed.
    Resumed,
    /// An address gets a team's summaries no more.
    Unsubscribed,
    /// Destinations were told that a user is to be deleted.
    DeletionNotified,
    /// The admin token was set.
    TokenSet,
    /// A person's password was set.
    PasswordSet,
    /// A person signed in.
    SignedIn,
    /// A person signed out.
    SignedOut,
    /// All sessions of a person were ended.
    SessionsEnded,
}

/// What somebody did: everything of an entry but who and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// What.
    pub action: Action,
    /// With what: `audience order_completed`, `person ann@example.com`.
    pub subject: String,
    /// How that was before, without secrets.
    pub before: Option<Value>,
    /// How it is since, without secrets.
    pub after: Option<Value>,
}

impl Deed {
    /// One that says nothing of before and after yet.
    pub fn new(action: Action, subject: impl Into<String>) -> Self {
        Self { action, subject: subject.into(), before: None, after: None }
    }

    /// The same, with how it was before.
    pub fn from(self, before: impl Into<Option<Value>>) -> Self {
        Self { before: before.into(), ..self }
    }

    /// The same, with how it is since.
    pub fn to(self, after: impl Into<Option<Value>>) -> Self {
        Self { after: after.into(), ..self }
    }
}

/// An entry of the audit log; its key is its id, which rises with time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who, as far as is known: a person's address, `token <name>`, `admin token`, or who he says he is.
    pub by: String,
    /// By what it came: `console`, `api`, `mail`, `call`, `server`.
    pub via: String,
    /// What was done.
    pub action: Action,
    /// With what.
    pub subject: String,
    /// How that was before; `None` for what was not there.
    pub before: Option<Value>,
    /// How it is since; `None` for what is gone.
    pub after: Option<Value>,
    /// Why, in his words; may be empty.
    pub reason: String,
}

impl AuditEntry {
    /// An entry. What is too long to be kept of before and after is left out, and its length said.
    pub fn new(id: AuditId, at: Timestamp, (by, via, reason): (&str, &str, &str), deed: Deed) -> Self {
        Self {
            id,
            at,
            by: by.to_owned(),
            via: via.to_owned(),
            action: deed.action,
            subject: deed.subject.chars().take(limits::MAX_AUDIT_SUBJECT).collect(),
            before: deed.before.map(bounded),
            after: deed.after.map(bounded),
            reason: reason.to_owned(),
        }
    }
}

fn bounded(state: Value) -> Value {
    let bytes = state.to_string().len();
    if bytes <= limits::MAX_AUDIT_STATE {
        state
    } else {
        json!({ "leftOut": format!("{bytes} bytes are too many to be kept") })
    }
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Those of whom has this in his name, in any case.
    pub by: Option<String>,
    /// Those whose subject has this in it, in any case.
    pub subject: Option<String>,
    /// Not before then.
    pub from: Option<Timestamp>,
    /// Before then.
    pub to: Option<Timestamp>,
    /// How many may be looked at for one page; fewer than `limits::MAX_SCAN`, which it is where nothing is said.
    pub looks: Option<usize>,
}

impl AuditFilter {
    /// Whether it wants that entry.
    pub fn wants(&self, entry: &AuditEntry) -> bool {
        let has = |text: &str, part: &Option<String>| {
            part.as_ref().is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
        };
        has(&entry.by, &self.by)
            && has(&entry.subject, &self.subject)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AuditEntry {
        let at = Timestamp::from_millis(1_790_000_000_000);
        let deed =
            Deed::new(Action::Changed, "audience big_spenders").to(json!({ "query": "x".repeat(100_000) }));
        AuditEntry::new(AuditId::floor(at), at, ("ann@example.com", "api", ""), deed)
    }

    #[test]
    fn what_is_too_long_is_said_to_be_left_out() {
        let entry = entry();
        assert_eq!(entry.after.unwrap()["leftOut"], "100012 bytes are too many to be kept");
        assert_eq!(entry.before, None);
    }

    #[test]
    fn entries_are_found_by_parts_and_time() {
        let entry = entry();
        let wants = |filter: AuditFilter| filter.wants(&entry);
        let text = |text: &str| Some(text.to_owned());
        assert!(wants(AuditFilter::default()));
        assert!(wants(AuditFilter { by: text("ANN@"), subject: text("Spend"), ..AuditFilter::default() }));
        assert!(!wants(AuditFilter { by: text("bob"), ..AuditFilter::default() }));
        assert!(!wants(AuditFilter { subject: text("trait"), ..AuditFilter::default() }));
        assert!(wants(AuditFilter { from: Some(entry.at), ..AuditFilter::default() }));
        assert!(!wants(AuditFilter { to: Some(entry.at), ..AuditFilter::default() }));
    }
}
