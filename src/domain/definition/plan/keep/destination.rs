//! What a wanted destination takes over from the one that exists: its secrets, as far as they go to the same address.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{keep_secret, keep_secrets, nothing_kept};
use crate::domain::definition::document::read_preset;
use crate::domain::definition::secrets::in_headers;
use crate::domain::definition::{
    Action, Auth, Destination, DestinationKind, Problem, REDACTED, Signing, Twilio, WebhookUrl,
};
use crate::domain::mapping::Mapping;
use crate::domain::preset;

pub(super) fn keep(wanted: &mut Destination, before: Option<&Destination>, problems: &mut Vec<Problem>) {
    match &mut wanted.kind {
        DestinationKind::Webhook { urls, signing, gzip: _ } => {
            let before = before.and_then(|before| match &before.kind {
                DestinationKind::Webhook { urls, signing, gzip: _ } => Some((urls.as_slice(), signing)),
                DestinationKind::WebhookAction(_)
                | DestinationKind::Preset { .. }
                | DestinationKind::Twilio(_) => None,
            });
            keep_signing(signing, before.map(|(_, signing)| signing), problems);
            let urls_before = before.map_or(&[][..], |(urls, _)| urls);
            for (index, url) in urls.iter_mut().enumerate() {
                keep_headers(url, urls_before, &format!("urls[{index}].headers"), problems);
            }
        }
        DestinationKind::WebhookAction(action) => {
            let before = before.and_then(|before| match &before.kind {
                DestinationKind::WebhookAction(action) => Some(&**action),
                DestinationKind::Webhook { .. }
                | DestinationKind::Preset { .. }
                | DestinationKind::Twilio(_) => None,
            });
            keep_action(Arc::make_mut(action), before, problems);
        }
        DestinationKind::Preset { .. } => keep_settings(wanted, before, problems),
        DestinationKind::Twilio(twilio) => {
            keep_twilio(twilio, before.and_then(|before| before.kind.twilio()), problems);
        }
    }
}

/// The receiver never sees these keys, so that they stay whatever its address is.
fn keep_signing(signing: &mut Signing, before: Option<&Signing>, problems: &mut Vec<Problem>) {
    if let Some(secret) = &mut signing.shared_secret {
        let kept = before.and_then(|before| before.shared_secret.as_ref());
        keep_secret(secret, kept, || "shared_secret".to_owned(), problems);
    }
    let kept = before.map_or(&[][..], |before| &before.signing_secrets);
    keep_secrets(&mut signing.signing_secrets, kept, "signing_secrets", problems);
}

/// Headers are kept only with the very address they were given for: a secret never follows to another one.
fn keep_headers(url: &mut WebhookUrl, before: &[WebhookUrl], at: &str, problems: &mut Vec<Problem>) {
    for (name, value) in &mut url.headers {
        let kept = before.iter().filter(|before| before.url == url.url).find_map(|url| url.headers.get(name));
        keep_secret(value, kept, || format!("{at}.{name}"), problems);
    }
}

fn keep_action(action: &mut Action, before: Option<&Action>, problems: &mut Vec<Problem>) {
    keep_signing(&mut action.signing, before.map(|before| &before.signing), problems);
    let same_address = before.filter(|before| before.url == action.url);
    if let Some(auth) = &mut action.auth {
        keep_auth(auth, same_address.and_then(|before| before.auth.as_ref()), problems);
    }
    keep_mapped_headers(&mut action.headers, same_address.map(|before| &before.headers), problems);
}

fn keep_auth(auth: &mut Auth, before: Option<&Auth>, problems: &mut Vec<Problem>) {
    match auth {
        Auth::Bearer { token } => {
            let kept = match before {
                Some(Auth::Bearer { token }) => Some(token),
                Some(Auth::Basic { .. } | Auth::OAuth2 { .. }) | None => None,
            };
            keep_secret(token, kept, || "auth.token".to_owned(), problems);
        }
        Auth::Basic { user: _, password } => {
            let kept = match before {
                Some(Auth::Basic { user: _, password }) => Some(password),
                Some(Auth::Bearer { .. } | Auth::OAuth2 { .. }) | None => None,
            };
            keep_secret(password, kept, || "auth.password".to_owned(), problems);
        }
        Auth::OAuth2 { token_url: wanted_url, client_secret, .. } => {
            let kept = match before {
                Some(Auth::OAuth2 { token_url, client_secret, .. }) if token_url == wanted_url => {
                    Some(client_secret)
                }
                Some(Auth::OAuth2 { .. } | Auth::Bearer { .. } | Auth::Basic { .. }) | None => None,
            };
            keep_secret(client_secret, kept, || "auth.client_secret".to_owned(), problems);
        }
    }
}

fn keep_mapped_headers(headers: &mut Mapping, before: Option<&Mapping>, problems: &mut Vec<Problem>) {
    let mut definition = headers.to_json().clone();
    let mut changed = false;
    for place in in_headers(&definition) {
        let Some(secret) = definition.pointer_mut(&place).filter(|secret| **secret == REDACTED) else {
            continue;
        };
        match before.and_then(|before| before.to_json().pointer(&place)) {
            Some(kept) => {
                *secret = kept.clone();
                changed = true;
            }
            None => problems.push(nothing_kept(format!("mapping.headers{}", place.replace('/', ".")))),
        }
    }
    if changed && let Ok(kept) = Mapping::parse(&definition) {
        *headers = kept;
    }
}

/// What vouches for us is kept with the very addresses it was given for, and each secret with the name it belongs to.
fn keep_twilio(twilio: &mut Twilio, before: Option<&Twilio>, problems: &mut Vec<Problem>) {
    let same_place = before.filter(|before| before.urls == twilio.urls);
    if let Some(token) = &mut twilio.auth_token {
        let kept = same_place.filter(|before| before.account_sid == twilio.account_sid);
        let kept = kept.and_then(|before| before.auth_token.as_ref());
        keep_secret(token, kept, || "auth_token".to_owned(), problems);
    }
    if let Some(key) = &mut twilio.api_key {
        let kept = same_place.and_then(|before| before.api_key.as_ref()).filter(|kept| kept.sid == key.sid);
        keep_secret(&mut key.secret, kept.map(|kept| &kept.secret), || "api_secret".to_owned(), problems);
    }
    // Twilio never sees these from us.
    let kept = before.map_or(&[][..], |before| &before.auth_tokens);
    keep_secrets(&mut twilio.auth_tokens, kept, "auth_tokens", problems);
}

/// A preset's secrets are kept as long as its calls go to the same server.
fn keep_settings(wanted: &mut Destination, before: Option<&Destination>, problems: &mut Vec<Problem>) {
    let DestinationKind::Preset { preset: key, settings, only: _, action } = &mut wanted.kind else { return };
    let before = before.and_then(|before| match &before.kind {
        DestinationKind::Preset { preset, settings, only: _, action } if preset == key => {
            Some((settings, action))
        }
        DestinationKind::Preset { .. }
        | DestinationKind::Webhook { .. }
        | DestinationKind::WebhookAction(_)
        | DestinationKind::Twilio(_) => None,
    });
    let to_keep = secrets_to_keep(key, settings);
    if to_keep.is_empty() {
        return;
    }
    let mut kept = settings.clone();
    for name in &to_keep {
        match before.and_then(|(settings, _)| settings.get(name)) {
            Some(secret) => drop(kept.insert(name.clone(), secret.clone())),
            None => problems.push(nothing_kept(name.clone())),
        }
    }
    let Some((_, action_before)) = before else { return };
    match read_preset(key, &kept) {
        Ok(filled_in) => {
            let is_same =
                |now: &Action| origin(&now.url).is_some_and(|it| Some(it) == origin(&action_before.url));
            if let Some(now) = filled_in.kind.action().filter(|now| is_same(now)) {
                *action = Arc::clone(now);
                // A group that was written stays; one that comes of the secret is that of the one that is kept.
                if read_preset(key, settings).is_ok_and(|it| it.rate_key == wanted.rate_key) {
                    wanted.rate_key = filled_in.rate_key;
                }
                *settings = kept;
            } else {
                problems.extend(to_keep.into_iter().map(nothing_kept));
            }
        }
        Err(found) => problems.extend(found),
    }
}

fn secrets_to_keep(preset: &str, settings: &Map<String, Value>) -> Vec<String> {
    let secrets = preset::find(preset).into_iter().flat_map(|it| &it.settings).filter(|it| it.secret);
    secrets
        .filter(|it| settings.get(&it.key).is_some_and(|value| value == REDACTED))
        .map(|it| it.key.clone())
        .collect()
}

/// Scheme, host and port of a URL that is always the same.
fn origin(url: &Mapping) -> Option<String> {
    let url = url::Url::parse(url.constant()?.as_str()?).ok()?;
    Some(url.origin().ascii_serialization())
}
