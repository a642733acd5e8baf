//! Whatever is posted, typed or put into an address is shown as text, on every page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::check::overflow;
use crate::scene::Scene;
use crate::walk::walk;

/// Pages of one kind that are looked at.
const MOST_OF_A_KIND: usize = 3;

/// What a page would do with this if it took it for its own: run it, break out of an attribute, fill it in.
macro_rules! hostile {
    ($place:literal) => {
        concat!(
            $place,
            r#"<script>window.__owned=1</script>"'><img src=x data-owned onerror=window.__owned=1>{%7*7%}</textarea>"#
        )
    };
}

/// Right to left, with a mark that turns the direction; and a word that no line can hold.
const TURNED: &str = "\u{202e}מטופל\u{200f} العربية";

/// Other things that words can be, none of which is to do anything. Studio's fields and ids refuse some of them.
const STRANGE: [(&str, &str); 6] = [
    ("template", "{{191*7919}}{% raw %}{{ page.csrf }}{{ '<b data-owned>'|safe }}${191*7919}<%= 191*7919 %>"),
    ("link", "javascript:window.__owned=1"),
    ("turned", TURNED),
    ("controls", "bell\u{7}escape\u{1b}[31m line\u{2028} bom\u{feff} end"),
    ("lines", "one\r\nSet-Cookie: owned=1\r\n\r\n<script>window.__owned=1</script>"),
    ("data", "data:text/html,<script>window.__owned=1</script>"),
];

/// Places where posts can leave words, as the first word of each.
const PLACES: [&str; 24] = [
    "UserId",
    "FlowName",
    "StageName",
    "PhoneNumber",
    "Execution",
    "PropertyName",
    "PropertyValue",
    "EventName",
    "MessageId",
    "TraitName",
    "TraitValue",
    "TraitList",
    "AnonymousId",
    "PreviousId",
    "PageName",
    "ScreenName",
    "GroupId",
    "GroupTrait",
    "ContextName",
    "ContextValue",
    "Integration",
    "OtherField",
    "Answer",
    "Refused",
];

/// Finds what does not belong there: what ran, what became a part of the page, and links that do something.
const OWNED: &str = "return window.__owned !== undefined || document.cookie.includes('owned')
    || document.querySelector('[data-owned]') !== null
    || [...document.querySelectorAll('[href],[src],[action],[formaction]')]
        .some(it => /^\\s*(javascript|data:text)/i.test(it.getAttribute('href') ?? it.getAttribute('src')
            ?? it.getAttribute('formaction') ?? it.getAttribute('action')))";

/// Looks at the page that is shown: it took nothing for its own, complains of nothing, and is whole on a phone. Answers its text.
pub async fn harmless(browser: &Browser, path: &str) -> String {
    assert_eq!(browser.script(OWNED, vec![]).await, json!(false), "{path} took words for its own");
    assert_eq!(browser.complaints().await, [""; 0], "{path}");
    assert_eq!(overflow(browser).await, [""; 0], "{path}");
    let text = browser.text().await;
    assert!(!text.contains("1512529"), "{path} computed what it was to show");
    text
}

/// Looks at pages of all kinds, and at `more`; each of `places` has to be shown on one of them.
pub async fn look_everywhere(browser: &Browser, places: &[&str], more: &[String]) {
    let mut unseen: BTreeSet<&str> = places.iter().copied().collect();
    let mut look = async |path: &str| {
        let text = harmless(browser, path).await;
        // What follows is a quotation mark, which JSON shows behind a backslash.
        unseen.retain(|place| !text.contains(&format!("{place}<script>window.__owned=1</script>")));
    };
    walk(browser, MOST_OF_A_KIND, async |path| look(path).await).await;
    // The walk sees some pages of a kind.
    for path in more {
        browser.go(path).await;
        look(path).await;
    }
    assert!(unseen.is_empty(), "shown nowhere: {unseen:?}");
}

/// The debugger's pages of the newest events, as many as there are on a page.
async fn pages_of_events(scene: &Scene) -> Vec<String> {
    let events = scene.app.get("/api/events?limit=100").await;
    let events = events["events"].as_array().expect("a list").iter();
    events
        .map(|it| format!("/console/live/{}", it["eventId"].as_str().or(it["id"].as_str()).expect("an id")))
        .collect()
}

/// A call of each kind, with `named` in all that it can say.
fn calls(user: &str, words: impl Fn(&str) -> String) -> Vec<(&'static str, Value)> {
    let context = json!({
        words("ContextName"): words("ContextValue"), "userAgent": words("ContextValue"), "ip": words("ContextValue"),
        "page": { "url": words("ContextValue"), "title": words("ContextValue"), "referrer": words("ContextValue") },
        "campaign": { "name": words("ContextValue") },
    });
    let with = |mut call: Value| {
        call["userId"] = user.into();
        call["context"] = context.clone();
        call
    };
    let properties = json!({ words("PropertyName"): words("PropertyValue"), "url": words("PropertyValue") });
    let traits = json!({
        "email": words("TraitValue"), "phone": words("TraitValue"), "name": words("TraitValue"),
        words("TraitName"): { "deep": [words("TraitList")] }, "list": [words("TraitList")],
    });
    let track = json!({
        "event": words("EventName"), "properties": properties, "integrations": { words("Integration"): { "at": words("Integration") } },
        "other": words("OtherField"), "timestamp": "2026-11-21T09:00:00Z",
    });
    vec![
        ("track", with(track)),
        ("identify", with(json!({ "traits": traits }))),
        (
            "page",
            with(
                json!({ "name": words("PageName"), "category": words("PageName"), "properties": properties }),
            ),
        ),
        ("screen", with(json!({ "name": words("ScreenName"), "properties": properties }))),
        (
            "group",
            with(
                json!({ "groupId": words("GroupId"), "traits": { "name": words("GroupTrait"), words("GroupTrait"): 1 } }),
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_posted_is_text_on_every_page() {
    let scene = Scene::whose_shop_says(hostile!("Answer")).await;
    let users = [hostile!("UserId").to_owned(), TURNED.to_owned(), "W".repeat(250)];
    for user in &users {
        scene.stalled(user).await;
        scene.dead_letter(user).await;
    }
    let user = &users[0];
    let step = json!({
        "userID": user, "flow": hostile!("FlowName"), "stage": hostile!("StageName"), "phoneNumber": hostile!("PhoneNumber"),
        "executionSid": hostile!("Execution"), hostile!("PropertyName"): hostile!("PropertyValue"),
    });
    scene.studio_exactly(step).await;
    let words = |place: &str| format!("{place}{}", hostile!(""));
    for (kind, call) in calls(user, words) {
        scene.call(kind, call).await;
    }
    let visitor = json!({ "anonymousId": words("AnonymousId"), "event": "Looked", "messageId": "MessageId<script>window.__owned=1</script>" });
    scene.call("track", visitor).await;
    scene.call("alias", json!({ "userId": user, "previousId": words("PreviousId") })).await;
    let refused = json!({ "userID": "u1", "phoneNumber": "+14155550100", "flow": "f", hostile!("Refused"): "", "stage": "{{x}}" });
    scene.app.post_json("/studio/wk_studio", &refused).await.expect(400);

    let browser = scene.browser_of("admin").await;
    look_everywhere(&browser, &PLACES, &pages_of_events(&scene).await).await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_any_kind_do_nothing() {
    let scene = Scene::start().await;
    for (name, strange) in STRANGE {
        for (kind, call) in calls(name, |_| strange.to_owned()) {
            scene.call(kind, call).await;
        }
        // Whoever is called like this; and steps of flows. What is not taken is shown as refused.
        for mut call in [json!({ "userId": strange }), json!({ "anonymousId": strange })] {
            call["writeKey"] = "wk_website".into();
            call["event"] = "Order Completed".into();
            scene.app.post_json("/v1/track", &call).await;
        }
        let step = json!({ "userID": strange, "phoneNumber": strange, "flow": strange, "stage": strange, "note": strange });
        scene.app.post_json("/studio/wk_studio", &step).await;
        scene.studio(json!({ "userID": name, "flow": name, "stage": "a", "note": strange })).await;
    }
    // What is long, wherever that much is taken.
    let long = "W".repeat(10_000);
    let (name, id) = (&long[..500], &long[..256]);
    scene.call("identify", json!({ "userId": id, "traits": { "email": long, name: long } })).await;
    let track = json!({ "userId": id, "event": name, "properties": { name: long }, "context": { "page": { "url": long } } });
    scene.call("track", track).await;
    scene.call("page", json!({ "userId": id, "name": name, "properties": {} })).await;
    scene.studio(json!({ "userID": id, "flow": &long[..255], "stage": &long[..255], "reply": long })).await;
    scene.app.advance(0).await;

    let browser = scene.browser_of("admin").await;
    look_everywhere(&browser, &[], &pages_of_events(&scene).await).await;
    browser.go(&format!("/console/users/{id}")).await;
    harmless(&browser, "the user with the long id").await;
    scene.finish([browser]).await;
}
