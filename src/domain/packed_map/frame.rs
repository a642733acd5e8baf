//! The entries of a map as they are stored: one string of bytes, and where in it each entry begins.
//!
//! An entry is its key (where keys have no fixed size, with its length before it), then the value's length, then the value.
//! Entries stand in the order of their keys' bytes.

use std::ops::Range;

use super::MapKey;
use crate::domain::packed::{put_length, take_length};

/// Stored entries. What they are framed in was looked at when they were read, their values were not.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    bytes: Box<[u8]>,
    starts: Vec<u32>,
}

impl Frame {
    /// Takes stored bytes; what is wrong with them if they are none. Takes at most twice as much memory again as they do.
    pub(super) fn read<K: MapKey>(bytes: Box<[u8]>) -> Result<Self, &'static str> {
        if u32::try_from(bytes.len()).is_err() {
            return Err("a map is larger than 4 GiB");
        }
        // Room for entries that are rather short, so that it hardly ever has to grow.
        let mut starts = Vec::with_capacity(bytes.len() / 32);
        let mut rest = &*bytes;
        let mut before: Option<&[u8]> = None;
        while !rest.is_empty() {
            starts.push(u32::try_from(bytes.len() - rest.len()).map_err(|_| "a map is larger than 4 GiB")?);
            let (key, _) = take_entry::<K>(&mut rest).ok_or("a map ends in the middle of an entry")?;
            if before.is_some_and(|before| before >= key) {
                return Err("the keys of a map are not in order");
            }
            if K::from_bytes(key).is_none() {
                return Err("a key of a map is none");
            }
            before = Some(key);
        }
        Ok(Self { bytes, starts })
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The bytes as they are stored.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of the entries in these places.
    pub(super) fn slice(&self, places: Range<usize>) -> &[u8] {
        &self.bytes[self.start(places.start)..self.start(places.end)]
    }

    /// Key and value of the entry in that place.
    pub(super) fn entry<K: MapKey>(&self, place: usize) -> (&[u8], &[u8]) {
        let mut rest = &self.bytes[self.start(place)..];
        take_entry::<K>(&mut rest).expect("that the entries are whole was seen when they were read")
    }

    /// The place of that key, or where it would be.
    pub(super) fn find<K: MapKey>(&self, key: &[u8]) -> Result<usize, usize> {
        let mut places = 0..self.len();
        while !places.is_empty() {
            let middle = places.start + places.len() / 2;
            match self.entry::<K>(middle).0.cmp(key) {
                std::cmp::Ordering::Less => places.start = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => places.end = middle,
            }
        }
        Err(places.start)
    }

    fn start(&self, place: usize) -> usize {
        let start = self.starts.get(place).and_then(|start| usize::try_from(*start).ok());
        start.unwrap_or(self.bytes.len())
    }
}

/// Writes an entry.
pub(super) fn put_entry<K: MapKey>(key: &[u8], value: &[u8], bytes: &mut Vec<u8>) {
    if K::SIZE.is_none() {
        put_length(key.len(), bytes);
    }
    bytes.extend_from_slice(key);
    put_length(value.len(), bytes);
    bytes.extend_from_slice(value);
}

/// Takes an entry from the front; `None` where there is no whole one.
fn take_entry<'a, K: MapKey>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let length = match K::SIZE {
        Some(size) => size,
        None => take_length(bytes)?,
    };
    let key = bytes.split_off(..length)?;
    let length = take_length(bytes)?;
    Some((key, bytes.split_off(..length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_frame_is_refused() {
        let read = |bytes: &[u8]| Frame::read::<String>(bytes.into()).map(|frame| frame.len());
        assert_eq!(read(b""), Ok(0));
        assert_eq!(read(b"\x01a\x01x\x01b\x00"), Ok(2));
        for wrong in [
            &b"\x01"[..],
            b"\x01a",
            b"\x01a\x01",
            b"\x01b\x00\x01a\x00",
            b"\x01a\x00\x01a\x00",
            b"\x01\xff\x00",
            b"\xff\xff\xff\xff\x0fa",
            b"\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_is_found_in_its_place() {
        let mut bytes = Vec::new();
        for key in ["b", "d", "f"] {
            put_entry::<String>(key.as_bytes(), key.as_bytes(), &mut bytes);
        }
        let frame = Frame::read::<String>(bytes.into()).unwrap();
        let find = |key: &str| frame.find::<String>(key.as_bytes());
        assert_eq!(["b", "d", "f"].map(find), [Ok(0), Ok(1), Ok(2)]);
        assert_eq!(["", "c", "e", "g"].map(find), [Err(0), Err(1), Err(2), Err(3)]);
        assert_eq!(frame.entry::<String>(1), (&b"d"[..], &b"d"[..]));
        assert_eq!(frame.slice(1..3), b"\x01d\x01d\x01f\x01f");
    }
}
