//! The URL of a database: what tokio-postgres reads of it, and what it does not know.

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::tls::{Check, Trust};

/// Where a database is, and how to get there.
#[derive(Debug)]
pub(super) struct Address {
    /// For logs: `postgres://host:port/database`, without user and password.
    pub place: String,
    pub config: Config,
    pub trust: Trust,
}

/// Whether that can be the URL of a database; says what is wrong with it, and quotes nothing of it.
///
/// # Errors
/// What is wrong.
pub fn check(url: &str) -> Result<(), String> {
    read(url).map(drop)
}

/// Reads `postgres://user:password@host:port/database?sslmode=…`. Hosts may be several, separated by commas (`h1:5432,h2:5432`):
/// the one that takes writes is looked for, unless `target_session_attrs` says otherwise. Says what is wrong, and quotes nothing of
/// it: there may be a password in it.
pub(super) fn read(url: &str) -> Result<Address, String> {
    // As tokio-postgres reads it: user and password end at the first `@`, and may have a `?` in them.
    let host = url.find('@').map_or(0, |at| at + 1);
    let query_at = url[host..].find('?').map_or(url.len(), |at| host + at);
    let (start, query) = (&url[..query_at], url[query_at..].trim_start_matches('?'));
    let mut mode = None;
    let mut roots = None;
    let mut others = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => roots = Some(decoded(value)),
            _ => others.push(parameter),
        }
    }
    let (ssl_mode, check) = match (mode.unwrap_or("prefer"), roots.is_some()) {
        ("disable", _) => (SslMode::Disable, Check::Nothing),
        ("prefer", false) => (SslMode::Prefer, Check::Nothing),
        // As in libpq: who names roots wants them to be looked at.
        ("prefer", true) => (SslMode::Prefer, Check::Issuer),
        ("require", false) => (SslMode::Require, Check::Nothing),
        ("require" | "verify-ca", _) => (SslMode::Require, Check::Issuer),
        ("verify-full", _) => (SslMode::Require, Check::IssuerAndHost),
        _ => return Err("sslmode is one of disable, prefer, require, verify-ca, verify-full".to_owned()),
    };
    // libpq's name for the system's own roots.
    let roots = roots.filter(|file| file != "system");
    // Whatever else is amiss: what was asked for is never passed over.
    if start.contains("sslmode=") || others.iter().any(|other| other.contains("sslmode=")) {
        return Err("sslmode stands where it is not read; in user, password and parameters, write @ as %40 and ? as %3F"
            .to_owned());
    }
    let names_session = others.iter().any(|other| other.starts_with("target_session_attrs="));
    let rest = if others.is_empty() { start.to_owned() } else { format!("{start}?{}", others.join("&")) };
    let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| why(&error))?;
    config.ssl_mode(ssl_mode);
    if config.get_hosts().is_empty() {
        return Err("it names no host: postgres://user:password@host:5432/database".to_owned());
    }
    if config.get_hosts().len() > 1 && !names_session {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    Ok(Address { place: place(&config), config, trust: Trust { check, roots } })
}

/// What is wrong with a URL that tokio-postgres refuses.
fn why(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("its URL can't be read: {}", source.unwrap_or_else(|| error.to_string()))
}

/// `%`-escapes are undone; `+` is no space here.
fn decoded(value: &str) -> String {
    let pair = format!("v={}", value.replace('+', "%2B"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(index)),
        Host::Unix(path) => format!("{}:{}", path.display(), port(index)),
    });
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{}/{database}", hosts.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_neither_user_nor_password() {
        for (url, place) in [
            ("postgres://u:secret@db.example:6432/app", "postgres://db.example:6432/app"),
            ("postgresql://u:secret@db.example", "postgres://db.example:5432/u"),
            ("postgres://u:s@h1:1,h2:2/app?target_session_attrs=read-write", "postgres://h1:1,h2:2/app"),
        ] {
            assert_eq!(read(url).unwrap().place, place);
        }
    }

    #[test]
    fn what_is_trusted_is_as_in_libpq() {
        let trust = |query: &str| {
            let address = read(&format!("postgres://u@h/d?application_name=x&{query}")).unwrap();
            (address.config.get_ssl_mode(), address.trust.check, address.trust.roots)
        };
        let file = || Some("/a b+c.pem".to_owned());
        assert_eq!(trust(""), (SslMode::Prefer, Check::Nothing, None));
        assert_eq!(trust("sslmode=disable"), (SslMode::Disable, Check::Nothing, None));
        assert_eq!(trust("sslmode=require"), (SslMode::Require, Check::Nothing, None));
        assert_eq!(
            trust("sslmode=require&sslrootcert=/a%20b+c.pem"),
            (SslMode::Require, Check::Issuer, file())
        );
        assert_eq!(trust("sslmode=verify-ca"), (SslMode::Require, Check::Issuer, None));
        assert_eq!(
            trust("sslrootcert=system&sslmode=verify-full"),
            (SslMode::Require, Check::IssuerAndHost, None)
        );
    }

    #[test]
    fn a_password_may_have_a_question_mark() {
        let address = read("postgres://u:wh?t&sslmode@h/d?sslmode=verify-full").unwrap();
        assert_eq!(address.config.get_password(), Some(&b"wh?t&sslmode"[..]));
        assert_eq!(address.place, "postgres://h:5432/d");
        let trust = (address.config.get_ssl_mode(), address.trust.check);
        assert_eq!(trust, (SslMode::Require, Check::IssuerAndHost));
    }

    #[test]
    fn of_several_hosts_the_one_that_takes_writes_is_looked_for() {
        for (url, looked_for) in [
            ("postgres://u@h1,h2/d", TargetSessionAttrs::ReadWrite),
            ("postgres://u@h1,h2/d?target_session_attrs=any", TargetSessionAttrs::Any),
            ("postgres://u@h1/d", TargetSessionAttrs::Any),
        ] {
            assert_eq!(read(url).unwrap().config.get_target_session_attrs(), looked_for, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        for url in [
            "postgres://h/d?sslmode=verify-full&password=secret&application_name=a@b",
            "postgres://u:secret@h/d?application_name=x?sslmode=verify-full",
            "postgres://u:secret@h/d?sslmode=maybe",
            "secret",
            "postgres://u:secret@h:port/d",
            "postgres:///d",
        ] {
            let error = read(url).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
