//! The worked examples of the query language, from outside: definitions in a file, one history, and who is in which
//! audience and has which value. `computations.toml` has the definitions, `computations.json` the histories.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use stagepost::domain::time::Timestamp;

use crate::app::{TestApp, app};
use crate::http::column;

const MINUTE: i64 = 60_000;

fn definitions() -> Value {
    toml::from_str(include_str!("computations.toml")).expect("the definitions")
}

/// One user or account with what happened to him, and what he is worth to one example.
struct Story {
    /// The beginning of the definition's key.
    example: String,
    /// His id.
    id: String,
    is_account: bool,
    /// Of the users, by their ids.
    posts: Vec<(String, Vec<Value>)>,
    source: String,
    context: Value,
    /// Whether he is in the audience, or the value of the trait.
    worth: Value,
}

fn stories() -> Vec<Story> {
    let all: Vec<Value> = serde_json::from_str(include_str!("computations.json")).expect("the histories");
    all.iter().map(story).collect()
}

fn story(told: &Value) -> Story {
    let text = |field: &str| told[field].as_str().map(str::to_owned);
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let example = text("example").expect("an example");
    let number = &example[..2];
    let account = text("account");
    let name = account.clone().or_else(|| text("user")).expect("a user or an account");
    let id = format!("ex{number}_{name}");
    let posts = match told.get("users") {
        Some(users) => list(users)
            .iter()
            .enumerate()
            .map(|(place, posts)| (format!("{id}_{place}"), list(posts)))
            .collect(),
        None => vec![(id.clone(), list(&told["posts"]))],
    };
    Story {
        example: format!("example_{}", example.replace(' ', "_")),
        id,
        is_account: account.is_some(),
        posts,
        source: text("source").unwrap_or_else(|| "web".to_owned()),
        context: told.get("context").cloned().unwrap_or_else(|| json!({})),
        worth: told.get("member").or_else(|| told.get("value")).expect("what he is worth").clone(),
    }
}

/// `-7d-1ms`: milliseconds from now.
fn offset(text: &str) -> i64 {
    let mut total = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let sign = if rest.starts_with('-') { -1 } else { 1 };
        rest = &rest[1..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).expect("a unit");
        let number: i64 = rest[..digits].parse().expect("a number");
        rest = &rest[digits..];
        let end = rest.find(['-', '+']).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "d" => 24 * 60 * MINUTE,
            "h" => 60 * MINUTE,
            "m" => MINUTE,
            "s" => 1000,
            "ms" => 1,
            other => panic!("{other} is no unit"),
        };
        total += sign * number * unit;
        rest = &rest[end..];
    }
    total
}

/// The instant that an offset from now says.
fn instant(app: &TestApp, text: &str) -> String {
    Timestamp::from_millis(app.now().millis() + offset(text)).to_rfc3339()
}

/// The call that a post of a story is: when, what, and with which properties or traits.
fn call(app: &TestApp, story: &Story, user: &str, post: &Value) -> Value {
    let at = instant(app, post[0].as_str().expect("a time"));
    let what = post[1].as_str().expect("what happened");
    let mut fields = Map::new();
    for (key, value) in post.get(2).and_then(Value::as_object).into_iter().flatten() {
        let date = value.get("at").and_then(Value::as_str).map(|text| instant(app, text).into());
        fields.insert(key.clone(), date.unwrap_or_else(|| value.clone()));
    }
    let mut call = json!({ "userId": user, "timestamp": at, "context": story.context });
    match what {
        "identify" => {
            call["type"] = "identify".into();
            call["traits"] = fields.into();
        }
        "page" => {
            call["type"] = "page".into();
            call["name"] = post[2].clone();
        }
        event => {
            call["type"] = "track".into();
            call["event"] = event.into();
            call["properties"] = fields.into();
        }
    }
    call
}

/// Sends the whole history, source by source. Of everybody something else is heard first, so that he is there.
async fn send_history(app: &TestApp) {
    let mut calls: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for story in stories() {
        let of_source = calls.entry(story.source.clone()).or_default();
        for (user, posts) in &story.posts {
            of_source.push(json!({ "type": "track", "event": "Heard of", "userId": user }));
            if story.is_account {
                of_source.push(json!({ "type": "group", "groupId": story.id, "userId": user }));
            }
            of_source.extend(posts.iter().map(|post| call(app, &story, user, post)));
        }
    }
    for (source, batch) in calls {
        let key = if source == "web" { "wk_website" } else { "wk_the_app" };
        let got = app.post_json("/v1/batch", &json!({ "writeKey": key, "batch": batch })).await.expect(200);
        assert_eq!(got.json()["rejected"], Value::Null, "{}", got.text());
    }
    app.rest().await;
}

/// The definitions of a kind, as the API shows them, by key.
async fn shown(app: &TestApp, kind: &str) -> BTreeMap<String, Value> {
    let all = app.get(&format!("/api/{kind}")).await[kind].clone();
    let by_key = |one: Value| (one["key"].as_str().expect("a key").to_owned(), one);
    all.as_array().expect("a list").iter().cloned().map(by_key).collect()
}

async fn members(app: &TestApp, key: &str) -> BTreeSet<String> {
    let members = app.get(&format!("/api/audiences/{key}/members?limit=1000")).await;
    assert_eq!(members["cursor"], Value::Null, "one page is enough");
    let id = |member: &Value| {
        let id = member["groupId"].as_str().or(member["userId"].as_str());
        id.expect("a group or user").to_owned()
    };
    members["members"].as_array().expect("a list").iter().map(id).collect()
}

/// Everybody is in the audiences, and has the values, that his story says.
async fn check(app: &TestApp) {
    let (audiences, traits) = (shown(app, "audiences").await, shown(app, "traits").await);
    for definition in audiences.values().chain(traits.values()) {
        assert_eq!(definition["status"], "live", "{definition}");
    }
    let mut of_audience = BTreeMap::new();
    for key in audiences.keys() {
        of_audience.insert(key.clone(), members(app, key).await);
    }
    for story in stories() {
        let is_meant = |key: &&String| key.starts_with(&story.example);
        if let Some(key) = traits.keys().find(is_meant) {
            let page = app.get(&format!("/api/users/{}", story.id)).await;
            assert_eq!(
                page["traits"].get(key).unwrap_or(&Value::Null),
                &story.worth,
                "{key} of {}",
                story.id
            );
            continue;
        }
        let key = audiences.keys().find(is_meant).unwrap_or_else(|| panic!("no {}", story.example));
        let is_member = of_audience[key].contains(&story.id);
        assert_eq!(json!(is_member), story.worth, "{} in {key}", story.id);
        if !story.is_account {
            let page = app.get(&format!("/api/users/{}", story.id)).await;
            assert_eq!(page["audiences"].get(key).is_some(), is_member, "{key} of {}", story.id);
            assert_eq!(page["traits"].get(key) == Some(&json!(true)), is_member, "{key} of {}", story.id);
        }
    }
    for (key, members) in &of_audience {
        assert_eq!(audiences[key]["size"], json!(members.len()), "{key}");
    }
}

/// A preview of each audience's query finds those who are in.
async fn check_previews(app: &TestApp) {
    for (key, audience) in shown(app, "audiences").await {
        let query = json!({ "query": audience["query"] });
        let preview = app.call("POST", "/api/audiences/preview", Some(&query)).await.expect(200).json();
        let members = members(app, &key).await;
        assert_eq!(preview["count"], json!(members.len()), "{key}: {preview}");
        let sample = preview["sample"].as_array().expect("a sample");
        assert_eq!(sample.len(), members.len().min(10), "{key}: {preview}");
        for user in sample {
            assert!(members.contains(user.as_str().expect("an id")), "{user} of {key}");
        }
    }
}

/// The last example: a session is over once its gap is longer than an hour.
async fn check_that_the_visit_ends(app: &TestApp) {
    let value = async || {
        let page = app.get("/api/users/ex42_visit").await;
        page["traits"]["example_42_pages_of_the_last_visit"].clone()
    };
    app.advance(50 * MINUTE).await;
    assert_eq!(value().await, json!(2), "sixty minutes after the last page");
    app.advance(1).await;
    assert_eq!(value().await, json!(0), "a millisecond later");
}

/// What a user does changes what is true of his account.
async fn check_that_accounts_follow(app: &TestApp) {
    let [active, silent] = ["example_33_account_active", "example_34_account_silent"];
    assert!(!members(app, active).await.contains("ex33_silent"));
    assert!(members(app, silent).await.contains("ex34_silent"));
    for user in ["ex33_silent_0", "ex34_silent_1"] {
        let login = json!({ "writeKey": "wk_website", "userId": user, "event": "Login" });
        app.post_json("/v1/track", &login).await.expect(200);
    }
    app.rest().await;
    assert!(members(app, active).await.contains("ex33_silent"));
    assert!(!members(app, silent).await.contains("ex34_silent"));
    app.advance(8 * 24 * 60 * MINUTE).await;
    assert!(!members(app, active).await.contains("ex33_silent"));
    assert!(members(app, silent).await.contains("ex34_silent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_were_there_before_the_history() {
    let app = app().await;
    app.apply(&definitions()).await;
    send_history(&app).await;
    check(&app).await;
    check_previews(&app).await;
    check_that_the_visit_ends(&app).await;
    check_that_accounts_follow(&app).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_came_after_the_history() {
    let app = app().await;
    let all = definitions();
    app.apply(&json!({ "source": all["source"] })).await;
    send_history(&app).await;
    app.apply(&all).await;
    check(&app).await;
    check_previews(&app).await;
    check_that_the_visit_ends(&app).await;
    check_that_accounts_follow(&app).await;
    let report = app.apply(&all).await;
    assert_eq!((&report["created"], &report["changed"]), (&json!([]), &json!([])), "nothing is new");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_queries_are_refused_with_their_place() {
    let app = app().await;
    let long = format!("trait('x') = 1{}", " AND trait('x') = 1".repeat(50));
    let audiences = [
        ("trait('x')", 11, "compare it"),
        ("property('x') = 1", 1, "`property`"),
        ("event('A').count().count()", 20, "`count`"),
        ("event('A').unique(property('p')) = 1", 34, ".count()"),
        ("event('A') >= 1", 12, "reduce"),
        ("trait('x') = 1 AND", 19, "the end of the query"),
        ("event('A').within(7 weeks).count() = 1", 21, "`weeks`"),
        ("event('A').within(7 seconds).count() = 1", 21, "`seconds`"),
        ("event('A').mode(property('x')) = 1", 30, ","),
        ("trait('x').equals(1).exists()", 21, "cannot be followed by another"),
        ("(trait('x') = 1", 16, "never closed"),
        ("trait('x') = 1)", 15, "never opened"),
        ("event('A').frobnicate() = 1", 12, "`frobnicate`"),
        ("event('A').cuont() = 1", 12, "did you mean"),
        ("event('A').within(0 days).count() = 1", 19, "window"),
        ("event('A').within(365000 days).count() = 1", 19, "window"),
        ("event('A').expires_after(1 hour).count() = 1", 12, "`expires_after`"),
        ("entity('A').count() = 1", 1, "linked audiences are not supported"),
        ("trait('x') = property(parent: 'y')", 14, "`property`"),
        (long.as_str(), 951, "too many expressions (51 > 50)"),
    ];
    let traits = [
        ("event('A').count() >= 1", 20, "not a condition"),
        ("trait('x')", 1, "`trait`"),
        ("event('A').mode(property('x'))", 30, ","),
        ("event('A')", 11, "reduce"),
    ];
    let of_kind = |kind: &'static str| move |(query, column, words)| (kind, query, column, words);
    let all =
        audiences.into_iter().map(of_kind("audiences")).chain(traits.into_iter().map(of_kind("traits")));
    for (kind, query, column, words) in all {
        let body = json!({ "name": "Wrong", "query": query });
        let got = app.call("POST", &format!("/api/{kind}"), Some(&body)).await.expect(400);
        assert_eq!(got.header("content-type"), "application/problem+json");
        let error = &got.json()["errors"][0];
        let message = error["message"].as_str().expect("a message");
        assert_eq!(error["field"], "query", "{query}: {message}");
        // The place stands before what was expected, or at the end of a line.
        let place = format!("line 1, column {column}");
        let after = message.split_once(&place).map(|(_, after)| after);
        assert!(after.is_some_and(|after| after.starts_with([';', '\n'])), "{query}: {place} in {message}");
        assert!(message.contains(words), "{query}: {words} in {message}");
    }
    assert_eq!(column(&app.get("/api/audiences").await["audiences"], "key"), Vec::<String>::new());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audiences_that_ask_about_each_other_are_refused() {
    let app = app().await;
    let audience = |name: &str, query: &str| json!({ "name": name, "query": query });
    app.apply(&json!({ "audience": [audience("one", "trait('x') = 1")] })).await;
    app.apply(&json!({ "audience": [audience("two", "trait('one') = true")] })).await;
    let circle = audience("one", "NOT trait('two') = true");
    let got = app.call("PUT", "/api/audiences/one", Some(&circle)).await;
    assert!((400..500).contains(&got.status), "{}", got.text());
    assert!(got.text().contains("create a cycle by referencing another audience"), "{}", got.text());
    app.finish().await;
}
