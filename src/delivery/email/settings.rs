//! The mail server, as `STAGEPOST_SMTP_URL` names it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use crate::domain::limits::MAIL_CONNECTIONS;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// `?tls=none`: never.
    Plain,
    /// `smtp://`: by STARTTLS where the server offers it, else not at all.
    Opportunistic,
    /// `smtp://…?tls=required`: by STARTTLS, or there is no mail.
    StartTls,
    /// `smtps://`: by TLS from the first byte.
    Implicit,
}

/// Where mails are handed in.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpSettings {
    /// A name or an address, without brackets.
    pub host: String,
    /// 587, or 465 for `smtps://`, unless the URL names one.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// User and password, decoded.
    pub credentials: Option<(String, String)>,
    /// A PEM file with certificates that are trusted beside the usual ones.
    pub ca: Option<PathBuf>,
    /// Most connections at once.
    pub pool: usize,
}

impl SmtpSettings {
    /// Reads `smtp://host:port`, `smtps://user:pass@host`, with `?tls=required|opportunistic|none`, `ca=<file>` and
    /// `pool=<connections>`.
    ///
    /// # Errors
    /// A message that says what is wrong, without the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url: Url = text.parse().map_err(|error| format!("the SMTP URL is not a URL: {error}"))?;
        let mut security = match url.scheme() {
            "smtp" => Security::Opportunistic,
            "smtps" => Security::Implicit,
            other => {
                return Err(format!("the SMTP URL has to begin with smtp:// or smtps://, not {other}://"));
            }
        };
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("the SMTP URL names no host".to_owned());
        }
        let (mut ca, mut pool) = (None, MAIL_CONNECTIONS);
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "tls" => security = tls(&value, security)?,
                "ca" => ca = Some(PathBuf::from(value.as_ref())),
                "pool" => pool = connections(&value)?,
                other => {
                    return Err(format!(
                        "the SMTP URL has an unknown parameter `{other}`; known are tls, ca, pool"
                    ));
                }
            }
        }
        let port = url.port().unwrap_or(if security == Security::Implicit { 465 } else { 587 });
        Ok(Self { host, port, security, credentials: credentials(&url)?, ca, pool })
    }

    /// Whether the server is on this machine, where nobody else hears a password.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("credentials", &self.credentials.as_ref().map(|(user, _)| (user, "…")))
            .field("ca", &self.ca)
            .field("pool", &self.pool)
            .finish()
    }
}

fn tls(value: &str, scheme: Security) -> Result<Security, String> {
    if scheme == Security::Implicit {
        return Err("smtps:// is always encrypted; `tls=` goes with smtp:// only".to_owned());
    }
    match value {
        "required" => Ok(Security::StartTls),
        "opportunistic" => Ok(Security::Opportunistic),
        "none" => Ok(Security::Plain),
        other => Err(format!("`tls={other}` in the SMTP URL is none of required, opportunistic, none")),
    }
}

fn connections(value: &str) -> Result<usize, String> {
    let count = value.parse().ok().filter(|count| (1..=64).contains(count));
    count.ok_or_else(|| format!("`pool={value}` in the SMTP URL is not a number from 1 to 64"))
}

fn credentials(url: &Url) -> Result<Option<(String, String)>, String> {
    let decode = |text: &str| {
        // In this part of a URL these are themselves; only percent escapes are decoded.
        let plain = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
        form_urlencoded::parse(plain.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() => Ok(Some((decode(user), decode(password)))),
        _ => Err("the SMTP URL needs both a user and a password, or neither".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_read_as_documented() {
        let plain = SmtpSettings::parse("smtp://127.0.0.1:2525").unwrap();
        assert_eq!(
            (plain.host.as_str(), plain.port, plain.security),
            ("127.0.0.1", 2525, Security::Opportunistic)
        );
        assert_eq!((plain.credentials.clone(), plain.pool), (None, MAIL_CONNECTIONS));
        assert!(plain.is_loopback());
        let secure = SmtpSettings::parse("smtps://us%40er:p%3Da%26s%2Fs+%25@mail.example.com").unwrap();
        assert_eq!((secure.port, secure.security), (465, Security::Implicit));
        assert_eq!(secure.credentials, Some(("us@er".to_owned(), "p=a&s/s+%".to_owned())));
        assert!(!secure.is_loopback());
        assert!(!format!("{secure:?}").contains("p=a"), "no password in logs");
        let submission =
            SmtpSettings::parse("smtp://mail.example.com?tls=required&ca=/etc/ca.pem&pool=2").unwrap();
        assert_eq!((submission.port, submission.security, submission.pool), (587, Security::StartTls, 2));
        assert_eq!(submission.ca, Some(PathBuf::from("/etc/ca.pem")));
        assert!(SmtpSettings::parse("smtp://[::1]:25?tls=none").unwrap().is_loopback());
    }

    #[test]
    fn mistakes_are_named() {
        for (url, part) in [
            ("http://x", "smtp://"),
            ("mail.example.com", "not a URL"),
            ("smtp://", "host"),
            ("smtp://user@host", "password"),
            ("smtp://host?tls=yes", "tls=yes"),
            ("smtps://host?tls=required", "always encrypted"),
            ("smtp://host?pool=0", "pool=0"),
            ("smtp://host?tsl=required", "`tsl`"),
        ] {
            let error = SmtpSettings::parse(url).unwrap_err();
            assert!(error.contains(part), "{url}: {error}");
        }
    }
}
