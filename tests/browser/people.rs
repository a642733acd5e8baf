//! A colleague is let in, made something else, and shut out; a program is given a token, and loses it.

use crate::browser::Browser;
use crate::check::check_page;
use crate::curl;
use crate::scene::Scene;

/// Signs in with what he was handed over.
async fn sign_in(browser: &Browser, password: &str) {
    browser.go("/console/sign-in").await;
    browser.fill("E-mail", "bob@example.com").await;
    browser.fill("Password", password).await;
    browser.press("Sign in").await;
}

/// Adds Bob, a marketer; answers the password that was made for him.
async fn add_bob(admin: &Browser) -> String {
    admin.go("/console").await;
    admin.press("People").await;
    admin.press("Add a person").await;
    admin.fill("E-mail", "bob@example.com").await;
    admin.fill("Name", "Bob Maes").await;
    admin.tick("marketer").await;
    check_page(admin, "people-add").await;
    admin.press_within("main form", "Add a person").await;
    admin.sees("Bob Maes can sign in now.").await;
    check_page(admin, "people-password").await;
    curl::line(admin, "made-password").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleague_is_let_in_made_something_else_and_shut_out() {
    let scene = Scene::start().await;
    let admin = scene.browser_of("admin").await;
    let password = add_bob(&admin).await;
    let bob = Browser::at(scene.app.base()).await;
    sign_in(&bob, &password).await;
    bob.sees("Bob Maes").await;
    bob.press("Audiences").await;
    bob.press("New audience").await;
    bob.sees("As a form").await;

    // What he may do changes: he signs in again, and is refused what he could do before.
    admin.go("/console/people").await;
    admin.press("Bob Maes").await;
    admin.tick("viewer").await;
    admin.press("Save").await;
    admin.sees("Saved.").await;
    bob.go("/console").await;
    assert!(bob.path().await.starts_with("/console/sign-in"), "his session goes on: {}", bob.path().await);
    sign_in(&bob, &password).await;
    bob.sees("Overview").await;
    bob.go("/console/audiences").await;
    assert!(!bob.offers("New audience").await);
    bob.go("/console/audiences/new").await;
    bob.sees("Not for you").await;

    // He is shut out while he looks at a page.
    bob.go("/console/journeys").await;
    admin.go("/console/people").await;
    admin.press("Bob Maes").await;
    admin.tick("Disabled").await;
    admin.press("Save").await;
    admin.sees("disabled").await;
    check_page(&admin, "people-disabled").await;
    bob.press("Flows").await;
    bob.sees("Password forgotten?").await;
    sign_in(&bob, &password).await;
    bob.sees("The e-mail address or the password is wrong.").await;

    admin.press("In the audit log").await;
    admin.go("/console/audit?subject=person%20bob@example.com").await;
    for words in ["created", "changed", "admin@example.com", "marketer", "viewer"] {
        admin.sees(words).await;
    }
    scene.finish([admin, bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_a_token_and_loses_it() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("admin").await;
    browser.go("/console").await;
    browser.press("API tokens").await;
    browser.press("Make a token").await;
    browser.fill("Name", "nightly export").await;
    browser.press_within("main form", "Make a token").await;
    browser.sees("Choose at least one.").await;
    browser.tick("read").await;
    browser.fill("Ends", "in 7 days").await;
    check_page(&browser, "tokens-make").await;
    browser.press_within("main form", "Make a token").await;
    browser.sees("nightly export is made.").await;
    check_page(&browser, "tokens-made").await;
    let (token, line) = (curl::line(&browser, "made-token").await, curl::line(&browser, "made-line").await);
    assert_eq!(curl::run(&line).await.expect(200).json()["scopes"], serde_json::json!(["read"]));
    let put = scene.app.request("DELETE", "/api/audiences/buyers").bearer_auth(&token);
    assert_eq!(put.send().await.expect("an answer").status(), 403, "it may only read");

    browser.press_within("main", "API tokens").await;
    browser.sees("The last use is noted once an hour.").await;
    browser.sees("nightly export").await;
    assert!(!browser.text().await.contains(&token), "it is shown again");
    browser.press("Revoke nightly export").await;
    browser.sees("Whatever uses it is refused from then on.").await;
    browser.press_within("main form", "Revoke").await;
    browser.sees("The token is revoked").await;
    curl::run(&line).await.expect(401);

    browser.press("Audit log").await;
    browser.fill("What", "token nightly export").await;
    browser.press("Filter").await;
    browser.holds("it is filtered", "return location.search.includes('nightly')").await;
    for words in ["created", "removed", "via console", "admin@example.com"] {
        browser.sees(words).await;
    }
    check_page(&browser, "audit-token").await;
    scene.finish([browser]).await;
}
