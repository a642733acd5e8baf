//! Lists of fixed-size things, stored as one string of bytes: a profile is written whole with each post, so what it holds
//! has to be small.

use std::collections::VecDeque;
use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

/// Something of `SIZE` bytes.
pub trait Packed<const SIZE: usize>: Sized {
    /// Its bytes.
    fn pack(&self) -> [u8; SIZE];
    /// The inverse of [`Packed::pack`].
    fn unpack(bytes: [u8; SIZE]) -> Self;
}

/// Writes a list, for serde's `with`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer, T: Packed<SIZE>, const SIZE: usize>(
    list: &VecDeque<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::with_capacity(list.len() * SIZE);
    for item in list {
        bytes.extend_from_slice(&item.pack());
    }
    serializer.serialize_bytes(&bytes)
}

/// Reads a list, for serde's `with`.
///
/// # Errors
/// Those of the deserializer; a length that is no multiple of the items' size.
pub fn deserialize<'de, D: Deserializer<'de>, T: Packed<SIZE>, const SIZE: usize>(
    deserializer: D,
) -> Result<VecDeque<T>, D::Error> {
    let bytes = bytes(deserializer)?;
    let (items, rest) = bytes.as_chunks::<SIZE>();
    if !rest.is_empty() {
        return Err(de::Error::invalid_length(bytes.len(), &"a whole number of items"));
    }
    Ok(items.iter().map(|item| T::unpack(*item)).collect())
}

/// Reads a string of bytes.
///
/// # Errors
/// Those of the deserializer.
pub fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_bytes(Bytes)
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
    // JSON has no bytes; it writes them as a list of numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}
