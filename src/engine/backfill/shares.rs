//! What the past gives each user, in memory: the states of leaves that his events make. There may be millions of them, so
//! all of one user's are packed into one string of bytes.

use std::collections::BTreeMap;

use crate::domain::ids::UserKey;
use crate::domain::leaf::{Entry, LeafState, Pages, Shape};
use crate::domain::packed::{put_length, take_length};
use crate::domain::packed_map::MapValue;
use crate::domain::time::Timestamp;

/// A state with its pages, and of which leaf: its place in the list that the shares are made for.
pub(super) type Share = (usize, LeafState, Pages);

/// The states of those met so far.
#[derive(Default)]
pub(super) struct Shares {
    /// Everybody's that fit on one page: of each the place of its leaf, its length, and itself.
    packed: BTreeMap<UserKey, Box<[u8]>>,
    /// The others.
    paged: BTreeMap<UserKey, Vec<Share>>,
    /// About how many bytes they take.
    bytes: usize,
    /// Where a user's are put together.
    scratch: Vec<u8>,
}

impl Shares {
    /// About how many bytes they take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds an entry to the user's state of the leaf in that place; says whether there was room.
    pub fn add(&mut self, user: &UserKey, leaf: usize, shape: &Shape, entry: Entry, now: Timestamp) -> bool {
        let on_pages = if self.paged.is_empty() { None } else { self.paged.get_mut(user) };
        if let Some((_, state, pages)) =
            on_pages.and_then(|states| states.iter_mut().find(|(own, ..)| *own == leaf))
        {
            self.bytes += ENTRY_BYTES;
            return state.add(shape, entry, now, pages);
        }
        // There are millions of them, so each is looked for once.
        let packed = match self.packed.get_mut(user) {
            Some(packed) => packed,
            None => {
                self.bytes += user_bytes(user);
                self.packed.entry(user.clone()).or_default()
            }
        };
        let (before, own, behind) = split(packed, leaf);
        let mut state = own.map_or_else(LeafState::default, unpack);
        let mut pages = Pages::default();
        let added = state.add(shape, entry, now, &mut pages);
        let is_paged = state.is_paged();
        self.scratch.clear();
        self.scratch.extend_from_slice(before);
        if !is_paged {
            pack(leaf, &state, &mut self.scratch);
        }
        self.scratch.extend_from_slice(behind);
        self.bytes = (self.bytes + allocated(self.scratch.len())).saturating_sub(allocated(packed.len()));
        *packed = self.scratch.as_slice().into();
        if is_paged {
            self.bytes += PAGED_BYTES;
            self.paged.entry(user.clone()).or_default().push((leaf, state, pages));
        }
        added
    }

    /// Takes the user's out.
    pub fn take(&mut self, user: &UserKey) -> Vec<Share> {
        let Some(packed) = self.packed.remove(user) else { return Vec::new() };
        let mut shares = self.paged.remove(user).unwrap_or_default();
        let mut rest = &*packed;
        while let Some((leaf, state, behind)) = first(rest) {
            shares.push((leaf, unpack(state), Pages::default()));
            rest = behind;
        }
        shares
    }

    /// Lets go of the last eighth of the users; answers the last one who is left, or none where there is nobody to spare.
    pub fn cut(&mut self) -> Option<UserKey> {
        let spared = self.packed.len() / 8;
        let first = self.packed.keys().nth_back(spared.max(1) - 1).cloned()?;
        let last = self.packed.range(..&first).next_back().map(|(user, _)| user.clone())?;
        let gone = self.packed.split_off(&first);
        self.paged.split_off(&first);
        let bytes: usize = gone.iter().map(|(user, packed)| user_bytes(user) + allocated(packed.len())).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(last)
    }
}

/// What is in front of the leaf's state, the state, and what is behind it.
fn split(packed: &[u8], leaf: usize) -> (&[u8], Option<&[u8]>, &[u8]) {
    let mut rest = packed;
    while let Some((own, state, behind)) = first(rest) {
        if own == leaf {
            return (&packed[..packed.len() - rest.len()], Some(state), behind);
        }
        rest = behind;
    }
    (packed, None, &[])
}

/// The first leaf's place and state, and what is behind them.
fn first(mut packed: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let leaf = take_length(&mut packed)?;
    let length = take_length(&mut packed)?;
    let (state, behind) = packed.split_at_checked(length)?;
    Some((leaf, state, behind))
}

fn pack(leaf: usize, state: &LeafState, bytes: &mut Vec<u8>) {
    let mut packed = Vec::with_capacity(64);
    state.pack(&mut packed);
    put_length(leaf, bytes);
    put_length(packed.len(), bytes);
    bytes.extend_from_slice(&packed);
}

fn unpack(bytes: &[u8]) -> LeafState {
    LeafState::unpack(bytes).expect("it was packed by `pack`, from a state")
}

/// What a user takes in memory beside his states: his place in the map, a quarter of which is empty as a rule, and his key.
fn user_bytes(user: &UserKey) -> usize {
    (size_of::<UserKey>() + size_of::<Box<[u8]>>()) * 4 / 3 + allocated(user.as_str().len())
}

/// What an allocation of that many bytes takes.
fn allocated(bytes: usize) -> usize {
    bytes.next_multiple_of(16)
}

/// What an entry on pages takes, as a rule.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>();
/// What the pages of a state take that just became too large to go without.
const PAGED_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::leaf::{Reduce, Window};
    use crate::domain::time::Span;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn shape() -> Shape {
        Shape { window: Window::Within(Span::from_days(30)), reduce: Reduce::Count, keep: None }
    }

    fn add(shares: &mut Shares, user: &str, leaf: usize, minutes_ago: u32) {
        let at = now().minus(Span::from_secs(60 * i64::from(minutes_ago)));
        let entry = Entry { at, order: None, value: json!(null) };
        assert!(shares.add(&UserKey::user(user), leaf, &shape(), entry, now()));
    }

    fn counts(shares: &mut Shares, user: &str) -> Vec<(usize, u64)> {
        let mut counts: Vec<_> = shares
            .take(&UserKey::user(user))
            .into_iter()
            .map(|(leaf, state, pages)| (leaf, state.value(&shape(), now(), &pages).value.as_u64().unwrap()))
            .collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn each_user_gets_what_his_events_made_of_each_leaf() {
        let mut shares = Shares::default();
        for minutes in 0..5 {
            add(&mut shares, "a", 3, minutes);
            add(&mut shares, "b", 0, minutes);
        }
        add(&mut shares, "a", 1, 7);
        // So many that they do not fit without pages.
        (0..3000).for_each(|minutes| add(&mut shares, "a", 2, minutes));
        assert_eq!(counts(&mut shares, "a"), [(1, 1), (2, 3000), (3, 5)]);
        assert_eq!(counts(&mut shares, "a"), []);
        assert_eq!(counts(&mut shares, "b"), [(0, 5)]);
        assert!(shares.packed.is_empty() && shares.paged.is_empty());
    }

    #[test]
    fn a_cut_lets_go_of_the_last_ones() {
        let mut shares = Shares::default();
        let name = |number: u32| format!("{number:02}");
        (0..80).for_each(|number| add(&mut shares, &name(number), 0, number));
        let before = shares.bytes();
        assert_eq!(shares.cut(), Some(UserKey::user("69")));
        assert_eq!(shares.bytes(), before - before / 8);
        assert_eq!(counts(&mut shares, "69"), [(0, 1)]);
        assert_eq!(counts(&mut shares, "70"), []);
        (1..69).for_each(|number| assert_eq!(counts(&mut shares, &name(number)), [(0, 1)]));
        assert_eq!(shares.cut(), None, "one is left");
        assert_eq!(shares.packed.len(), 1);
    }
}
