//! Whose profile a call names: a collection, and `type:value`.

use super::refusal::Refusal;
use crate::domain::external_ids::{EMAIL, PHONE};
use crate::domain::ids::UserKey;
use crate::domain::profile::Profile;
use crate::engine::Engine;
use crate::http::profile_view::{ANONYMOUS_ID, GROUP_ID, USER_ID};

/// Users, or accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    Users,
    Accounts,
}

impl Collection {
    /// The one with that name.
    pub(super) fn named(name: &str) -> Result<Self, Refusal> {
        match name {
            "users" => Ok(Self::Users),
            "accounts" => Ok(Self::Accounts),
            _ => Err(Refusal::validation("The parameter `collection` is neither `users` nor `accounts`.")),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Accounts => "accounts",
        }
    }

    fn holds(self, key: &UserKey) -> bool {
        key.group_id().is_some() == (self == Self::Accounts)
    }
}

/// The profile with that id. Ids are looked up as they were sent, mail addresses and phone numbers in any case; of several
/// profiles with one of these, the one that changed last is meant.
pub(super) async fn profile(engine: &Engine, collection: Collection, id: &str) -> Result<Profile, Refusal> {
    let (kind, value) = id.split_once(':').ok_or_else(Refusal::no_profile)?;
    let found = match kind {
        USER_ID => engine.profile(&UserKey::user(value)).await?,
        ANONYMOUS_ID => engine.profile(&UserKey::anonymous(value)).await?,
        GROUP_ID => engine.profile(&UserKey::group(value)).await?,
        EMAIL | PHONE => {
            let mut found = engine.profiles_by_external_id(kind, value).await?;
            found.retain(|profile| collection.holds(&profile.key));
            found.into_iter().max_by_key(|profile| profile.updated_at)
        }
        _ => None,
    };
    found.filter(|profile| collection.holds(&profile.key)).ok_or_else(Refusal::no_profile)
}
