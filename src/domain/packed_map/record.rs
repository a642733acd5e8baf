//! A packed map inside a record: a string of bytes; where people read it, a map like any other.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use super::frame::Frame;
use super::{MapKey, MapValue, PackedMap};

const DAMAGED: &str = "a value of a packed map can't be read";

impl<K: MapKey, V: MapValue> Serialize for PackedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_damaged() {
            return Err(ser::Error::custom(DAMAGED));
        }
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.pack());
        }
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, held) in self.held() {
            let value = self.open(held).ok_or_else(|| ser::Error::custom(DAMAGED))?;
            map.serialize_entry(&key, &*value)?;
        }
        map.end()
    }
}

/// Also reads a map with a record for each entry: what was stored before maps were packed.
impl<'de, K: MapKey + Deserialize<'de>, V: MapValue> Deserialize<'de> for PackedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Entries(PhantomData))
    }
}

struct Entries<K, V>(PhantomData<fn() -> (K, V)>);

impl<'de, K: MapKey + Deserialize<'de>, V: MapValue> Visitor<'de> for Entries<K, V> {
    type Value = PackedMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a packed map, or a map")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let stored = Frame::read::<K>(bytes.into()).map_err(E::custom)?;
        Ok(PackedMap { stored, ..PackedMap::default() })
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        self.visit_bytes(&bytes)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = PackedMap::default();
        while let Some((key, value)) = entries.next_entry::<K, V>()? {
            map.insert(key.as_ref(), value);
        }
        Ok(map)
    }
}
