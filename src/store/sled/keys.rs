//! Keys of the one tree. A letter says what a row is; what follows sorts as the list that it is read in.
//!
//! | key | value |
//! |---|---|
//! | `v` | data version |
//! | `k` | hash of the admin token |
//! | `ct`, `cm` audience, `cd` destination | running totals |
//! | `e` id of its first event | block of events |
//! | `p` user | profile |
//! | `t` due, user | (timer) |
//! | `j` journey | pointer to the user, or the archived journey |
//! | `s` status, flow, journey | (index of all) |
//! | `S` acknowledged?, since, journey | (index of the stalled ones) |
//! | `a` user, journey | (index of the archived ones) |
//! | `m` audience, user | since |
//! | `z` audience, hour | who entered and left within it, members at its end |
//! | `Z` audience, day | the same of a day |
//! | `l` user, leaf, page | page of a leaf's state |
//! | `b` backfill | how far it got |
//! | `y` destination | how it fares |
//! | `r` replay | how far it got |
//! | `i` kind, external id, user | (who has that id) |
//! | `d` delivery | delivery |
//! | `q` destination, user, delivery | the pending ones of a lane, each with its next attempt |
//! | `w` destination, next attempt, user | head of the lane; one row per lane that is not empty |
//! | `x` status, delivery | (index of the statuses that call for somebody's eyes) |
//! | `X` destination, status, delivery | (the same by destination) |
//! | `D` user, delivery | (index of all deliveries) |
//! | `h` user, message | arrival |
//! | `H` arrival, user, message | (index by age) |
//! | `f` kind, key | definition |
//! | `o` | how far the copy of another store got |
//! | `u` flow | (posted, but not defined) |
//! | `g` shelf, key | record on a shelf |
//! | `n` family, grain, subject, start | what was counted of each detail |
//! | `N` grain, start, family, subject | (index of those by age) |
//! | `+` any key above, number | the further pieces of a long record |

use crate::domain::definition::Kind;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::figures::{Family, Grain};
use crate::domain::ids::{BackfillId, DeliveryId, EventId, JourneyId, LeafId, ReplayId, UserKey};
use crate::domain::journey::{InboxPlace, JourneyStatus};
use crate::domain::profile::MessageHash;
use crate::domain::shelf::Shelf;
use crate::domain::sizes::Per;
use crate::domain::time::Timestamp;
use crate::store::codec;

pub(super) const VERSION: &[u8] = b"v";
pub(super) const ADMIN: &[u8] = b"k";
pub(super) const COPY: &[u8] = b"o";
pub(super) const TOTALS: &[u8] = b"ct";
pub(super) const MEMBER_COUNTS: &[u8] = b"cm";
pub(super) const DELIVERY_COUNTS: &[u8] = b"cd";
pub(super) const EVENTS: &[u8] = b"e";
pub(super) const PROFILES: &[u8] = b"p";
pub(super) const TIMERS: &[u8] = b"t";
pub(super) const JOURNEYS: &[u8] = b"j";
pub(super) const LISTED: &[u8] = b"s";
pub(super) const DELIVERIES: &[u8] = b"d";
pub(super) const LEAF_PAGES: &[u8] = b"l";
pub(super) const EXTERNAL_IDS: &[u8] = b"i";
pub(super) const SEEN: &[u8] = b"h";
pub(super) const SEEN_BY_AGE: &[u8] = b"H";
pub(super) const DEFINITIONS: &[u8] = b"f";
pub(super) const UNKNOWN_FLOWS: &[u8] = b"u";
pub(super) const BACKFILLS: &[u8] = b"b";
pub(super) const HEALTHS: &[u8] = b"y";
pub(super) const REPLAYS: &[u8] = b"r";
pub(super) const FIGURES: &[u8] = b"n";

/// Bytes whose order is the order of time, also before 1970.
pub(super) fn time(at: Timestamp) -> [u8; 8] {
    (at.millis().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The inverse of [`time`].
pub(super) fn read_time(bytes: &[u8]) -> Option<Timestamp> {
    let bits = u64::from_be_bytes(bytes.try_into().ok()?) ^ (1 << 63);
    Some(Timestamp::from_millis(bits.cast_signed()))
}

/// A user from the end of a key.
pub(super) fn read_user(bytes: &[u8]) -> Option<UserKey> {
    UserKey::from_key_text(std::str::from_utf8(bytes).ok()?)
}

/// Sixteen bytes of an id.
pub(super) fn read_id(bytes: &[u8]) -> Option<[u8; 16]> {
    bytes.try_into().ok()
}

/// `prefix` and `parts`, one behind the other.
pub(super) fn join(prefix: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + parts.iter().map(|part| part.len()).sum::<usize>());
    key.extend_from_slice(prefix);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// A text in front of other parts: its length first, so that no text is the beginning of another.
fn sized(prefix: u8, text: &str) -> Vec<u8> {
    // A longer text makes a key that is never written, see `disk::MAX_KEY`.
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    join(&[prefix], &[&len.to_be_bytes(), text.as_bytes()])
}

/// The first key behind all that begin with `prefix`.
pub(super) fn end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    unreachable!("every prefix begins with a letter")
}

pub(super) fn event(id: EventId) -> Vec<u8> {
    join(EVENTS, &[&id.to_bytes()])
}

pub(super) fn profile(user: &UserKey) -> Vec<u8> {
    join(PROFILES, &[user.as_str().as_bytes()])
}

pub(super) fn timer(at: Timestamp, user: &UserKey) -> Vec<u8> {
    join(TIMERS, &[&time(at), user.as_str().as_bytes()])
}

pub(super) fn journey(id: JourneyId) -> Vec<u8> {
    join(JOURNEYS, &[&id.to_bytes()])
}

/// What the keys of the journeys with that status begin with.
pub(super) fn in_status(status: JourneyStatus) -> Vec<u8> {
    let letter = match status {
        JourneyStatus::Active => b'a',
        JourneyStatus::Stalled => b's',
        JourneyStatus::Completed => b'c',
        JourneyStatus::Resolved => b'r',
        JourneyStatus::Superseded => b'o',
        JourneyStatus::Expired => b'e',
    };
    join(LISTED, &[&[letter]])
}

/// What the keys of a flow's journeys with that status begin with.
pub(super) fn in_flow(status: JourneyStatus, flow: &str) -> Vec<u8> {
    join(&in_status(status), &[&sized(b'/', flow)])
}

/// What the keys of the inbox begin with: of stalls that somebody acknowledged, or of the others.
pub(super) fn inbox(is_acknowledged: bool) -> Vec<u8> {
    vec![b'S', if is_acknowledged { b'a' } else { b'w' }]
}

/// The place of a journey in the inbox.
pub(super) fn in_inbox(place: InboxPlace, id: JourneyId) -> Vec<u8> {
    join(&inbox(place.is_acknowledged), &[&time(place.since), &id.to_bytes()])
}

/// The inverse of [`in_inbox`], but for whether it is acknowledged.
pub(super) fn read_inbox(key: &[u8]) -> Option<(Timestamp, JourneyId)> {
    let (since, id) = key.get(2..)?.split_first_chunk::<8>()?;
    Some((read_time(since)?, JourneyId::from_bytes(read_id(id)?)))
}

/// What the keys of a user's archived journeys begin with.
pub(super) fn archive(user: &UserKey) -> Vec<u8> {
    sized(b'a', user.as_str())
}

/// What the keys of an audience's members begin with.
pub(super) fn members(audience_id: &str) -> Vec<u8> {
    sized(b'm', audience_id)
}

pub(super) fn member(audience_id: &str, user: &UserKey) -> Vec<u8> {
    join(&members(audience_id), &[user.as_str().as_bytes()])
}

/// The letter of the rows of audiences' sizes.
pub(super) fn letter_of_sizes(per: Per) -> u8 {
    match per {
        Per::Hour => b'z',
        Per::Day => b'Z',
    }
}

/// What the keys of an audience's sizes begin with; the beginning of the hour or day follows.
pub(super) fn sizes(per: Per, audience_id: &str) -> Vec<u8> {
    sized(letter_of_sizes(per), audience_id)
}

/// The text that [`sized`] put at the beginning of a key.
pub(super) fn read_sized(key: &[u8]) -> Option<&str> {
    let (len, rest) = key.get(1..)?.split_first_chunk::<2>()?;
    std::str::from_utf8(rest.get(..usize::from(u16::from_be_bytes(*len)))?).ok()
}

/// What follows the text that [`sized`] put at the beginning of a key.
pub(super) fn behind_sized(key: &[u8]) -> Option<&[u8]> {
    let (len, rest) = key.get(1..)?.split_first_chunk::<2>()?;
    rest.get(usize::from(u16::from_be_bytes(*len))..)
}

/// What the keys of the pages of a user's state of a leaf begin with.
pub(super) fn leaf(owner: &UserKey, leaf: LeafId) -> Vec<u8> {
    join(&sized(b'l', owner.as_str()), &[&leaf.to_bytes()])
}

pub(super) fn leaf_page(owner: &UserKey, id: LeafId, number: u32) -> Vec<u8> {
    join(&leaf(owner, id), &[&number.to_be_bytes()])
}

pub(super) fn health(destination: &str) -> Vec<u8> {
    join(HEALTHS, &[destination.as_bytes()])
}

pub(super) fn replay(id: ReplayId) -> Vec<u8> {
    join(REPLAYS, &[&id.to_bytes()])
}

pub(super) fn backfill(id: BackfillId) -> Vec<u8> {
    join(BACKFILLS, &[&id.to_bytes()])
}

/// What the keys of those who have an external id begin with.
pub(super) fn external_id(kind: &str, id: &str) -> Vec<u8> {
    join(&sized(b'i', kind), &[&sized(b'/', id)])
}

pub(super) fn delivery(id: DeliveryId) -> Vec<u8> {
    join(DELIVERIES, &[&id.to_bytes()])
}

/// What the keys of all lanes begin with, or of those at one destination.
pub(super) fn lanes(destination: Option<&str>) -> Vec<u8> {
    destination.map_or_else(|| b"q".to_vec(), |destination| sized(b'q', destination))
}

/// What the keys of a lane begin with.
pub(super) fn lane(destination: &str, user: &UserKey) -> Vec<u8> {
    join(&sized(b'q', destination), &[&sized(b'/', user.as_str())])
}

/// What the keys of a destination's lane heads begin with.
pub(super) fn due(destination: &str) -> Vec<u8> {
    sized(b'w', destination)
}

/// What the keys of the index of `status` begin with.
pub(super) fn by_status(status: DeliveryStatus) -> Vec<u8> {
    vec![b'x', letter_of_status(status)]
}

/// What the keys of the index of `status` at a destination begin with.
pub(super) fn by_destination(destination: &str, status: DeliveryStatus) -> Vec<u8> {
    join(&sized(b'X', destination), &[&[letter_of_status(status)]])
}

/// What the keys of a user's deliveries begin with.
pub(super) fn deliveries_of(user: &UserKey) -> Vec<u8> {
    sized(b'D', user.as_str())
}

fn letter_of_status(status: DeliveryStatus) -> u8 {
    match status {
        DeliveryStatus::Pending => b'p',
        DeliveryStatus::Delivered => b'd',
        DeliveryStatus::Failed => b'f',
        DeliveryStatus::Dead => b'x',
        DeliveryStatus::Ambiguous => b'a',
        DeliveryStatus::Superseded => b's',
    }
}

pub(super) fn seen(user: &UserKey, message: &MessageHash) -> Vec<u8> {
    join(SEEN, &[user.as_str().as_bytes(), message])
}

pub(super) fn seen_by_age(at: Timestamp, user: &UserKey, message: &MessageHash) -> Vec<u8> {
    join(SEEN_BY_AGE, &[&time(at), user.as_str().as_bytes(), message])
}

pub(super) fn definition(kind: Kind, key: &str) -> Vec<u8> {
    let letter = match kind {
        Kind::Source => b's',
        Kind::Team => b'g',
        Kind::Flow => b'f',
        Kind::Destination => b'd',
        Kind::Audience => b'a',
        Kind::Trait => b't',
    };
    join(DEFINITIONS, &[&[letter], key.as_bytes()])
}

/// A record on a shelf; with an empty key: what all keys of that shelf begin with.
pub(super) fn entry(shelf: Shelf, key: &str) -> Vec<u8> {
    let letter = match shelf {
        Shelf::People => b'p',
        Shelf::Tokens => b't',
        Shelf::Sessions => b's',
        Shelf::Audit => b'a',
    };
    join(b"g", &[&[letter], key.as_bytes()])
}

fn letter_of_family(family: Family) -> u8 {
    match family {
        Family::Accepted => b'a',
        Family::Opened => b'o',
        Family::Ended => b'e',
        Family::Stalled => b's',
        Family::Standing => b'S',
        Family::Reached => b'r',
        Family::Waited => b'w',
        Family::Lost => b'x',
        Family::Escalated => b'l',
        Family::Attempted => b't',
        Family::Refused => b'R',
    }
}

fn letter_of_grain(grain: Grain) -> u8 {
    match grain {
        Grain::Minute => b'm',
        Grain::Hour => b'h',
        Grain::Day => b'd',
        Grain::Ever => b'e',
    }
}

/// What the keys of the points of a subject begin with; the beginning of the minute, hour or day follows.
pub(super) fn figures(family: Family, grain: Grain, subject: &str) -> Vec<u8> {
    join(FIGURES, &[&[letter_of_family(family), letter_of_grain(grain)], &sized(b'/', subject)])
}

/// The inverse, of a point's whole key.
pub(super) fn read_figures(key: &[u8]) -> Option<(Family, Grain, &str, Timestamp)> {
    let [_, family, grain, rest @ ..] = key else { return None };
    let family = Family::ALL.into_iter().find(|it| letter_of_family(*it) == *family)?;
    let grain = Grain::ALL.into_iter().find(|it| letter_of_grain(*it) == *grain)?;
    Some((family, grain, read_sized(rest)?, read_time(behind_sized(rest)?)?))
}

/// What the keys of the index by age begin with; the beginnings of points follow.
pub(super) fn figures_by_age(grain: Grain) -> Vec<u8> {
    vec![b'N', letter_of_grain(grain)]
}

/// A point in that index.
pub(super) fn aged_figure(family: Family, grain: Grain, subject: &str, start: Timestamp) -> Vec<u8> {
    let family = letter_of_family(family);
    join(&figures_by_age(grain), &[&time(start), &[family], subject.as_bytes()])
}

/// The key of the point that a key of that index is about.
pub(super) fn figure_of_age(aged: &[u8]) -> Option<Vec<u8>> {
    let [_, grain, rest @ ..] = aged else { return None };
    let (start, rest) = rest.split_first_chunk::<8>()?;
    let (family, subject) = rest.split_first()?;
    let subject = std::str::from_utf8(subject).ok()?;
    Some(join(FIGURES, &[&[*family, *grain], &sized(b'/', subject), start]))
}

/// A further piece of a long record. The number has a fixed width, so two records' pieces never share a key.
pub(super) fn piece(key: &[u8], number: u16) -> Vec<u8> {
    join(b"+", &[key, &number.to_be_bytes()])
}

/// What may be said of a key in a log: what kind of row it is of, and the beginning of its hash. Keys hold people's ids.
pub(super) fn describe(key: &[u8]) -> String {
    let (of, whose) = match key.split_first() {
        Some((b'+', whose)) => ("a further piece of ", whose),
        _ => ("", key),
    };
    let kind = match whose {
        [b'c', ..] => "running totals",
        [b'v', ..] => "data version",
        [b'k', ..] => "admin token",
        [b'e', ..] => "events",
        [b'p', ..] => "profile",
        [b't', ..] => "timer",
        [b'j' | b's' | b'S' | b'a', ..] => "journey",
        [b'm', ..] => "member",
        [b'z' | b'Z', ..] => "size of an audience",
        [b'l', ..] => "page of a leaf",
        [b'b', ..] => "backfill",
        [b'y', ..] => "health of a destination",
        [b'r', ..] => "replay",
        [b'i', ..] => "external id",
        [b'd' | b'x', ..] => "delivery",
        [b'q' | b'w', ..] => "lane",
        [b'h' | b'H', ..] => "message id",
        [b'f', ..] => "definition",
        [b'u', ..] => "unknown flow",
        [b'g', ..] => "record on a shelf",
        [b'n' | b'N', ..] => "figure",
        [b'o', ..] => "mark of a copy",
        _ => "row",
    };
    format!("{of}{}", codec::name(kind, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_key_is_its_kind_and_hash() {
        let key = profile(&UserKey::user("019mr8mf4r"));
        // printf pu:019mr8mf4r | sha256sum
        assert_eq!(describe(&key), "profile #fa7662aa");
        assert!(describe(&piece(&key, 1)).starts_with("a further piece of profile #"));
        assert!(describe(b"").starts_with("row #"));
    }

    #[test]
    fn time_sorts_as_time() {
        let instants = [i64::MIN, -1, 0, 1, 1_790_000_000_000, i64::MAX].map(Timestamp::from_millis);
        assert!(instants.windows(2).all(|pair| time(pair[0]) < time(pair[1])));
        for at in instants {
            assert_eq!(read_time(&time(at)), Some(at));
        }
    }

    #[test]
    fn a_figure_is_read_back_from_its_key_and_found_by_its_age() {
        let start = Timestamp::from_millis(-60_000);
        for family in Family::ALL {
            for grain in Grain::ALL {
                for subject in ["", "a", "a/\0", "ü"] {
                    let key = join(&figures(family, grain, subject), &[&time(start)]);
                    assert_eq!(read_figures(&key), Some((family, grain, subject, start)));
                    assert_eq!(figure_of_age(&aged_figure(family, grain, subject, start)), Some(key));
                }
            }
        }
    }

    #[test]
    fn no_lane_is_the_beginning_of_another() {
        let texts = ["", "a", "ab", "a\0", "\0", "\0\0", "/", "a/\0\u{1}b"];
        let mut lanes = Vec::new();
        for destination in texts {
            for user in texts {
                lanes.push(lane(destination, &UserKey::user(user)));
            }
        }
        for (i, a) in lanes.iter().enumerate() {
            for (k, b) in lanes.iter().enumerate() {
                assert!(i == k || !b.starts_with(a), "{a:?} {b:?}");
            }
        }
    }
}
