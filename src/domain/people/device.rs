//! What somebody signs in with, as he is to know it again among his sessions.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::limits;

/// Browsers by what is in their `User-Agent`; those that name others too come first.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Safari/", "Safari"),
];
/// Systems, in the same way.
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// From where, and with what, somebody signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The address that he came from; empty where it is not known.
    pub address: String,
    /// The browser, as it names itself, in short: `Firefox on Linux`; empty where it names nothing.
    pub browser: String,
}

impl Device {
    /// One at that address, whose browser sent that `User-Agent`.
    pub fn new(address: impl Into<String>, user_agent: &str) -> Self {
        Self { address: address.into(), browser: browser(user_agent) }
    }

    /// What the audit log keeps of it.
    pub fn audited(&self) -> Value {
        json!({ "address": self.address, "browser": self.browser })
    }
}

fn browser(user_agent: &str) -> String {
    let known = |table: &[(&str, &'static str)]| {
        table.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
    };
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        // Whatever else calls itself something; nobody but its user sends it, so it is shown, but not at any length.
        (None, _) => {
            let plain = user_agent.chars().filter(|letter| !letter.is_control());
            plain.take(limits::MAX_BROWSER_CHARS).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_in_short() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
        for (user_agent, short) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
            (chrome, "Chrome on Linux"),
            (&format!("{chrome} Edg/131.0.0.0"), "Edge on Linux"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
            ("a\r\nb", "ab"),
            ("", ""),
        ] {
            assert_eq!(browser(user_agent), short);
        }
        assert_eq!(browser(&"x".repeat(1000)).len(), limits::MAX_BROWSER_CHARS);
    }
}
