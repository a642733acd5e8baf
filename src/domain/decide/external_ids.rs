//! External ids: a person is found by e-mail address and phone number, too. Nobody is merged by them.

use super::Decision;
use crate::domain::change::ExternalIdWrite;
use crate::domain::ids::UserKey;
use crate::domain::profile::{Profile, TraitValue};
use crate::domain::time::Timestamp;

/// The trait that is an external id, with its kind.
const TRAITS: [(&str, &str); 2] = [("email", EMAIL), ("phone", PHONE)];
/// Kind of a mail address.
pub const EMAIL: &str = "email";
/// Kind of a phone number: the trait `phone`, or what a flow posted.
pub const PHONE: &str = "phone";
/// Longer ones are not looked for.
const LONGEST: usize = 256;

/// What people type when they look for an external id, as it is looked up.
pub fn normal(id: &str) -> String {
    id.trim().to_lowercase()
}

/// The external ids of one kind that a profile has, before something changes.
pub(super) struct ExternalIds(Vec<String>);

impl ExternalIds {
    /// Those that the trait of that name is one of.
    pub(super) fn of(profile: &Profile, trait_name: &str) -> Self {
        let kind = TRAITS.iter().find(|(name, _)| *name == trait_name).map(|(_, kind)| *kind);
        Self(kind.map(|kind| of_kind(profile, kind)).unwrap_or_default())
    }
}

fn of_kind(profile: &Profile, kind: &str) -> Vec<String> {
    let traits =
        TRAITS.iter().filter(|(_, of)| *of == kind).filter_map(|(name, _)| profile.traits.get(*name));
    let posted = profile.phone.as_ref().filter(|_| kind == PHONE);
    let text = |known: &TraitValue| known.value.as_str().map(normal);
    let mut ids: Vec<String> = traits.chain(posted).filter_map(text).collect();
    ids.retain(|id| !id.is_empty() && id.len() <= LONGEST);
    ids.sort_unstable();
    ids.dedup();
    ids
}

impl Decision<'_> {
    /// Notes what changed about the external ids that the trait of that name is one of.
    pub(super) fn note_external_ids(&mut self, profile: &Profile, trait_name: &str, before: ExternalIds) {
        if let Some((_, kind)) = TRAITS.iter().find(|(name, _)| *name == trait_name) {
            let after = of_kind(profile, kind);
            self.write_external_ids(&profile.key, kind, &before.0, &after);
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
        let before = of_kind(profile, PHONE);
        profile.phone = Some(TraitValue { value: phone.into(), at });
        let after = of_kind(profile, PHONE);
        self.write_external_ids(&profile.key, PHONE, &before, &after);
    }

    /// Those of a profile that became part of another.
    pub(super) fn move_external_ids(&mut self, from: &Profile, into: &Profile) {
        for kind in [EMAIL, PHONE] {
            self.write_external_ids(&from.key, kind, &of_kind(from, kind), &[]);
            self.write_external_ids(&into.key, kind, &[], &of_kind(into, kind));
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
