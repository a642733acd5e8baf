//! What a profile says, as both APIs show it: its ids, its traits, its audiences.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::definition::{Computation, Definitions};
use crate::domain::external_ids::{EMAIL, PHONE, normal};
use crate::domain::ids::UserKey;
use crate::domain::profile::{Computed, Membership, Profile};
use crate::domain::time::Timestamp;

/// Kind of a known user's id.
pub const USER_ID: &str = "user_id";
/// Kind of a visitor's id.
pub const ANONYMOUS_ID: &str = "anonymous_id";
/// Kind of an account's id.
pub const GROUP_ID: &str = "group_id";
/// The kinds of ids that users have, as columns of files.
pub const USER_KINDS: [&str; 4] = [USER_ID, ANONYMOUS_ID, EMAIL, PHONE];
/// The kinds of ids that accounts have, as columns of files.
pub const ACCOUNT_KINDS: [&str; 3] = [GROUP_ID, EMAIL, PHONE];

/// One of the ids by which a profile is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalId {
    /// [`USER_ID`], [`ANONYMOUS_ID`], [`GROUP_ID`], `email` or `phone`.
    pub kind: &'static str,
    /// The id as it was sent.
    pub id: String,
    /// Since when, where that is remembered.
    pub since: Option<Timestamp>,
}

/// The ids by which a profile is found, by kind; of each kind its own, or newest, first.
pub fn external_ids(profile: &Profile) -> Vec<ExternalId> {
    let mut found = Vec::new();
    let mut add = |kind, id: &str, since| {
        // Mail addresses and phone numbers are the same in any case.
        let is_known = |known: &ExternalId| {
            known.kind == kind
                && (known.id == id || ((kind == EMAIL || kind == PHONE) && normal(&known.id) == normal(id)))
        };
        if !id.is_empty() && !found.iter().any(is_known) {
            found.push(ExternalId { kind, id: id.to_owned(), since });
        }
    };
    let (key, created) = (&profile.key, Some(profile.created_at));
    key.user_id().into_iter().for_each(|id| add(USER_ID, id, created));
    profile.former_ids.iter().rev().for_each(|id| add(USER_ID, id, None));
    key.anonymous_id().into_iter().for_each(|id| add(ANONYMOUS_ID, id, created));
    profile.anonymous_ids.iter().rev().for_each(|id| add(ANONYMOUS_ID, id, None));
    key.group_id().into_iter().for_each(|id| add(GROUP_ID, id, created));
    let named = [(EMAIL, profile.traits.get("email")), (PHONE, profile.traits.get("phone"))];
    for (kind, known) in named.into_iter().chain([(PHONE, profile.phone.as_ref())]) {
        if let Some((id, at)) = known.and_then(|known| Some((known.value.as_str()?, known.at))) {
            add(kind, id.trim(), Some(at));
        }
    }
    found
}

/// The same as lists by kind, the kinds in alphabetical order.
pub fn ids_by_kind(profile: &Profile) -> BTreeMap<&'static str, Vec<String>> {
    let mut kinds: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for known in external_ids(profile) {
        kinds.entry(known.kind).or_default().push(known.id);
    }
    kinds
}

/// Every trait that is not null, by name: custom ones, audiences as booleans, computed traits. What a computation that is
/// gone left behind is a trait like any other.
pub fn traits(profile: &Profile) -> BTreeMap<&str, Value> {
    let names = profile.traits.keys().map(String::as_str);
    let names = names.chain(profile.memberships.keys()).chain(profile.values.keys());
    names.filter_map(|name| Some((name, profile.trait_value(name)?.into_owned()))).collect()
}

/// The audiences that the profile ever was in, by key. One that was removed and defined again is another one: what is left
/// of the old one does not count.
pub fn memberships<'a>(
    profile: &'a Profile,
    definitions: &'a Definitions,
) -> impl Iterator<Item = (&'a Computation, Cow<'a, Membership>)> {
    profile.memberships.iter().filter_map(|(key, membership)| {
        let audience = definitions.audiences.get(key)?;
        (audience.id == membership.audience_id).then_some((&**audience, membership))
    })
}

/// The computed traits that the profile has a value of, by key.
pub fn computed<'a>(
    profile: &'a Profile,
    definitions: &'a Definitions,
) -> impl Iterator<Item = (&'a Computation, Cow<'a, Computed>)> {
    profile.values.iter().filter_map(|(key, computed)| {
        let definition = definitions.traits.get(key)?;
        (definition.id == computed.computation_id && !computed.value.is_null())
            .then_some((&**definition, computed))
    })
}

/// What the management API shows of a profile: `traits` (all of them), `audiences` (those it is in) and `computedTraits`.
pub fn facts(profile: &Profile, definitions: &Definitions) -> Map<String, Value> {
    let member = |(audience, membership): (&Computation, Cow<'_, Membership>)| {
        membership.member.then(|| (audience.key.clone(), Value::Bool(true)))
    };
    let value = |(definition, computed): (&Computation, Cow<'_, Computed>)| {
        (definition.key.clone(), computed.value.clone())
    };
    let own = |(name, value): (&str, Value)| (name.to_owned(), value);
    let mut facts = Map::new();
    facts.insert("traits".into(), traits(profile).into_iter().map(own).collect());
    facts.insert("audiences".into(), memberships(profile, definitions).filter_map(member).collect());
    facts.insert("computedTraits".into(), computed(profile, definitions).map(value).collect());
    facts
}

/// Who it is, as fields: `userId`, or for a visitor `userId: null` and `anonymousId`, or for an account `groupId`.
pub fn who(key: &UserKey) -> Map<String, Value> {
    let mut shown = Map::new();
    if let Some(group) = key.group_id() {
        shown.insert("groupId".into(), group.into());
        return shown;
    }
    shown.insert("userId".into(), key.user_id().into());
    if let Some(anonymous) = key.anonymous_id() {
        shown.insert("anonymousId".into(), anonymous.into());
    }
    shown
}

/// Who it is, in one word: the user's or the account's id, or for a visitor `anonymous:<anonymousId>`.
pub fn name(key: &UserKey) -> String {
    match (key.user_id().or(key.group_id()), key.anonymous_id()) {
        (Some(id), _) => id.to_owned(),
        (None, anonymous) => format!("anonymous:{}", anonymous.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::TraitValue;

    fn value(value: &str, at: i64) -> TraitValue {
        TraitValue { value: value.into(), at: Timestamp::from_millis(at) }
    }

    #[test]
    fn ids_are_listed_by_kind_with_the_newest_first() {
        let mut profile = Profile::new(UserKey::user("u1"), Timestamp::from_millis(1));
        profile.former_ids = vec!["old".into(), "older name".into()];
        profile.anonymous_ids = vec!["a1".into(), "a2".into()];
        profile.traits.insert("email".into(), value("A@B.io", 2));
        profile.traits.insert("phone".into(), value("+1555", 3));
        profile.phone = Some(value(" +1555 ", 4));
        let kinds = ids_by_kind(&profile);
        assert_eq!(kinds[USER_ID], ["u1", "older name", "old"]);
        assert_eq!(kinds[ANONYMOUS_ID], ["a2", "a1"]);
        assert_eq!((&kinds[EMAIL], &kinds[PHONE]), (&vec!["A@B.io".into()], &vec!["+1555".into()]));
        let since = |id: &str| external_ids(&profile).into_iter().find(|known| known.id == id).unwrap().since;
        assert_eq!(
            [since("u1"), since("a1"), since("+1555")].map(|at| at.map(Timestamp::millis)),
            [Some(1), None, Some(3)]
        );
        profile.phone = Some(value("+1666", 4));
        assert_eq!(ids_by_kind(&profile)[PHONE], ["+1555", "+1666"]);
        profile.traits.insert("email".into(), TraitValue { value: 7.into(), at: Timestamp::from_millis(2) });
        assert!(!ids_by_kind(&profile).contains_key(EMAIL));
    }

    #[test]
    fn everybody_has_a_name() {
        for (key, word, fields) in [
            (UserKey::user("u"), "u", r#"{"userId":"u"}"#),
            (UserKey::anonymous("a"), "anonymous:a", r#"{"userId":null,"anonymousId":"a"}"#),
            (UserKey::group("g"), "g", r#"{"groupId":"g"}"#),
        ] {
            assert_eq!((name(&key).as_str(), Value::Object(who(&key)).to_string().as_str()), (word, fields));
        }
    }
}
