//! Links that act: what stands in a mail, a message or a call, so that whoever reads it can act without a token of the API.
//!
//! A link is for one purpose and for a time, and it needs nothing kept: what it is for stands in it, under an HMAC-SHA256 that only
//! this server can make. Its bytes, as URL-safe base 64:
//!
//! | bytes | |
//! |---|---|
//! | 1 | the purpose, and thereby the form of what follows |
//! | 6 | when it ends, in milliseconds since 1970 |
//! | 16 | the delivery that it came with |
//! | 0 to 321 | what the purpose is about: a journey, a team and an address, or a number of replays |
//! | 16 | the beginning of the HMAC over all before it |

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::ids::{DeliveryId, JourneyId};
use super::time::Timestamp;

/// What a key is derived under: no other use of the same secret gives the same key.
const KEY_CONTEXT: &[u8] = b"stagepost links: key\0";
/// Bytes of the HMAC that a link carries: 128 bits can't be guessed over a network.
const MAC_LEN: usize = 16;
/// Longest link that is looked at, in bytes of its text; the longest that is made is one that unsubscribes the longest address.
const MAX_TEXT: usize = 600;

/// How long a snooze is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnoozeFor {
    /// An hour from when it is asked for.
    Hour,
    /// Until it is 9:00 next, at least an hour later, by the clock of the flow's team: at night, that is this morning.
    Tomorrow,
}

/// What a link is for; nothing else can be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Takes notice of the stall of a journey.
    Acknowledge(JourneyId),
    /// Closes a journey.
    Resolve(JourneyId),
    /// Lets the ladder of a journey rest.
    Snooze(JourneyId, SnoozeFor),
    /// Takes notice of every journey that the digest lists which it came with.
    AcknowledgeAll,
    /// Ends the daily summaries of a team to one address.
    Unsubscribe {
        /// The team's key.
        team: String,
        /// The mail address.
        address: String,
    },
    /// Takes the key that somebody pressed in a call about a journey.
    CallKey(JourneyId),
    /// Takes what the receiver says of the delivery that it came with, of what was made after it was put back that often.
    Status(u32),
}

/// One link, before it is signed and after it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is for.
    pub purpose: Purpose,
    /// What it came with.
    pub delivery: DeliveryId,
    /// From when on it has no effect any more.
    pub expires_at: Timestamp,
}

/// Why a link has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was not made here, or is no longer as it was made.
    #[error("the link is not whole, or was not made by this server")]
    Altered,
    /// Its time is over.
    #[error("the link is too old")]
    Expired,
}

/// Signs and opens links. It is never shown.
#[derive(Clone)]
pub struct LinkKey {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey")
    }
}

impl LinkKey {
    /// The key that `secret` makes: a text with at least the entropy of a key, for it is hashed and not stretched.
    pub fn new(secret: &str) -> Self {
        Self { current: derive(secret), previous: None }
    }

    /// Opens what was signed under the key that `secret` makes, too: links outlive an exchange of keys.
    #[must_use]
    pub fn with_previous(self, secret: &str) -> Self {
        Self { previous: Some(derive(secret)), ..self }
    }

    /// The link as it stands in a URL: letters, digits, `-` and `_`; at most 200 of them, but for one that unsubscribes.
    pub fn sign(&self, link: &Link) -> String {
        let mut bytes = encode(link);
        let mac = mac(&self.current, &bytes);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What the link is for, if it may still be used.
    ///
    /// # Errors
    /// [`LinkError`]; one that was altered is never called expired.
    pub fn open(&self, text: &str, now: Timestamp) -> Result<Link, LinkError> {
        if text.len() > MAX_TEXT {
            return Err(LinkError::Altered);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| LinkError::Altered)?;
        let (said, seal) = bytes.split_last_chunk::<MAC_LEN>().ok_or(LinkError::Altered)?;
        let is_ours = |key: &[u8; 32]| bool::from(mac(key, said).ct_eq(seal));
        if !is_ours(&self.current) && !self.previous.as_ref().is_some_and(is_ours) {
            return Err(LinkError::Altered);
        }
        let link = decode(said).ok_or(LinkError::Altered)?;
        if now < link.expires_at { Ok(link) } else { Err(LinkError::Expired) }
    }
}

/// Makes the URLs of links.
#[derive(Clone, Debug)]
pub struct Links {
    /// What signs and opens them.
    pub key: LinkKey,
    /// Where the server is reached from outside, without a slash at its end.
    pub base_url: String,
}

impl Links {
    /// The page where somebody who reads a mail can do what the link is for.
    pub fn page(&self, link: &Link) -> String {
        format!("{}/act/{}", self.base_url, self.key.sign(link))
    }
}

fn derive(secret: &str) -> [u8; 32] {
    whole_mac(secret.as_bytes(), KEY_CONTEXT)
}

fn whole_mac(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; MAC_LEN] {
    let mut cut = [0; MAC_LEN];
    cut.copy_from_slice(&whole_mac(key, bytes)[..MAC_LEN]);
    cut
}

/// The first byte; a form that changes gets a number of its own.
fn number(purpose: &Purpose) -> u8 {
    match purpose {
        Purpose::Acknowledge(_) => 1,
        Purpose::Resolve(_) => 2,
        Purpose::Snooze(_, SnoozeFor::Hour) => 3,
        Purpose::Snooze(_, SnoozeFor::Tomorrow) => 4,
        Purpose::AcknowledgeAll => 5,
        Purpose::Unsubscribe { .. } => 6,
        Purpose::CallKey(_) => 7,
        Purpose::Status(_) => 8,
    }
}

fn encode(link: &Link) -> Vec<u8> {
    let mut bytes = vec![number(&link.purpose)];
    let ms = link.expires_at.millis().max(0).to_be_bytes();
    bytes.extend_from_slice(&ms[2..]);
    bytes.extend_from_slice(&link.delivery.to_bytes());
    match &link.purpose {
        Purpose::Acknowledge(id) | Purpose::Resolve(id) | Purpose::Snooze(id, _) | Purpose::CallKey(id) => {
            bytes.extend_from_slice(&id.to_bytes());
        }
        // A key holds no such byte, so what stands before the first one is the key.
        Purpose::Unsubscribe { team, address } => {
            bytes.extend_from_slice(team.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(address.as_bytes());
        }
        Purpose::Status(replays) => bytes.extend_from_slice(&replays.to_be_bytes()),
        Purpose::AcknowledgeAll => {}
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Link> {
    let (&number, rest) = bytes.split_first()?;
    let (time, rest) = rest.split_first_chunk::<6>()?;
    let (delivery, subject) = rest.split_first_chunk::<16>()?;
    let ms = time.iter().fold(0, |ms, byte| (ms << 8) | i64::from(*byte));
    let purpose = match number {
        1 => Purpose::Acknowledge(journey(subject)?),
        2 => Purpose::Resolve(journey(subject)?),
        3 => Purpose::Snooze(journey(subject)?, SnoozeFor::Hour),
        4 => Purpose::Snooze(journey(subject)?, SnoozeFor::Tomorrow),
        5 if subject.is_empty() => Purpose::AcknowledgeAll,
        6 => {
            let (team, address) = std::str::from_utf8(subject).ok()?.split_once('\0')?;
            Purpose::Unsubscribe { team: team.to_owned(), address: address.to_owned() }
        }
        7 => Purpose::CallKey(journey(subject)?),
        8 => Purpose::Status(u32::from_be_bytes(subject.try_into().ok()?)),
        _ => return None,
    };
    Some(Link {
        purpose,
        delivery: DeliveryId::from_bytes(*delivery),
        expires_at: Timestamp::from_millis(ms),
    })
}

fn journey(bytes: &[u8]) -> Option<JourneyId> {
    bytes.try_into().ok().map(JourneyId::from_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn key() -> LinkKey {
        LinkKey::new("0123456789abcdef0123456789abcdef")
    }

    fn link(purpose: Purpose) -> Link {
        let expires_at = Timestamp::from_millis(now().millis() + 1000);
        Link { purpose, delivery: DeliveryId::from_bytes([7; 16]), expires_at }
    }

    fn id() -> JourneyId {
        JourneyId::from_bytes([9; 16])
    }

    /// What another implementation of HMAC-SHA256 made of the same: nobody is to change the form unawares.
    const SIGNED: &str = "AQGgxFBv6AcHBwcHBwcHBwcHBwcHBwcJCQkJCQkJCQkJCQkJCQkJ44FbIMq5WHqSW0syS8ZJBg";

    #[test]
    fn the_form_is_fixed() {
        let text = key().sign(&link(Purpose::Acknowledge(id())));
        assert_eq!(text, SIGNED);
        assert_eq!(key().open(SIGNED, now()), Ok(link(Purpose::Acknowledge(id()))));
    }

    #[test]
    fn each_purpose_comes_back_and_only_under_its_key() {
        let longest = Purpose::Unsubscribe {
            team: "t".repeat(64),
            address: format!("{}@example.com", "a".repeat(242)),
        };
        for purpose in [
            Purpose::Acknowledge(id()),
            Purpose::Resolve(id()),
            Purpose::Snooze(id(), SnoozeFor::Hour),
            Purpose::Snooze(id(), SnoozeFor::Tomorrow),
            Purpose::AcknowledgeAll,
            Purpose::Unsubscribe { team: "desk".to_owned(), address: "ann@example.com".to_owned() },
            longest,
            Purpose::CallKey(id()),
            Purpose::Status(0),
            Purpose::Status(u32::MAX),
        ] {
            let link = link(purpose);
            let text = key().sign(&link);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
            assert!(text.len() <= 200 || matches!(link.purpose, Purpose::Unsubscribe { .. }), "{text}");
            assert_eq!(key().open(&text, now()), Ok(link));
            assert_eq!(LinkKey::new("another").open(&text, now()), Err(LinkError::Altered));
            assert!(
                LinkKey::new("another")
                    .with_previous("0123456789abcdef0123456789abcdef")
                    .open(&text, now())
                    .is_ok()
            );
        }
    }

    #[test]
    fn its_time_ends_to_the_millisecond() {
        let link = link(Purpose::Status(1));
        let text = key().sign(&link);
        let before = Timestamp::from_millis(link.expires_at.millis() - 1);
        assert!(key().open(&text, before).is_ok());
        assert_eq!(key().open(&text, link.expires_at), Err(LinkError::Expired));
        assert_eq!(LinkKey::new("another").open(&text, link.expires_at), Err(LinkError::Altered));
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", LinkKey::new("secret").with_previous("older")), "LinkKey");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_changed_letter_goes_unnoticed(at: prop::sample::Index, letter in "[A-Za-z0-9_=.-]") {
            let text = key().sign(&link(Purpose::Acknowledge(id())));
            let at = at.index(text.len());
            let mut other = text.clone();
            other.replace_range(at..=at, &letter);
            if other != text {
                prop_assert_eq!(key().open(&other, now()), Err(LinkError::Altered));
            }
            prop_assert_eq!(key().open(&text[..at], now()), Err(LinkError::Altered));
        }

        #[test]
        fn whatever_is_opened_nothing_panics(text: String, said: Vec<u8>) {
            prop_assert!(key().open(&text, now()).is_err());
            // Even what is signed rightly may have no form that is known.
            let sealed = [&said[..], &mac(&key().current, &said)].concat();
            let _ = key().open(&URL_SAFE_NO_PAD.encode(sealed), now());
        }
    }
}
