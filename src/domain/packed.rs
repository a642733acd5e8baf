//! Things stored as one string of bytes: a profile is written whole with each post, so what it holds has to be small.

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

/// Appends a length, in groups of seven bits, the lowest first; all but the last byte have the eighth set.
pub fn put_length(mut length: usize, bytes: &mut Vec<u8>) {
    while length > 0x7f {
        bytes.push(low_byte(length) | 0x80);
        length >>= 7;
    }
    bytes.push(low_byte(length));
}

fn low_byte(length: usize) -> u8 {
    u8::try_from(length & 0x7f).expect("seven bits")
}

/// Takes a length from the front; `None` where there is none. It takes five bytes at most: more than anything of up to 4 GiB
/// has.
pub fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *bytes.split_off_first()?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(length).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_back() {
        for length in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000, u32::MAX as usize] {
            let mut bytes = Vec::new();
            put_length(length, &mut bytes);
            let mut rest = bytes.as_slice();
            assert_eq!(take_length(&mut rest), Some(length));
            assert!(rest.is_empty() && bytes.len() <= 5);
            assert_eq!(take_length(&mut &bytes[..bytes.len() - 1]), None, "a length that is cut");
        }
        assert_eq!(take_length(&mut [0xff; 9].as_slice()), None, "a length without an end");
    }
}
