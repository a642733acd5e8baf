//! External ids follow the traits and phone numbers that they are.

use super::Decision;
use crate::domain::change::ExternalIdWrite;
use crate::domain::external_ids::{KINDS, PHONE};
use crate::domain::ids::UserKey;
use crate::domain::profile::{Profile, TraitValue};
use crate::domain::time::Timestamp;

impl Decision<'_> {
    /// Notes what changed about the external ids of the kind that has the trait's name; `before` are those it had. An
    /// account has none: they are for finding people.
    pub(super) fn note_external_ids(&mut self, profile: &Profile, trait_name: &str, before: &[String]) {
        if KINDS.contains(&trait_name) && profile.key.group_id().is_none() {
            self.write_external_ids(&profile.key, trait_name, before, &profile.external_ids(trait_name));
        }
    }

    /// Notes the address that a flow posted.
    pub(super) fn note_phone(&mut self, profile: &mut Profile, phone: &str, at: Timestamp) {
        match &mut profile.phone {
            Some(known) if at < known.at => return,
            Some(known) if known.value == phone => {
                known.at = at;
                return;
            }
            Some(_) | None => {}
        }
        let before = profile.external_ids(PHONE);
        profile.phone = Some(TraitValue { value: phone.into(), at });
        self.write_external_ids(&profile.key, PHONE, &before, &profile.external_ids(PHONE));
    }

    /// Those of a profile that became part of another, which had those in `before` until then.
    pub(super) fn move_external_ids(&mut self, from: &Profile, into: &Profile, before: &[Vec<String>]) {
        for (kind, before) in KINDS.into_iter().zip(before) {
            self.write_external_ids(&from.key, kind, &from.external_ids(kind), &[]);
            self.write_external_ids(&into.key, kind, before, &into.external_ids(kind));
        }
    }

    fn write_external_ids(&mut self, user: &UserKey, kind: &str, before: &[String], after: &[String]) {
        let mut write = |id: &String, present| {
            let (kind, id, user) = (kind.to_owned(), id.clone(), user.clone());
            self.changes.external_ids.push(ExternalIdWrite { kind, id, user, present });
        };
        before.iter().filter(|id| !after.contains(id)).for_each(|id| write(id, false));
        after.iter().filter(|id| !before.contains(id)).for_each(|id| write(id, true));
    }
}
