//! Secrets at rest: records that may hold one are encrypted as a whole before a backend writes them.
//!
//! ChaCha20-Poly1305 with a random nonce for each record; at so few writes no nonce comes twice. What a backend stores is
//!
//! | bytes | |
//! |---|---|
//! | 1 | version of this form |
//! | 8 | id of the key, so that a wrong key is told from damage |
//! | 12 | nonce |
//! | rest | the encrypted record and its tag of 16 bytes |
//!
//! The tag covers the head and the record's place, too: a record that was changed, or moved to another place, does not open.
//! (An older record of the same place does; who can write to the data directory can put back what was in it.)

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

use crate::domain::definition::Kind;

/// The form that is written; also the first byte of each sealed record. No JSON begins with it.
const VERSION: u8 = 1;
const ID_LEN: usize = 8;
const HEAD_LEN: usize = 1 + ID_LEN + NONCE_LEN;

/// What the hash that makes a key, or its id, begins with: neither says anything about the other.
const KEY_CONTEXT: &[u8] = b"stagepost secrets at rest: key\0";
const ID_CONTEXT: &[u8] = b"stagepost secrets at rest: key id\0";

/// Whether definitions of that kind may hold secrets: write keys and auth tokens, headers, signing secrets, credentials.
pub(super) fn is_secret(kind: Kind) -> bool {
    match kind {
        Kind::Source | Kind::Destination => true,
        Kind::Team | Kind::Flow | Kind::Audience | Kind::Trait => false,
    }
}

/// What a key is known by. It tells keys apart and says nothing about them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; ID_LEN]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why a record can't be opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is in no form that is known.
    #[error("it is not sealed, or in a form that is not known")]
    Form,
    /// It was sealed under a key that was not given.
    #[error("it is sealed under another key, {0}")]
    Key(KeyId),
    /// The key is right, but the record was changed, or stood in another place.
    #[error("its seal is broken")]
    Broken,
}

#[derive(Clone)]
struct Key {
    id: KeyId,
    cipher: LessSafeKey,
}

impl Key {
    fn new(secret: &str) -> Self {
        let hash =
            |context: &[u8], text: &[u8]| Sha256::new().chain_update(context).chain_update(text).finalize();
        let bytes = hash(KEY_CONTEXT, secret.as_bytes());
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&hash(ID_CONTEXT, &bytes)[..ID_LEN]);
        let key =
            UnboundKey::new(&CHACHA20_POLY1305, &bytes).expect("SHA-256 has the 32 bytes of such a key");
        Self { id: KeyId(id), cipher: LessSafeKey::new(key) }
    }
}

/// Seals and opens records. Its keys are never shown.
#[derive(Clone)]
pub struct Sealer {
    current: Key,
    previous: Option<Key>,
    entropy: fn() -> [u8; 32],
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealer").field(&self.current.id).finish()
    }
}

impl Sealer {
    /// Seals under the key that `secret` makes: a text with at least the entropy of a key, for it is hashed and not
    /// stretched. `entropy` gives other random bytes each time.
    pub fn new(secret: &str, entropy: fn() -> [u8; 32]) -> Self {
        Self { current: Key::new(secret), previous: None, entropy }
    }

    /// Opens what was sealed under the key that `secret` makes, too.
    #[must_use]
    pub fn with_previous(self, secret: &str) -> Self {
        Self { previous: Some(Key::new(secret)), ..self }
    }

    /// Random bytes, other ones each time, for whatever else a backend needs some for.
    pub(super) fn entropy(&self) -> [u8; 32] {
        (self.entropy)()
    }

    /// The key that it seals under.
    pub fn key_id(&self) -> KeyId {
        self.current.id
    }

    /// Whether it opens what was sealed under the key with that id, as it is shown.
    pub fn knows(&self, id: &str) -> bool {
        self.keys().any(|key| key.id.to_string() == id)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// `record` as it may be stored at `place`.
    pub fn seal(&self, place: &[u8], record: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&(self.entropy)()[..NONCE_LEN]);
        let mut sealed = record.to_vec();
        let aad = Aad::from(covered(self.current.id, place));
        self.current
            .cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .expect("a record is shorter than the 256 GiB that can be sealed at once");
        [&[VERSION][..], &self.current.id.0, &nonce, &sealed].concat()
    }

    /// The record that was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let id = key_id(sealed)?;
        let key = self.keys().find(|key| key.id == id).ok_or(SealError::Key(id))?;
        let (head, rest) = sealed.split_first_chunk::<HEAD_LEN>().ok_or(SealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + ID_LEN..]).map_err(|_| SealError::Broken)?;
        let mut record = rest.to_vec();
        let opened = key.cipher.open_in_place(nonce, Aad::from(covered(id, place)), &mut record);
        let length = opened.map_err(|_| SealError::Broken)?.len();
        record.truncate(length);
        Ok(record)
    }

    /// Whether the record is sealed under the present key.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        key_id(sealed) == Ok(self.current.id)
    }

    /// Whether the record is sealed, under whatever key; if so, its key has to be one that is given.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn is_sealed(&self, record: &[u8]) -> Result<bool, SealError> {
        match key_id(record) {
            Ok(id) if self.keys().any(|key| key.id == id) => Ok(true),
            Ok(id) => Err(SealError::Key(id)),
            Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
impl Sealer {
    /// One whose nonces are all the same.
    pub(super) fn for_tests() -> Self {
        Self::new("secret", || [7; 32])
    }
}

/// The id of the key that a record is sealed under.
fn key_id(sealed: &[u8]) -> Result<KeyId, SealError> {
    match sealed.split_first() {
        Some((&VERSION, rest)) => rest.first_chunk().map(|id| KeyId(*id)).ok_or(SealError::Form),
        Some(_) | None => Err(SealError::Form),
    }
}

/// What the tag covers beside the record itself.
fn covered(id: KeyId, place: &[u8]) -> Vec<u8> {
    [&[VERSION][..], &id.0, place].concat()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    /// Other bytes each time.
    fn counted() -> [u8; 32] {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        bytes
    }

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(secret, counted)
    }

    /// What another implementation of ChaCha20-Poly1305 made of the same: nobody is to change the form unawares.
    const SEALED: &str =
        "016ef435cb7598aca207070707070707070707070714844117967c7e791a370ba332d4631342fc32f77a46ed";

    #[test]
    fn the_form_is_fixed() {
        let sealer = Sealer::new("0123456789abcdef0123456789abcdef", || [7; 32]);
        let sealed = sealer.seal(b"fdcrm", b"{\"a\":1}");
        assert_eq!(hex::encode(&sealed), SEALED);
        assert_eq!(sealer.open(b"fdcrm", &hex::decode(SEALED).unwrap()), Ok(b"{\"a\":1}".to_vec()));
    }
    #[test]
    fn neither_the_key_nor_its_secret_is_shown() {
        let secret = "a secret that nobody may see, ever";
        let shown = format!("{:?}", sealer(secret).with_previous(secret));
        assert!(
            !shown.contains("secret that") && shown.contains(&sealer(secret).key_id().to_string()),
            "{shown}"
        );
    }

    #[test]
    fn a_wrong_key_is_told_from_damage_and_from_plain_text() {
        let (old, new) = (sealer("old"), sealer("new"));
        let sealed = old.seal(b"p", b"record");
        assert_eq!(new.open(b"p", &sealed), Err(SealError::Key(old.key_id())));
        assert_eq!(new.is_sealed(&sealed), Err(SealError::Key(old.key_id())));
        assert!(old.knows(&old.key_id().to_string()) && !new.knows(&old.key_id().to_string()));
        for plain in [&b"{\"key\":\"crm\"}"[..], b"", &[VERSION], &[VERSION; 5]] {
            assert_eq!(old.open(b"p", plain), Err(SealError::Form));
            assert_eq!(old.is_sealed(plain), Ok(false));
        }
        assert_eq!(old.open(b"p", &sealed[..12]), Err(SealError::Broken), "cut off");
    }

    #[test]
    fn the_previous_key_opens_and_does_not_seal() {
        let old = sealer("old");
        let sealed = old.seal(b"p", b"record");
        let both = sealer("new").with_previous("old");
        assert_eq!(both.open(b"p", &sealed), Ok(b"record".to_vec()));
        assert_eq!((both.is_sealed(&sealed), both.is_current(&sealed)), (Ok(true), false));
        let anew = both.seal(b"p", b"record");
        assert!(both.is_current(&anew));
        assert_eq!(sealer("new").open(b"p", &anew), Ok(b"record".to_vec()));
        assert!(old.open(b"p", &anew).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_sealed_opens_in_its_place_only(record: Vec<u8>, place: Vec<u8>, other: Vec<u8>) {
            let sealer = sealer("secret");
            let sealed = sealer.seal(&place, &record);
            prop_assert_eq!(sealer.open(&place, &sealed), Ok(record.clone()));
            prop_assert_ne!(sealer.seal(&place, &record), sealed.clone(), "another nonce");
            if other != place {
                prop_assert_eq!(sealer.open(&other, &sealed), Err(SealError::Broken));
            }
        }

        #[test]
        fn no_changed_bit_goes_unnoticed(record: Vec<u8>, at: prop::sample::Index, bit in 0..8_u8) {
            let sealer = sealer("secret");
            let mut sealed = sealer.seal(b"p", &record);
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(sealer.open(b"p", &sealed).is_err());
        }

        #[test]
        fn whatever_is_opened_nothing_panics(bytes: Vec<u8>) {
            let mut sealed = vec![VERSION];
            sealed.extend_from_slice(&sealer("secret").key_id().0);
            sealed.extend_from_slice(&bytes);
            prop_assert!(sealer("secret").open(b"p", &sealed).is_err());
            prop_assert!(sealer("secret").open(b"p", &bytes).is_err());
        }
    }
}
