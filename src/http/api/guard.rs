//! Who may call the management API: the token's check and a bound on guessing.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::domain::limits;
use crate::engine::{Engine, EngineError, secret_hash};
use crate::http::caller::Caller;

/// How long wrong tokens of one address are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// How long the hash that the store holds is believed without looking again.
const FRESH: Duration = Duration::from_secs(1);

/// The token in an `Authorization` header of the form `Bearer <token>`.
pub(super) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The token in an `Authorization` header of the form `Basic <base 64 of "token:">`; a password means nothing.
pub(in crate::http) fn basic(header: &str) -> Option<String> {
    let (scheme, credentials) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let token = decoded.split_once(':').map_or(decoded.as_str(), |(token, _)| token);
    (!token.is_empty()).then(|| token.to_owned())
}

/// What the guard says of a token.
#[derive(Clone, Debug)]
pub(in crate::http) enum Verdict {
    /// It is the admin token, or one of the API's that is not over.
    Right(Caller),
    /// It is neither.
    Wrong,
    /// Nobody is let in from there for so many seconds.
    Wait(u64),
}

/// Checks tokens, and stops those who try one after the other.
#[derive(Debug, Default)]
pub(in crate::http) struct Guard {
    hash: Mutex<Option<(Instant, String)>>,
    guesses: Mutex<Guesses>,
}

impl Guard {
    /// Whose `token` is.
    pub async fn check(
        &self,
        engine: &Engine,
        token: &str,
        from: Option<IpAddr>,
    ) -> Result<Verdict, EngineError> {
        // Calls without an address come over a local socket; they share one count.
        let from = network(from.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        if let Some(wait) = self.guesses().wait(from, Instant::now()) {
            return Ok(Verdict::Wait(wait));
        }
        let hash = secret_hash(token);
        let right = self
            .expected(engine)
            .await?
            .is_some_and(|expected| bool::from(expected.as_bytes().ct_eq(hash.as_bytes())));
        if right {
            return Ok(Verdict::Right(Caller::admin_token()));
        }
        if let Some(token) = engine.token(token).await? {
            return Ok(Verdict::Right(Caller::token(&token)));
        }
        self.guesses().wrong(from, hash, Instant::now());
        Ok(Verdict::Wrong)
    }

    /// The hash of the admin token, which the store is asked for once a second at most.
    async fn expected(&self, engine: &Engine) -> Result<Option<String>, EngineError> {
        {
            let kept = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, hash)) = kept.as_ref().filter(|(read_at, _)| read_at.elapsed() < FRESH) {
                return Ok(Some(hash.clone()));
            }
        }
        let hash = engine.admin_token_hash().await?;
        *self.hash.lock().unwrap_or_else(PoisonError::into_inner) =
            hash.clone().map(|hash| (Instant::now(), hash));
        Ok(hash)
    }

    fn guesses(&self) -> std::sync::MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that guesses are counted for: of IPv6 the /64, which one caller has whole.
pub(in crate::http) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

/// Different wrong tokens by address. One wrong token that is sent again and again is a script with an old setting,
/// not a guess: it counts once, so that it locks nobody out.
#[derive(Debug, Default)]
struct Guesses(HashMap<IpAddr, (Instant, HashSet<String>)>);

impl Guesses {
    /// How many seconds `from` has to wait, if it has.
    fn wait(&self, from: IpAddr, now: Instant) -> Option<u64> {
        let (since, tokens) = self.0.get(&from)?;
        let rest = WINDOW.checked_sub(now.duration_since(*since))?;
        (tokens.len() >= limits::MAX_TOKEN_GUESSES).then(|| rest.as_secs() + 1)
    }

    /// Notes a wrong token.
    fn wrong(&mut self, from: IpAddr, hash: String, now: Instant) {
        if self.0.len() >= limits::MAX_GUESSING_ADDRESSES && !self.0.contains_key(&from) {
            self.0.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            // Still full: this many addresses at once are no longer one guesser, and memory has a bound.
            if self.0.len() >= limits::MAX_GUESSING_ADDRESSES {
                self.0.clear();
            }
        }
        let (since, tokens) = self.0.entry(from).or_insert_with(|| (now, HashSet::new()));
        if now.duration_since(*since) >= WINDOW {
            (*since, *tokens) = (now, HashSet::new());
        }
        tokens.insert(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_header() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for header in ["", "abc", "Bearer", "Bearer ", "Basic abc"] {
            assert_eq!(bearer(header), None, "{header}");
        }
    }

    #[test]
    fn reads_the_header_of_the_profile_api() {
        for header in ["Basic YWJjOg==", "basic  YWJjOg==", "Basic YWJj", "Basic YWJjOnB3"] {
            assert_eq!(basic(header).as_deref(), Some("abc"), "{header}");
        }
        for header in ["", "Basic", "Basic !", "Basic Og==", "Basic ", "Bearer YWJjOg==", "Basic /////w=="] {
            assert_eq!(basic(header), None, "{header}");
        }
    }

    #[test]
    fn hashes_as_sha256_in_hex() {
        assert_eq!(secret_hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn guessing_is_stopped_for_a_minute() {
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        let mut guesses = Guesses::default();
        for _ in 0..100 {
            guesses.wrong(there, "old token".to_owned(), start);
        }
        for n in 0..limits::MAX_TOKEN_GUESSES {
            assert_eq!(guesses.wait(here, start), None);
            guesses.wrong(here, n.to_string(), start);
        }
        assert_eq!(guesses.wait(here, start), Some(61));
        assert_eq!(guesses.wait(there, start), None, "one wrong token again and again is no guessing");
        let later = start + WINDOW + Duration::from_millis(1);
        assert_eq!(guesses.wait(here, later), None);
        guesses.wrong(here, "again".to_owned(), later);
        assert_eq!(guesses.wait(here, later), None, "the count began anew");
    }

    #[test]
    fn addresses_are_bounded_and_grouped() {
        let mut guesses = Guesses::default();
        for n in 0..10_000u32 {
            guesses.wrong(IpAddr::from(n.to_be_bytes()), "x".to_owned(), Instant::now());
        }
        assert!(guesses.0.len() <= limits::MAX_GUESSING_ADDRESSES);
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::2".parse().unwrap();
        assert_eq!(network(one), network(other));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), IpAddr::from([10, 0, 0, 1]));
    }
}
