//! What somebody may not do is not offered to him, and refused when he sends it all the same.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::scene::Scene;
use crate::walk::walk;

/// A form's button: where it sends to, and what.
#[derive(Clone, Debug, Deserialize)]
struct Button {
    path: String,
    name: String,
    body: String,
}

impl Button {
    /// What everybody may do: it is about himself.
    fn is_his_own(&self) -> bool {
        ["/console/theme", "/console/sign-out", "/console/me"].iter().any(|own| self.path.starts_with(own))
    }

    fn is_a_marketers(&self) -> bool {
        ["/console/audiences", "/console/traits"].iter().any(|own| self.path.starts_with(own))
    }
}

/// Every button of a form that changes something, with what it would send.
const BUTTONS: &str = r"
return [...document.querySelectorAll('form')].filter(it => it.method === 'post').flatMap(form =>
    [...form.querySelectorAll('button:not([type=button])')].map(button => ({
        path: new URL(button.hasAttribute('formaction') ? button.formAction : form.getAttribute('action') || location.href, location.href).pathname,
        name: button.textContent.trim(),
        body: new URLSearchParams(new FormData(form, button)).toString(),
    })));";

/// Sends a form of somebody else's page with the token of one's own; answers the status.
const SEND: &str = r"
const [path, body, done] = arguments, form = new URLSearchParams(body);
form.set('csrf', document.querySelector('meta[name=csrf]').content);
fetch(path, { method: 'POST', body: form, redirect: 'manual' }).then(
    answer => done(answer.status), error => done(String(error)));";

/// All the buttons on the pages that somebody gets to.
async fn buttons(browser: &Browser) -> Vec<Button> {
    let (mut all, mut known) = (Vec::new(), BTreeSet::new());
    walk(browser, 1, async |_| {
        let found: Vec<Button> =
            serde_json::from_value(browser.script(BUTTONS, vec![]).await).expect("a list of buttons");
        all.extend(found.into_iter().filter(|it| known.insert((it.path.clone(), it.name.clone()))));
    })
    .await;
    all.retain(|it| !it.is_his_own());
    all
}

async fn send(browser: &Browser, button: &Button) -> Value {
    browser.slow_script(SEND, vec![json!(button.path), json!(button.body)]).await
}

async fn filled() -> Scene {
    let scene = Scene::start().await;
    scene.stalled("ada").await;
    scene.dead_letter("bob").await;
    scene
}

/// Everything that a form could change.
async fn state(scene: &Scene) -> Vec<Value> {
    let mut all = Vec::new();
    for kind in
        ["sources", "flows", "destinations", "audiences", "traits", "tokens", "journeys", "deliveries"]
    {
        all.push(scene.app.get(&format!("/api/{kind}")).await);
    }
    let mut people = scene.app.get("/api/people").await;
    for person in people["people"].as_array_mut().expect("a list of people") {
        // That he was here is no change.
        person.as_object_mut().expect("a person").remove("seenAt");
    }
    all.push(people);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_offered_or_let_do_what_he_may_not() {
    let scene = filled().await;
    let admin = scene.browser_of("admin").await;
    let all = buttons(&admin).await;
    assert!(all.len() > 10, "an admin is offered little: {all:?}");
    let (viewer, marketer) = (scene.browser_of("viewer").await, scene.browser_of("marketer").await);
    let before = state(&scene).await;

    let offered = buttons(&viewer).await;
    assert!(offered.is_empty(), "a viewer is offered {offered:?}");
    let offered = buttons(&marketer).await;
    assert!(offered.iter().all(Button::is_a_marketers), "a marketer is offered {offered:?}");
    assert!(!offered.is_empty(), "a marketer is offered nothing");

    for button in &all {
        let said = send(&viewer, button).await;
        assert_eq!(said, 403, "a viewer sends {button:?}");
        if !button.is_a_marketers() {
            assert_eq!(send(&marketer, button).await, 403, "a marketer sends {button:?}");
        }
    }
    assert_eq!(state(&scene).await, before);
    // What was refused is said in the log of the browser, too.
    for browser in [&viewer, &marketer] {
        let said = browser.complaints().await;
        assert!(said.iter().all(|it| it.contains("status of 403")), "{said:#?}");
    }
    scene.finish([admin, viewer, marketer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_for_somebody_says_so() {
    let scene = Scene::start().await;
    let marketer = scene.browser_of("marketer").await;
    marketer.go("/console").await;
    assert!(!marketer.offers("People").await && !marketer.offers("Audit log").await);
    for path in ["/console/people", "/console/tokens", "/console/audit"] {
        marketer.go(path).await;
        marketer.sees("Not for you").await;
    }
    scene.finish([marketer]).await;
}
