//! Tests of packed maps: against the map that they stand for, in all forms that they are stored in, and with damage.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::domain::leaf::LeafState;
use crate::domain::profile::{Computed, Membership};
use crate::domain::time::Timestamp;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Note {
    #[serde(rename = "t")]
    text: String,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
}

impl MapValue for Note {}

type Map = PackedMap<String, Note>;

fn note(text: &str) -> Note {
    Note { text: text.to_owned(), number: None }
}

fn map<const N: usize>(entries: [(&str, &str); N]) -> Map {
    let mut map = Map::new();
    entries.into_iter().for_each(|(key, text)| map.insert(key, note(text)));
    map
}

fn stored<T: Serialize>(map: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(map).unwrap()
}

fn read(bytes: &[u8]) -> Result<Map, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}

fn again(map: &Map) -> Map {
    read(&stored(map)).unwrap()
}

fn plain(map: &Map) -> BTreeMap<String, Note> {
    map.iter().map(|(key, value)| (key.to_owned(), value.into_owned())).collect()
}

#[derive(Clone, Debug)]
enum Op {
    Insert(String, Note),
    Remove(String),
    Change(String, i64),
    OrDefault(String, i64),
    Get(String),
    Store,
    StoreAsMap,
    StoreAsJson,
    Clone,
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-f]{0,2}", 1 => "\\PC{0,4}", 1 => Just("k".repeat(200))]
}

fn value() -> impl Strategy<Value = Note> {
    let text = prop_oneof![9 => "\\PC{0,5}", 1 => Just("long ".repeat(60))];
    (text, any::<Option<i64>>()).prop_map(|(text, number)| Note { text, number })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (key(), value()).prop_map(|(key, value)| Op::Insert(key, value)),
        3 => key().prop_map(Op::Remove),
        2 => (key(), any::<i64>()).prop_map(|(key, number)| Op::Change(key, number)),
        2 => (key(), any::<i64>()).prop_map(|(key, number)| Op::OrDefault(key, number)),
        2 => key().prop_map(Op::Get),
        4 => Just(Op::Store),
        1 => Just(Op::StoreAsMap),
        1 => Just(Op::StoreAsJson),
        1 => Just(Op::Clone),
    ]
}

/// Does the same to both.
fn apply(op: Op, map: &mut Map, model: &mut BTreeMap<String, Note>) {
    match op {
        Op::Insert(key, value) => {
            map.insert(&key, value.clone());
            model.insert(key, value);
        }
        Op::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key).is_some()),
        Op::Change(key, number) => match (map.get_mut(&key), model.get_mut(&key)) {
            (Some(own), Some(other)) => (own.number, other.number) = (Some(number), Some(number)),
            (own, other) => assert!(own.is_none() && other.is_none()),
        },
        Op::OrDefault(key, number) => {
            map.get_or_default(&key).number = Some(number);
            model.entry(key).or_default().number = Some(number);
        }
        Op::Get(key) => {
            assert_eq!(map.get(&key).as_deref(), model.get(&key));
            assert_eq!(map.contains_key(&key), model.contains_key(&key));
        }
        Op::Store => *map = again(map),
        Op::StoreAsMap => *map = read(&stored(model)).unwrap(),
        Op::StoreAsJson => *map = serde_json::from_str(&serde_json::to_string(map).unwrap()).unwrap(),
        Op::Clone => *map = map.clone(),
    }
}

proptest! {
    #[test]
    fn it_is_the_map_that_it_stands_for(ops in vec(op(), 0..40)) {
        let (mut map, mut model) = (Map::new(), BTreeMap::new());
        for op in ops {
            apply(op, &mut map, &mut model);
            prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            prop_assert_eq!(plain(&map), model.clone());
            prop_assert!(map.keys().eq(model.keys()));
            let same: Map = read(&stored(&model)).unwrap();
            prop_assert_eq!(&map, &same);
            prop_assert_eq!(&same, &map);
            prop_assert!(!map.is_damaged());
            prop_assert_eq!(stored(&map), stored(&same), "the stored form is one, however it was come to");
            prop_assert_eq!(serde_json::to_value(&map).unwrap(), serde_json::to_value(&model).unwrap());
            prop_assert_eq!(format!("{map:?}"), format!("{same:?}"));
        }
    }

    #[test]
    fn two_are_equal_that_hold_the_same(one in vec(op(), 0..12), other in vec(op(), 0..12)) {
        let (mut maps, mut models) = ([Map::new(), Map::new()], [BTreeMap::new(), BTreeMap::new()]);
        for (place, ops) in [one, other].into_iter().enumerate() {
            ops.into_iter().for_each(|op| apply(op, &mut maps[place], &mut models[place]));
        }
        prop_assert_eq!(maps[0] == maps[1], models[0] == models[1]);
    }

    #[test]
    fn anything_is_read_or_refused(bytes in vec(any::<u8>(), 0..80)) {
        look_through(&bytes);
        let framed = rmp_serde::to_vec(&Bytes(&bytes)).unwrap();
        look_through(&framed);
    }

    #[test]
    fn what_was_damaged_is_read_or_refused(
        entries in vec((key(), value()), 0..8), flips in vec((any::<usize>(), any::<u8>()), 1..4),
        cut in any::<usize>(),
    ) {
        let mut map = Map::new();
        entries.into_iter().for_each(|(key, value)| map.insert(&key, value));
        let packed = map.pack().into_owned();
        for end in [packed.len(), cut % (packed.len() + 1)] {
            let mut bytes = packed[..end].to_vec();
            for (place, flip) in &flips {
                if let Some(place) = place.checked_rem(bytes.len()) {
                    bytes[place] ^= flip;
                }
            }
            look_through(&rmp_serde::to_vec(&Bytes(&bytes)).unwrap());
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Does everything there is to be done with what may be a map.
fn look_through(bytes: &[u8]) {
    let Ok(mut map) = read(bytes) else { return };
    let keys: Vec<String> = map.keys().map(str::to_owned).collect();
    assert!(keys.is_sorted() && keys.len() == map.len());
    let found = map.iter().count();
    assert_eq!(map.is_damaged(), found < keys.len());
    let is_damaged = map.is_damaged();
    assert_eq!(rmp_serde::to_vec(&map).is_err(), is_damaged);
    assert_eq!(serde_json::to_string(&map).is_err(), is_damaged);
    assert!(!format!("{map:?}").is_empty());
    for key in &keys {
        map.get_or_default(key).number = Some(7);
        assert_eq!(map.get(key).unwrap().number, Some(7));
        assert_eq!(map.is_damaged(), is_damaged);
        assert!(map.remove(key) && !map.contains_key(key));
    }
    assert!(map.is_empty());
}

#[test]
fn what_did_not_change_is_not_read() {
    let stored = again(&map([("a", "x"), ("b", "y"), ("c", "z")]));
    let mut map = stored.clone();
    assert_eq!(map.get("b").as_deref(), Some(&note("y")));
    assert!(map.changed.is_empty() && matches!(map.pack(), Cow::Borrowed(_)), "copied as it is");
    map.get_mut("b").unwrap().number = Some(1);
    assert!(map.remove("c") && !map.remove("d"));
    map.insert("e", note("new"));
    assert_eq!(map.changed.len(), 3);
    let entries: Vec<_> = map.held().map(|(key, held)| (key, matches!(held, Held::Packed(_)))).collect();
    assert_eq!(entries, [("a", true), ("b", false), ("e", false)]);
    let map = again(&map);
    assert!(map.changed.is_empty() && map != stored && map.len() == 3);
}

#[test]
fn a_value_that_cannot_be_read_is_noted_once_it_is_asked_for() {
    let damaged = || {
        let mut bytes = Vec::new();
        put_entry::<String>(b"bad", &[0xc1], &mut bytes);
        put_entry::<String>(b"good", &rmp_serde::to_vec_named(&note("x")).unwrap(), &mut bytes);
        read(&rmp_serde::to_vec(&Bytes(&bytes)).unwrap()).unwrap()
    };
    let map = damaged();
    assert_eq!(map.get("good").as_deref(), Some(&note("x")));
    assert!(map.contains_key("bad") && map.len() == 2 && !map.is_damaged());
    assert_eq!(again(&map), map, "what nobody asks for is copied");
    assert_eq!((map.get("bad"), map.is_damaged()), (None, true));
    assert!(map.clone().is_damaged() && rmp_serde::to_vec(&map).is_err());
    let asks: [fn(&mut Map); 4] = [
        |map| assert_eq!(map.iter().count(), 1),
        |map| assert_eq!(map.get_mut("bad"), None),
        |map| assert_eq!(*map.get_or_default("bad"), Note::default()),
        |map| assert!(serde_json::to_string(map).is_err()),
    ];
    for ask in asks {
        let mut map = damaged();
        ask(&mut map);
        assert!(map.is_damaged());
    }
    let mut map = damaged();
    assert!(map.remove("bad") && !map.is_damaged(), "it goes without being read");
    map.insert("bad", note(""));
    assert!(map != damaged() && damaged() == damaged());
}

#[test]
fn what_is_no_map_is_an_error() {
    for wrong in [
        &b"\xc4\x02\x01a"[..],
        b"\xc4\x03\x01\xff\x00",
        b"\x81\xa1a",
        b"\x81\xa1a\xa1b",
        b"\x93\x01\x02\x03",
        b"\xc0",
    ] {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
    assert!(serde_json::from_str::<Map>("[1]").is_err());
}

#[test]
fn a_profiles_maps_are_read_as_they_were_stored_before() {
    let at = Timestamp::from_millis(1_790_000_000_000);
    let mut before = BTreeMap::new();
    let membership = Membership { audience_id: "aud_1".into(), member: true, since: at, earlier: vec![at] };
    before.insert("active".to_owned(), membership);
    let now: PackedMap<String, Membership> = rmp_serde::from_slice(&stored(&before)).unwrap();
    assert_eq!(now.get("active").as_deref(), before.get("active"));
    let now: PackedMap<String, Membership> = rmp_serde::from_slice(&stored(&now)).unwrap();
    assert_eq!(now.get("active").as_deref(), before.get("active"));

    let value = serde_json::json!({"z": [1, null], "a": u64::MAX});
    let computed = Computed { computation_id: "tra_1".into(), value, since: at };
    let before = BTreeMap::from([("best".to_owned(), computed)]);
    let now: PackedMap<String, Computed> = rmp_serde::from_slice(&stored(&before)).unwrap();
    let now: PackedMap<String, Computed> = rmp_serde::from_slice(&stored(&now)).unwrap();
    assert_eq!(now.get("best").as_deref(), before.get("best"));

    let leaf = |number: u64| LeafId::from_bytes(number.to_be_bytes());
    let before: BTreeMap<LeafId, LeafState> =
        [7, u64::MAX, 300].map(|number| (leaf(number), LeafState::default())).into();
    let now: PackedMap<LeafId, LeafState> = rmp_serde::from_slice(&stored(&before)).unwrap();
    assert_eq!(stored(&now).len(), 2 + 3 * (8 + 1 + 2), "key, length, state");
    let now: PackedMap<LeafId, LeafState> = rmp_serde::from_slice(&stored(&now)).unwrap();
    assert!(now.keys().eq([leaf(7), leaf(300), leaf(u64::MAX)]));
    assert!(now.held().all(|(_, held)| !held.is_paged() && !held.had_pages()));
    let json = serde_json::to_string(&now).unwrap();
    assert_eq!(serde_json::from_str::<PackedMap<LeafId, LeafState>>(&json).unwrap(), now);
}

#[test]
fn a_field_may_be_added_to_a_value_later() {
    #[derive(Serialize)]
    struct Old {
        t: String,
    }
    let bytes = rmp_serde::to_vec(&Old { t: "x".into() }).unwrap();
    assert_eq!(Note::unpack(&bytes), Some(note("x")));
}
