//! From the first start to a seen journey, by the real binary and the browser alone.

use std::time::Duration;

use crate::browser::Browser;
use crate::check::check_page;
use crate::scene::PASSWORD;
use crate::support::server::Server;

/// What is on the page under the line to try.
const LINE: &str = "return document.getElementById('first-post').textContent";

/// The path of the link that the server printed for the first admin.
fn set_up_link(server: &Server) -> String {
    let log = server.log();
    let link = log.split_whitespace().find(|word| word.contains("/setup/")).expect("a link for the set-up");
    link[server.api().base().len()..].to_owned()
}

/// Does what a `curl -d … -d … URL` does.
async fn post(line: &str) {
    let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).collect();
    let fields: Vec<&str> = words.windows(2).filter(|pair| pair[0] == "-d").map(|pair| pair[1]).collect();
    let url = words.iter().find(|word| word.starts_with("http://")).expect("an address");
    let client =
        reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
    let request = client.post(*url).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(fields.join("&")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{line}: {:?}", answer.text().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_printed_link_to_the_first_journey() {
    let server = Server::of_newcomer().started().await;
    let browser = Browser::at(server.api().base()).await;
    let link = set_up_link(&server);
    browser.go(&link).await;
    check_page(&browser, "set-up").await;
    browser.fill("E-mail", "ann@example.com").await;
    browser.fill("Name", "Ann Lee").await;
    browser.fill("Password", PASSWORD).await;
    browser.fill("Password again", PASSWORD).await;
    browser.press("Begin").await;
    browser.sees("Overview").await;
    browser.sees("Nothing has arrived yet").await;
    check_page(&browser, "first-run").await;
    let line = browser.script(LINE, vec![]).await.as_str().expect("a line to try").to_owned();

    // The debugger shows it as it comes.
    browser.press("Live debugger").await;
    browser
        .holds("the stream is open", "return document.getElementById('live-state').textContent === 'Live'")
        .await;
    post(&line).await;
    browser.sees("Studio Flow Step").await;
    browser.press("Journeys").await;
    browser.press("Timeline").await;
    browser.sees("What happened").await;

    // The link has done its work.
    let other = Browser::at(server.api().base()).await;
    other.go(&link).await;
    other.sees("This link is over").await;
    check_page(&other, "set-up-over").await;
    other.close().await;
    browser.close().await;
}
