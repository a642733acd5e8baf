//! Destinations are tested, paused, and sent to again.

use crate::check::check_page;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_tested_and_shows_what_was_sent_and_what_came_back() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("operator").await;
    browser.go("/console").await;
    browser.press("Destinations").await;
    browser.press_within("main", "crm").await;
    browser.fill("Sample", "identify").await;
    browser.press("Try it").await;
    browser.sees("What came of the test").await;
    browser.sees("HTTP 200").await;
    let requests = scene.crm.requests();
    assert_eq!(requests.len(), 1);
    let sent = requests[0].json();
    browser.sees(sent["messageId"].as_str().expect("a message id")).await;
    check_page(&browser, "destinations-tested").await;
    assert!(!browser.text().await.contains("s3cr3t"), "a secret is shown");
    // One that does not work says what it says.
    browser.go("/console/destinations/shop").await;
    browser.press("Try it").await;
    browser.sees("HTTP 500").await;
    browser.sees("out of order").await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_sent_again_once_the_receiver_works() {
    let scene = Scene::start().await;
    for user in ["ada", "bob"] {
        scene.dead_letter(user).await;
    }
    let browser = scene.browser_of("operator").await;
    browser.go("/console/destinations/shop").await;
    browser.sees("HTTP 500").await;
    check_page(&browser, "destinations-dead").await;
    scene.mend_shop();
    let before = scene.shop.requests().len();
    browser.press("Send 2 dead letters again").await;
    browser.sees(" put back").await;
    scene.app.rest().await;
    browser.sees("2 of 2 put back").await;
    assert_eq!(scene.shop.requests().len(), before + 2);
    browser.go("/console/deliveries?destination=shop&status=dead").await;
    browser.sees("No delivery here").await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_delivery_is_sent_again_after_a_question() {
    let scene = Scene::start().await;
    scene.dead_letter("ada").await;
    scene.mend_shop();
    let browser = scene.browser_of("operator").await;
    browser.go("/console/deliveries").await;
    browser.fill("Status", "dead").await;
    browser.press("Filter").await;
    browser.sees("ada").await;
    browser.press_within("tbody", "").await;
    browser.sees("out of order").await;
    browser.press("Send again").await;
    assert_eq!(browser.agree().await, "Send this again, under its old id?");
    browser.sees("Put back into the queue.").await;
    scene.app.rest().await;
    let deliveries = scene.app.get("/api/deliveries?destination=shop").await;
    assert_eq!(deliveries["deliveries"][0]["status"], "delivered");
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_paused_and_resumed() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("operator").await;
    browser.go("/console/destinations/crm").await;
    browser.press("Pause").await;
    browser.fill("Reason", "they move house").await;
    browser.press_within("main form", "Pause").await;
    browser.sees("they move house").await;
    scene.order("ada", 5.0).await;
    assert!(scene.crm.requests().is_empty(), "it is paused");
    browser.press("Resume").await;
    browser.sees_no("they move house").await;
    scene.app.rest().await;
    assert_eq!(scene.crm.requests().len(), 1);
    scene.finish([browser]).await;
}
