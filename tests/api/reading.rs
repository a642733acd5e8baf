//! Reading what was computed: files, sizes, overlap, values, people and accounts, previews, and what a life's end looks like.

use serde_json::{Value, json};

use stagepost::domain::backfill::{Backfill, BackfillPhase, ComputationRef};
use stagepost::domain::change::{BackfillWrite, ChangeSet, DefinitionWrite};
use stagepost::domain::definition::{Definition, Kind, Status};
use stagepost::domain::ids::BackfillId;
use stagepost::domain::time::Span;

use crate::app::{TestApp, app};
use crate::http::{Got, column, keys};
use crate::support::receiver::Receiver;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const BUYERS: &str = "event('Bought').count() >= 1";

/// A server with a web source.
async fn web() -> TestApp {
    let app = app().await;
    app.apply(&json!({ "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }] })).await;
    app
}

async fn post(app: &TestApp, kind: &str, mut body: Value) {
    body["writeKey"] = "wk_website".into();
    app.post_json(&format!("/v1/{kind}"), &body).await.expect(200);
    app.rest().await;
}

async fn bought(app: &TestApp, user: &str, total: i64) {
    let body = json!({ "userId": user, "event": "Bought", "properties": { "total": total } });
    post(app, "track", body).await;
}

async fn define(app: &TestApp, kind: &str, name: &str, query: &str) {
    let body = json!({ "name": name, "query": query });
    app.call("POST", &format!("/api/{kind}"), Some(&body)).await.expect(201);
    app.rest().await;
}

/// A known user with a mail address and two visitors in his past, one with a strange name, and a user without anything.
async fn people(app: &TestApp) {
    for visitor in ["a1", "a2"] {
        post(app, "track", json!({ "anonymousId": visitor, "event": "Seen" })).await;
        post(app, "identify", json!({ "userId": "u1", "anonymousId": visitor })).await;
    }
    let traits = json!({ "email": "A@b.io", "phone": "+1555", "plan": "pro", "tags": ["x", "y"] });
    post(app, "identify", json!({ "userId": "u1", "traits": traits })).await;
    post(app, "identify", json!({ "userId": "=cmd,\"x\"", "traits": { "plan": "-1" } })).await;
    for user in ["u1", "=cmd,\"x\"", "plain"] {
        bought(app, user, 7).await;
    }
}

async fn csv(app: &TestApp, path: &str) -> String {
    let got = app.call("GET", path, None).await.expect(200);
    assert_eq!(got.header("content-type"), "text/csv; charset=utf-8");
    assert!(got.header("content-disposition").ends_with(".csv\""));
    got.text()
}

#[track_caller]
fn refused(got: &Got, status: u16, code: &str, field: &str) {
    assert_eq!((got.status, got.code().as_str()), (status, code), "{}", got.text());
    assert_eq!(got.json()["errors"][0]["field"], field, "{}", got.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_files_in_three_forms() {
    let app = web().await;
    define(&app, "audiences", "Buyers", BUYERS).await;
    people(&app).await;
    let since = app.now().to_rfc3339();
    let path = "/api/audiences/buyers/members.csv";
    let plain = format!("user_id,since\n\"=cmd,\"\"x\"\"\",{since}\nplain,{since}\nu1,{since}\n");
    assert_eq!(csv(&app, path).await, plain);
    assert_eq!(csv(&app, &format!("{path}?format=plain&guard=false")).await, plain);
    let guarded = csv(&app, &format!("{path}?guard=true")).await;
    assert_eq!(guarded.lines().nth(1), Some(format!("\"'=cmd,\"\"x\"\"\",{since}").as_str()));

    let segment = csv(&app, &format!("{path}?format=segment")).await;
    let ids = r#"{""anonymous_id"":[""a2"",""a1""],""email"":[""A@b.io""],""phone"":[""+1555""],""user_id"":[""u1""]}"#;
    let traits = r#"{""buyers"":true,""email"":""A@b.io"",""phone"":""+1555"",""plan"":""pro"",""tags"":[""x"",""y""]}"#;
    let lines: Vec<_> = segment.lines().collect();
    assert_eq!(lines[0], "user_key,external_ids,traits");
    assert_eq!(lines[3], format!("u1,\"{ids}\",\"{traits}\""));
    assert!(segment.ends_with("\"\n") && !segment.contains('\r'));

    let columns = csv(&app, &format!("{path}?format=columns&traits=plan,tags,%20nothing&guard=true")).await;
    let wanted = [
        "user_key,user_id,anonymous_id,email,phone,plan,tags,nothing",
        "\"'=cmd,\"\"x\"\"\",\"'=cmd,\"\"x\"\"\",,,,-1,,",
        "plain,plain,,,,,,",
        "u1,u1,a2,A@b.io,'+1555,pro,\"[\"\"x\"\",\"\"y\"\"]\",",
    ];
    assert_eq!(columns.lines().collect::<Vec<_>>(), wanted);

    for (query, field) in [
        ("format=xml", "format"),
        ("traits=plan", "traits"),
        ("guard=yes", "guard"),
        ("limit=5", "limit"),
        ("format=columns&format=plain", "format"),
    ] {
        refused(&app.call("GET", &format!("{path}?{query}"), None).await, 400, "invalid_parameter", field);
    }
    let many = vec!["t"; 101].join(",");
    let got = app.call("GET", &format!("{path}?format=columns&traits={many}"), None).await;
    refused(&got, 400, "invalid_parameter", "traits");
    assert_eq!(app.call("GET", "/api/audiences/x/members.csv", None).await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_files_of_accounts_name_accounts() {
    let app = web().await;
    define(&app, "audiences", "Active accounts", "ANY event('Bought').count() >= 1").await;
    post(&app, "group", json!({ "userId": "u1", "groupId": "g,1", "traits": { "plan": "team" } })).await;
    bought(&app, "u1", 1).await;
    let path = "/api/audiences/active_accounts/members";
    let members = app.get(path).await;
    assert_eq!(members["members"], json!([{ "groupId": "g,1", "since": app.now() }]));
    assert_eq!(
        csv(&app, &format!("{path}.csv")).await,
        format!("group_id,since\n\"g,1\",{}\n", app.now().to_rfc3339())
    );
    let segment = csv(&app, &format!("{path}.csv?format=segment")).await;
    assert_eq!(segment.lines().next(), Some("account_key,external_ids,traits"));
    let columns = csv(&app, &format!("{path}.csv?format=columns&traits=plan")).await;
    assert_eq!(columns, "account_key,group_id,email,phone,plan\n\"g,1\",\"g,1\",,,team\n");
    let account = app.get("/api/accounts/g%2C1").await;
    assert_eq!(
        keys(&account),
        ["groupId", "traits", "audiences", "computedTraits", "users", "createdAt", "updatedAt"]
    );
    assert_eq!(account["traits"], json!({ "active_accounts": true, "plan": "team" }));
    assert_eq!((&account["audiences"], &account["users"]), (&json!({ "active_accounts": true }), &json!(1)));
    assert_eq!(app.call("GET", "/api/accounts/u1", None).await.code(), "not_found");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_trait_are_paged_and_are_files_in_three_forms() {
    let app = web().await;
    define(&app, "traits", "Spent", "event('Bought').sum(property('total'))").await;
    people(&app).await;
    post(&app, "identify", json!({ "userId": "nobody", "traits": { "email": "n@b.io" } })).await;
    let since = app.now();
    let all = app.get("/api/traits/spent/values").await;
    let row = |user: &str| json!({ "userId": user, "value": 7, "since": since });
    assert_eq!(all, json!({ "values": [row("=cmd,\"x\""), row("plain"), row("u1")], "cursor": null }));
    let (mut found, mut path) = (Vec::new(), "/api/traits/spent/values?limit=1".to_owned());
    loop {
        let page = app.get(&path).await;
        found.extend(column(&page["values"], "userId"));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/api/traits/spent/values?limit=1&cursor={cursor}");
    }
    assert_eq!(found, ["=cmd,\"x\"", "plain", "u1"]);

    let path = "/api/traits/spent/values.csv";
    let ids = r#"{""anonymous_id"":[""a2"",""a1""],""email"":[""A@b.io""],""phone"":[""+1555""],""user_id"":[""u1""]}"#;
    let plain = csv(&app, path).await;
    assert_eq!(plain.lines().next(), Some("key,value,external_ids"));
    assert_eq!(plain.lines().last(), Some(format!("u1,7,\"{ids}\"").as_str()));
    assert_eq!(csv(&app, &format!("{path}?format=a")).await, plain);
    let wide = csv(&app, &format!("{path}?format=b")).await;
    let lines: Vec<_> = wide.lines().collect();
    assert_eq!(lines[0], "key,value,external_ids,anonymous_id,anonymous_id_1,email,phone,user_id");
    assert_eq!(lines[2], "plain,7,\"{\"\"user_id\"\":[\"\"plain\"\"]}\",,,,,plain");
    assert_eq!(lines[3], format!("u1,7,\"{ids}\",a2,a1,A@b.io,+1555,u1"));
    let long = csv(&app, &format!("{path}?format=c&guard=true")).await;
    let lines: Vec<_> = long.lines().collect();
    assert_eq!(lines[0], "key,value,external_ids,anonymous_id,email,phone,user_id");
    assert_eq!(lines[3..], [format!("u1,7,\"{ids}\",a2,A@b.io,'+1555,u1"), format!("u1,7,\"{ids}\",a1,,,")]);

    for query in ["format=d", "guard=1", "limit=1"] {
        assert_eq!(app.call("GET", &format!("{path}?{query}"), None).await.code(), "invalid_parameter");
    }
    let wrong = app.call("GET", "/api/traits/spent/values?cursor=x", None).await;
    refused(&wrong, 400, "invalid_parameter", "cursor");
    assert_eq!(app.call("GET", "/api/traits/x/values", None).await.code(), "not_found");
    assert_eq!(app.call("GET", "/api/traits/x/values.csv", None).await.code(), "not_found");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_files_are_whole() {
    let app = web().await;
    define(&app, "audiences", "Buyers", BUYERS).await;
    define(&app, "traits", "Spent", "event('Bought').sum(property('total'))").await;
    let users: Vec<String> = (0..1234).map(|n| format!("u{n:04}")).collect();
    let track = |user: &String| json!({ "type": "track", "userId": user, "event": "Bought", "properties": { "total": 1 } });
    let batch: Vec<_> = users.iter().map(track).collect();
    post(&app, "batch", json!({ "batch": batch })).await;
    for path in [
        "audiences/buyers/members.csv",
        "audiences/buyers/members.csv?format=segment",
        "audiences/buyers/members.csv?format=columns",
        "traits/spent/values.csv",
        "traits/spent/values.csv?format=b",
        "traits/spent/values.csv?format=c",
    ] {
        let file = csv(&app, &format!("/api/{path}")).await;
        let keys: Vec<_> = file.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(keys, users, "{path}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_and_accounts_have_values_where_they_are_meant() {
    let app = web().await;
    let body = json!({ "name": "Seen", "query": "event('Seen').count()", "include_anonymous": true });
    app.put("/api/traits/seen", body).await;
    let body = json!({ "name": "Team", "query": "event('Seen').count()", "target": "accounts" });
    app.put("/api/traits/team", body).await;
    post(&app, "group", json!({ "userId": "u1", "groupId": "g1" })).await;
    for who in ["userId", "anonymousId"] {
        post(&app, "track", json!({ who: "u1", "event": "Seen" })).await;
    }
    let since = app.now();
    assert_eq!(
        app.get("/api/traits/seen/values").await["values"],
        json!([
            { "userId": null, "anonymousId": "u1", "value": 1, "since": since },
            { "userId": "u1", "value": 1, "since": since },
        ])
    );
    assert_eq!(
        app.get("/api/traits/team/values").await["values"],
        json!([{ "groupId": "g1", "value": 1, "since": since }])
    );
    let file = csv(&app, "/api/traits/seen/values.csv?format=b").await;
    let keys: Vec<_> = file.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(keys, ["key", "anonymous:u1", "u1"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_are_told_per_hour_and_per_day() {
    let app = web().await;
    define(&app, "audiences", "Buyers", "event('Bought').within(1 days).count() >= 1").await;
    let path = "/api/audiences/buyers/sizes";
    let nothing = json!({ "per": "day", "points": [], "entered": 0, "exited": 0, "size": 0 });
    assert_eq!(app.get(path).await, nothing);
    bought(&app, "u1", 1).await;
    bought(&app, "u2", 1).await;
    app.advance(2 * HOUR).await;
    bought(&app, "u3", 1).await;
    app.advance(22 * HOUR + 1).await;
    app.advance(HOUR).await;
    let point = |start: &str, size: u64, entered: u64, exited: u64| {
        let start = format!("2026-11-{start}:00:00.000Z");
        json!({ "start": start, "size": size, "entered": entered, "exited": exited })
    };
    let days = app.get(path).await;
    assert_eq!(days["points"], json!([point("21T00", 3, 3, 0), point("22T00", 1, 0, 2)]));
    assert_eq!((&days["entered"], &days["exited"], &days["size"]), (&json!(3), &json!(2), &json!(1)));
    let hours = app.get(&format!("{path}?per=hour")).await;
    let all = [point("21T10", 2, 2, 0), point("21T12", 3, 1, 0), point("22T10", 1, 0, 2)];
    assert_eq!((&hours["per"], &hours["points"]), (&json!("hour"), &json!(all)));
    let range = "per=hour&from=2026-11-21T12:59:59Z&to=2026-11-22T10:00:00Z";
    let part = app.get(&format!("{path}?{range}")).await;
    assert_eq!((&part["points"], &part["entered"]), (&json!([all[1]]), &json!(1)), "the end is not in it");
    app.advance(2 * HOUR).await;
    app.advance(8 * DAY).await;
    assert_eq!(app.get(&format!("{path}?per=hour")).await["points"], json!([]), "seven days of hours");
    assert_eq!(app.get(path).await["points"].as_array().unwrap().len(), 2);

    for (query, field) in [
        ("per=week", "per"),
        ("from=now", "from"),
        ("from=2026-01-02&to=2026-01-01", "to"),
        ("limit=3", "limit"),
    ] {
        refused(&app.call("GET", &format!("{path}?{query}"), None).await, 400, "invalid_parameter", field);
    }
    assert_eq!(app.call("GET", "/api/audiences/x/sizes", None).await.code(), "not_found");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlap_counts_who_is_in_both() {
    let app = web().await;
    define(&app, "audiences", "Buyers", BUYERS).await;
    define(&app, "audiences", "Big buyers", "event('Bought').sum(property('total')) >= 100").await;
    define(&app, "audiences", "Accounts", "ANY event('Bought').count() >= 1").await;
    for (user, total) in [("u1", 1), ("u2", 100), ("u3", 200)] {
        bought(&app, user, total).await;
    }
    let path = "/api/audiences/buyers/overlap";
    let overlap = app.get(&format!("{path}?with=big_buyers")).await;
    assert_eq!(overlap, json!({ "size": 3, "otherSize": 2, "overlap": 2 }));
    let itself = app.get(&format!("{path}?with=buyers")).await;
    assert_eq!(itself, json!({ "size": 3, "otherSize": 3, "overlap": 3 }));
    for query in ["", "?with=", "?with=nothing", "?with=accounts"] {
        refused(&app.call("GET", &format!("{path}{query}"), None).await, 400, "invalid_parameter", "with");
    }
    assert_eq!(app.call("GET", "/api/audiences/x/overlap?with=buyers", None).await.code(), "not_found");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_shown_with_everything_and_found_by_his_ids() {
    let app = web().await;
    define(&app, "audiences", "Recent buyers", "event('Bought').within(1 days).count() >= 1").await;
    define(&app, "traits", "Spent", "event('Bought').sum(property('total'))").await;
    people(&app).await;
    post(&app, "group", json!({ "userId": "u1", "groupId": "g1", "traits": { "email": "a@b.io" } })).await;
    let entered = app.now();
    app.advance(DAY + 1).await;
    app.advance(DAY).await;
    bought(&app, "u1", 3).await;
    post(&app, "alias", json!({ "userId": "u1", "previousId": "plain" })).await;

    let user = app.get("/api/users/u1").await;
    assert_eq!((&user["userId"], &user["formerIds"]), (&json!("u1"), &json!(["plain"])));
    assert_eq!((&user["computedTraits"], &user["groups"]), (&json!({ "spent": 17 }), &json!(["g1"])));
    assert_eq!(user["audiences"], json!({ "recent_buyers": true }));
    assert_eq!((&user["traits"]["plan"], &user["traits"]["spent"]), (&json!("pro"), &json!(17)));
    let ids: Vec<_> =
        column(&user["externalIds"], "type").into_iter().zip(column(&user["externalIds"], "id")).collect();
    let id = |kind: &str, id: &str| (kind.to_owned(), id.to_owned());
    assert_eq!(
        ids,
        [
            id("user_id", "u1"),
            id("user_id", "plain"),
            id("anonymous_id", "plain"),
            id("anonymous_id", "a2"),
            id("anonymous_id", "a1"),
            id("email", "A@b.io"),
            id("phone", "+1555"),
        ]
    );
    for same in ["/api/users/plain", "/api/users/a1?anonymous=true"] {
        assert_eq!(app.get(same).await["userId"], "u1", "{same} leads to the surviving profile");
    }

    let history = app.get("/api/users/plain/audiences").await;
    let (left, again) = (entered.plus(Span::from_millis(DAY + 1)), app.now());
    let change = |member: bool, at| json!({ "member": member, "at": at });
    assert_eq!(
        history,
        json!({ "audiences": [{
            "key": "recent_buyers", "name": "Recent buyers", "member": true, "since": again,
            "changes": [change(true, again), change(false, left), change(true, entered)],
        }] })
    );

    for query in ["email=a%40B.io", "phone=%2B1555", "anonymousId=a1"] {
        let found = app.get(&format!("/api/users?{query}")).await;
        let users = found["users"].as_array().unwrap();
        assert_eq!(users.len(), 1, "{query}: accounts are no users");
        assert_eq!(keys(&users[0]), ["userId", "email", "phoneNumber", "createdAt", "updatedAt"]);
        assert_eq!((&users[0]["userId"], &users[0]["email"]), (&json!("u1"), &json!("A@b.io")));
    }
    post(&app, "track", json!({ "anonymousId": "visitor", "event": "Seen" })).await;
    let visitor = app.get("/api/users?anonymousId=visitor").await;
    assert_eq!(
        (&visitor["users"][0]["userId"], &visitor["users"][0]["anonymousId"]),
        (&Value::Null, &json!("visitor"))
    );
    assert_eq!(app.get("/api/users?email=x%40y.z").await, json!({ "users": [] }));
    for query in ["", "?email=", "?email=a&phone=b"] {
        let got = app.call("GET", &format!("/api/users{query}"), None).await;
        refused(&got, 400, "invalid_parameter", "email");
    }
    assert_eq!(app.call("GET", "/api/users?name=x", None).await.code(), "invalid_parameter");
    assert_eq!(app.call("GET", "/api/users/x/audiences", None).await.code(), "not_found");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_why() {
    let app = web().await;
    people(&app).await;
    let preview = async |body: Value| {
        let got = app.call("POST", "/api/audiences/preview", Some(&body)).await.expect(200).json();
        assert_eq!(keys(&got), ["count", "sample", "why", "complete", "tookMs"]);
        assert_eq!(got["complete"], true);
        (got["count"].clone(), got["sample"].clone(), got["why"].clone())
    };
    let query = "event('Bought').count() >= 1 AND trait('plan') = 'pro'";
    let leaf = |text: &str, value: i64| json!({ "leaf": text, "value": value });
    let why = json!([{
        "userId": "u1", "value": true,
        "conditions": [
            { "condition": "event('Bought').count() >= 1", "value": 1, "holds": true },
            { "condition": "trait('plan') = 'pro'", "value": "pro", "holds": true },
        ],
        "leaves": [leaf("event('Bought').count()", 1)], "traits": { "plan": "pro" },
    }]);
    assert_eq!(preview(json!({ "query": query })).await, (json!(1), json!(["u1"]), why));

    let spent = "event('Bought').sum(property('total'))";
    let (count, sample, why) = preview(json!({ "query": spent })).await;
    assert_eq!((count, sample), (json!(3), json!(["=cmd,\"x\"", "plain", "u1"])));
    assert_eq!(why[1], json!({ "userId": "plain", "value": 7, "leaves": [leaf(spent, 7)], "traits": {} }));

    post(&app, "track", json!({ "anonymousId": "visitor", "event": "Seen" })).await;
    let seen = json!({ "query": "event('Seen').count() = 1", "include_anonymous": true });
    let (count, sample, why) = preview(seen).await;
    assert_eq!((count, sample), (json!(1), json!(["anonymous:visitor"])));
    assert_eq!((&why[0]["userId"], &why[0]["anonymousId"]), (&Value::Null, &json!("visitor")));

    for user in ["u1", "nobody"] {
        post(&app, "group", json!({ "userId": user, "groupId": "g1" })).await;
    }
    let query = "ANY (event('Bought').count() >= 1) AND event('Bought').count() = 1";
    let (count, sample, why) = preview(json!({ "query": query })).await;
    assert_eq!((count, sample, &why[0]["groupId"]), (json!(1), json!(["g1"]), &json!("g1")));
    let part = json!({ "part": "ANY (event('Bought').count() >= 1)", "yes": 1, "all": 2 });
    assert_eq!((&why[0]["parts"], &why[0]["leaves"][0]["value"]), (&json!([part]), &json!(1)));
    let any = json!({ "condition": "ANY event('Bought').count() >= 1", "value": { "yes": 1, "all": 2 }, "holds": true });
    assert_eq!(why[0]["conditions"][0], any);
    let (count, ..) = preview(json!({ "query": "event('Bought').count() = 1", "target": "accounts" })).await;
    assert_eq!(count, 1);

    for (body, code, field) in [
        (json!({ "query": query, "target": "users" }), "invalid_body", "target"),
        (json!({ "query": query, "target": "dogs" }), "invalid_body", "target"),
        (json!({ "query": BUYERS, "include_anonymous": 1 }), "invalid_body", "include_anonymous"),
        (json!({ "target": "users" }), "invalid_body", "query"),
        (json!({ "query": "event('Bought').sum(property('total')" }), "invalid_query", "query"),
    ] {
        refused(&app.call("POST", "/api/audiences/preview", Some(&body)).await, 400, code, field);
    }
    let unfinished = json!({ "query": "event('Bought').sum(proprety('total'))" });
    let got = app.call("POST", "/api/audiences/preview", Some(&unfinished)).await;
    assert!(
        got.text().contains("column 21"),
        "the error of a value's query is that of its place: {}",
        got.text()
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_told_that_they_are_out_before_an_audience_goes() {
    let receiver = Receiver::taking_all();
    let mut app = web().await;
    let crm = json!({ "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }] });
    app.put("/api/destinations/crm", crm).await;
    let body = json!({ "name": "Buyers", "query": BUYERS, "destinations": ["crm"] });
    app.put("/api/audiences/buyers", body.clone()).await;
    for user in ["u1", "u2"] {
        bought(&app, user, 1).await;
    }
    // As it is while the members are being told, which is over in no time.
    let Some(Definition::Audience(mut audience)) = app.engine().definitions().get(Kind::Audience, "buyers")
    else {
        panic!("the audience");
    };
    audience.status = Status::Leaving;
    let definitions = vec![DefinitionWrite::Put(Box::new(audience.into()))];
    app.restart_without_writer().await;
    app.store().commit(&ChangeSet { definitions, ..ChangeSet::default() }).await.unwrap();
    app.restart_without_writer().await;
    let leaving = app.get("/api/audiences/buyers").await;
    assert_eq!((&leaving["deleting"], &leaving["status"]), (&json!(true), &json!("disabled")));
    assert_eq!(app.get("/api/audiences").await["audiences"], json!([leaving]));
    app.let_writer_run();
    app.rest().await;
    crate::support::wait::eventually("the audience is gone", crate::app::PATIENCE, async || {
        (app.call("GET", "/api/audiences/buyers", None).await.status == 404).then_some(())
    })
    .await;
    app.rest().await;
    let told = |from: usize| -> Vec<Value> {
        receiver.requests()[from..].iter().map(|request| request.json()["traits"]["buyers"].clone()).collect()
    };
    assert_eq!(told(0), [true, true, false, false]);

    app.put("/api/audiences/buyers", body).await;
    assert_eq!(told(4), [true, true]);
    let got = app.call("DELETE", "/api/audiences/buyers?exit=true", None).await;
    assert!(got.status == 202 || got.status == 204, "{}", got.text());
    if got.status == 202 {
        assert_eq!(got.json()["deleting"], true);
    }
    crate::support::wait::eventually("the members were told", crate::app::PATIENCE, async || {
        app.rest().await;
        (told(6).len() == 2).then_some(())
    })
    .await;
    assert_eq!(told(6), [false, false]);
    assert_eq!(app.call("DELETE", "/api/audiences/buyers?exit=true", None).await.status, 404);
    refused(
        &app.call("DELETE", "/api/audiences/buyers?exit=1", None).await,
        400,
        "invalid_parameter",
        "exit",
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_computation_shows_how_far_it_has_come() {
    let mut app = web().await;
    define(&app, "audiences", "Buyers", BUYERS).await;
    define(&app, "traits", "Spent", "event('Bought').sum(property('total'))").await;
    let mut set = ChangeSet::default();
    let mut computations = Vec::new();
    for (kind, key) in [(Kind::Audience, "buyers"), (Kind::Trait, "spent")] {
        let mut definition = app.engine().definitions().get(kind, key).unwrap();
        let computation = definition.computation_mut().unwrap();
        computation.status = Status::Computing;
        computations.push(ComputationRef { kind, key: key.into(), id: computation.id.clone() });
        set.definitions.push(DefinitionWrite::Put(Box::new(definition)));
    }
    set.backfills.push(BackfillWrite::Put(Box::new(Backfill {
        id: BackfillId::from_bytes([7; 16]),
        computations,
        fresh: Default::default(),
        until: None,
        phase: BackfillPhase::Profiles { after: None },
        is_reading: false,
        events_read: 0,
        events_total: 100,
        profiles_done: 3,
        profiles_total: 4,
        started_at: app.now(),
    })));
    app.store().commit(&set).await.unwrap();
    app.restart_without_writer().await;
    let progress = json!({
        "phase": "profiles", "eventsRead": 0, "eventsTotal": 100, "profilesDone": 3, "profilesTotal": 4,
        "startedAt": app.now(),
    });
    for (list, key) in [("audiences", "buyers"), ("traits", "spent")] {
        let one = app.get(&format!("/api/{list}/{key}")).await;
        assert_eq!((&one["status"], &one["progress"]), (&json!("computing"), &progress));
        assert_eq!(app.get(&format!("/api/{list}")).await[list], json!([one]));
    }
    app.let_writer_run();
    app.rest().await;
    for path in ["/api/audiences/buyers", "/api/traits/spent"] {
        let live = app.get(path).await;
        assert_eq!((&live["status"], live.get("progress")), (&json!("live"), None));
    }
    app.finish().await;
}
