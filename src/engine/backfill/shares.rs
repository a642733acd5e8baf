//! What the past gives each user, in memory: the states of leaves that his events make.
//!
//! There may be millions of them, so they lie side by side in the order of their users' keys. What is added comes behind them
//! as it is, and is folded into them once there is enough of it. (A map with an allocation for each user takes two to three
//! times as much memory, and looking him up for each of his events costs more than the event itself.)

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::run::{Run, put_text, take_text};
use crate::domain::ids::UserKey;
use crate::domain::leaf::{Entry, LeafState, Pages, Shape};
use crate::domain::packed::{put_length, take_length};
use crate::domain::packed_map::MapValue;
use crate::domain::time::Timestamp;

/// A state with its pages, and of which leaf: its place in the list that the shares are made for.
pub(super) type Share = (usize, LeafState, Pages);

/// What an entry on pages takes, as a rule.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>();
/// What a state on pages takes beside its entries.
const PAGED_BYTES: usize = 4 * 1024;

/// The states of those met so far.
pub(super) struct Shares {
    /// Of each leaf.
    shapes: Vec<Shape>,
    /// About how many bytes there is room for.
    room: usize,
    /// Everybody, with his states that need no pages: of each the place of its leaf, and itself.
    run: Run,
    /// The states on pages.
    paged: BTreeMap<UserKey, Vec<Share>>,
    /// About how many bytes these take.
    paged_bytes: usize,
    /// What was added since: of each entry the user's key, the place of its leaf, and itself.
    added: Vec<u8>,
    /// Where in `added` each begins.
    starts: Vec<usize>,
    /// Entries that found no room in their leaf, by user; few have any.
    left_out: BTreeMap<UserKey, usize>,
}

impl Shares {
    /// None yet, of leaves of these shapes; there is to be room for about `room` bytes.
    pub fn new(shapes: Vec<Shape>, room: usize) -> Self {
        Self {
            shapes,
            room,
            run: Run::new(room),
            paged: BTreeMap::new(),
            paged_bytes: 0,
            added: Vec::new(),
            starts: Vec::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Adds an entry of the leaf in that place.
    pub fn add(&mut self, user: &UserKey, leaf: usize, entry: &Entry) {
        self.starts.push(self.added.len());
        put_text(user.as_str().as_bytes(), &mut self.added);
        put_length(leaf, &mut self.added);
        rmp_serde::encode::write(&mut self.added, entry)
            .expect("an entry holds nothing that MessagePack can't");
    }

    /// Whether enough was added to be folded.
    pub fn is_full(&self) -> bool {
        self.added.len() + self.starts.len() * size_of::<usize>() >= self.room / 4
    }

    /// Folds what was added into the states, at `now`. Where they have become more than there is room for, the last users
    /// are let go of: answers the last one who is left then.
    pub fn fold(&mut self, now: Timestamp) -> Option<UserKey> {
        let (added, mut starts) = (std::mem::take(&mut self.added), std::mem::take(&mut self.starts));
        let user_of = |start: &usize| take_text(&mut &added[*start..]).expect("`add` put it there");
        starts.sort_unstable_by_key(user_of);
        let mut starts = starts.into_iter().peekable();
        // What was read is let go of piece by piece, as the other is filled.
        let mut before = std::mem::replace(&mut self.run, Run::new(self.room));
        loop {
            let (stored, next) = (before.front(), starts.peek().map(user_of));
            let Some(user) = stored.map(|(user, _)| user).into_iter().chain(next).min() else { break };
            let states = stored.filter(|(stored, _)| *stored == user).map(|(_, states)| states);
            if next == Some(user) {
                let mut own = Vec::new();
                while let Some(start) = starts.next_if(|start| user_of(start) == user) {
                    own.push(read_added(&added[start..]));
                }
                let (states, beside) = self.count(user, states.unwrap_or_default(), own, now);
                self.run.push_back(user, &states, beside);
            } else {
                let beside = if self.paged.is_empty() { 0 } else { self.beside(user) };
                self.run.push_back(user, states.unwrap_or_default(), beside);
            }
            if states.is_some() {
                before.pop_front();
            }
        }
        self.cut()
    }

    /// About how many bytes the user's states on pages take.
    fn beside(&self, user: &[u8]) -> usize {
        self.paged.get(&key_of(user)).map_or(0, |paged| bytes_of(paged))
    }

    /// The user's states with more entries; those that come to need pages are kept beside: about how many bytes they take.
    fn count(
        &mut self,
        user: &[u8],
        states: &[u8],
        entries: Vec<(usize, Entry)>,
        now: Timestamp,
    ) -> (Vec<u8>, usize) {
        let key = key_of(user);
        let mut open = unpacked(states);
        if let Some(paged) = self.paged.remove(&key) {
            self.paged_bytes = self.paged_bytes.saturating_sub(bytes_of(&paged));
            open.extend(paged);
        }
        for (leaf, entry) in entries {
            let known = open.iter().position(|(own, ..)| *own == leaf);
            let place = known.unwrap_or_else(|| {
                open.push((leaf, LeafState::default(), Pages::default()));
                open.len() - 1
            });
            let (_, state, pages) = &mut open[place];
            if !state.add(&self.shapes[leaf], entry, now, pages) {
                *self.left_out.entry(key.clone()).or_default() += 1;
            }
        }
        let (paged, whole): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, state, _)| state.is_paged());
        let beside = bytes_of(&paged);
        if !paged.is_empty() {
            self.paged_bytes += beside;
            self.paged.insert(key, paged);
        }
        let (mut packed, mut bytes) = (Vec::new(), Vec::new());
        for (leaf, state, _) in whole {
            bytes.clear();
            state.pack(&mut bytes);
            put_length(leaf, &mut packed);
            put_text(&bytes, &mut packed);
        }
        (packed, beside)
    }

    /// Lets go of the last users where there are too many; answers the last one who is left then.
    fn cut(&mut self) -> Option<UserKey> {
        let mut last = None;
        if self.run.bytes() + self.paged_bytes > self.room {
            // A little more, so that there is room for what is still to come of the others.
            while self.run.bytes() + self.paged_bytes > self.room / 8 * 7
                && let Some(left) = self.run.pop_back_piece()
            {
                let left = key_of(left);
                while let Some(user) = self.paged.last_entry().filter(|user| *user.key() > left) {
                    self.paged_bytes = self.paged_bytes.saturating_sub(bytes_of(&user.remove()));
                }
                self.left_out.retain(|user, _| *user <= left);
                last = Some(left);
            }
        }
        last
    }

    /// Takes the user's out, with those of all before him. All that was added is folded.
    pub fn take(&mut self, user: &UserKey) -> Vec<Share> {
        while let Some((next, states)) = self.run.front() {
            let order = next.cmp(user.as_str().as_bytes());
            let mut own = if order == Ordering::Equal { unpacked(states) } else { Vec::new() };
            match order {
                Ordering::Less => self.run.pop_front(),
                Ordering::Greater => break,
                Ordering::Equal => {
                    self.run.pop_front();
                    own.extend(self.paged.remove(user).unwrap_or_default());
                    return own;
                }
            }
        }
        Vec::new()
    }

    /// Takes the number of entries that found no room.
    pub fn take_left_out(&mut self) -> usize {
        std::mem::take(&mut self.left_out).into_values().sum()
    }
}

/// An entry as `add` put it.
fn read_added(mut added: &[u8]) -> (usize, Entry) {
    let leaf = take_text(&mut added).and_then(|_| take_length(&mut added)).expect("`add` put it there");
    (leaf, rmp_serde::from_slice(added).expect("`add` put it there"))
}

/// States as `count` packed them.
fn unpacked(mut states: &[u8]) -> Vec<Share> {
    let mut shares = Vec::new();
    while let Some(leaf) = take_length(&mut states) {
        let state = take_text(&mut states).and_then(LeafState::unpack);
        shares.push((leaf, state.expect("`count` packed it, from a state"), Pages::default()));
    }
    shares
}

fn key_of(user: &[u8]) -> UserKey {
    let key = std::str::from_utf8(user).ok().and_then(UserKey::from_key_text);
    key.expect("it is the text of a user's key")
}

fn bytes_of(paged: &[Share]) -> usize {
    paged.iter().map(|(_, state, _)| PAGED_BYTES + state.len() * ENTRY_BYTES).sum()
}

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

    fn shares(room: usize) -> Shares {
        Shares::new(vec![shape(); 4], room)
    }

    fn add(shares: &mut Shares, user: &str, leaf: usize, minutes_ago: i64) {
        let at = now().minus(Span::from_secs(60 * minutes_ago));
        shares.add(&UserKey::user(user), leaf, &Entry { at, order: None, value: json!(null) });
    }

    fn counts(shares: &mut Shares, user: &str) -> Vec<(usize, u64)> {
        let value = |(leaf, state, pages): Share| {
            (leaf, state.value(&shape(), now(), &pages).value.as_u64().unwrap())
        };
        let mut counts: Vec<_> = shares.take(&UserKey::user(user)).into_iter().map(value).collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn each_user_gets_what_his_events_made_of_each_leaf() {
        // Folded at once, and after every few.
        for every in [usize::MAX, 7, 1] {
            let mut shares = shares(1 << 24);
            let mut events: Vec<(&str, usize, i64)> = Vec::new();
            for minutes in 0..5 {
                events.extend([("b", 3, minutes), ("c", 0, minutes)]);
            }
            events.push(("b", 1, 7));
            // So many that they do not fit without pages.
            events.extend((0..1000).map(|minutes| ("b", 2, minutes)));
            for (number, (user, leaf, minutes)) in events.into_iter().enumerate() {
                add(&mut shares, user, leaf, minutes);
                if number % every == every - 1 {
                    assert_eq!(shares.fold(now()), None);
                }
            }
            assert_eq!(shares.fold(now()), None);
            assert_eq!(counts(&mut shares, "a"), []);
            assert_eq!(counts(&mut shares, "b"), [(1, 1), (2, 1000), (3, 5)]);
            assert_eq!(counts(&mut shares, "b"), []);
            assert_eq!(counts(&mut shares, "c"), [(0, 5)]);
            assert!(shares.run.front().is_none() && shares.paged.is_empty());
            assert_eq!(shares.take_left_out(), 0);
        }
    }

    #[test]
    fn the_last_users_go_where_there_is_no_room() {
        let mut shares = shares(4096);
        let name = |number: i64| format!("{number:03}");
        (0..300).rev().for_each(|number| add(&mut shares, &name(number), 0, number));
        // The last ones have most.
        (0..2000).for_each(|minutes| add(&mut shares, "299", 1, minutes));
        assert!(shares.is_full());
        let last = shares.fold(now()).expect("they are too many");
        let last: i64 = last.user_id().unwrap().parse().unwrap();
        assert!((20..299).contains(&last), "{last}");
        assert!(shares.run.bytes() <= 4096 && shares.paged.is_empty() && shares.paged_bytes == 0);
        assert_eq!(shares.fold(now()), None, "those who are left have room");
        (0..=last).for_each(|number| assert_eq!(counts(&mut shares, &name(number)), [(0, 1)]));
        assert_eq!(counts(&mut shares, &name(last + 1)), []);
    }

    #[test]
    fn states_on_pages_count_for_the_room() {
        let mut shares = shares(1 << 20);
        for number in 0..200 {
            (0..500).for_each(|minutes| add(&mut shares, &format!("{number:03}"), 0, minutes));
            if number % 20 == 19 {
                shares.fold(now());
            }
        }
        assert!(shares.paged_bytes <= 1 << 20, "{}", shares.paged_bytes);
        assert!(!shares.paged.is_empty() && shares.paged.len() < 100, "{}", shares.paged.len());
        assert_eq!(counts(&mut shares, "000"), [(0, 500)]);
    }

    #[test]
    fn somebody_who_alone_has_more_than_there_is_room_for_stays() {
        let mut shares = shares(0);
        (0..1000).for_each(|minutes| add(&mut shares, "a", 0, minutes));
        add(&mut shares, "b", 0, 1);
        assert_eq!(shares.fold(now()), Some(UserKey::user("a")));
        assert_eq!(shares.fold(now()), None);
        assert_eq!(counts(&mut shares, "a"), [(0, 1000)]);
        assert_eq!(shares.paged_bytes > 0, shares.room == 0);
    }
}
