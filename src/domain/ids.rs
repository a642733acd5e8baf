//! Names of things: time-ordered ids, KSUIDs and the key of a user.

use std::fmt;
use std::str::FromStr;

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::time::Timestamp;

/// Makes ids from the time and a seeded generator. Two sources with one seed and the same calls make the same ids.
#[derive(Debug)]
pub struct IdSource {
    rng: StdRng,
    last: u128,
}

impl IdSource {
    /// A source over the given seed; take it from `clock::entropy` in the running server.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { rng: StdRng::from_seed(seed), last: 0 }
    }

    /// From now on, makes only ids greater than the one of these bytes, even when the clock went back.
    pub fn start_after(&mut self, id: [u8; 16]) {
        self.last = self.last.max(u128::from_be_bytes(id));
    }

    /// The newest id that was made, or that it started after.
    pub fn newest(&self) -> [u8; 16] {
        self.last.to_be_bytes()
    }

    /// A fresh 128-bit id, greater than every id made before: 48 bits of milliseconds, then random bits.
    fn ordered(&mut self, now: Timestamp) -> u128 {
        let ms = u128::from(now.millis().max(0).unsigned_abs()) & 0xffff_ffff_ffff;
        let random = (u128::from(self.rng.next_u64()) << 16) | u128::from(self.rng.next_u32() & 0xffff);
        // The top random bit stays clear so that counting up within a millisecond has room.
        let candidate = (ms << 80) | (random & ((1 << 79) - 1));
        self.last = if candidate > self.last {
            candidate
        } else {
            // Same millisecond (or a clock that went back): a small random step keeps ids ordered and hard to guess, and apart
            // from those of others who start after the same one.
            self.last + 1 + u128::from(self.rng.next_u64() >> 16)
        };
        self.last
    }

    /// A fresh event id.
    pub fn event(&mut self, now: Timestamp) -> EventId {
        EventId(self.ordered(now))
    }
    /// A fresh journey id.
    pub fn journey(&mut self, now: Timestamp) -> JourneyId {
        JourneyId(self.ordered(now))
    }
    /// A fresh delivery id.
    pub fn delivery(&mut self, now: Timestamp) -> DeliveryId {
        DeliveryId(self.ordered(now))
    }
    /// A fresh backfill id.
    pub fn backfill(&mut self, now: Timestamp) -> BackfillId {
        BackfillId(self.ordered(now))
    }
    /// A fresh replay id.
    pub fn replay(&mut self, now: Timestamp) -> ReplayId {
        ReplayId(self.ordered(now))
    }
    /// A fresh id of a person.
    pub fn person(&mut self, now: Timestamp) -> PersonId {
        PersonId(self.ordered(now))
    }
    /// A fresh id of a token.
    pub fn token(&mut self, now: Timestamp) -> TokenId {
        TokenId(self.ordered(now))
    }
    /// A fresh id of an entry of the audit log.
    pub fn audit(&mut self, now: Timestamp) -> AuditId {
        AuditId(self.ordered(now))
    }
    /// A fresh leaf id.
    pub fn leaf(&mut self) -> LeafId {
        LeafId(self.rng.next_u64())
    }
    /// A random fraction in `0.0..1.0`, for jitter.
    pub fn fraction(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    /// `prefix` and a 27-character KSUID: seconds since 1400000000 and 16 random bytes, in base 62
    /// (the form of Segment's ids: `aud_…`, `personas_…`, `api-…`).
    pub fn ksuid(&mut self, prefix: &str, now: Timestamp) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let secs = (now.millis() / 1000 - 1_400_000_000).clamp(0, i64::from(u32::MAX));
        let mut words = [u32::try_from(secs).expect("clamped to u32"), 0, 0, 0, 0];
        for word in &mut words[1..] {
            *word = self.rng.next_u32();
        }
        let mut digits = [b'0'; 27];
        for digit in digits.iter_mut().rev() {
            let mut rest: u64 = 0;
            for word in &mut words {
                let value = (rest << 32) | u64::from(*word);
                *word = u32::try_from(value / 62).expect("quotient of a value below 62 * 2^32");
                rest = value % 62;
            }
            *digit = ALPHABET[usize::try_from(rest).expect("below 62")];
        }
        let mut id = String::with_capacity(prefix.len() + digits.len());
        id.push_str(prefix);
        id.extend(digits.iter().map(|&digit| char::from(digit)));
        id
    }

    /// A write key of a source.
    pub fn write_key(&mut self) -> String {
        self.secret("wk_", WRITE_KEY_BYTES)
    }

    /// `prefix` and `bytes` random bytes in lower-case hex, for secrets such as write keys and tokens.
    pub fn secret(&mut self, prefix: &str, bytes: usize) -> String {
        let mut raw = vec![0; bytes];
        self.rng.fill_bytes(&mut raw);
        format!("{prefix}{}", hex::encode(raw))
    }
}

/// Bytes of a write key that is made.
const WRITE_KEY_BYTES: usize = 16;

/// Crockford's base 32, lower-case: no `i`, `l`, `o`, `u`.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn encode(id: u128) -> [u8; 26] {
    let mut text = [0; 26];
    for (place, slot) in text.iter_mut().enumerate() {
        let digit = (id >> (125 - 5 * place)) & 31;
        *slot = BASE32[usize::try_from(digit).expect("five bits")];
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 26 || bytes[0] > b'7' {
        return None;
    }
    bytes.iter().try_fold(0u128, |id, byte| {
        let digit = BASE32.iter().position(|letter| letter == byte)?;
        Some((id << 5) | u128::try_from(digit).ok()?)
    })
}

/// A text is not the id it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form `{0}…`")]
pub struct IdError(&'static str);

macro_rules! ordered_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        ///
        /// Ids sort by the time they were made. Text form: a prefix and 26 characters of base 32.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The lowest id that could be made at `at`: the lower bound of a time range.
            pub fn floor(at: Timestamp) -> Self {
                Self((u128::from(at.millis().max(0).unsigned_abs()) & 0xffff_ffff_ffff) << 80)
            }
            /// The time it was made, to the millisecond.
            pub fn made_at(self) -> Timestamp {
                Timestamp::from_millis(i64::try_from(self.0 >> 80).expect("48 bits"))
            }
            /// The id behind it: nothing is between the two.
            pub fn successor(self) -> Self {
                Self(self.0.saturating_add(1))
            }
            /// Sixteen bytes whose order is the id's order.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }
            /// The inverse of [`Self::to_bytes`].
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&encode(self.0)).expect("base 32 is ASCII"))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or(IdError($prefix))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.to_bytes())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    deserializer.deserialize_bytes(BytesVisitor).map(|bytes| Self::from_bytes(bytes))
                }
            }
        }
    };
}

ordered_id!(/// An event in the log.
    EventId, "evt_");
ordered_id!(/// One run of one flow by one user.
    JourneyId, "jny_");
ordered_id!(/// One thing to send to one destination.
    DeliveryId, "dlv_");
ordered_id!(/// One reading of the past for new or changed computations.
    BackfillId, "bkf_");
ordered_id!(/// One replay of deliveries.
    ReplayId, "rpl_");
ordered_id!(/// A person who works with the console.
    PersonId, "per_");
ordered_id!(/// A token of the API.
    TokenId, "tok_");
ordered_id!(/// An entry of the audit log.
    AuditId, "adt_");

struct BytesVisitor;

impl de::Visitor<'_> for BytesVisitor {
    type Value = [u8; 16];
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sixteen bytes")
    }
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; 16], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

/// One aggregate inside queries. Random, so that a leaf made anew never meets old state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeafId(u64);

impl LeafId {
    /// Eight bytes whose order is the id's order.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }
}

/// Whose journey, profile and order it is: a user id, an anonymous id where there is no user id yet, a group of users, or
/// nobody: what is told of a destination itself.
///
/// Its text (`u:<userId>`, `a:<anonymousId>`, `g:<groupId>`) is the profile's key in the store; `d:<destination>` has no profile,
/// `o:flow:<name>` and `o:team:<key>` have one that is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserKey(Box<str>);

impl UserKey {
    /// The key of a known user.
    pub fn user(user_id: &str) -> Self {
        Self(format!("u:{user_id}").into())
    }
    /// The key of somebody known only by an anonymous id.
    pub fn anonymous(anonymous_id: &str) -> Self {
        Self(format!("a:{anonymous_id}").into())
    }
    /// The key of a group of users (an account).
    pub fn group(group_id: &str) -> Self {
        Self(format!("g:{group_id}").into())
    }
    /// The key under which is sent what is told of a destination itself.
    pub fn destination(key: &str) -> Self {
        Self(format!("d:{key}").into())
    }
    /// The key under which is kept what is known of a flow, or of a team, as a whole: what a digest gathers, and when a summary is
    /// next. It is nobody's profile, and not counted as one.
    pub fn desk(desk: &Desk<'_>) -> Self {
        match desk {
            Desk::Flow(name) => Self(format!("o:flow:{name}").into()),
            Desk::Team(key) => Self(format!("o:team:{key}").into()),
        }
    }
    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// From the key's text, if it has one of the five prefixes.
    pub fn from_key_text(text: &str) -> Option<Self> {
        ["u:", "a:", "g:", "d:", "o:"].iter().any(|kind| text.starts_with(kind)).then(|| Self(text.into()))
    }
    /// The user id, when it is a known user.
    pub fn user_id(&self) -> Option<&str> {
        self.0.strip_prefix("u:")
    }
    /// The anonymous id, when it is somebody known only by that.
    pub fn anonymous_id(&self) -> Option<&str> {
        self.0.strip_prefix("a:")
    }
    /// The group id, when it is a group.
    pub fn group_id(&self) -> Option<&str> {
        self.0.strip_prefix("g:")
    }
    /// Whether it is a desk's: nobody's, and not to be shown or counted as somebody.
    pub fn is_desk(&self) -> bool {
        self.0.starts_with("o:")
    }
    /// What it is the desk of, when it is one.
    pub fn desk_of(&self) -> Option<Desk<'_>> {
        let (kind, name) = self.0.strip_prefix("o:")?.split_once(':')?;
        match kind {
            "flow" => Some(Desk::Flow(name)),
            "team" => Some(Desk::Team(name)),
            _ => None,
        }
    }
}

/// What a desk is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desk<'a> {
    /// The flow with that name.
    Flow(&'a str),
    /// The team with that key.
    Team(&'a str),
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_even_when_the_clock_does_not() {
        let mut ids = IdSource::new([7; 32]);
        let now = Timestamp::from_millis(1_790_000_000_000);
        let mut last = ids.event(now);
        for step in 0..10_000 {
            let next = ids.event(Timestamp::from_millis(now.millis() - step));
            assert!(next > last);
            last = next;
        }
        assert_eq!(last.made_at().millis() / 1000, now.millis() / 1000);
        assert_eq!(last.to_string().parse::<EventId>(), Ok(last));
        assert!(last.to_string().parse::<JourneyId>().is_err());
    }

    #[test]
    fn a_key_is_of_one_kind() {
        let parts = |key: &UserKey| {
            [key.user_id(), key.anonymous_id(), key.group_id()].map(|id| id.map(str::to_owned))
        };
        let x = || Some("x".to_owned());
        assert_eq!(parts(&UserKey::user("x")), [x(), None, None]);
        assert_eq!(parts(&UserKey::anonymous("x")), [None, x(), None]);
        assert_eq!(parts(&UserKey::group("x")), [None, None, x()]);
        for key in
            [UserKey::user("a:"), UserKey::anonymous(""), UserKey::group("g:x"), UserKey::destination("x")]
        {
            assert_eq!(UserKey::from_key_text(key.as_str()), Some(key));
        }
        for text in ["", "u", "x:y", "gx"] {
            assert_eq!(UserKey::from_key_text(text), None, "{text}");
        }
    }

    #[test]
    fn ksuid_has_the_published_form() {
        let mut ids = IdSource::new([1; 32]);
        let id = ids.ksuid("aud_", Timestamp::from_millis(1_790_000_000_000));
        assert_eq!(id.len(), 4 + 27);
        let later = ids.ksuid("aud_", Timestamp::from_millis(1_790_000_002_000));
        assert!(later > id, "KSUIDs sort by their second");
    }
}
