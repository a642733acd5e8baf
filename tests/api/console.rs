//! Somebody at the console, as tests play him: he keeps his cookie and follows nothing by himself.

use reqwest::redirect::Policy;

use stagepost::domain::people::Role;
use stagepost::engine::NewPerson;

use crate::app::{PATIENCE, TestApp};
use crate::http::{Got, send};
use crate::support::api::escape;

/// Everybody's password.
pub const PASSWORD: &str = "four words make one";

/// Somebody's browser.
pub struct Visitor {
    pub base: String,
    pub client: reqwest::Client,
    /// What is sent as `Cookie`.
    pub cookie: String,
}

impl Visitor {
    /// Of somebody who has not signed in.
    pub fn stranger(app: &TestApp) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).redirect(Policy::none());
        let client = client.build().expect("an HTTP client");
        Self { base: app.base().to_owned(), client, cookie: String::new() }
    }

    /// Of a person with that role, `<role>@example.com`, who is admitted and signs in.
    pub async fn signed_in(app: &TestApp, role: Role) -> Self {
        let email = format!("{}@example.com", role.as_str());
        let (name, password) = (role.as_str().to_owned(), PASSWORD.to_owned());
        let person = NewPerson { email: email.clone(), name, role, password };
        app.engine().add_person(person).await.expect("a person");
        let mut visitor = Self::stranger(app);
        visitor.sign_in(&email, PASSWORD).await.expect(303);
        visitor
    }

    pub async fn get(&self, path: &str) -> Got {
        send(self.client.get(format!("{}{path}", self.base)).header("cookie", &self.cookie)).await
    }

    /// Sends a form as it is; keeps a cookie that is set.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Got {
        self.send_with(path, fields, ("accept", "text/html")).await
    }

    /// The same with a further header.
    pub async fn send_with(&mut self, path: &str, fields: &[(&str, &str)], header: (&str, &str)) -> Got {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let request = self.client.post(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let got = send(request.header(header.0, header.1).body(body.join("&"))).await;
        if let Some((cookie, _)) =
            got.header("set-cookie").split_once(';').filter(|_| got.header("set-cookie") != "-")
        {
            cookie.clone_into(&mut self.cookie);
        }
        got
    }

    /// Sends a form with what his pages' forms bring along.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Got {
        let csrf = self.csrf().await;
        let fields: Vec<(&str, &str)> =
            [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.send(path, &fields).await
    }

    /// What his pages' forms bring along.
    pub async fn csrf(&self) -> String {
        let page = self.get("/console/me").await.expect(200).text();
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    pub async fn sign_in(&mut self, email: &str, password: &str) -> Got {
        self.send("/console/sign-in", &[("email", email), ("password", password)]).await
    }
}
