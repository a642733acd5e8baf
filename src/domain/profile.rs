//! Profiles: what is known of one user.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::{EventId, LeafId, UserKey};
use super::journey::Journey;
use super::packed::{self, Packed};
use super::query::LeafState;
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
    /// Anonymous ids that came together with the user id; the newest five.
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    pub anonymous_ids: Vec<String>,
    /// State of the leaves that have counted something.
    #[serde(rename = "l", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leaves: BTreeMap<LeafId, LeafState>,
    /// By audience key; only those that he ever was in.
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memberships: BTreeMap<String, Membership>,
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
    /// Whose profile this one became part of; everything else is empty then.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<UserKey>,
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
            leaves: BTreeMap::new(),
            memberships: BTreeMap::new(),
            journeys: Vec::new(),
            recent: VecDeque::new(),
            seen: Seen::default(),
            wake_at: None,
            merged_into: None,
        }
    }

    /// The value of a trait as queries and receivers see it: an audience that the user ever was in as a boolean (whatever
    /// a receiver sends back under its name), else a custom trait that is not null.
    pub fn trait_value(&self, name: &str) -> Option<Value> {
        if let Some(membership) = self.memberships.get(name) {
            return Some(Value::Bool(membership.member));
        }
        self.traits.get(name).map(|known| known.value.clone()).filter(|value| !value.is_null())
    }
}
