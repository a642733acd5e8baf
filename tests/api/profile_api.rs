//! Segment's Profile API, as code that reads from Segment calls it.

use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::http::{Got, keys, send};
use crate::support::api::TOKEN;

const DAY: i64 = 86_400_000;

/// A server with a web source, an audience, and a computed trait.
async fn space() -> TestApp {
    space_in(Setup::new()).await
}

async fn space_in(setup: Setup) -> TestApp {
    let app = setup.start().await;
    app.apply(&json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "audience": [
            { "name": "Buyers", "query": "event('Bought').within(1 days).count() >= 1" },
            { "name": "Never", "query": "event('Never').count() >= 1" },
        ],
        "trait": [{ "name": "Spent", "query": "event('Bought').sum(property('total'))" }],
    }))
    .await;
    app
}

async fn post(app: &TestApp, kind: &str, mut body: Value) {
    body["writeKey"] = "wk_website".into();
    app.post_json(&format!("/v1/{kind}"), &body).await.expect(200);
    app.rest().await;
}

async fn read(app: &TestApp, prefix: &str, rest: &str) -> Got {
    send(app.request("GET", &format!("{prefix}{rest}")).basic_auth(TOKEN, Some(""))).await
}

/// A call of the collection of users, which has to be answered with 200.
async fn user(app: &TestApp, rest: &str) -> Value {
    read(app, "/v1/spaces/spa_any/collections/users/profiles/", rest).await.expect(200).json()
}

async fn account(app: &TestApp, rest: &str) -> Value {
    read(app, "/v1/spaces/spa_any/collections/accounts/profiles/", rest).await.expect(200).json()
}

/// An error in Segment's shape.
#[track_caller]
fn refused(got: &Got, status: u16, code: &str) -> String {
    assert_eq!(got.status, status, "{}", got.text());
    assert_eq!(got.header("content-type"), "application/json");
    assert!(got.header("request-id").starts_with("req_"));
    let body = got.json();
    assert_eq!((keys(&body), keys(&body["error"])), (vec!["error"], vec!["code", "message"]));
    assert_eq!(body["error"]["code"], code, "{body}");
    body["error"]["message"].as_str().expect("a message").to_owned()
}

async fn person(app: &TestApp) {
    post(app, "page", json!({ "anonymousId": "a1", "name": "Home", "messageId": "m1" })).await;
    let traits = json!({ "email": "Ann@b.io", "phone": "+1555", "city": "Ghent" });
    post(
        app,
        "identify",
        json!({ "userId": "u/1", "anonymousId": "a1", "traits": traits, "messageId": "m2" }),
    )
    .await;
    let bought =
        json!({ "userId": "u/1", "event": "Bought", "properties": { "total": 7 }, "messageId": "m3" });
    post(app, "track", bought).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traits_come_by_name_class_and_page() {
    let app = space().await;
    person(&app).await;
    let all = json!({ "buyers": true, "city": "Ghent", "email": "Ann@b.io", "phone": "+1555", "spent": 7 });
    let path = "/v1/spaces/spa_any/collections/users/profiles/user_id:u%2F1/traits";
    let cursor = json!({ "url": path, "has_more": false, "next": "", "limit": 10 });
    assert_eq!(user(&app, "user_id:u%2F1/traits").await, json!({ "traits": all, "cursor": cursor }));
    for same in [
        "anonymous_id:a1/traits",
        "email:ann@B.IO/traits",
        "phone:+1555/traits",
        "phone:%2B1555/traits/",
        "user_id%3Au%2F1/traits?unknown=1",
    ] {
        assert_eq!(user(&app, same).await["traits"], all, "{same}");
    }
    let older = read(&app, "/v1/namespaces/x/collections/users/profiles/", "anonymous_id:a1/traits").await;
    assert_eq!(older.expect(200).json()["traits"], all);

    let included = user(&app, "anonymous_id:a1/traits?include=spent,%20buyers,nothing").await;
    assert_eq!(included["traits"], json!({ "buyers": true, "spent": 7 }));
    app.advance(2 * DAY).await;
    let audiences = user(&app, "anonymous_id:a1/traits?class=audience").await;
    assert_eq!(audiences["traits"], json!({ "buyers": false }), "only those that he ever was in");
    let computed = user(&app, "anonymous_id:a1/traits?class=computed_trait&verbose=true").await;
    let spent = app.get("/api/traits/spent").await;
    let since = app.ago(2 * DAY);
    let verbose = json!({ "spent": { "value": 7, "source_id": spent["id"], "updated_at": since } });
    assert_eq!(computed["traits"], verbose);
    let custom = user(&app, "anonymous_id:a1/traits?include=city&verbose=true").await;
    assert_eq!(custom["traits"]["city"], json!({ "value": "Ghent", "source_id": null, "updated_at": since }));

    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = user(&app, &format!("anonymous_id:a1/traits?limit=2&next={next}")).await;
        found.extend(keys(&page["traits"]).into_iter().map(str::to_owned));
        next = page["cursor"]["next"].as_str().unwrap().to_owned();
        assert_eq!(page["cursor"]["has_more"], !next.is_empty());
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(found, ["buyers", "city", "email", "phone", "spent"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_metadata_and_links() {
    let app = space().await;
    person(&app).await;
    let now = app.now().to_rfc3339();
    let ids = user(&app, "anonymous_id:a1/external_ids").await;
    assert_eq!(
        ids["data"][0],
        json!({
            "source_id": null, "collection": "users", "id": "u/1", "type": "user_id", "created_at": now,
            "encoding": "none", "first_message_id": null,
        })
    );
    let pairs = |data: &Value| -> Vec<String> {
        let one = |row: &Value| format!("{}:{}", row["type"].as_str().unwrap(), row["id"].as_str().unwrap());
        data.as_array().unwrap().iter().map(one).collect()
    };
    let all = ["user_id:u/1", "anonymous_id:a1", "email:Ann@b.io", "phone:+1555"];
    assert_eq!(pairs(&ids["data"]), all);
    assert_eq!(ids["cursor"]["limit"], 25);
    let some = user(&app, "anonymous_id:a1/external_ids?include=email,phone&verbose=true").await;
    assert_eq!(pairs(&some["data"]), all[2..]);
    let first = user(&app, "anonymous_id:a1/external_ids?limit=3").await;
    let next = first["cursor"]["next"].as_str().unwrap();
    let rest = user(&app, &format!("anonymous_id:a1/external_ids?limit=3&next={next}")).await;
    assert_eq!([pairs(&first["data"]), pairs(&rest["data"])].concat(), all);

    app.advance(1000).await;
    post(
        &app,
        "group",
        json!({ "userId": "u/1", "groupId": "g1", "traits": { "plan": "team" }, "messageId": "m4" }),
    )
    .await;
    let metadata = user(&app, "user_id:u%2F1/metadata?verbose=true").await;
    assert_eq!(
        metadata,
        json!({ "metadata": {
            "created_at": now, "updated_at": app.now(), "expires_at": null, "first_message_id": "m1",
            "first_source_id": "web", "last_message_id": "m4", "last_source_id": "web",
        } })
    );

    let links = user(&app, "user_id:u%2F1/links").await;
    assert_eq!(
        links["data"],
        json!([{ "to_collection": "accounts", "external_ids": [{
            "id": "g1", "type": "group_id", "source_id": null, "collection": "accounts", "created_at": null,
            "encoding": "none",
        }] }])
    );
    assert_eq!((&links["cursor"]["has_more"], &links["cursor"]["limit"]), (&json!(false), &json!(20)));
    for other in ["u2", "u3"] {
        post(&app, "group", json!({ "userId": other, "groupId": "g1" })).await;
    }
    let traits = account(&app, "group_id:g1/traits").await;
    assert_eq!(traits["traits"], json!({ "plan": "team" }));
    assert_eq!(account(&app, "group_id:g1/external_ids").await["data"][0]["type"], "group_id");
    assert_eq!(account(&app, "group_id:g1/events").await["data"], json!([]));
    let (mut users, mut path) = (Vec::new(), "group_id:g1/links?limit=2".to_owned());
    loop {
        let page = account(&app, &path).await;
        for link in page["data"].as_array().unwrap() {
            assert_eq!(link["to_collection"], "users");
            users.push(pairs(&link["external_ids"])[0].clone());
        }
        let Some(next) = page["cursor"]["next"].as_str().filter(|next| !next.is_empty()) else { break };
        path = format!("group_id:g1/links?limit=2&next={next}");
    }
    assert_eq!(users, ["user_id:u/1", "user_id:u2", "user_id:u3"]);
    app.finish().await;
}

/// Message ids of the events that a call tells, page by page.
async fn events(app: &TestApp, query: &str) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = user(app, &format!("user_id:u1/events?{query}&next={next}")).await;
        let rows = page["data"].as_array().expect("rows");
        found.extend(rows.iter().map(|row| row["message_id"].as_str().expect("a text").to_owned()));
        next = page["cursor"]["next"].as_str().expect("a text").to_owned();
        if next.is_empty() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_two_weeks_come_in_either_order() {
    let app = space_in(Setup::new().on_disk()).await;
    let track = async |n: usize, who: &str, event: &str, ago: i64| {
        let body = json!({
            who: if who == "userId" { "u1" } else { "a1" }, "event": event, "properties": { "n": n },
            "messageId": format!("m{n:02}"), "timestamp": app.ago(ago),
        });
        post(&app, "track", body).await;
    };
    track(0, "userId", "Old", 0).await;
    app.advance(15 * DAY).await;
    for n in 1..4 {
        track(n, "anonymousId", "Seen", 0).await;
    }
    post(
        &app,
        "identify",
        json!({ "userId": "u1", "anonymousId": "a1", "messageId": "m04", "traits": { "x": 1 } }),
    )
    .await;
    post(
        &app,
        "page",
        json!({ "userId": "u1", "messageId": "m05", "name": "Home", "properties": { "path": "/" } }),
    )
    .await;
    track(6, "userId", "Bought", 2 * DAY).await;
    track(7, "userId", "Bought", 20 * DAY).await;
    // The profile names all of them so far, which is another way than reading the log.
    let few: Vec<String> = [6, 5, 4, 3, 2, 1].map(|n| format!("m{n:02}")).into();
    for limit in [1, 4, 10] {
        assert_eq!(events(&app, &format!("limit={limit}")).await, few);
        let mut oldest_first = few.clone();
        oldest_first.reverse();
        assert_eq!(events(&app, &format!("limit={limit}&sort=asc")).await, oldest_first);
    }
    for n in 8..30 {
        post(&app, "track", json!({ "userId": "other", "event": "Bought" })).await;
        app.advance(1000).await;
        track(n, if n % 2 == 0 { "userId" } else { "anonymousId" }, "Seen", 0).await;
    }
    let mut all: Vec<String> = (8..30).rev().map(|n| format!("m{n:02}")).chain(few).collect();
    for limit in [1, 7, 10, 100] {
        assert_eq!(events(&app, &format!("limit={limit}")).await, all);
    }
    all.reverse();
    for limit in [3, 100] {
        assert_eq!(events(&app, &format!("limit={limit}&sort=asc")).await, all);
    }
    assert_eq!(events(&app, "include=Bought,Page%20Viewed").await, ["m06", "m05"]);
    assert_eq!(events(&app, "exclude=Seen,Bought&sort=asc").await, ["m04", "m05"]);
    assert_eq!(events(&app, &format!("end={}", app.ago(DAY))).await, ["m06"]);
    let (start, end) = (app.ago(2000), app.ago(0));
    assert_eq!(events(&app, &format!("start={start}&end={end}")).await, ["m28", "m27"]);
    let far = format!("start={}", app.ago(30 * DAY));
    assert_eq!(events(&app, &far).await.len(), all.len(), "two weeks at most");

    let page = user(&app, "user_id:u1/events?include=Page%20Viewed").await;
    let row = &page["data"][0];
    let wanted = [
        "external_ids",
        "context",
        "type",
        "message_id",
        "source_id",
        "timestamp",
        "properties",
        "event",
        "related",
    ];
    assert_eq!(keys(row), wanted);
    let id = json!([{ "collection": "users", "type": "user_id", "id": "u1", "encoding": "none" }]);
    assert_eq!(
        (&row["external_ids"], &row["type"], &row["event"]),
        (&id, &json!("page"), &json!("Page Viewed"))
    );
    assert_eq!(
        (&row["properties"]["page_name"], &row["related"]),
        (&json!("Home"), &json!({ "users": "u1" }))
    );
    let identify = user(&app, "user_id:u1/events?exclude=Seen,Bought,Page%20Viewed").await;
    assert_eq!(identify["data"][0]["traits"], json!({ "x": 1 }));
    assert_eq!((&identify["cursor"]["limit"], &identify["cursor"]["has_more"]), (&json!(10), &json!(false)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_segments() {
    let app = space().await;
    person(&app).await;
    let users = "/v1/spaces/s/collections/users/profiles/";
    post(&app, "identify", json!({ "userId": "50%+ü:/%2F x", "traits": { "odd": true } })).await;
    let odd = user(&app, "user_id:50%25%2B%C3%BC%3A%2F%252F%20x/traits").await;
    assert_eq!(odd["traits"], json!({ "odd": true }), "an id may hold any character");
    for broken in ["user_id:%FF", "user_id:%", "%3A", ":", "user_id:%00"] {
        let got = read(&app, users, &format!("{broken}/traits")).await;
        assert!([400, 404].contains(&got.status), "{broken}: {}", got.text());
        assert!(got.header("request-id").starts_with("req_"));
    }
    for id in
        ["user_id:x", "user_id:U%2F1", "email:x@y.z", "use_2abc", "custom:1", "group_id:u%2F1", "user_id:"]
    {
        for what in ["traits", "external_ids", "events", "metadata", "links"] {
            let got = read(&app, users, &format!("{id}/{what}")).await;
            assert_eq!(refused(&got, 404, "not_found"), "Profile was not found.", "{id}");
        }
    }
    let accounts = read(&app, "/v1/spaces/s/collections/accounts/profiles/", "user_id:u%2F1/traits").await;
    refused(&accounts, 404, "not_found");
    for path in ["/v1/spaces", "/v1/spaces/s/collections/users/profiles", "/v1/namespaces/s/audiences"] {
        refused(&read(&app, path, "").await, 404, "not_found");
    }
    refused(&read(&app, users, "anonymous_id:a1/friends").await, 404, "not_found");
    let dogs = read(&app, "/v1/spaces/s/collections/dogs/profiles/", "anonymous_id:a1/traits").await;
    assert!(refused(&dogs, 400, "validation_error").contains("collection"));
    for (what, parameter) in [
        ("traits?limit=0", "limit"),
        ("traits?limit=201", "limit"),
        ("traits?class=x", "class"),
        ("traits?verbose=1", "verbose"),
        ("external_ids?limit=101", "limit"),
        ("external_ids?next=x", "next"),
        ("external_ids?verbose=maybe", "verbose"),
        ("events?sort=up", "sort"),
        ("events?start=yesterday", "start"),
        ("events?end=x", "end"),
        ("events?next=x", "next"),
        ("events?limit=101", "limit"),
        ("metadata?verbose=x", "verbose"),
        ("links?limit=101", "limit"),
        ("links?next=-1", "next"),
    ] {
        let got = read(&app, users, &format!("anonymous_id:a1/{what}")).await;
        let message = refused(&got, 400, "invalid_request_error");
        assert!(message.contains(&format!("`{parameter}`")), "{what}: {message}");
    }
    let path = format!("{users}anonymous_id:a1/traits");
    let wrong_method = send(app.request("POST", &path).basic_auth(TOKEN, Some("")).body("{}")).await;
    refused(&wrong_method, 405, "invalid_request_error");
    assert_eq!(wrong_method.header("allow"), "GET");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_token_opens_it_and_no_page_of_another_origin() {
    let app = space().await;
    person(&app).await;
    let path = "/v1/spaces/s/collections/users/profiles/anonymous_id:a1/traits";
    let get = || app.request("GET", path);
    for request in
        [get(), get().bearer_auth(TOKEN), get().basic_auth("", Some(TOKEN)), get().basic_auth("x", Some(""))]
    {
        let got = send(request).await;
        refused(&got, 401, "authentication_error");
        assert_eq!(got.header("www-authenticate"), "Basic realm=\"stagepost\"");
    }
    let nothing = send(app.request("GET", "/v1/spaces/nothing")).await;
    refused(&nothing, 401, "authentication_error");
    let origin = |request: reqwest::RequestBuilder| request.header("origin", "https://shop.example.com");
    let one = send(origin(get().basic_auth(TOKEN, None::<&str>))).await.expect(200);
    let other = send(get().basic_auth(TOKEN, Some("anything"))).await.expect(200);
    let preflight = send(origin(app.request("OPTIONS", path))).await;
    refused(&preflight, 401, "authentication_error");
    for got in [&one, &other, &preflight] {
        assert!(got.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
        assert_eq!(
            (got.header("cache-control"), got.header("x-content-type-options")),
            ("no-store", "nosniff")
        );
        assert_eq!(got.header("request-id").len(), "req_".len() + 27);
    }
    assert_ne!(one.header("request-id"), other.header("request-id"));

    for n in 0..19 {
        send(get().basic_auth(format!("guess {n}"), Some(""))).await.expect(401);
    }
    let got = send(get().basic_auth("another", Some(""))).await;
    refused(&got, 429, "rate_limit_error");
    assert!((1..=61).contains(&got.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(app.call("GET", "/api/flows", None).await.status, 429, "one count for both APIs");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_calls_are_told_to_come_back() {
    let app = space().await;
    person(&app).await;
    let mut refusals = Vec::new();
    for _ in 0..50 {
        let calls = (0..100)
            .map(|_| read(&app, "/v1/spaces/s/collections/users/profiles/", "anonymous_id:a1/metadata"));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|got| got.status == 200 || got.status == 429));
        refusals.extend(answers.into_iter().filter(|got| got.status == 429));
        if !refusals.is_empty() {
            break;
        }
    }
    let got = refusals.first().expect("more than a hundred a second");
    refused(got, 429, "rate_limit_error");
    assert_eq!(got.header("retry-after"), "1");
    app.get("/api/flows").await;
    post(&app, "track", json!({ "userId": "u2", "event": "Seen" })).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_beside_it_is_as_it_was() {
    let mut app = space().await;
    app.allow_rejections();
    post(&app, "t", json!({ "userId": "u1", "event": "Seen" })).await;
    post(&app, "batch", json!({ "batch": [{ "type": "track", "userId": "u1", "event": "Seen" }] })).await;
    let settings = send(app.request("GET", "/v1/projects/wk_website/settings")).await.expect(200);
    assert_eq!(settings.header("request-id"), "-");
    let preflight = send(app.request("OPTIONS", "/v1/track").header("origin", "https://a.example")).await;
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-origin")),
        (204, "https://a.example")
    );
    for path in ["/v1/spacesuit", "/v1/space", "/v1/", "/v1/namespace/x"] {
        let got = send(app.request("GET", path)).await.expect(404);
        assert_eq!((got.header("request-id"), got.code().as_str()), ("-", "not_found"), "{path}");
    }
    let unknown =
        app.post_json("/v1/track", &json!({ "userId": "u", "event": "x", "writeKey": "spaces" })).await;
    assert_eq!(unknown.status, 401);
    app.finish().await;
}
