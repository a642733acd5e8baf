//! Server settings: from the file, the environment and flags, validated as a whole.

mod parse;
pub mod settings;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::domain::definition::Problem;
use crate::domain::limits::MAX_DEFAULT_WRITERS;

pub use self::parse::{secret_key as read_secret_key, store as read_store};
use self::values::Values;
pub use self::values::{Said, unknown_keys};

/// The name of the store in a data directory, unless the settings say otherwise.
pub const OWN_STORE: &str = "store";

/// A text that no log and no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where everything is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// A sled database in that directory.
    Sled(PathBuf),
    /// A PostgreSQL database, by its URL; it may hold a password.
    Postgres(Secret),
    /// Memory; gone when the process ends.
    Memory,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The files for HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where files are kept.
    pub data_dir: PathBuf,
    /// Where everything else is kept.
    pub store: StoreChoice,
    /// The store's cache, in MiB.
    pub cache_mb: u64,
    /// Writers that take events in where nodes share the store; `None` goes by the processors, see [`Config::writers_on`].
    pub writers: Option<usize>,
    /// The mail server, with its credentials; `None` writes mails to files.
    pub smtp_url: Option<Secret>,
    /// Sender of the mails: `Name <address>`.
    pub mail_from: String,
    /// Who is told of destinations that are paused.
    pub ops_email: Vec<String>,
    /// Where it is reached from outside, without a slash at its end; see [`Config::base_url`].
    pub public_url: Option<String>,
    /// The proxies in front, whose word is taken on where requests come from.
    pub trusted_proxies: Vec<IpNet>,
    /// `true`, `false`, or networks with commas between them.
    pub allow_private_destinations: String,
    /// The token of the management API; `None` makes one.
    pub admin_token: Option<Secret>,
    /// What secrets are sealed under; `None` reads it from the file, or makes one.
    pub secret_key: Option<Secret>,
    /// The file with that key.
    pub secret_key_file: Option<PathBuf>,
    /// What secrets were sealed under before.
    pub secret_key_previous: Option<Secret>,
    /// Templates that go before those built in.
    pub templates_dir: Option<PathBuf>,
    /// The files for HTTPS; `None` serves HTTP.
    pub tls: Option<Tls>,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Seconds to finish in after SIGTERM.
    pub shutdown_secs: u64,
}

impl Config {
    /// The settings that follow from what was said; beside them, warnings.
    ///
    /// # Errors
    /// Everything that is wrong. A field is the flag (`--listen`), the variable (`STAGEPOST_LISTEN`) or the file's key
    /// (`listen`), whichever the value came from.
    pub fn load(said: Said<'_>) -> Result<(Self, Vec<String>), Vec<Problem>> {
        let mut values = Values::new(said);
        let config = Self::read(&mut values);
        match config {
            Some(config) if values.problems.is_empty() => {
                Ok((config, values::unknown_variables(said.environment)))
            }
            Some(_) | None => Err(values.problems),
        }
    }

    /// Every setting is read before any is missed, so that all problems come at once.
    fn read(values: &mut Values<'_>) -> Option<Self> {
        let listen = values.read("listen", parse::listen);
        let data_dir = values.read("data_dir", parse::path);
        let store = values.read("store", parse::store);
        let cache_mb = values.read("cache_mb", parse::cache_mb);
        let writers = values.read("writers", parse::writers);
        let smtp_url = values.read("smtp_url", parse::smtp_url);
        let mail_from = values.read("mail_from", parse::mail_from);
        let ops_email = values.read("ops_email", parse::ops_email);
        let public_url = values.read("public_url", parse::public_url);
        let trusted_proxies = values.read("trusted_proxies", parse::trusted_proxies);
        let private = values.read("allow_private_destinations", parse::private_destinations);
        let admin_token = values.read("admin_token", parse::admin_token);
        let (secret_key, secret_key_file) = secret_key(values);
        let secret_key_previous = values.read("secret_key_previous", parse::secret_key);
        let templates_dir = values.read("templates_dir", parse::path);
        let tls = tls(values);
        let log = values.read("log", parse::log);
        let log_format = values.read("log_format", parse::log_format);
        let shutdown_secs = values.read("shutdown_secs", parse::shutdown_secs);
        let data_dir = data_dir?;
        Some(Self {
            listen: listen?,
            store: store.unwrap_or_else(|| StoreChoice::Sled(data_dir.join(OWN_STORE))),
            data_dir,
            cache_mb: cache_mb?,
            writers,
            smtp_url,
            mail_from: mail_from?,
            ops_email: ops_email.unwrap_or_default(),
            public_url,
            trusted_proxies: trusted_proxies.unwrap_or_default(),
            allow_private_destinations: private?,
            admin_token,
            secret_key,
            secret_key_file,
            secret_key_previous,
            templates_dir,
            tls,
            log: log?,
            log_format: log_format?,
            shutdown_secs: shutdown_secs?,
        })
    }

    /// How many writers take events in on a machine with so many processors. More of them than it has room for make smaller groups,
    /// and meet at the same users: unless asked otherwise, half the processors are left to the database and to what posts ask of us.
    pub fn writers_on(&self, processors: usize) -> usize {
        self.writers.unwrap_or_else(|| (processors / 2).clamp(1, MAX_DEFAULT_WRITERS))
    }

    /// The address that people and Twilio use; `bound` is the one that is really listened on (a port of 0 is chosen by
    /// the system).
    pub fn base_url(&self, bound: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.clone(),
            None => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                // Nobody can call 0.0.0.0.
                let mut reached = bound;
                if bound.ip().is_unspecified() {
                    reached.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
                }
                format!("{scheme}://{reached}")
            }
        }
    }
}

/// The key itself or the file with it, not both: which of the two was meant could not be told.
fn secret_key(values: &mut Values<'_>) -> (Option<Secret>, Option<PathBuf>) {
    let key = values.read("secret_key", parse::secret_key);
    let file = values.read("secret_key_file", parse::path);
    if key.is_some() && file.is_some() {
        values
            .problems
            .push(Problem::new("secret_key_file", "is set beside secret_key; leave one of them out"));
    }
    (key, file)
}

/// Certificate and key: both, or neither.
fn tls(values: &mut Values<'_>) -> Option<Tls> {
    let problems = values.problems.len();
    match (values.read("tls_cert", parse::path), values.read("tls_key", parse::path)) {
        (Some(cert), Some(key)) => Some(Tls { cert, key }),
        (None, None) => None,
        (cert, _) => {
            // Where one of the two is wrong, that is the problem, not that it is missing.
            if values.problems.len() == problems {
                let (here, missing) =
                    if cert.is_some() { ("tls_cert", "tls_key") } else { ("tls_key", "tls_cert") };
                values
                    .problems
                    .push(Problem::new(here, format!("is set without {missing}; HTTPS needs both")));
            }
            None
        }
    }
}
