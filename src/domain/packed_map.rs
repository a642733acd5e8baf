//! A map that stays as it was stored until an entry is asked for. An event touches few of the entries of a profile, which is
//! read and written whole.

mod frame;
mod record;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::frame::{Frame, put_entry};
use super::ids::LeafId;

/// A key of a [`PackedMap`]: something whose order is that of some bytes.
pub trait MapKey {
    /// A key as it is handed in and out: borrowed, or small enough to be copied.
    type Ref<'a>: Copy + fmt::Debug + Serialize;
    /// Its bytes.
    type Bytes<'a>: AsRef<[u8]>;
    /// How many bytes every key has, where it is always as many.
    const SIZE: Option<usize>;

    /// The key to be handed around.
    fn as_ref(&self) -> Self::Ref<'_>;
    /// Bytes whose order is the key's.
    fn bytes(key: Self::Ref<'_>) -> Self::Bytes<'_>;
    /// The inverse of [`MapKey::bytes`]; `None` where they are no key's.
    fn from_bytes(bytes: &[u8]) -> Option<Self::Ref<'_>>;
}

impl MapKey for String {
    type Ref<'a> = &'a str;
    type Bytes<'a> = &'a [u8];
    const SIZE: Option<usize> = None;

    fn as_ref(&self) -> &str {
        self
    }
    fn bytes(key: Self::Ref<'_>) -> Self::Bytes<'_> {
        key.as_bytes()
    }
    fn from_bytes(bytes: &[u8]) -> Option<&str> {
        std::str::from_utf8(bytes).ok()
    }
}

impl MapKey for LeafId {
    type Ref<'a> = Self;
    type Bytes<'a> = [u8; 8];
    const SIZE: Option<usize> = Some(8);

    fn as_ref(&self) -> Self {
        *self
    }
    fn bytes(key: Self::Ref<'_>) -> Self::Bytes<'_> {
        key.to_bytes()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_bytes)
    }
}

/// A value of a [`PackedMap`]: something that is stored on its own.
///
/// As it stands it is MessagePack, of a struct the list of its fields: more may be added later behind the others, with a
/// standard value (none may be skipped when it is empty, or they would change places). One with named fields is read, too.
pub trait MapValue: Clone + Serialize + DeserializeOwned {
    /// Appends its stored form.
    fn pack(&self, bytes: &mut Vec<u8>) {
        rmp_serde::encode::write(bytes, self).expect("a value holds nothing that MessagePack can't");
    }

    /// Reads the stored form; `None` where that can't be done.
    fn unpack(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

/// A value as the map has it.
#[derive(Debug)]
pub enum Held<'a, V> {
    /// As it was stored.
    Packed(&'a [u8]),
    /// Read to be changed, or put there.
    Open(&'a V),
}

impl<V> Copy for Held<'_, V> {}

impl<V> Clone for Held<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, V: MapValue> Held<'a, V> {
    /// The value; `None` where it can't be read.
    fn open(self) -> Option<Cow<'a, V>> {
        match self {
            Self::Packed(bytes) => V::unpack(bytes).map(Cow::Owned),
            Self::Open(value) => Some(Cow::Borrowed(value)),
        }
    }
}

/// A map from keys to values that stays as it was stored until an entry is asked for.
///
/// Reading and writing it whole costs about what copying its bytes costs, however many entries it has; finding a key some
/// comparisons; reading a value what it takes to make it out of its bytes, each time. What is read to be changed, put or
/// removed is kept beside the bytes, and merged with them as they are written; so are all entries where a form with a
/// record of its own for each was read. Up to 4 GiB.
///
/// **Damage.** Bytes that are no entries fail to be read. A value that can't be read is found only when it is asked for:
/// it counts as absent, and [`PackedMap::is_damaged`] says so from then on: what was decided on it is not to be written.
/// Such a map refuses to be.
pub struct PackedMap<K, V> {
    stored: Frame,
    /// By the bytes of its key, each value that is not as in `stored`; `None`: it is gone.
    changed: BTreeMap<Box<[u8]>, Option<V>>,
    /// Atomic because reading is enough to find damage.
    is_damaged: AtomicBool,
    keys: PhantomData<fn() -> K>,
}

impl<K: MapKey, V: MapValue> PackedMap<K, V> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        let count = |of: bool, is_stored: bool| {
            self.changed
                .iter()
                .filter(|(key, value)| value.is_some() == of && self.is_stored(key) == is_stored)
                .count()
        };
        self.stored.len() + count(true, false) - count(false, true)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        if self.changed.is_empty() { self.stored.len() == 0 } else { self.held().next().is_none() }
    }

    /// Whether there is a value of that key.
    pub fn contains_key(&self, key: K::Ref<'_>) -> bool {
        self.find(K::bytes(key).as_ref()).is_some()
    }

    /// The value of that key: made out of its bytes each time, unless it was read to be changed.
    pub fn get(&self, key: K::Ref<'_>) -> Option<Cow<'_, V>> {
        self.open(self.find(K::bytes(key).as_ref())?)
    }

    /// The same; one that can't be read is as good as absent, and not noted. For those who only prepare.
    pub fn peek(&self, key: K::Ref<'_>) -> Option<Cow<'_, V>> {
        self.find(K::bytes(key).as_ref())?.open()
    }

    /// The value of that key, to be changed: it is written anew, changed or not.
    pub fn get_mut(&mut self, key: K::Ref<'_>) -> Option<&mut V> {
        let key = K::bytes(key);
        let key = key.as_ref();
        if !self.changed.contains_key(key) {
            let value = self.open(self.find(key)?)?.into_owned();
            self.changed.insert(key.into(), Some(value));
        }
        self.changed.get_mut(key)?.as_mut()
    }

    /// The same; where there is none, the standard value is put.
    pub fn get_or_default(&mut self, key: K::Ref<'_>) -> &mut V
    where
        V: Default,
    {
        if self.get_mut(key).is_none() {
            self.insert(key, V::default());
        }
        self.get_mut(key).expect("where there was none, one was put just now")
    }

    /// Puts a value, in the place of the one that is there.
    pub fn insert(&mut self, key: K::Ref<'_>, value: V) {
        self.changed.insert(K::bytes(key).as_ref().into(), Some(value));
    }

    /// Removes a value; says whether there was one.
    pub fn remove(&mut self, key: K::Ref<'_>) -> bool {
        let key = K::bytes(key);
        let key = key.as_ref();
        if self.find(key).is_none() {
            return false;
        }
        if self.is_stored(key) {
            self.changed.insert(key.into(), None);
        } else {
            self.changed.remove(key);
        }
        true
    }

    /// The keys, in order. No value is read.
    pub fn keys(&self) -> impl Iterator<Item = K::Ref<'_>> {
        self.held().map(|(key, _)| key)
    }

    /// All entries, in the order of keys. Every value is read; one that can't be is left out.
    pub fn iter(&self) -> impl Iterator<Item = (K::Ref<'_>, Cow<'_, V>)> {
        self.held().filter_map(|(key, held)| Some((key, self.open(held)?)))
    }

    /// All entries as the map has them, in the order of keys: for those who can tell from the bytes what they want to know.
    pub fn held(&self) -> impl Iterator<Item = (K::Ref<'_>, Held<'_, V>)> {
        let mut places = (0..self.stored.len()).peekable();
        let mut changed = self.changed.iter().peekable();
        let entries = std::iter::from_fn(move || {
            loop {
                let stored = places.peek().map(|place| self.stored.entry::<K>(*place));
                match (stored, changed.peek()) {
                    (Some((key, value)), other) if other.is_none_or(|(other, _)| *key < ***other) => {
                        places.next();
                        return Some((key, Held::Packed(value)));
                    }
                    (None, None) => return None,
                    (stored, _) => {
                        let (key, value) = changed.next()?;
                        if stored.is_some_and(|(replaced, _)| *replaced == **key) {
                            places.next();
                        }
                        if let Some(value) = value {
                            return Some((&**key, Held::Open(value)));
                        }
                    }
                }
            }
        });
        entries.filter_map(|(key, held)| Some((K::from_bytes(key)?, held)))
    }

    /// Whether a value was asked for that can't be read.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    fn is_stored(&self, key: &[u8]) -> bool {
        self.stored.find::<K>(key).is_ok()
    }

    fn find(&self, key: &[u8]) -> Option<Held<'_, V>> {
        if let Some(changed) = self.changed.get(key) {
            return changed.as_ref().map(Held::Open);
        }
        self.stored.find::<K>(key).ok().map(|place| Held::Packed(self.stored.entry::<K>(place).1))
    }

    fn open<'a>(&self, held: Held<'a, V>) -> Option<Cow<'a, V>> {
        let value = held.open();
        if value.is_none() {
            self.is_damaged.store(true, Ordering::Relaxed);
        }
        value
    }

    /// The form that is stored. What did not change is copied.
    fn pack(&self) -> Cow<'_, [u8]> {
        if self.changed.is_empty() {
            return self.stored.bytes().into();
        }
        let mut bytes = Vec::with_capacity(self.stored.bytes().len() + 128 * self.changed.len());
        let mut packed = Vec::new();
        let mut copied = 0;
        for (key, value) in &self.changed {
            let found = self.stored.find::<K>(key);
            let (Ok(place) | Err(place)) = found;
            bytes.extend_from_slice(self.stored.slice(copied..place));
            copied = place + usize::from(found.is_ok());
            if let Some(value) = value {
                packed.clear();
                value.pack(&mut packed);
                put_entry::<K>(key, &packed, &mut bytes);
            }
        }
        bytes.extend_from_slice(self.stored.slice(copied..self.stored.len()));
        bytes.into()
    }
}

impl<K, V> Default for PackedMap<K, V> {
    fn default() -> Self {
        Self {
            stored: Frame::default(),
            changed: BTreeMap::new(),
            is_damaged: AtomicBool::new(false),
            keys: PhantomData,
        }
    }
}

impl<K, V: Clone> Clone for PackedMap<K, V> {
    fn clone(&self) -> Self {
        Self {
            stored: self.stored.clone(),
            changed: self.changed.clone(),
            is_damaged: AtomicBool::new(self.is_damaged.load(Ordering::Relaxed)),
            keys: PhantomData,
        }
    }
}

/// Two are equal that have the same entries, in whatever form they have them.
impl<K: MapKey, V: MapValue + PartialEq> PartialEq for PackedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(own, other): (Held<'_, V>, Held<'_, V>)| match (own, other) {
            (Held::Packed(own), Held::Packed(other)) if own == other => true,
            (own, other) => own.open().zip(other.open()).is_some_and(|(own, other)| own == other),
        };
        let mut both = self.held().zip(other.held());
        self.len() == other.len()
            && both.all(|((key, own), (other_key, other))| {
                K::bytes(key).as_ref() == K::bytes(other_key).as_ref() && is_same((own, other))
            })
    }
}

impl<K: MapKey, V: MapValue + fmt::Debug> fmt::Debug for PackedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.held().map(|(key, held)| (key, held.open()))).finish()
    }
}
