//! A person's browser: opens pages, fills in fields by their labels, presses what has a name, and waits until something
//! is seen.

use std::sync::Mutex;
use std::time::Duration;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};

use crate::driver::{Driver, Extra};
use crate::support::wait::eventually;

/// How long a page may take to show what it will.
const PATIENCE: Duration = Duration::from_secs(20);

/// Finds a field by the text of its label (or by its `aria-label`), among those that are shown.
const FIELD: &str = r"
const wanted = arguments[0], place = document.querySelector(arguments[1] || 'body');
const plain = text => (text || '').replace(/\s+/g, ' ').trim();
const own = label => plain([...label.childNodes].filter(node => !node.matches?.('input,select,textarea,button'))
    .map(node => node.textContent).join(' '));
const fields = [...place.querySelectorAll('input,select,textarea')].filter(field => field.checkVisibility());
const named = test => fields.find(field => [...(field.labels || [])].some(label => test(own(label)))
    || test(plain(field.getAttribute('aria-label'))));
return named(name => name === wanted) || named(name => name.startsWith(wanted)) || null;";

/// Finds what can be pressed by its text (or by its `aria-label`), among those that are shown.
const PRESSABLE: &str = r"
const wanted = arguments[0], place = document.querySelector(arguments[1] || 'body');
const plain = text => (text || '').replace(/\s+/g, ' ').trim();
const name = it => plain(it.getAttribute('aria-label')) || plain(it.textContent) || plain(it.value);
const all = [...place.querySelectorAll('button,a[href],summary,[role=button],input[type=submit]')]
    .filter(it => it.checkVisibility() && !it.disabled);
return all.find(it => name(it) === wanted) || all.find(it => name(it).startsWith(wanted)) || null;";

/// A browser at a server.
pub struct Browser {
    client: Client,
    base: String,
    /// The addresses that were asked for.
    visited: Mutex<Vec<String>>,
    _driver: Driver,
}

impl Browser {
    /// A fresh one, at the server whose address is `base`.
    pub async fn at(base: &str) -> Self {
        Self::with(base, true).await
    }

    /// The same, of somebody who lets no scripts run.
    pub async fn without_scripts(base: &str) -> Self {
        Self::with(base, false).await
    }

    async fn with(base: &str, scripts: bool) -> Self {
        let (driver, client) = Driver::start(scripts).await;
        Self { client, base: base.to_owned(), visited: Mutex::default(), _driver: driver }
    }

    /// Opens a page of the server.
    pub async fn go(&self, path: &str) {
        let url = format!("{}{path}", self.base);
        self.visited.lock().expect("the addresses").push(url.clone());
        self.client.goto(&url).await.unwrap_or_else(|error| panic!("opening {url}: {error}"));
    }

    /// The address of the page that is shown, from its path on.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.expect("an address");
        url.as_str().strip_prefix(&self.base).unwrap_or(url.as_str()).to_owned()
    }

    /// What can be read on the page.
    pub async fn text(&self) -> String {
        let shown = self.client.find(Locator::Css("body")).await.expect("a body").text().await;
        shown.expect("the page's text")
    }

    /// Waits until `text` can be read on the page.
    pub async fn sees(&self, text: &str) {
        let found =
            async || self.text_or_none().await.is_some_and(|shown| shown.contains(text)).then_some(());
        self.until(&format!("`{text}` is shown"), found).await;
    }

    /// Waits until `text` is no longer to be read on the page.
    pub async fn sees_no(&self, text: &str) {
        let gone =
            async || self.text_or_none().await.is_some_and(|shown| !shown.contains(text)).then_some(());
        self.until(&format!("`{text}` is gone"), gone).await;
    }

    /// Waits until a script, which ends with `return`, gives something true.
    pub async fn holds(&self, what: &str, script: &str) {
        self.until(what, async || self.try_script(script, vec![]).await.ok().filter(is_true).map(|_| ()))
            .await;
    }

    /// The same, with the page loaded anew before each look.
    pub async fn holds_when_loaded_anew(&self, what: &str, script: &str) {
        let look = async || {
            self.client.refresh().await.ok()?;
            self.try_script(script, vec![]).await.ok().filter(is_true).map(|_| ())
        };
        self.until(what, look).await;
    }

    /// Writes into the field with this label, in place of what it holds; in a list, chooses.
    pub async fn fill(&self, label: &str, value: &str) {
        self.fill_within("body", label, value).await;
    }

    /// The same for a field inside of what a selector finds first.
    pub async fn fill_within(&self, css: &str, label: &str, value: &str) {
        let field = self.find(FIELD, &[label, css], "field").await;
        if field.tag_name().await.expect("a tag") == "select" {
            field
                .select_by_label(value)
                .await
                .unwrap_or_else(|error| panic!("`{value}` in `{label}`: {error}"));
            return;
        }
        field.clear().await.unwrap_or_else(|error| panic!("clearing `{label}`: {error}"));
        field.send_keys(value).await.unwrap_or_else(|error| panic!("writing into `{label}`: {error}"));
    }

    /// Ticks the box with this label, or takes the tick away.
    pub async fn tick(&self, label: &str) {
        let field = self.find(FIELD, &[label], "box").await;
        field.click().await.unwrap_or_else(|error| panic!("ticking `{label}`: {error}"));
    }

    /// What the field with this label holds.
    pub async fn value(&self, label: &str) -> String {
        let field = self.find(FIELD, &[label], "field").await;
        field.prop("value").await.expect("a value").unwrap_or_default()
    }

    /// Waits until the field with this label holds `value`: also on the page that comes after a press.
    pub async fn comes_to_hold(&self, label: &str, value: &str) {
        let held = async || {
            let field = self.try_script(FIELD, vec![json!(label)]).await.ok().filter(Value::is_object)?;
            let read = "return arguments[0].value";
            (self.try_script(read, vec![field]).await.ok()? == value).then_some(())
        };
        self.until(&format!("`{label}` holds `{value}`"), held).await;
    }

    /// Presses the button, or follows the link, with this name.
    pub async fn press(&self, name: &str) {
        self.press_within("body", name).await;
    }

    /// The same inside of what a selector finds first.
    pub async fn press_within(&self, css: &str, name: &str) {
        let it = self.find(PRESSABLE, &[name, css], "button or link").await;
        it.click().await.unwrap_or_else(|error| panic!("pressing `{name}`: {error}"));
    }

    /// Says yes to what the page asks before it goes on; answers what that was.
    pub async fn agree(&self) -> String {
        let asked = self.until("a question", async || self.client.get_alert_text().await.ok()).await;
        self.client.accept_alert().await.expect("a question");
        asked
    }

    /// Whether there is something with this name to be pressed.
    pub async fn offers(&self, name: &str) -> bool {
        !self.script(PRESSABLE, vec![json!(name)]).await.is_null()
    }

    /// Presses a key, wherever the focus is.
    pub async fn key(&self, key: Key) {
        let value = char::from(key);
        let pressed = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        self.client.perform_actions(pressed).await.unwrap_or_else(|error| panic!("pressing a key: {error}"));
    }

    /// Runs a script in the page, whatever its policy; answers what it returns.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.try_script(script, arguments).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same for a script that calls its last argument when it is done.
    pub async fn slow_script(&self, script: &str, arguments: Vec<Value>) -> Value {
        let answer = self.client.execute_async(script, arguments).await;
        answer.unwrap_or_else(|error| panic!("a script: {error}"))
    }

    /// A command of Chromium's DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        let answer = self.client.issue_cmd(Extra("goog/cdp/execute", body)).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Keeps a cookie of the server.
    pub async fn keep_cookie(&self, name: &str, value: &str) {
        let cookie = json!({ "name": name, "value": value, "url": self.base, "httpOnly": true });
        self.devtools("Network.setCookie", cookie).await;
    }

    /// What the browser complained of since this was last asked: scripts' errors, what a policy held back, and what could
    /// not be loaded but for the pages themselves, whose status is the test's own business.
    pub async fn complaints(&self) -> Vec<String> {
        let said = self.client.issue_cmd(Extra("se/log", json!({ "type": "browser" }))).await;
        let said = said.expect("the browser's log");
        let mut pages = self.visited.lock().expect("the addresses").clone();
        pages.push(format!("{}{}", self.base, self.path().await));
        let is_page = |message: &str| {
            let (url, why) = message.split_once(" - ").unwrap_or_default();
            why.starts_with("Failed to load resource")
                && pages.iter().any(|page| page.split('#').next() == url.split('#').next())
        };
        let entries = said.as_array().expect("a list of messages").iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .filter_map(|entry| entry["message"].as_str())
            .filter(|message| !is_page(message))
            .map(str::to_owned)
            .collect()
    }

    /// Ends the session, if the browser had nothing to complain of.
    pub async fn close(self) {
        assert_eq!(self.complaints().await, [""; 0], "the browser complained");
        self.client.close().await.expect("the end of the session");
    }

    async fn find(&self, script: &str, named: &[&str], kind: &str) -> Element {
        self.until(&format!("a {kind} called `{}`", named.join("` in `")), async || {
            let arguments = named.iter().map(|name| json!(name)).collect();
            let found = self.try_script(script, arguments).await.ok()?;
            // A reference to an element is an object with its id as the one value.
            let id = found.as_object()?.values().next()?.as_str()?.to_owned();
            Some(Element::from_element_id(self.client.clone(), id.into()))
        })
        .await
    }

    async fn try_script(&self, script: &str, arguments: Vec<Value>) -> Result<Value, CmdError> {
        self.client.execute(script, arguments).await
    }

    /// `None` while one page gives way to another.
    async fn text_or_none(&self) -> Option<String> {
        self.client.find(Locator::Css("body")).await.ok()?.text().await.ok()
    }

    /// Waits until `look` finds something; where it does not, shows the page.
    async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = tokio::time::timeout(PATIENCE, eventually(what, PATIENCE * 2, &mut look)).await;
        match deadline {
            Ok(found) => found,
            Err(_) => {
                panic!("not within {PATIENCE:?}: {what}, at {}:\n{}", self.path().await, self.text().await)
            }
        }
    }
}

fn is_true(value: &Value) -> bool {
    value == &json!(true)
}
