//! Sessions of people at the console.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::device::Device;
use super::person::Person;
use crate::domain::ids::PersonId;
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// A session; its record's key is the SHA-256 hash of the secret that the browser has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub person: PersonId,
    /// The key of his record.
    pub email: String,
    /// What [`Person::generation`] was when it began.
    pub generation: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// From where, and with what. Sessions that were begun before this was kept have none.
    #[serde(default)]
    pub device: Device,
}

impl Session {
    /// One that begins now.
    pub fn begin(person: &Person, device: Device, now: Timestamp) -> Self {
        Self {
            person: person.id,
            email: person.email.clone(),
            generation: person.generation,
            created_at: now,
            seen_at: now,
            device,
        }
    }

    /// What the audit log keeps of it.
    pub fn audited(&self) -> Value {
        let Device { address, browser } = &self.device;
        json!({ "address": address, "browser": browser, "since": self.created_at })
    }

    /// Whether it has come to its end by itself: it was not used for long, or began long ago.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.seen_at.plus(limits::SESSION_IDLE) || now >= self.created_at.plus(limits::SESSION_LIFE)
    }

    /// Whether it lets its person in now, as he is now.
    pub fn admits(&self, person: &Person, now: Timestamp) -> bool {
        !self.is_over(now)
            && !person.disabled
            && (person.id, person.generation) == (self.person, self.generation)
    }

    /// Whether it is time to write down that it is used.
    pub fn is_to_be_noted(&self, now: Timestamp) -> bool {
        now >= self.seen_at.plus(limits::SESSION_NOTED)
    }
}

#[cfg(test)]
mod tests {
    use super::super::staff::tests::person;
    use super::*;
    use crate::domain::people::Role;
    use crate::domain::time::Span;

    #[test]
    fn sessions_end_idle_and_in_any_case() {
        let start = Timestamp::from_millis(1_790_000_000_000);
        let ann = person(1, "ann@example.com", Role::Viewer);
        let mut session = Session::begin(&ann, Device::default(), start);
        let just_before = |span: Span| start.plus(span).minus(Span::from_millis(1));
        assert!(session.admits(&ann, just_before(limits::SESSION_IDLE)));
        assert!(!session.admits(&ann, start.plus(limits::SESSION_IDLE)));
        session.seen_at = start.plus(limits::SESSION_LIFE);
        assert!(session.admits(&ann, just_before(limits::SESSION_LIFE)));
        assert!(!session.admits(&ann, start.plus(limits::SESSION_LIFE)));
    }

    #[test]
    fn sessions_end_with_their_person() {
        let start = Timestamp::from_millis(1_790_000_000_000);
        let mut ann = person(1, "ann@example.com", Role::Viewer);
        let session = Session::begin(&ann, Device::default(), start);
        assert!(
            !session.admits(&person(2, "ann@example.com", Role::Admin), start),
            "another of that address"
        );
        ann.end_sessions();
        assert!(!session.admits(&ann, start));
        let session = Session::begin(&ann, Device::default(), start);
        ann.disabled = true;
        assert!(!session.admits(&ann, start));
    }
}
