//! What the texts of settings mean. Messages never show a text that may hold a secret.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use super::{LogFormat, Secret, StoreChoice};
use crate::delivery::email::SmtpSettings;
use crate::domain::definition::document::{check_email, check_http_url};
use crate::domain::limits::{MAX_RECIPIENTS, MAX_SECRET_KEY_BYTES, MAX_WRITERS, MIN_SECRET_KEY_CHARS};
use crate::store::postgres::check_url;

/// Shortest admin token.
const MIN_TOKEN: usize = 16;
/// Longest admin token.
const MAX_TOKEN: usize = 512;

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    // Names are not looked up: what is listened on must not depend on a resolver.
    let text = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "is not an address with a port such as 127.0.0.1:8080 or [::]:8080".to_owned())
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.contains('\0') { Err("is not a path".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// Where a store is, as the setting `store` says it.
///
/// # Errors
/// What is wrong with it; quotes nothing of it, for there may be a password in it.
pub fn store(text: &str) -> Result<StoreChoice, String> {
    match text.split_once(':') {
        Some(("memory", "")) => Ok(StoreChoice::Memory),
        Some(("sled", "")) => Err("write the path after `sled:`".to_owned()),
        Some(("sled", path)) => Ok(StoreChoice::Sled(PathBuf::from(path))),
        Some(("postgres" | "postgresql", _)) => {
            check_url(text).map(|()| StoreChoice::Postgres(Secret::new(text)))
        }
        Some(_) | None => {
            Err("must be sled:PATH, postgres://user:password@host/database or memory:".to_owned())
        }
    }
}

pub(super) fn cache_mb(text: &str) -> Result<u64, String> {
    number(text, 16..=1024 * 1024)
}

pub(super) fn writers(text: &str) -> Result<usize, String> {
    number(text, 1..=MAX_WRITERS)
}

pub(super) fn shutdown_secs(text: &str) -> Result<u64, String> {
    number(text, 1..=30)
}

fn number<N: FromStr + PartialOrd + Display>(text: &str, possible: RangeInclusive<N>) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| possible.contains(number));
    number.ok_or_else(|| format!("must be a whole number from {} to {}", possible.start(), possible.end()))
}

/// Checked by who will use it; kept as text, so that the password has one place.
pub(super) fn smtp_url(text: &str) -> Result<Secret, String> {
    SmtpSettings::parse(text).map(|_| Secret::new(text))
}

pub(super) fn ops_email(text: &str) -> Result<Vec<String>, String> {
    let addresses: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if addresses.len() > MAX_RECIPIENTS {
        return Err(format!("has {} addresses; at most {MAX_RECIPIENTS} are possible", addresses.len()));
    }
    let checked = addresses.into_iter().map(|address| {
        check_email(address).map(str::to_owned).map_err(|message| format!("`{address}` {message}"))
    });
    checked.collect()
}

pub(super) fn mail_from(text: &str) -> Result<String, String> {
    let mailbox = text.parse::<lettre::message::Mailbox>();
    mailbox.map(|_| text.to_owned()).map_err(|_| "is not a sender such as Name <name@example.com>".to_owned())
}

pub(super) fn public_url(text: &str) -> Result<String, String> {
    check_http_url(text)?;
    if text.contains(['?', '#']) {
        return Err("must not have a query or fragment".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

pub(super) fn private_destinations(text: &str) -> Result<String, String> {
    if matches!(text, "true" | "false") {
        return Ok(text.to_owned());
    }
    let read = |text: &str| {
        let network = network(text).map(|network| network.to_string());
        network.ok_or_else(|| format!("`{text}` is not true, false or a network such as 10.0.0.0/8"))
    };
    let networks: Result<Vec<String>, String> = text.split(',').map(str::trim).map(read).collect();
    Ok(networks?.join(","))
}

/// An empty list in the file is `false`.
pub(super) fn trusted_proxies(text: &str) -> Result<Vec<IpNet>, String> {
    if text == "false" {
        return Ok(Vec::new());
    }
    let read = |text: &str| {
        let problem = || format!("`{text}` is not an address or a network such as 10.0.0.2 or 10.0.0.0/8");
        // Every address is nobody's: then anybody could say where he comes from.
        network(text).filter(|network| network.prefix_len() > 0).ok_or_else(problem)
    };
    text.split(',').map(str::trim).map(read).collect()
}

/// A network, or one address as the network of that address alone.
fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

pub(super) fn admin_token(text: &str) -> Result<Secret, String> {
    if !(MIN_TOKEN..=MAX_TOKEN).contains(&text.len()) {
        return Err(format!("must have {MIN_TOKEN} to {MAX_TOKEN} characters, not {}", text.chars().count()));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be printable ASCII without spaces, so that it can be sent".to_owned());
    }
    Ok(Secret::new(text))
}

/// The key that secrets are sealed under, from a setting or from the text of a file: space at its ends is not part of it.
///
/// # Errors
/// What is wrong with it; never the key.
pub fn secret_key(text: &str) -> Result<Secret, String> {
    let key = text.trim();
    if key.chars().count() < MIN_SECRET_KEY_CHARS || key.len() > MAX_SECRET_KEY_BYTES {
        return Err(format!(
            "must have {MIN_SECRET_KEY_CHARS} characters at least and {MAX_SECRET_KEY_BYTES} bytes at most, and be random, as \
             `openssl rand -hex 32` prints one"
        ));
    }
    Ok(Secret::new(key))
}

pub(super) fn log(text: &str) -> Result<String, String> {
    let filter = EnvFilter::try_new(text).map(|_| text.to_owned());
    filter.map_err(|error| format!("is not a log filter such as info or stagepost=debug,warn: {error}"))
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".to_owned()),
    }
}
