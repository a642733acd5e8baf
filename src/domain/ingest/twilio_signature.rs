//! `X-Twilio-Signature`: base 64 of HMAC-SHA1 over the URL that Twilio called and, for forms, the fields.
//!
//! With any other body the URL carries `bodySHA256`, and then both have to hold: the HMAC over the URL and the hash of
//! the body. What fails in practice is the exact text of the URL, so a bounded set of spellings is tried.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::form;

/// Where Twilio reaches the server: what stands in its URLs before the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    scheme: String,
    userinfo: Option<String>,
    host: String,
    port: Option<u16>,
    prefix: String,
}

impl Base {
    /// From the configured public URL; its path is a prefix which a proxy may have cut off.
    pub fn from_url(url: &Url) -> Option<Self> {
        let userinfo = match (url.username(), url.password()) {
            ("", None) => None,
            (user, None) => Some(user.to_owned()),
            (user, Some(password)) => Some(format!("{user}:{password}")),
        };
        Some(Self {
            scheme: url.scheme().to_owned(),
            userinfo,
            host: url.host_str()?.to_owned(),
            port: url.port(),
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// From a `Host` header, for servers without a configured public URL.
    pub fn from_host(scheme: &str, host: &str) -> Option<Self> {
        Url::parse(&format!("{scheme}://{host}/")).ok().as_ref().and_then(Self::from_url)
    }

    /// Everything before the path, in every spelling: ports × user info.
    fn origins(&self, userinfo: Option<&str>) -> Vec<String> {
        let default = if self.scheme == "https" { ":443" } else { ":80" };
        let mut ports = vec![String::new(), default.to_owned()];
        ports.extend(self.port.map(|port| format!(":{port}")));
        let mut users = vec![String::new()];
        users.extend(self.userinfo.as_ref().map(|user| format!("{user}@")));
        if let Some(user) = userinfo {
            users.push(format!("{user}@"));
            users.extend(user.strip_suffix(':').map(|user| format!("{user}@")));
        }
        users.dedup();
        let spell = |user: &String| {
            let before = format!("{}://{user}{}", self.scheme, self.host);
            ports.iter().map(move |port| format!("{before}{port}")).collect::<Vec<_>>()
        };
        users.iter().flat_map(spell).collect()
    }
}

/// What the signature is over beside the URL.
#[derive(Clone, Copy, Debug)]
pub enum SignedBody<'a> {
    /// Nothing: a GET.
    None,
    /// The decoded fields of a form.
    Form(&'a [(String, String)]),
    /// Any other body; the URL has to carry its hash.
    Raw(&'a [u8]),
}

/// A request as it was received.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Where it may have been sent to.
    pub bases: &'a [Base],
    /// The path as received.
    pub path: &'a str,
    /// The query as received, without `?`.
    pub query: Option<&'a str>,
    /// `user:password` of its Basic authorization, which stood in the URL that Twilio was given.
    pub userinfo: Option<&'a str>,
    /// What it carries.
    pub body: SignedBody<'a>,
}

/// Whether one of `tokens` made `signature` for this request. Whatever cannot be checked is refused.
pub fn verify(tokens: &[String], signature: &str, request: &SignedRequest<'_>) -> bool {
    let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
    let suffix = match request.body {
        SignedBody::None => String::new(),
        SignedBody::Form(fields) => signed_fields(fields),
        SignedBody::Raw(body) if hash_holds(request.query, body) => String::new(),
        SignedBody::Raw(_) => return false,
    };
    let urls = urls(request);
    tokens.iter().any(|token| {
        let Ok(keyed) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else { return false };
        urls.iter().any(|url| {
            let mac = keyed.clone().chain_update(url.as_bytes()).chain_update(suffix.as_bytes());
            mac.verify_slice(&signature).is_ok()
        })
    })
}

/// Names in byte order, each followed by its value; of a repeated name the distinct values in order.
fn signed_fields(fields: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    let mut signed = String::new();
    for (name, values) in sorted {
        for value in values {
            signed.push_str(name);
            signed.push_str(value);
        }
    }
    signed
}

/// Whether the query's `bodySHA256` (the last one: Twilio appends it) is the body's hash.
fn hash_holds(query: Option<&str>, body: &[u8]) -> bool {
    let Some(claimed) =
        query.and_then(|query| query.split('&').rev().find_map(|part| part.strip_prefix("bodySHA256=")))
    else {
        return false;
    };
    let actual = hex::encode(Sha256::digest(body));
    bool::from(claimed.as_bytes().ct_eq(actual.as_bytes()))
}

/// Every spelling of the URL.
fn urls(request: &SignedRequest<'_>) -> Vec<String> {
    let queries = queries(request.query);
    let mut urls = Vec::new();
    for base in request.bases {
        let mut paths = vec![request.path.to_owned()];
        if !base.prefix.is_empty() {
            paths.push(format!("{}{}", base.prefix, request.path));
        }
        for origin in base.origins(request.userinfo) {
            for path in &paths {
                urls.extend(queries.iter().map(|query| format!("{origin}{path}{query}")));
            }
        }
    }
    urls
}

/// The query as received, as WHATWG URLs write it, and decoded and encoded anew; each with its `?`.
fn queries(query: Option<&str>) -> Vec<String> {
    let Some(query) = query else { return vec![String::new()] };
    let mut spellings = vec![format!("?{query}")];
    if query.contains('\'') {
        spellings.push(format!("?{}", query.replace('\'', "%27")));
    }
    if let Ok(pairs) = form::pairs(query.as_bytes()) {
        let encoded = pairs.iter().map(|(name, value)| format!("{}={}", component(name), component(value)));
        let anew = format!("?{}", encoded.collect::<Vec<_>>().join("&"));
        if !spellings.contains(&anew) {
            spellings.push(anew);
        }
    }
    spellings
}

/// JavaScript's `encodeURIComponent`.
fn component(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

#[cfg(test)]
#[path = "twilio_signature_tests.rs"]
mod tests;
