//! What must not be seen in an answer: the secrets of the destination, and those of the request that was sent.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use serde_json::{Map, Value};
use url::Url;

use super::links;
use super::masking::{self, LONGEST_FORM};
use crate::domain::definition::render::is_secret_header;
use crate::domain::definition::{Auth, Destination, DestinationKind};
use crate::domain::delivery::Delivery;
use crate::domain::link::Links;
use crate::domain::preset;

/// Shorter secrets, in bytes, are not looked for: they would be found everywhere.
const SHORTEST: usize = 6;
/// Values that are as long, in bytes, are taken for secrets whatever they are called.
const LONG: usize = 16;

/// Words before a token, which are no part of it.
const SCHEMES: [&str; 6] = ["apikey", "basic", "bearer", "digest", "negotiate", "token"];

/// Texts that must not be seen; cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Those of `destination`: what signs, what authorizes, and the secret settings of a preset, which its mappings may have put
    /// anywhere.
    pub fn of(destination: &Destination) -> Self {
        let mut secrets = Vec::new();
        let signing = match &destination.kind {
            DestinationKind::Webhook { signing, .. } => Some(signing),
            DestinationKind::WebhookAction(action) | DestinationKind::Preset { action, .. } => {
                match &action.auth {
                    Some(Auth::Bearer { token }) => secrets.push(token.clone()),
                    Some(Auth::Basic { password, .. }) => secrets.push(password.clone()),
                    Some(Auth::OAuth2 { client_secret, .. }) => secrets.push(client_secret.clone()),
                    None => {}
                }
                Some(&action.signing)
            }
            DestinationKind::Twilio(twilio) => {
                secrets.extend(twilio.callback_tokens());
                secrets.extend(twilio.api_key.as_ref().map(|key| key.secret.clone()));
                None
            }
        };
        if let Some(signing) = signing {
            secrets.extend(signing.shared_secret.clone());
            secrets.extend(signing.signing_secrets.iter().cloned());
        }
        if let DestinationKind::Preset { preset, settings, .. } = &destination.kind {
            secrets.extend(of_settings(preset, settings));
        }
        Self::from(secrets)
    }

    /// These, and the links that went out with `deliveries`, as far as there are any.
    pub fn with_links(self, links: Option<&Links>, deliveries: &[Delivery]) -> Self {
        let Some(links) = links else { return self };
        let tokens: Vec<String> = deliveries.iter().flat_map(|it| links::tokens(links, it)).collect();
        if tokens.is_empty() { self } else { Self::from([&self.0[..], &tokens].concat()) }
    }

    /// These, and all that a receiver must not repeat of this request: values that settings or mappings gave to its headers, where
    /// the name sounds like a secret or the value is long, and parts of its address that look like one.
    pub fn with_request(&self, headers: &HeaderMap, url: &Url) -> Self {
        let mut all = self.0.to_vec();
        for (name, value) in headers.iter().filter(|(_, value)| value.is_sensitive()) {
            let Ok(value) = value.to_str() else { continue };
            if is_secret_header(name.as_str()) {
                all.extend(parts(value));
            } else if value.len() >= LONG {
                all.push(value.to_owned());
            }
        }
        all.extend(of_url(url));
        Self::from(all)
    }

    /// How many bytes may follow those that are shown before it is known whether one of these begins in them.
    pub fn reach(&self) -> usize {
        self.0.first().map_or(0, |longest| longest.len() * LONGEST_FORM)
    }

    /// `text` without these, at most so many bytes of it.
    pub fn masked(&self, text: &str, most: usize) -> String {
        masking::masked(text, &self.0, most)
    }
}

impl From<Vec<String>> for Secrets {
    fn from(mut texts: Vec<String>) -> Self {
        texts.retain(|text| text.len() >= SHORTEST);
        texts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        texts.dedup();
        Self(texts.into())
    }
}

/// Of a preset that is not known, every setting.
fn of_settings(preset: &str, settings: &Map<String, Value>) -> Vec<String> {
    let preset = preset::find(preset);
    let secret = settings.iter().filter(|(name, _)| preset.is_none_or(|preset| preset.is_secret(name)));
    secret.filter_map(|(_, value)| value.as_str()).map(str::to_owned).collect()
}

/// What a receiver may repeat of the value of a secret header: all of it but the scheme, each word, and of `sid=…; theme=x` the
/// values.
fn parts(value: &str) -> Vec<String> {
    let is_scheme = |word: &str| SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    let whole = match value.split_once(' ') {
        Some((scheme, rest)) if is_scheme(scheme) => rest.trim(),
        Some(_) | None => value,
    };
    let mut parts = vec![whole.to_owned()];
    for word in whole.split([' ', '\t', ';', ',']) {
        parts.push(word.to_owned());
        if let Some((_, value)) = word.split_once('=') {
            parts.push(value.trim_matches('"').to_owned());
        }
    }
    parts
}

/// A password, values of the query, and parts of the path; many a webhook is known by nothing else.
fn of_url(url: &Url) -> Vec<String> {
    let mut found: Vec<String> = url.password().map(str::to_owned).into_iter().collect();
    for (name, value) in url.query_pairs() {
        if is_secret_header(&name) || looks_secret(&value) {
            found.push(value.into_owned());
        }
    }
    for part in url.path_segments().into_iter().flatten() {
        if looks_secret(part) {
            found.push(part.to_owned());
        }
    }
    found
}

/// Whether it is long, or of letters and digits.
fn looks_secret(text: &str) -> bool {
    let has = |is: fn(char) -> bool| text.chars().any(is);
    text.len() >= LONG || (has(char::is_alphabetic) && has(char::is_numeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_of_a_header_is_secret() {
        for (value, wanted) in [
            ("Bearer t0ken-1", &["t0ken-1"][..]),
            ("abc=def==", &["abc=def==", "def=="]),
            (
                "sid=\"S3SSION\"; theme=x",
                &["sid=\"S3SSION\"; theme=x", "sid=\"S3SSION\"", "S3SSION", "theme=x"],
            ),
            ("short", &[]),
        ] {
            let found = Secrets::from(parts(value));
            let mut wanted: Vec<&str> =
                wanted.iter().copied().filter(|text| text.len() >= SHORTEST).collect();
            wanted.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
            assert_eq!(found.0.to_vec(), wanted, "{value}");
        }
    }

    #[test]
    fn what_of_an_address_is_secret() {
        let url = "https://u:p4ss@x.example/services/T0G5/a-very-long-word-indeed/v1/orders?key=sesame&x=webhook&y=abc123"
            .parse()
            .unwrap();
        assert_eq!(of_url(&url), ["p4ss", "sesame", "abc123", "T0G5", "a-very-long-word-indeed", "v1"]);
        assert_eq!(Secrets::from(of_url(&url)).0.len(), 3, "what is short would be found everywhere");
    }

    #[test]
    fn secrets_are_not_shown_by_mistake() {
        let secrets = Secrets::from(vec!["s3cr3t-1".to_owned()]);
        assert_eq!(format!("{secrets:?}"), "Secrets(1)");
        assert_eq!(secrets.masked("a s3cr3t-1", 100), "a ********");
        assert_eq!(secrets.reach(), 48);
    }
}
