//! Profiles: what is known of one user.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::desk::DeskState;
use super::ids::{DeliveryId, EventId, LeafId, UserKey};
use super::journey::Journey;
use super::leaf::{LeafState, Pages};
use super::packed::{self, Packed};
use super::packed_map::{MapValue, PackedMap};
use super::time::Timestamp;

/// One trait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraitValue {
    /// Its value; `null` once it was removed.
    #[serde(rename = "v")]
    pub value: Value,
    /// When it got that value; an older identify that arrives later does not change it.
    #[serde(rename = "t")]
    pub at: Timestamp,
}

/// Whether the user is in an audience.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The audience's id (`aud_…`).
    #[serde(rename = "a")]
    pub audience_id: String,
    /// In or out.
    #[serde(rename = "m")]
    pub member: bool,
    /// Since when.
    #[serde(rename = "s")]
    pub since: Timestamp,
    /// When it changed before that, oldest first: each time from in to out or from out to in. The newest
    /// `limits::MEMBERSHIP_CHANGES` are kept.
    #[serde(rename = "e", default)]
    pub earlier: Vec<Timestamp>,
}

impl Membership {
    /// Every change that is remembered, newest first: in or out, and when.
    pub fn changes(&self) -> impl Iterator<Item = (bool, Timestamp)> {
        let mut member = !self.member;
        std::iter::once(self.since).chain(self.earlier.iter().rev().copied()).map(move |at| {
            member = !member;
            (member, at)
        })
    }
}

impl MapValue for Membership {}

/// The value of a computed trait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Computed {
    /// The trait's id (`tra_…`).
    #[serde(rename = "i")]
    pub computation_id: String,
    /// Its value; null once it became empty.
    #[serde(rename = "v")]
    pub value: Value,
    /// Since when.
    #[serde(rename = "s")]
    pub since: Timestamp,
}

impl MapValue for Computed {}

/// What an account's profile knows of its users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Users {
    /// How many known users are linked to it.
    #[serde(rename = "n")]
    pub known: u64,
    /// How many visitors of whom only an anonymous id is known.
    #[serde(rename = "a", default, skip_serializing_if = "is_zero")]
    pub anonymous: u64,
    /// Of how many of both each part of an account-level query is true.
    #[serde(rename = "y", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub yes: BTreeMap<LeafId, u64>,
}

impl Users {
    /// Whether nobody is linked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One more is linked.
    pub fn count(&mut self, anonymous: bool) {
        *self.of(anonymous) += 1;
    }

    /// One is no longer linked.
    pub fn count_off(&mut self, anonymous: bool) {
        let count = self.of(anonymous);
        *count = count.saturating_sub(1);
    }

    fn of(&mut self, anonymous: bool) -> &mut u64 {
        if anonymous { &mut self.anonymous } else { &mut self.known }
    }

    /// A part is no longer true of one of them.
    pub fn count_no_longer(&mut self, part: LeafId) {
        if let Some(count) = self.yes.get_mut(&part) {
            *count = count.saturating_sub(1);
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Sixteen bytes of the SHA-256 of a message id.
pub type MessageHash = [u8; 16];

/// Message ids seen lately, so that a repetition is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The newest ones, oldest first, with their arrival.
    #[serde(rename = "r", default, with = "packed", skip_serializing_if = "VecDeque::is_empty")]
    pub recent: VecDeque<(MessageHash, Timestamp)>,
    /// Until when some that moved to records of their own still count.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub spilled_until: Option<Timestamp>,
}

impl Seen {
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.spilled_until.is_none()
    }
}

impl Packed<24> for (MessageHash, Timestamp) {
    fn pack(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.0);
        bytes[16..].copy_from_slice(&self.1.millis().to_be_bytes());
        bytes
    }

    fn unpack(bytes: [u8; 24]) -> Self {
        let (mut hash, mut at) = (MessageHash::default(), [0; 8]);
        hash.copy_from_slice(&bytes[..16]);
        at.copy_from_slice(&bytes[16..]);
        (hash, Timestamp::from_millis(i64::from_be_bytes(at)))
    }
}

impl Packed<16> for EventId {
    fn pack(&self) -> [u8; 16] {
        self.to_bytes()
    }

    fn unpack(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }
}

/// The pages of a profile's leaf states that are in memory. They are stored beside the profile, not in it, so they make no
/// difference between two of them.
#[derive(Clone, Debug, Default)]
pub struct LoadedPages(BTreeMap<LeafId, Pages>);

impl PartialEq for LoadedPages {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl LoadedPages {
    /// Those of one leaf.
    pub fn of(&self, leaf: LeafId) -> Option<&Pages> {
        self.0.get(&leaf)
    }

    /// Those of one leaf, to be changed.
    pub fn of_mut(&mut self, leaf: LeafId) -> &mut Pages {
        self.0.entry(leaf).or_default()
    }

    /// Lets go of those of one leaf.
    pub fn forget(&mut self, leaf: LeafId) {
        self.0.remove(&leaf);
    }

    /// All of them, by leaf; none are left.
    pub fn take(&mut self) -> BTreeMap<LeafId, Pages> {
        std::mem::take(&mut self.0)
    }
}

/// What is known of one user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Whose it is.
    #[serde(rename = "k")]
    pub key: UserKey,
    /// When he was first seen.
    #[serde(rename = "c")]
    pub created_at: Timestamp,
    /// When something about him changed last.
    #[serde(rename = "u")]
    pub updated_at: Timestamp,
    /// By name.
    #[serde(rename = "t", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub traits: BTreeMap<String, TraitValue>,
    /// The person's address, as last posted by a flow.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<TraitValue>,
    /// Anonymous ids that are the same person; the newest `limits::MAX_LINKED_IDS`. (`n` listed them before profiles merged.)
    #[serde(rename = "ai", default, skip_serializing_if = "Vec::is_empty")]
    pub anonymous_ids: Vec<String>,
    /// User ids whose profiles became part of this one; the newest `limits::MAX_LINKED_IDS`.
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    pub former_ids: Vec<String>,
    /// Whose profile this one became part of; everything else is empty then.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<UserKey>,
    /// Accounts that the user is linked to, in the order they were.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The users of an account.
    #[serde(rename = "us", default, skip_serializing_if = "Users::is_empty")]
    pub users: Users,
    /// State of the leaves that have counted something. (`l` held them in a form of its own before there were pages.)
    #[serde(rename = "L", default, skip_serializing_if = "PackedMap::is_empty")]
    pub leaves: PackedMap<LeafId, LeafState>,
    /// The pages of those states that are in memory; stored as records of their own.
    #[serde(skip)]
    pub pages: LoadedPages,
    /// Which parts of account-level queries are true of the user.
    #[serde(rename = "q", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<LeafId, bool>,
    /// By audience key; only those that he ever was in.
    #[serde(rename = "m", default, skip_serializing_if = "PackedMap::is_empty")]
    pub memberships: PackedMap<String, Membership>,
    /// Computed traits by key; only those that ever had a value.
    #[serde(rename = "v", default, skip_serializing_if = "PackedMap::is_empty")]
    pub values: PackedMap<String, Computed>,
    /// Open journeys and the newest finished ones, in the order they were opened.
    #[serde(rename = "j", default, skip_serializing_if = "Vec::is_empty")]
    pub journeys: Vec<Journey>,
    /// His newest events, oldest first.
    #[serde(rename = "e", default, with = "packed", skip_serializing_if = "VecDeque::is_empty")]
    pub recent: VecDeque<EventId>,
    /// Message ids seen lately.
    #[serde(rename = "s", default, skip_serializing_if = "Seen::is_empty")]
    pub seen: Seen,
    /// When his timer is set to wake; what there is to do then is decided from his state.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// The newest delivery that was made for him; kept where several nodes make deliveries, whose clocks differ: a user's
    /// deliveries go in the order of their ids.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub newest_delivery: Option<DeliveryId>,
    /// What a desk keeps; `None` for people and accounts.
    #[serde(rename = "dk", default, skip_serializing_if = "Option::is_none")]
    pub desk: Option<Box<DeskState>>,
    /// How often it was written, in a store that several nodes share; 0 in any other, and in one that is not stored yet.
    #[serde(skip)]
    pub revision: u64,
}

impl Profile {
    /// Somebody of whom nothing is known yet.
    pub fn new(key: UserKey, now: Timestamp) -> Self {
        Self {
            key,
            created_at: now,
            updated_at: now,
            traits: BTreeMap::new(),
            phone: None,
            anonymous_ids: Vec::new(),
            former_ids: Vec::new(),
            merged_into: None,
            groups: Vec::new(),
            users: Users::default(),
            leaves: PackedMap::new(),
            pages: LoadedPages::default(),
            parts: BTreeMap::new(),
            memberships: PackedMap::new(),
            values: PackedMap::new(),
            journeys: Vec::new(),
            recent: VecDeque::new(),
            seen: Seen::default(),
            wake_at: None,
            newest_delivery: None,
            desk: None,
            revision: 0,
        }
    }

    /// Whether it was made at `now` and nothing has been evaluated for it yet.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.created_at == now && self.memberships.is_empty() && self.values.is_empty()
    }

    /// Whether his key, and every other id that is listed as his (the newest `limits::MAX_LINKED_IDS` of each kind), is `last`
    /// or before it in the order of keys.
    pub fn is_behind(&self, last: &UserKey) -> bool {
        let anonymous = self.anonymous_ids.iter().map(|id| UserKey::anonymous(id));
        let former = self.former_ids.iter().map(|id| UserKey::user(id));
        self.key <= *last && anonymous.chain(former).all(|other| other <= *last)
    }

    /// Whether something of it was asked for that can't be read, so that what was decided on it is not to be written.
    pub fn is_damaged(&self) -> bool {
        self.leaves.is_damaged() || self.memberships.is_damaged() || self.values.is_damaged()
    }

    /// Whether everything that people are shown of it can be read.
    pub fn is_whole(&self) -> bool {
        // Reading notes what can't be read.
        self.memberships.iter().for_each(drop);
        self.values.iter().for_each(drop);
        !self.is_damaged()
    }

    /// The value of a trait as queries and receivers see it: an audience that the user ever was in as a boolean, a
    /// computed trait (whatever a receiver sends back under their names), else a custom trait that is not null.
    pub fn trait_value(&self, name: &str) -> Option<Cow<'_, Value>> {
        if let Some(membership) = self.memberships.get(name) {
            return Some(Cow::Owned(Value::Bool(membership.member)));
        }
        let computed = self.values.get(name).map(|computed| match computed {
            Cow::Borrowed(computed) => Cow::Borrowed(&computed.value),
            Cow::Owned(computed) => Cow::Owned(computed.value),
        });
        let value = computed.or_else(|| self.traits.get(name).map(|known| Cow::Borrowed(&known.value)));
        value.filter(|value| !value.is_null())
    }
}
