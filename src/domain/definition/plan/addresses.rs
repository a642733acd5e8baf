//! Whether new and changed destinations name addresses that would never be dialled.
//!
//! A definition that is stored and stays as it is keeps its address: the setting may have changed since, and each request is
//! checked by itself. So are names, which may resolve to anything at any time, and URLs that a mapping makes from an event.

use serde_json::Value;
use url::Url;

use super::Settled;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::preset::{self, Form};
use crate::domain::definition::{Action, Auth, Definition, Destination, DestinationKind, Problem};

/// The URLs of new and changed destinations that `policy` refuses.
pub(super) fn refused(settled: &[Settled], policy: &AddressPolicy) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, definition, before) in settled {
        let Definition::Destination(destination) = definition else { continue };
        if before.as_ref() == Some(definition) {
            continue;
        }
        for (field, url) in constant_urls(destination) {
            // What is no URL at all was refused when the definition was read.
            let Ok(url) = Url::parse(url) else { continue };
            if let Err(message) = policy.check_definition(&url) {
                problems.push(Problem::new(format!("{at}.{field}"), message));
            }
        }
    }
    problems
}

/// The URLs that don't depend on the event, and the fields where they were written.
fn constant_urls(destination: &Destination) -> Vec<(String, &str)> {
    match &destination.kind {
        DestinationKind::Webhook { urls, signing: _, gzip: _ } => {
            urls.iter().enumerate().map(|(at, url)| (format!("urls[{at}].url"), url.url.as_str())).collect()
        }
        DestinationKind::WebhookAction(action) => of_action(action, "mapping.url"),
        // A preset's address is its own, or the one that was given in its place.
        DestinationKind::Preset { action, preset, settings: _, only: _ } => {
            let known = preset::find(preset).into_iter().flat_map(|preset| &preset.settings);
            let webhook = known.filter(|setting| setting.form == Form::Webhook).map(|it| it.key.as_str()).next();
            of_action(action, webhook.unwrap_or("base_url"))
        }
        DestinationKind::Twilio(twilio) => {
            twilio.urls.named().into_iter().map(|(field, url)| (field.to_owned(), url)).collect()
        }
    }
}

fn of_action<'a>(action: &'a Action, field_of_url: &str) -> Vec<(String, &'a str)> {
    let url = action.url.constant().and_then(Value::as_str).map(|url| (field_of_url.to_owned(), url));
    let token_url = match &action.auth {
        Some(Auth::OAuth2 { token_url, .. }) => Some(("auth.token_url".to_owned(), token_url.as_str())),
        Some(Auth::Bearer { .. } | Auth::Basic { .. }) | None => None,
    };
    url.into_iter().chain(token_url).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::domain::definition::{Signing, WebhookUrl};
    use crate::domain::mapping::Mapping;

    fn webhook(urls: &[&str]) -> DestinationKind {
        let url = |url: &&str| WebhookUrl { url: (*url).to_owned(), headers: Default::default() };
        DestinationKind::Webhook {
            urls: urls.iter().map(url).collect(),
            signing: Signing::default(),
            gzip: false,
        }
    }

    fn action(url: Value, token_url: Option<&str>) -> Arc<Action> {
        let mapping = |value: Value| Mapping::parse(&value).unwrap();
        Arc::new(Action {
            url: mapping(url),
            method: mapping(json!("POST")),
            headers: mapping(json!({})),
            data: mapping(json!({ "@path": "$" })),
            signing: Signing::default(),
            gzip: false,
            auth: token_url.map(|token_url| Auth::OAuth2 {
                token_url: token_url.to_owned(),
                client_id: "c".to_owned(),
                client_secret: "s3cr3t".to_owned(),
                scope: None,
                audience: None,
            }),
            batch: None,
            required: Vec::new(),
            expected: Vec::new(),
        })
    }

    fn settled(kind: DestinationKind, before: Option<DestinationKind>) -> Settled {
        let definition = |kind| Definition::Destination(Destination::new("crm".to_owned(), kind));
        ("destination[3]".to_owned(), definition(kind), before.map(definition))
    }

    fn fields(settled: Settled, policy: &AddressPolicy) -> Vec<String> {
        let problems = refused(&[settled], policy);
        for problem in &problems {
            assert!(problem.message.contains("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS"), "{problem}");
            assert!(!problem.message.contains("s3cr3t"), "{problem}");
        }
        problems.into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn every_constant_url_is_looked_at_and_named() {
        let policy = AddressPolicy::public_only();
        let mixed = ["https://crm.example.com/s3cr3t", "http://0x7f.1/s3cr3t", "http://crm.example.com:25/"];
        let named = ["destination[3].urls[1].url", "destination[3].urls[2].url"];
        assert_eq!(fields(settled(webhook(&mixed), None), &policy), named);
        let private = action(json!("http://[fd00::1]/s3cr3t"), Some("https://localhost/token"));
        let named = ["destination[3].mapping.url", "destination[3].auth.token_url"];
        assert_eq!(fields(settled(DestinationKind::WebhookAction(private.clone()), None), &policy), named);
        let preset = DestinationKind::Preset {
            preset: "pendo".to_owned(),
            settings: Default::default(),
            only: None,
            action: private,
        };
        let named = ["destination[3].base_url", "destination[3].auth.token_url"];
        assert_eq!(fields(settled(preset, None), &policy), named);
    }

    #[test]
    fn what_depends_on_the_event_or_a_name_is_left_to_the_attempt() {
        let policy = AddressPolicy::public_only();
        let mapped = action(json!({ "@template": "http://10.0.0.1/{{userId}}" }), None);
        assert_eq!(fields(settled(DestinationKind::WebhookAction(mapped), None), &policy), [""; 0]);
        assert_eq!(fields(settled(webhook(&["http://intranet/"]), None), &policy), [""; 0]);
    }

    #[test]
    fn what_is_stored_may_stay_and_what_is_allowed_may_come() {
        let (private, other) = (webhook(&["http://10.0.0.1/"]), webhook(&["http://10.0.0.1/", "http://x/"]));
        let policy = AddressPolicy::public_only();
        assert_eq!(fields(settled(private.clone(), Some(private.clone())), &policy), [""; 0]);
        assert_eq!(fields(settled(other, Some(private.clone())), &policy).len(), 1, "changed");
        let allowed = AddressPolicy::parse("10.0.0.0/8").unwrap();
        assert_eq!(fields(settled(private, None), &allowed), [""; 0]);
    }
}
