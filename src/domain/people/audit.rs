//! The audit log: who changed what, when, and what it was before.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kept::kept;
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
    /// A session of a person was ended from another one.
    SessionEnded,
    /// All sessions of a person were ended.
    SessionsEnded,
    /// A wrong password was given for a person; the first of several within a time.
    SignInFailed,
    /// So many wrong passwords were given for a person that nobody gets in for a time.
    LockedOut,
    /// A destination was sent a test.
    Tested,
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
    /// By what it came: `console`, `api`, `cli`, `mail`, `sms`, `webhook`, `call`, `server`.
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
    /// An entry. Where before or after is too long to be kept whole, only what differs is kept of both; see `kept`.
    pub fn new(id: AuditId, at: Timestamp, (by, via, reason): (&str, &str, &str), deed: Deed) -> Self {
        let (before, after) = kept(deed.before, deed.after);
        Self {
            id,
            at,
            by: by.to_owned(),
            via: via.to_owned(),
            action: deed.action,
            subject: deed.subject.chars().take(limits::MAX_AUDIT_SUBJECT).collect(),
            before,
            after,
            reason: reason.to_owned(),
        }
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
}

impl AuditFilter {
    /// Whether entries have to be looked through for it: times alone are found without.
    pub fn is_search(&self) -> bool {
        self.by.is_some() || self.subject.is_some()
    }

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
    use serde_json::json;

    use super::*;
    use crate::domain::people::differences;

    fn entry() -> AuditEntry {
        let at = Timestamp::from_millis(1_790_000_000_000);
        let deed =
            Deed::new(Action::Changed, "audience big_spenders").to(json!({ "query": "x".repeat(100_000) }));
        AuditEntry::new(AuditId::floor(at), at, ("ann@example.com", "api", ""), deed)
    }

    #[test]
    fn what_is_too_long_is_said_to_be_left_out() {
        let entry = entry();
        let after = entry.after.unwrap();
        assert!(after["leftOut"].as_str().unwrap().starts_with("100012 bytes are too many to be kept"));
        assert!(
            after["query"].as_str().unwrap().starts_with("xxx") && after.to_string().len() < 2000,
            "{after}"
        );
        assert_eq!(entry.before, None);
    }

    fn told(before: Value, after: Value) -> AuditEntry {
        let at = Timestamp::from_millis(1_790_000_000_000);
        let deed = Deed::new(Action::Changed, "destination crm").from(before).to(after);
        AuditEntry::new(AuditId::floor(at), at, ("ann@example.com", "api", ""), deed)
    }

    #[test]
    fn of_what_is_too_long_the_differences_are_kept() {
        let level = |n: usize| json!({ "after": format!("{n}m"), "to": ["ops@example.com"], "text": "x".repeat(1000) });
        let mut state = json!({ "name": "f", "escalation": (0..60).map(level).collect::<Vec<_>>() });
        let before = state.clone();
        state["escalation"][7]["after"] = json!("90m");
        state["expire_after"] = json!("30d");
        let entry = told(before.clone(), state);
        let (before, after) = (entry.before.unwrap(), entry.after.unwrap());
        assert_eq!(before["escalation[7].after"], "7m");
        assert_eq!((&after["escalation[7].after"], &after["expire_after"]), (&json!("90m"), &json!("30d")));
        assert!(after["leftOut"].as_str().unwrap().contains("what is the same"), "{after}");
        let places: Vec<String> =
            differences(Some(&before), Some(&after)).into_iter().map(|it| it.place).collect();
        assert_eq!(places, ["escalation[7].after", "expire_after"], "and nothing else differs");
    }

    #[test]
    fn of_a_long_text_is_kept_where_it_differs() {
        let text =
            |middle: &str| json!({ "body": format!("{}{middle}{}", "ä".repeat(40_000), "z".repeat(40_000)) });
        let entry = told(text("old"), text("new"));
        let (before, after) = (entry.before.unwrap().to_string(), entry.after.unwrap().to_string());
        assert!(before.contains("ääoldzz") && after.contains("äänewzz"), "{before}");
        assert!(before.len() < 4000 && after.len() < 4000, "{before}");
    }

    #[test]
    fn what_is_kept_of_differences_has_a_bound() {
        let many = |what: &str| {
            let of = |n: usize| (format!("m{n}"), json!(format!("{what} {}", "y".repeat(500))));
            Value::Object((0..500).map(of).collect())
        };
        let entry = told(many("old"), many("new"));
        let (before, after) = (entry.before.unwrap(), entry.after.unwrap());
        for state in [&before, &after] {
            let length = state.to_string().len();
            assert!((limits::MAX_AUDIT_STATE / 2..=limits::MAX_AUDIT_STATE).contains(&length), "{length}");
        }
        let shown = differences(Some(&before), Some(&after));
        let rest = shown.iter().find(|it| it.place == "leftOut").and_then(|it| it.after.clone()).unwrap();
        assert!(rest.as_str().unwrap().contains("more places"), "{rest}");
        // What was made, or is gone, is told as far as there is room.
        let at = Timestamp::from_millis(1_790_000_000_000);
        let deed = Deed::new(Action::Created, "destination crm").to(many("new"));
        let entry = AuditEntry::new(AuditId::floor(at), at, ("ann@example.com", "api", ""), deed);
        assert!(entry.before.is_none() && entry.after.unwrap()["m0"].is_string());
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
