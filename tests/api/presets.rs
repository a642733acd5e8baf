//! Presets and webhook actions from TOML to the wire: one event of each type, and the bytes that arrive.

use serde_json::{Value, json};

use stagepost::file::File;

use crate::app::{TestApp, app};
use crate::http::column;
use crate::support::receiver::{Receiver, Reply};

const PENDO_KEY: &str = "0123456789abcdef0123456789abcdef";

/// A server with what this TOML says beside a source; `${BASE}` in it is the receiver.
async fn serving(receiver: &Receiver, text: &str) -> TestApp {
    let app = app().await;
    let text = format!("[[source]]\nkey = \"web\"\nkind = \"http\"\nwrite_key = \"wk_website\"\n{text}");
    let base = receiver.url("");
    let file = File::parse("test.toml", &text, &|name| match name {
        "BASE" => Some(base.clone()),
        "PENDO_API_KEY" => Some(PENDO_KEY.to_owned()),
        _ => None,
    });
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    app.apply(&Value::Object(file.document)).await;
    app
}

/// One event of each type, of the same user.
fn events() -> [Value; 6] {
    let person = json!({ "email": "a@b.io", "firstName": "Ann", "last_name": "Bee" });
    [
        json!({ "type": "identify", "traits": person }),
        json!({ "type": "track", "event": "Bought", "groupId": "acme", "properties": { "total": 5 } }),
        json!({ "type": "page", "name": "Home", "properties": { "email": "page@b.io", "firstname": "Pat" } }),
        json!({ "type": "screen", "name": "Home", "properties": {}, "context": { "traits": { "email": "ctx@b.io" } } }),
        json!({ "type": "group", "groupId": "acme", "traits": { "email": "office@acme.io" } }),
        json!({ "type": "alias", "previousId": "old" }),
    ]
}

/// Posts it under the message id `m-<type>`, and lets a second pass.
async fn post(app: &TestApp, event: Value) {
    let mut event = event;
    event["userId"] = json!("u1");
    event["messageId"] = json!(format!("m-{}", event["type"].as_str().expect("a type")));
    let body = json!({ "writeKey": "wk_website", "batch": [event] });
    app.post_json("/v1/batch", &body).await.expect(200);
    app.advance(1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pendo_gets_each_of_its_calls_once_and_as_it_is() {
    let receiver = Receiver::taking_all();
    let text = r#"
        [[destination]]
        key = "pendo"
        kind = "pendo"
        region = "eu"
        api_key = "${PENDO_API_KEY}"
        base_url = "${BASE}"
        [[destination]]
        key = "all"
        kind = "webhook"
        urls = [{ url = "${BASE}/all" }]
        events = "all"
    "#;
    let app = serving(&receiver, text).await;
    for event in events() {
        post(&app, event).await;
    }
    let requests = receiver.requests();
    let (pendo, all): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.path != "/all");
    assert_eq!(all.len(), 6);
    let types: Vec<Value> = pendo.iter().map(|request| request.json()["type"].clone()).collect();
    assert_eq!(types, ["identify", "track", "group"]);
    for request in &pendo {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", format!("/data/segmentio/{PENDO_KEY}").as_str())
        );
        assert_eq!(request.header("content-type"), Some("application/json"));
        let same = all.iter().any(|other| other.body == request.body);
        assert!(same, "the event as it is: {}", request.json());
    }
    assert_eq!(pendo[1].json()["groupId"], "acme", "at the top, where Pendo reads it");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_user_is_sent_to_pendo_and_the_attempt_says_what_is_missing() {
    let receiver =
        Receiver::start(|request, _| Reply::with_body(503, &format!("Cannot POST {}", request.path)));
    let text = "[[destination]]\nkey = \"pendo\"\nkind = \"pendo\"\napi_key = \"${PENDO_API_KEY}\"\nbase_url = \"${BASE}\"\ncalls = [\"track\"]";
    let mut app = serving(&receiver, text).await;
    app.allow_pending();
    let body = json!({ "writeKey": "wk_website", "anonymousId": "a1", "event": "Looked" });
    app.post_json("/v1/track", &body).await.expect(200);
    let identify = json!({ "writeKey": "wk_website", "anonymousId": "a1", "traits": {} });
    app.post_json("/v1/identify", &identify).await.expect(200);
    app.rest().await;
    assert_eq!(receiver.requests().len(), 1, "track only");
    let list = app.get("/api/deliveries").await;
    let one = app.get(&format!("/api/deliveries/{}", column(&list["deliveries"], "id")[0])).await;
    let error = one["attempts"][0]["error"].as_str().expect("an error");
    assert!(error.contains("userId"), "{error}");
    assert!(!one.to_string().contains(PENDO_KEY), "the key is in no attempt: {one}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_customer_gets_a_respondent_for_each_call_that_knows_one() {
    let receiver = Receiver::taking_all();
    let text = r#"
        [[destination]]
        key = "survey"
        kind = "hello_customer"
        api_key = "dG9rZW4="
        touchpoint_id = "tp-1"
        language_id = "lang-1"
        key_values = { team = "Brugge" }
        base_url = "${BASE}"
    "#;
    let app = serving(&receiver, text).await;
    for event in events() {
        post(&app, event).await;
    }
    let requests = receiver.requests();
    let ends = r#""custom_UniqueID":"u1","campaign_UniqueID":"tp-1","language_UniqueID":"lang-1","keyValues":{"team":"Brugge"}}"#;
    let wanted = [
        // An identify's traits; the profile, which has them from there; the page's own, and what it lacks from the profile;
        // the context; and not the group's traits.
        r#"{"firstName":"Ann","lastName":"Bee","email":"a@b.io","#,
        r#"{"firstName":"Ann","lastName":"Bee","email":"a@b.io","#,
        r#"{"firstName":"Pat","lastName":"Bee","email":"page@b.io","#,
        r#"{"firstName":"Ann","lastName":"Bee","email":"ctx@b.io","#,
        r#"{"firstName":"Ann","lastName":"Bee","email":"a@b.io","#,
    ];
    let bodies: Vec<String> =
        requests.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert_eq!(bodies, wanted.map(|begins| format!("{begins}{ends}")), "an alias makes no survey");
    for request in &requests {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/V1.0/EN/Campaign/tp-1/Respondent/Add")
        );
        assert_eq!(request.header("authorization"), Some("basic dG9rZW4="));
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_address_a_survey_fails_at_once() {
    let receiver = Receiver::taking_all();
    let text = "[[destination]]\nkey = \"survey\"\nkind = \"hello_customer\"\napi_key = \"x\"\ntouchpoint_id = \"t\"\nlanguage_id = \"l\"\nbase_url = \"${BASE}\"";
    let app = serving(&receiver, text).await;
    post(&app, json!({ "type": "track", "event": "Bought", "properties": {} })).await;
    assert!(receiver.requests().is_empty());
    let failed = app.get("/api/deliveries?status=failed").await;
    let id = &column(&failed["deliveries"], "id")[0];
    let one = app.get(&format!("/api/deliveries/{id}")).await;
    assert!(one["attempts"][0]["error"].as_str().expect("an error").contains("email"), "{one}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_of_ones_own_never_makes_a_survey_of_what_is_none() {
    let receiver = Receiver::taking_all();
    let text = r#"
        [[destination]]
        key = "survey"
        kind = "hello_customer"
        api_key = "x"
        touchpoint_id = "t"
        language_id = "l"
        base_url = "${BASE}"
        trigger = "userId != null or groupId != null"
        [[audience]]
        name = "Teams"
        query = "event('Bought').count() >= 1"
        target = "accounts"
        destinations = ["survey"]
    "#;
    let app = serving(&receiver, text).await;
    post(&app, json!({ "type": "group", "groupId": "acme", "traits": { "email": "office@acme.io" } })).await;
    post(&app, json!({ "type": "track", "event": "Bought", "context": { "groupId": "acme" } })).await;
    post(&app, json!({ "type": "identify", "traits": { "email": "a@b.io" } })).await;
    post(&app, json!({ "type": "alias", "previousId": "old" })).await;
    // A text of spaces is no mail address; the delivery fails.
    post(&app, json!({ "type": "page", "properties": { "email": "   " } })).await;
    app.call("POST", "/api/users/u1/delete-notice", None).await.expect(202);
    let emails: Vec<Value> =
        receiver.requests().iter().map(|request| request.json()["email"].clone()).collect();
    assert_eq!(emails, ["a@b.io"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_destinations_of_one_token_share_its_one_call_a_second() {
    let receiver = Receiver::taking_all();
    let one = |key: &str, token: &str| {
        format!(
            "[[destination]]\nkey = \"{key}\"\nkind = \"hello_customer\"\napi_key = \"{token}\"\n\
             touchpoint_id = \"{key}\"\nlanguage_id = \"l\"\nbase_url = \"${{BASE}}\"\n"
        )
    };
    let text = [one("first", "same"), one("second", "same"), one("third", "other")].concat();
    let app = serving(&receiver, &text).await;
    let body = json!({ "writeKey": "wk_website", "userId": "u1", "traits": { "email": "a@b.io" } });
    app.post_json("/v1/identify", &body).await.expect(200);
    app.rest().await;
    assert_eq!(receiver.requests().len(), 2, "one of each token");
    app.advance(999).await;
    assert_eq!(receiver.requests().len(), 2);
    app.advance(1).await;
    assert_eq!(receiver.requests().len(), 3);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_preset_sends_what_the_preset_does() {
    let receiver = Receiver::taking_all();
    let app = serving(&receiver, "").await;
    let mut copy = app.get("/api/presets/pendo").await["definition"].clone();
    copy["mapping"]["url"] = json!(receiver.url("/copied"));
    copy["mapping"]["data"] = json!({ "who": { "@path": "$.userId" }, "what": { "@path": "$.event" } });
    app.put("/api/destinations/pendo", copy).await;
    for event in events() {
        post(&app, event).await;
    }
    let bodies: Vec<String> = receiver
        .requests()
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect();
    assert_eq!(bodies, [r#"{"who":"u1"}"#, r#"{"who":"u1","what":"Bought"}"#, r#"{"who":"u1"}"#]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_shares_the_rate_and_the_name_of_its_preset() {
    let receiver = Receiver::taking_all();
    let text = "[[destination]]\nkey = \"survey\"\nkind = \"hello_customer\"\napi_key = \"tok\"\ntouchpoint_id = \"t\"\nlanguage_id = \"l\"\nbase_url = \"${BASE}\"";
    let app = serving(&receiver, text).await;
    let copy = app.get("/api/presets/hello_customer").await["definition"].to_string();
    let path = "/V1.0/EN/Campaign/t/Respondent/Add";
    let copy = copy
        .replace("https://api.hellocustomer.com", &receiver.url(""))
        .replace("${HELLO_CUSTOMER_API_KEY}", "tok")
        .replace("${HELLO_CUSTOMER_TOUCHPOINT_ID}", "t")
        .replace("${HELLO_CUSTOMER_LANGUAGE_ID}", "l")
        .replace(r#""hello_customer""#, r#""copy""#);
    app.put("/api/destinations/copy", serde_json::from_str(&copy).expect("JSON")).await;
    let out = json!({ "integrations": { "Hello Customer": false } });
    for more in [out, json!({})] {
        let mut body = json!({ "writeKey": "wk_website", "userId": "u1", "traits": { "email": "a@b.io" } });
        body["integrations"] = more["integrations"].clone();
        app.post_json("/v1/identify", &body).await.expect(200);
        app.rest().await;
    }
    assert_eq!(receiver.requests().len(), 1, "one of the two destinations, as they share a token");
    app.advance(1000).await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].path.as_str(), &requests[0].body), (path, &requests[1].body));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_action_sends_what_its_mapping_makes_of_each_type() {
    let receiver = Receiver::taking_all();
    let text = r#"
        [[destination]]
        key = "erp"
        kind = "webhook_action"
        trigger = 'type != "alias"'
        shared_secret = "abc123"
        auth = { type = "basic", user = "u", password = "p" }
        [destination.mapping]
        url = { "@template" = "${BASE}/{{type}}" }
        method = { "@if" = { exists = { "@path" = "$.traits" }, then = "PUT", else = "POST" } }
        headers = { X-Kind = { "@case" = { operator = "upper", value = { "@path" = "$.type" } } } }
        [destination.mapping.data]
        who = { "@path" = "$.userId" }
        "10" = { "@path" = "$.properties.total" }
        what = { "@template" = "{{event}}{{name}}" }
        mail = { "@path" = "$.traits.email" }
    "#;
    let app = serving(&receiver, text).await;
    for event in events() {
        post(&app, event).await;
    }
    let sent: Vec<String> = receiver
        .requests()
        .iter()
        .map(|request| {
            assert_eq!(request.header("authorization"), Some("Basic dTpw"));
            assert_eq!(request.header("x-signature").map(str::len), Some(40));
            let (kind, body) =
                (request.header("x-kind").expect("a header"), String::from_utf8_lossy(&request.body));
            format!("{} {} {kind} {body}", request.method, request.path)
        })
        .collect();
    assert_eq!(
        sent,
        [
            r#"PUT /identify IDENTIFY {"who":"u1","what":"","mail":"a@b.io"}"#,
            r#"POST /track TRACK {"10":5,"who":"u1","what":"Bought"}"#,
            r#"POST /page PAGE {"who":"u1","what":"Home"}"#,
            r#"POST /screen SCREEN {"who":"u1","what":"Home"}"#,
            r#"PUT /group GROUP {"who":"u1","what":"","mail":"office@acme.io"}"#,
        ]
    );
    // printf '{"10":5,"who":"u1","what":"Bought"}' | openssl dgst -sha1 -hmac abc123
    let signature = receiver.requests()[1].header("x-signature").map(str::to_owned);
    assert_eq!(signature.as_deref(), Some("cc33fe8d861fea8c24851358fb9d0dbc6822d4d0"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_in_batches_by_number_and_by_age() {
    let receiver = Receiver::taking_all();
    let text = r#"
        [[destination]]
        key = "erp"
        kind = "webhook_action"
        shared_secret = "abc123"
        [destination.mapping]
        url = "${BASE}/batch"
        data = { id = { "@path" = "$.messageId" } }
        batch_size = 3
        batch_wait = "10s"
    "#;
    let app = serving(&receiver, text).await;
    let bodies = || -> Vec<String> {
        receiver
            .requests()
            .iter()
            .map(|request| String::from_utf8_lossy(&request.body).into_owned())
            .collect()
    };
    for (number, user) in ["u1", "u2", "u1", "u1", "u3"].into_iter().enumerate() {
        let event =
            json!({ "type": "track", "event": "E", "userId": user, "messageId": format!("m{number}") });
        let body = json!({ "writeKey": "wk_website", "batch": [event] });
        app.post_json("/v1/batch", &body).await.expect(200);
        app.advance(1000).await;
    }
    assert_eq!(bodies(), [r#"[{"id":"m0"},{"id":"m1"},{"id":"m2"}]"#], "three are enough");
    app.advance(7_999).await;
    assert_eq!(bodies().len(), 1);
    app.advance(1).await;
    assert_eq!(bodies()[1..], [r#"[{"id":"m3"},{"id":"m4"}]"#], "the first of them came ten seconds ago");
    // printf '{"id":"m0"}' | openssl dgst -sha1 -hmac abc123: of the first element
    assert_eq!(
        receiver.requests()[0].header("x-signature"),
        Some("2c9631dcd8148a1bf72496fc96170717b5f2dcb7")
    );
    assert!(receiver.requests()[0].header("webhook-id").is_some_and(|id| id.starts_with("bat_")));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_user_and_others_share_batches_that_are_never_too_large() {
    let receiver = Receiver::taking_all();
    let text = r#"
        [[destination]]
        key = "erp"
        kind = "webhook_action"
        [destination.mapping]
        url = "${BASE}/batch"
        data = { "@path" = "$.messageId" }
        batch_size = 4
        batch_wait = "5s"
    "#;
    let app = serving(&receiver, text).await;
    app.call("POST", "/api/destinations/erp/pause", None).await.expect(200);
    for (number, user) in ["u1"; 40].into_iter().chain(["u2", "u3", "u4"]).enumerate() {
        let event =
            json!({ "type": "track", "event": "E", "userId": user, "messageId": format!("m{number}") });
        let body = json!({ "writeKey": "wk_website", "batch": [event] });
        app.post_json("/v1/batch", &body).await.expect(200);
    }
    app.call("POST", "/api/destinations/erp/resume", None).await.expect(200);
    for _ in 0..30 {
        app.advance(5_000).await;
    }
    let batches: Vec<Vec<Value>> = receiver
        .requests()
        .iter()
        .map(|request| request.json().as_array().expect("an array").clone())
        .collect();
    assert!(batches.iter().all(|batch| batch.len() <= 4), "{batches:?}");
    let sent: Vec<&Value> = batches.iter().flatten().collect();
    let of_u1: Vec<u32> = sent
        .iter()
        .filter_map(|id| id.as_str()?.strip_prefix('m')?.parse().ok())
        .filter(|number| *number < 40)
        .collect();
    assert_eq!(of_u1, (0..40).collect::<Vec<_>>(), "in order, each once");
    assert_eq!(sent.len(), 43);
    app.finish().await;
}
