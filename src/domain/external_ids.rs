//! External ids: a person is found by e-mail address and phone number, too. Nobody is merged by them.

use super::profile::{Profile, TraitValue};

/// Kind of a mail address: the trait `email`.
pub const EMAIL: &str = "email";
/// Kind of a phone number: the trait `phone`, or what a flow posted.
pub const PHONE: &str = "phone";
/// Kind of a Studio execution that Studio itself may tell of: whose run it is.
pub const EXECUTION: &str = "execution";
/// Every kind that says something of a person.
pub const KINDS: [&str; 2] = [EMAIL, PHONE];
/// Longer ones are not looked for; in bytes.
const LONGEST: usize = 256;

/// What people type when they look for an external id, as it is looked up.
pub fn normal(id: &str) -> String {
    id.trim().to_lowercase()
}

impl Profile {
    /// The external ids of one kind, as they are looked up: sorted, none twice.
    pub fn external_ids(&self, kind: &str) -> Vec<String> {
        let posted = self.phone.as_ref().filter(|_| kind == PHONE);
        let text = |known: &TraitValue| known.value.as_str().map(normal);
        let mut ids: Vec<String> = self.traits.get(kind).into_iter().chain(posted).filter_map(text).collect();
        ids.retain(|id| !id.is_empty() && id.len() <= LONGEST);
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
