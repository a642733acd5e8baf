//! Signing in, with the right password and with wrong ones.

use crate::browser::Browser;
use crate::check::check_page;
use crate::scene::{MINUTE, PASSWORD, Scene, address, sign_in};

async fn try_to_sign_in(browser: &Browser, password: &str) {
    browser.fill("E-mail", &address("operator")).await;
    browser.fill("Password", password).await;
    browser.press("Sign in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_comes_to_where_he_wanted() {
    let scene = Scene::start().await;
    scene.admit("operator").await;
    let browser = Browser::at(scene.app.base()).await;
    browser.go("/console/journeys?status=stalled").await;
    check_page(&browser, "sign-in").await;
    try_to_sign_in(&browser, PASSWORD).await;
    browser.sees("Journeys").await;
    browser.sees("Sign out").await;
    assert_eq!(browser.path().await, "/console/journeys?status=stalled");
    browser.press("Sign out").await;
    browser.go("/console").await;
    assert!(browser.path().await.starts_with("/console/sign-in"), "signed out");
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_plainly_and_too_many_lock_the_account_for_a_while() {
    let scene = Scene::start().await;
    scene.admit("operator").await;
    let browser = Browser::at(scene.app.base()).await;
    browser.go("/console/sign-in").await;
    try_to_sign_in(&browser, "not the password").await;
    browser.sees("The e-mail address or the password is wrong.").await;
    check_page(&browser, "sign-in-wrong").await;
    for _ in 0..9 {
        try_to_sign_in(&browser, "not the password").await;
        browser.sees("The e-mail address or the password is wrong.").await;
    }
    // Now the right one does not help either.
    try_to_sign_in(&browser, PASSWORD).await;
    browser.sees("Too many wrong passwords").await;
    check_page(&browser, "sign-in-locked").await;
    scene.app.advance(15 * MINUTE).await;
    sign_in(&browser, "operator").await;
    scene.finish([browser]).await;
}
