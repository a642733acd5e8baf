//! From the first start of the real binary to a seen journey, a live audience and a delivered call: by the browser alone, but
//! for what flows post.

use serde_json::json;

use stagepost::delivery::signature;

use crate::browser::Browser;
use crate::check::check_page;
use crate::curl;
use crate::scene::PASSWORD;
use crate::support::receiver::{Receiver, Request};
use crate::support::server::Server;

const SECRET: &str = "what only the two of us know";
const QUERY: &str =
    "event('Studio Flow Step').where(property('stage') = 'no_reply').within(30 days).count() >= 1";

/// The path of the link that the server printed for the first admin.
fn set_up_link(server: &Server) -> String {
    let log = server.log();
    let link = log.split_whitespace().find(|word| word.contains("/setup/")).expect("a link for the set-up");
    link[server.api().base().len()..].to_owned()
}

async fn become_the_first_admin(browser: &Browser, link: &str) {
    browser.go(link).await;
    check_page(browser, "set-up").await;
    browser.fill("E-mail", "ann@example.com").await;
    browser.fill("Name", "Ann Lee").await;
    browser.fill("Password", PASSWORD).await;
    browser.fill("Password again", PASSWORD).await;
    browser.press("Begin").await;
    browser.sees("You are signed in as the first admin").await;
}

/// The empty overview teaches the first step; answers its line.
async fn the_first_step(browser: &Browser) -> String {
    browser.sees("Nothing has arrived yet").await;
    check_page(browser, "first-run").await;
    curl::line(browser, "first-post").await
}

/// The debugger shows what is posted as it comes, and what it caused.
async fn sees_it_live(browser: &Browser, line: &str) {
    browser.press("Live debugger").await;
    browser
        .holds("the stream is open", "return document.getElementById('live-state').textContent === 'Live'")
        .await;
    browser.script("window.wasNotLoadedAnew = true", vec![]).await;
    curl::run(line).await.expect(200);
    browser.sees("Studio Flow Step").await;
    browser.holds("it is the same page", "return window.wasNotLoadedAnew").await;
    browser.press_within("#live-rows", "").await;
    browser.sees("The first step of a journey").await;
}

async fn sees_the_journey(browser: &Browser) {
    browser.press("Journeys").await;
    browser.sees("u1").await;
    browser.press("Timeline").await;
    browser.sees("u1: no_reply").await;
    browser.sees("To come, if nothing is heard").await;
}

/// Builds an audience in the form, which the text follows; and changes the text, which the form follows.
async fn builds_an_audience(browser: &Browser) {
    browser.press("Audiences").await;
    browser.press("New audience").await;
    browser.fill("Name", "Waits for Us").await;
    browser.sees("waits_for_us").await;
    browser.fill("Event", "Studio Flow Step").await;
    browser.press("+ property filter").await;
    browser.fill_within(".filtered", "Name", "stage").await;
    browser.fill_within(".filtered", "With", "no_reply").await;
    let shown = format!("return document.getElementById('f-query').value === {}", json!(QUERY));
    browser.holds("the text follows the form", &shown).await;
    browser.fill("As text", &QUERY.replace("30 days", "7 days")).await;
    let far = "return document.querySelector('input[name$=\".far\"]').value === '7'";
    browser.holds("the form follows the text", far).await;
    browser.press("Who would be in?").await;
    browser.sees("1 user would be in").await;
    browser.press("Save").await;
    browser.sees("Waits for Us").await;
    // The list tells by itself how far it is.
    browser.press("Audiences").await;
    browser.holds("it is live", &state_of_audience("live")).await;
    browser.press("Waits for Us").await;
    browser.sees("members now").await;
    browser.press_within("#members", "u1").await;
    browser.sees("Waits for Us").await;
}

fn state_of_audience(state: &str) -> String {
    format!(
        "return [...document.querySelectorAll('tbody tr')].some(it => it.textContent.includes('waits_for_us') \
         && it.querySelector('.badge').textContent === '{state}')"
    )
}

async fn makes_a_destination(browser: &Browser, receiver: &Receiver) {
    browser.press("Destinations").await;
    browser.press("New destination").await;
    browser.press_within("main", "Webhook").await;
    browser.fill("Key", "crm").await;
    browser.fill("Address", &receiver.url("/hook")).await;
    browser.fill("Shared secret", SECRET).await;
    browser.press("Save").await;
    browser.sees("Saved.").await;
    assert!(receiver.requests().is_empty(), "nobody asked it for anything");
    browser.press("Try it").await;
    browser.sees("HTTP 200").await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    browser.sees(requests[0].json()["messageId"].as_str().expect("a message id")).await;
    is_signed(&requests[0]);
}

async fn tells_it_of_the_audience(browser: &Browser) {
    browser.press("Audiences").await;
    browser.press("Waits for Us").await;
    browser.press("Edit").await;
    browser.tick("crm").await;
    browser.press("Save").await;
    browser.sees("Told of every change (identify):").await;
}

/// Somebody else enters: the call arrives, and the console says so.
async fn sees_the_call(browser: &Browser, receiver: &Receiver, line: &str) {
    curl::run(&line.replace("userID=u1", "userID=u2")).await.expect(200);
    browser.press("Deliveries").await;
    let told = |request: &Request| request.json()["userId"] == "u2";
    let requests = receiver
        .wait_until("a call about u2", crate::app::PATIENCE, |them| them.iter().any(|it| told(it)))
        .await;
    let request = requests.iter().find(|it| told(it)).expect("the call");
    let call = request.json();
    assert_eq!(call["type"], "identify", "{call:#}");
    assert_eq!(call["traits"]["waits_for_us"], true, "{call:#}");
    assert_eq!(call["context"]["personas"]["computation_key"], "waits_for_us", "{call:#}");
    is_signed(request);
    browser.fill("User", "u2").await;
    browser.press("Filter").await;
    browser.holds("it is filtered", "return location.search.includes('userId=u2')").await;
    let delivered = "return document.querySelector('tbody .badge')?.textContent === 'delivered'";
    browser.holds_when_loaded_anew("it is delivered", delivered).await;
    browser.press_within("tbody", "").await;
    browser.sees("Delivery to crm").await;
    browser.sees("HTTP 200").await;
    browser.sees("\"waits_for_us\": true").await;
    check_page(browser, "story-delivered").await;
}

#[track_caller]
fn is_signed(request: &Request) {
    let signature = signature::sign(SECRET, std::str::from_utf8(&request.body).expect("text"));
    assert_eq!(request.header("x-signature"), Some(signature.as_str()), "{request:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_start_to_a_delivered_call() {
    let receiver = Receiver::taking_all();
    let server = Server::of_newcomer().started().await;
    let link = set_up_link(&server);
    let browser = Browser::at(server.api().base()).await;
    become_the_first_admin(&browser, &link).await;
    let line = the_first_step(&browser).await;
    sees_it_live(&browser, &line).await;
    sees_the_journey(&browser).await;
    builds_an_audience(&browser).await;
    makes_a_destination(&browser, &receiver).await;
    tells_it_of_the_audience(&browser).await;
    sees_the_call(&browser, &receiver, &line).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_link_works_once() {
    let server = Server::of_newcomer().started().await;
    let link = set_up_link(&server);
    let browser = Browser::at(server.api().base()).await;
    become_the_first_admin(&browser, &link).await;
    browser.close().await;
    let other = Browser::at(server.api().base()).await;
    other.go(&link).await;
    other.sees("This link is over").await;
    check_page(&other, "set-up-over").await;
    other.close().await;
}
