//! Whatever is posted is shown as text, on every page.

use std::collections::BTreeSet;

use serde_json::json;

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

/// Places where posts can leave words, as the first word of each.
const PLACES: [&str; 12] = [
    "UserId",
    "FlowName",
    "StageName",
    "PropertyName",
    "PropertyValue",
    "EventName",
    "TraitName",
    "TraitValue",
    "PageName",
    "GroupId",
    "Answer",
    "Refused",
];

/// Finds what does not belong there.
const OWNED: &str = "return window.__owned !== undefined || document.querySelector('[data-owned]') !== null";

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
        "userID": user, "flow": hostile!("FlowName"), "stage": hostile!("StageName"),
        hostile!("PropertyName"): hostile!("PropertyValue"),
    });
    scene.studio(step).await;
    scene.call("track", json!({ "userId": user, "event": hostile!("EventName") })).await;
    let traits = json!({ "email": hostile!("TraitValue"), hostile!("TraitName"): true });
    scene.call("identify", json!({ "userId": user, "traits": traits })).await;
    scene.call("page", json!({ "userId": user, "name": hostile!("PageName") })).await;
    scene.call("group", json!({ "userId": user, "groupId": hostile!("GroupId") })).await;
    let refused = json!({ "userID": "u1", "phoneNumber": "+14155550100", "flow": "f", hostile!("Refused"): "", "stage": "{{x}}" });
    scene.app.post_json("/studio/wk_studio", &refused).await.expect(400);

    let browser = scene.browser_of("admin").await;
    let mut unseen: BTreeSet<&str> = PLACES.into_iter().collect();
    let mut judge = async |path: &str| {
        assert_eq!(
            browser.script(OWNED, vec![]).await,
            json!(false),
            "{path} took a post's words for its own"
        );
        assert_eq!(browser.complaints().await, [""; 0], "{path}");
        assert_eq!(overflow(&browser).await, [""; 0], "{path}");
        let text = browser.text().await;
        // What follows is a quotation mark, which JSON shows behind a backslash.
        unseen.retain(|place| !text.contains(&format!("{place}<script>window.__owned=1</script>")));
    };
    walk(&browser, MOST_OF_A_KIND, async |path| judge(path).await).await;
    // The walk sees some pages of a kind; this one has the properties.
    let posted = scene.app.get("/api/events?event=Studio%20Flow%20Step&limit=1").await;
    let posted = format!("/console/live/{}", posted["events"][0]["eventId"].as_str().expect("an id"));
    browser.go(&posted).await;
    judge(&posted).await;
    assert!(unseen.is_empty(), "shown nowhere: {unseen:?}");
    scene.finish([browser]).await;
}
