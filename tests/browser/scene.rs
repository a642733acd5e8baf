//! A clinic and its shop: flows, audiences and destinations, some people at the console, and what was posted so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::browser::Browser;
use crate::support::receiver::{Receiver, Reply};

pub const MINUTE: i64 = 60_000;
/// What everybody's password is.
pub const PASSWORD: &str = "correct horse battery";

/// A server and the receivers of its calls.
pub struct Scene {
    pub app: TestApp,
    /// Takes everything.
    pub crm: Receiver,
    /// What the `shop` is called at, and whether it works again.
    pub shop: Receiver,
    mended: Arc<AtomicBool>,
}

impl Scene {
    /// With these words as the shop's answer, as long as it is broken.
    pub async fn whose_shop_says(words: &'static str) -> Self {
        let mended = Arc::new(AtomicBool::new(false));
        let read = Arc::clone(&mended);
        let crm = Receiver::taking_all();
        let shop = Receiver::start(move |_, _| {
            if read.load(Ordering::SeqCst) { Reply::Status(200) } else { Reply::with_body(500, words) }
        });
        let app = app().await;
        app.apply(&definitions(&crm, &shop)).await;
        Self { app, crm, shop, mended }
    }

    /// The same with plain words.
    pub async fn start() -> Self {
        Self::whose_shop_says("out of order").await
    }

    /// The shop works from now on.
    pub fn mend_shop(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }

    /// The browser of a new person with that role, who has signed in.
    pub async fn browser_of(&self, role: &str) -> Browser {
        let browser = Browser::at(self.app.base()).await;
        self.let_in(&browser, role).await;
        browser
    }

    /// Makes a person with that role, and begins a session of his in the browser: the form has tests of its own.
    pub async fn let_in(&self, browser: &Browser, role: &str) {
        let id = self.admit(role).await.parse().expect("an id");
        let secret = self.app.engine().begin_session(id).await.expect("a session");
        browser.keep_cookie("stagepost_session", &secret).await;
    }

    /// Makes a person with that role, whose address is `<role>@example.com`; answers his id.
    pub async fn admit(&self, role: &str) -> String {
        let person = json!({ "email": address(role), "name": role, "role": role, "password": PASSWORD });
        let got = self.app.call("POST", "/api/people", Some(&person)).await.expect(201).json();
        got["id"].as_str().expect("an id").to_owned()
    }

    /// Posts a stage of the flow `appointment_confirmation`; answers the journey's id.
    pub async fn stage(&self, user: &str, stage: &str) -> String {
        self.studio(json!({ "userID": user, "flow": "appointment_confirmation", "stage": stage })).await
    }

    /// Posts as a Studio widget does; answers the journey's id.
    pub async fn studio(&self, mut body: Value) -> String {
        body["phoneNumber"] = "+14155550100".into();
        self.studio_exactly(body).await
    }

    /// The same with a phone number of its own.
    pub async fn studio_exactly(&self, body: Value) -> String {
        let got = self.app.post_json("/studio/wk_studio", &body).await.expect(200).json();
        self.app.rest().await;
        got["journeyId"].as_str().expect("a journey").to_owned()
    }

    /// Posts a call of the web shop.
    pub async fn call(&self, kind: &str, mut body: Value) {
        body["writeKey"] = "wk_website".into();
        self.app.post_json(&format!("/v1/{kind}"), &body).await.expect(200);
        self.app.rest().await;
    }

    /// The user orders for that much; whoever does is in the audience `buyers`, of which the shop is told.
    pub async fn order(&self, user: &str, total: f64) {
        let body = json!({ "userId": user, "event": "Order Completed", "properties": { "total": total } });
        self.call("track", body).await;
    }

    /// A user whose call to the shop is a dead letter.
    pub async fn dead_letter(&self, user: &str) {
        self.order(user, 20.0).await;
        for _ in 0..4 {
            self.app.advance(MINUTE).await;
        }
    }

    /// A journey that waits for a human.
    pub async fn stalled(&self, user: &str) -> String {
        let id = self.stage(user, "no_reply").await;
        self.app.advance(30 * MINUTE).await;
        id
    }

    /// Stops the server, which has to be at rest.
    pub async fn finish(mut self, browsers: impl IntoIterator<Item = Browser>) {
        for browser in browsers {
            browser.close().await;
        }
        self.app.allow_pending();
        self.app.allow_rejections();
        self.app.finish().await;
    }
}

/// The address of the person with that role.
pub fn address(role: &str) -> String {
    format!("{role}@example.com")
}

/// Signs in by the form.
pub async fn sign_in(browser: &Browser, role: &str) {
    browser.go("/console").await;
    browser.fill("E-mail", &address(role)).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.sees("Overview").await;
}

fn definitions(crm: &Receiver, shop: &Receiver) -> Value {
    let level = json!({ "stage": "no_reply", "after": "30m", "channel": "email", "to": ["ops@example.com"], "template": "no_reply" });
    json!({
        "source": [
            { "key": "studio", "kind": "studio", "write_key": "wk_studio" },
            { "key": "web", "kind": "http", "write_key": "wk_website" },
        ],
        "team": [{ "key": "desk", "time_zone": "Europe/Brussels" }],
        "flow": [{
            "name": "appointment_confirmation", "initial": "initiation", "terminal": ["confirmed", "cancelled"],
            "team": "desk", "escalation": [level],
        }],
        "destination": [
            { "key": "crm", "kind": "webhook", "urls": [{ "url": crm.url("/hook") }], "shared_secret": "s3cr3t" },
            {
                "key": "shop", "kind": "webhook", "urls": [{ "url": shop.url("/hook") }],
                "retry_for": "1m", "pause_after": "never",
            },
        ],
        "audience": [{
            "name": "Buyers", "query": "event('Order Completed').within(30 days).count() >= 1", "destinations": ["shop"],
        }],
        "trait": [{
            "name": "Total Spend", "query": "event('Order Completed').within(30 days).sum(property('total'))",
            "destinations": ["crm"],
        }],
    })
}
