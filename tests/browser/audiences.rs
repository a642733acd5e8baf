//! An audience is built, looked at, and deleted.

use serde_json::json;

use crate::browser::Browser;
use crate::check::check_page;
use crate::scene::Scene;

const QUERY: &str = "event('Order Completed').where(property('total') >= 50).within(30 days).count() >= 1";

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_is_built_in_the_form_and_its_members_are_seen() {
    let scene = Scene::start().await;
    for (user, total) in [("ada", 5.0), ("eve", 60.0)] {
        scene.order(user, total).await;
    }
    let browser = scene.browser_of("marketer").await;
    browser.go("/console").await;
    browser.press("Audiences").await;
    browser.press("New audience").await;
    browser.fill("Name", "Dear buyers").await;
    browser.sees("dear_buyers").await;
    browser.fill("Event", "Order Completed").await;
    browser.press("+ property filter").await;
    browser.fill_within(".filtered", "Name", "total").await;
    browser.fill_within(".filtered", "Compared", "at least").await;
    browser.fill_within(".filtered", "With", "50").await;
    let shown = format!("return document.getElementById('f-query').value === {}", json!(QUERY));
    browser.holds("the text follows the form", &shown).await;
    browser.press("Who would be in?").await;
    browser.sees("1 user would be in").await;
    browser.sees("eve").await;
    browser.tick("crm").await;
    check_page(&browser, "audiences-built").await;
    browser.press("Save").await;
    browser.sees("dear_buyers").await;
    scene.app.rest().await;
    browser.sees("live").await;
    browser.go("/console/audiences/dear_buyers").await;
    browser.sees("eve").await;
    assert!(!browser.text().await.contains("ada"), "she ordered for less");
    let told = scene.crm.requests();
    let last = told.last().expect("a call").json();
    assert_eq!((&last["userId"], &last["traits"]["dear_buyers"]), (&json!("eve"), &json!(true)));
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_changes_the_form_and_mistakes_show_their_place() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("marketer").await;
    browser.go("/console/audiences/new").await;
    browser.fill("As text", "event('Page Viewed').within(7 days).count() >= 3").await;
    browser.holds("the form follows the text", &event_is("Page Viewed")).await;
    assert_eq!(browser.value("When").await, "within");
    browser.fill("As text", "event('Page Viewed').cuont() >= 3").await;
    browser
        .holds("a caret points at it", "return document.querySelector('pre.caret').textContent.includes('^')")
        .await;
    browser.holds("what was right stays", &event_is("Page Viewed")).await;
    browser.fill("Name", "Readers").await;
    browser.press("Save").await;
    browser.sees("cuont").await;
    check_page(&browser, "audiences-wrong").await;
    assert!(scene.app.call("GET", "/api/audiences/readers", None).await.status == 404);
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_is_built_without_scripts() {
    let scene = Scene::start().await;
    let browser = Browser::without_scripts(scene.app.base()).await;
    scene.let_in(&browser, "marketer").await;
    scene.order("eve", 60.0).await;
    browser.go("/console/audiences/new").await;
    browser.fill("Name", "Dear buyers").await;
    browser.fill("Event", "Order Completed").await;
    browser.press("+ property filter").await;
    browser.fill_within(".filtered", "Name", "total").await;
    browser.fill_within(".filtered", "Compared", "at least").await;
    browser.fill_within(".filtered", "With", "50").await;
    browser.press("Take over into the text").await;
    browser.comes_to_hold("As text", QUERY).await;
    browser.press("Who would be in?").await;
    browser.sees("1 user would be in").await;
    browser.press("Save").await;
    browser.sees("Edit").await;
    scene.app.rest().await;
    browser.go("/console/audiences/dear_buyers").await;
    browser.sees("eve").await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_deletes_an_audience_is_told_first_what_that_comes_to() {
    let scene = Scene::start().await;
    scene.mend_shop();
    scene.order("eve", 60.0).await;
    let browser = scene.browser_of("marketer").await;
    browser.go("/console/audiences/buyers").await;
    browser.press("Delete").await;
    browser.sees("Its one member is a member no more.").await;
    check_page(&browser, "audiences-delete").await;
    assert_eq!(scene.shop.requests().len(), 1, "nothing has happened yet");
    browser.press("Delete this audience").await;
    browser.sees("No audience yet").await;
    scene.app.rest().await;
    let told = scene.shop.requests();
    assert_eq!(told.last().expect("a call").json()["traits"]["buyers"], false, "the shop hears of it");
    scene.finish([browser]).await;
}

fn event_is(name: &str) -> String {
    format!(
        "return [...document.querySelectorAll('input[name$=\".event\"]')].some(it => it.value === '{name}')"
    )
}
