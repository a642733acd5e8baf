//! Records under their keys, and blocks of events.

use ::sled::IVec;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::keys;
use crate::domain::event::{Event, PAGE_VIEWED, SCREEN_VIEWED};
use crate::domain::ids::{EventId, UserKey};
use crate::store::{Result, StoreError, Wanted, codec};

/// The damage error of the row at `key`. Neither it nor `detail` may say what is in the row.
pub(super) fn corrupt(key: &[u8], detail: impl std::fmt::Display) -> StoreError {
    codec::corrupt(&keys::describe(key), detail)
}

pub(super) fn encode<T: Serialize>(key: &[u8], record: &T) -> Result<Vec<u8>> {
    encode_into(Vec::with_capacity(128), key, record)
}

/// The same, into bytes that have room for what is known to be long: growing copies it many times.
pub(super) fn encode_into<T: Serialize>(bytes: Vec<u8>, key: &[u8], record: &T) -> Result<Vec<u8>> {
    codec::encode_into(bytes, || keys::describe(key), record)
}

pub(super) fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T> {
    codec::decode(|| keys::describe(key), bytes)
}

pub(super) fn encode_json<T: Serialize>(key: &[u8], record: &T) -> Result<Vec<u8>> {
    codec::encode_json(|| keys::describe(key), record)
}

pub(super) fn decode_json<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T> {
    codec::decode_json(|| keys::describe(key), bytes)
}

/// Text that is a row's whole value.
pub(super) fn text(key: &[u8], bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|error| corrupt(key, error))
}

/// The fixed-size value of an index row.
pub(super) fn fixed<const N: usize>(key: &[u8], value: &IVec) -> Result<[u8; N]> {
    value.as_ref().try_into().map_err(|_| corrupt(key, format!("{} bytes instead of {N}", value.len())))
}

/// Set on the last block of a commit.
const ENDS_COMMIT: u8 = 1;
/// Bytes in front of each event of a block: its id and its length.
const EVENT_HEAD: usize = 16 + 4;

/// A block of events as it is being filled: a flag byte, then per event its id, its length and its record, so that one
/// event is found without reading the others.
#[derive(Default)]
pub(super) struct BlockBuilder {
    bytes: Vec<u8>,
    first: Option<EventId>,
}

impl BlockBuilder {
    /// Whether an event of that many bytes would make the block longer than `most`.
    pub(super) fn is_full_for(&self, bytes: usize, most: usize) -> bool {
        self.first.is_some() && self.bytes.len() + EVENT_HEAD + bytes > most
    }

    pub(super) fn push(&mut self, id: EventId, record: &[u8]) {
        if self.first.is_none() {
            self.first = Some(id);
            self.bytes = vec![0];
        }
        let len = u32::try_from(record.len()).expect("limits::MAX_EVENT_BYTES fits 32 bits");
        self.bytes.extend_from_slice(&id.to_bytes());
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(record);
    }

    /// The block's first id and its bytes; the builder is empty again.
    pub(super) fn finish(&mut self, ends_commit: bool) -> Option<(EventId, Vec<u8>)> {
        let first = self.first.take()?;
        let mut bytes = std::mem::take(&mut self.bytes);
        if ends_commit {
            bytes[0] |= ENDS_COMMIT;
        }
        Some((first, bytes))
    }
}

/// A block that was read.
pub(super) struct Block {
    pub ends_commit: bool,
    /// Each event's id and record, in the order of ids.
    pub events: Vec<(EventId, Vec<u8>)>,
}

impl Block {
    pub(super) fn read(key: &[u8], bytes: &[u8]) -> Result<Self> {
        let cut = || corrupt(key, "a block of events ends in the middle");
        let (flags, mut rest) = bytes.split_first().ok_or_else(cut)?;
        let mut events = Vec::new();
        while !rest.is_empty() {
            let (id, tail) = rest.split_first_chunk::<16>().ok_or_else(cut)?;
            let (len, tail) = tail.split_first_chunk::<4>().ok_or_else(cut)?;
            let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| cut())?;
            let (record, tail) = tail.split_at_checked(len).ok_or_else(cut)?;
            events.push((EventId::from_bytes(*id), record.to_vec()));
            rest = tail;
        }
        Ok(Self { ends_commit: flags & ENDS_COMMIT != 0, events })
    }
}

/// One event of a block.
pub(super) fn event(id: EventId, record: &[u8]) -> Result<Event> {
    let event: Event =
        rmp_serde::from_slice(record).map_err(|error| corrupt(&keys::event(id), format!("{id}: {error}")))?;
    Ok(event)
}

/// Whether the event is wanted, found out without making it.
pub(super) fn is_wanted(id: EventId, record: &[u8], wanted: &Wanted<'_>) -> Result<bool> {
    /// What says so in a stored [`Event`].
    #[derive(Deserialize)]
    struct Named<'r> {
        #[serde(rename = "u")]
        user_id: Option<&'r str>,
        #[serde(rename = "a")]
        anonymous_id: Option<&'r str>,
        #[serde(borrow, rename = "c")]
        call: NamedCall<'r>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum NamedCall<'r> {
        Track { event: &'r str },
        Page(IgnoredAny),
        Screen(IgnoredAny),
        Identify(IgnoredAny),
        Group(IgnoredAny),
        Alias(IgnoredAny),
    }
    let named: Named<'_> =
        rmp_serde::from_slice(record).map_err(|error| corrupt(&keys::event(id), format!("{id}: {error}")))?;
    let name = match named.call {
        NamedCall::Track { event } => event,
        NamedCall::Page(_) => PAGE_VIEWED,
        NamedCall::Screen(_) => SCREEN_VIEWED,
        NamedCall::Identify(_) | NamedCall::Group(_) | NamedCall::Alias(_) => return Ok(false),
    };
    let user = match (named.user_id, named.anonymous_id) {
        (Some(user), _) => UserKey::user(user),
        (None, anonymous) => UserKey::anonymous(anonymous.unwrap_or_default()),
    };
    Ok(wanted.accepts(name, &user))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    #[test]
    fn json_values_come_back_as_they_were() {
        let value = json!({
            "zebra": 1, "apple": [null, true, -1, 0, 1.0, -0.5, 1e300],
            "max": u64::MAX, "min": i64::MIN, "float": 3.0,
            "nested": {"z": {"a": "é\u{0}😀"}, "b": []}, "empty": {}, "": "",
        });
        let Value::Object(map) = &value else { panic!() };
        let back: Map<String, Value> = decode(b"k", &encode(b"k", map).unwrap()).unwrap();
        assert_eq!(&back, map);
        assert_eq!(serde_json::to_string(&back).unwrap(), value.to_string(), "order and number forms too");
    }

    #[test]
    fn a_field_may_be_added_later() {
        #[derive(Serialize)]
        struct Old {
            a: u32,
        }
        #[derive(serde::Deserialize)]
        struct New {
            a: u32,
            #[serde(default)]
            b: Option<String>,
        }
        let new: New = decode(b"k", &encode(b"k", &Old { a: 7 }).unwrap()).unwrap();
        assert_eq!((new.a, new.b), (7, None));
    }

    #[test]
    fn errors_say_nothing_of_what_is_stored() {
        #[derive(Debug, Serialize, serde::Deserialize)]
        struct Text {
            name: String,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Number {
            #[serde(rename = "name")]
            _name: u32,
        }
        for secret in ["alice@example.com", "a\" \\\"alice\" `alice`", "`alice", "\"alice"] {
            let bytes = encode(b"pu:alice", &Text { name: secret.to_owned() }).unwrap();
            let error = decode::<Number>(b"pu:alice", &bytes).unwrap_err().to_string();
            assert!(!error.contains("alice"), "{error}");
            let json = encode_json(b"pu:alice", &Text { name: secret.to_owned() }).unwrap();
            let error = decode_json::<Number>(b"pu:alice", &json).unwrap_err().to_string();
            assert!(!error.contains("alice") && error.contains("invalid type: string …"), "{error}");
            let error =
                decode_json::<EventId>(b"pu:alice", &serde_json::to_vec(secret).unwrap()).unwrap_err();
            assert!(!error.to_string().contains("alice"), "{error}");
        }
        let error = decode::<Text>(b"pu:alice", &[0x80]).unwrap_err().to_string();
        assert!(error.contains("missing field `name`") && error.contains("`profile #"), "{error}");
    }

    #[test]
    fn a_cut_block_is_an_error() {
        let mut builder = BlockBuilder::default();
        builder.push(EventId::from_bytes([1; 16]), b"one");
        builder.push(EventId::from_bytes([2; 16]), b"two");
        let (_, bytes) = builder.finish(true).unwrap();
        let block = Block::read(b"k", &bytes).unwrap();
        assert!(block.ends_commit);
        assert_eq!(block.events[1], (EventId::from_bytes([2; 16]), b"two".to_vec()));
        for cut in 2..bytes.len() {
            let whole_first = cut == 1 + 20 + 3;
            assert_eq!(Block::read(b"k", &bytes[..cut]).is_ok(), whole_first, "{cut}");
        }
    }
}
