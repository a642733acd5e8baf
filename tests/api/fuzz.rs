//! Garbage on every ingest route: an answer in JSON that blames the sender, and a server that goes on.
//!
//! `STAGEPOST_FUZZ_SEED` tries other garbage.

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::http::{Got, gzip, send};
use crate::studio;

/// Requests under way at once.
const AT_ONCE: usize = 16;

/// What one request is made of.
struct Case {
    content_type: &'static str,
    encoding: Option<&'static str>,
    basic: bool,
    body: Vec<u8>,
}

fn valid(path: &str) -> Value {
    let call = json!({
        "type": "track", "writeKey": "wk_website", "userId": "u1", "anonymousId": "a1", "event": "Bought",
        "groupId": "g1", "previousId": "p1", "name": "n", "timestamp": "2026-11-21T09:00:00Z",
        "sentAt": "2026-11-21T09:00:01.5+00:00", "properties": { "total": 12.5, "list": [1, "two", null] },
        "traits": { "email": "a@b.io" }, "context": { "ip": "1.1.1.1" }, "integrations": { "All": true },
    });
    if path.starts_with("/studio") {
        let mut post = studio::body("u1", "initiation");
        post["reply"] = "yes".into();
        post["timestamp"] = "2026-11-21T09:00:00Z".into();
        post
    } else if path.contains("/b") || path.contains("import") {
        json!({ "writeKey": "wk_website", "sentAt": "2026-11-21T09:00:01Z", "context": { "app": {} },
            "batch": [call, { "type": "identify", "userId": 7, "traits": {} }] })
    } else {
        call
    }
}

/// A value of a kind that is not expected.
fn odd(random: &mut StdRng) -> Value {
    match random.random_range(0..14) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-0.0),
        3 => json!(1.7e308),
        4 => json!(i64::MIN),
        5 => json!(u64::MAX),
        6 => json!([]),
        7 => json!({}),
        8 => json!([[[{ "a": [] }]]]),
        9 => json!("\u{0}\u{1f}\u{7f}\u{ffff}"),
        10 => json!("x".repeat(random.random_range(0..3000))),
        11 => json!("{{flow.sid}}"),
        12 => json!("9999-99-99T99:99:99Z"),
        _ => json!("é\u{202e}\u{1f600}"),
    }
}

/// Replaces, drops or adds something in an object.
fn mutate(value: &mut Value, random: &mut StdRng) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let at = random.random_range(0..map.len());
            let key = map.keys().nth(at).expect("a key").clone();
            match random.random_range(0..5) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(format!("{key}\u{0}x"), odd(random))),
                2 => mutate(map.get_mut(&key).expect("a value"), random),
                _ => drop(map.insert(key, odd(random))),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = random.random_range(0..items.len());
            mutate(&mut items[at], random);
        }
        other => *other = odd(random),
    }
}

fn bytes(path: &str, random: &mut StdRng) -> Vec<u8> {
    let mut good = valid(path);
    match random.random_range(0..12) {
        0 => Vec::new(),
        1 => (0..random.random_range(1..600)).map(|_| random.random()).collect(),
        2 => {
            let depth = random.random_range(1..4000);
            format!("{{\"properties\":{}1", "{\"a\":[".repeat(depth)).into_bytes()
        }
        3 => {
            let depth = random.random_range(1..200);
            good["properties"] = serde_json::from_str(&format!(
                "{}{}",
                "[".repeat(depth.min(120)),
                "]".repeat(depth.min(120))
            ))
            .expect("arrays");
            good.to_string().into_bytes()
        }
        4 => {
            let digits = "9".repeat(random.random_range(1..2000));
            format!("{{\"userId\":{digits},\"timestamp\":-{digits}e{digits},\"event\":1e{digits}}}")
                .into_bytes()
        }
        5 => serde_json::to_vec(&odd(random)).expect("JSON"),
        6 | 7 => {
            // Single bytes of a good body changed, often to what is no UTF-8.
            let mut text = good.to_string().into_bytes();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..text.len());
                text[at] = random.random();
            }
            text
        }
        8 => {
            let text = good.to_string().into_bytes();
            text[..random.random_range(0..text.len())].to_vec()
        }
        _ => {
            for _ in 0..random.random_range(1..4) {
                mutate(&mut good, random);
            }
            good.to_string().into_bytes()
        }
    }
}

fn case(path: &str, random: &mut StdRng) -> Case {
    let types = [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "multipart/form-data",
        "application/json; charset=utf-7",
    ];
    let content_type = types[random.random_range(0..types.len())];
    let mut body = bytes(path, random);
    let encoding = match random.random_range(0..10) {
        0 => Some("gzip"),
        1 => {
            body = gzip(&body);
            Some("gzip")
        }
        2 => {
            body = gzip(&body);
            let at = random.random_range(0..body.len());
            body[at] ^= 0x55;
            Some("x-gzip")
        }
        3 => Some("br"),
        _ => None,
    };
    Case { content_type, encoding, basic: random.random_bool(0.5), body }
}

async fn try_out(app: &TestApp, path: &str, case: Case) -> u16 {
    let key = if path.starts_with("/studio") { "wk_studio" } else { "wk_website" };
    let mut request = app.request("POST", path);
    if !case.content_type.is_empty() {
        request = request.header("content-type", case.content_type);
    }
    if let Some(encoding) = case.encoding {
        request = request.header("content-encoding", encoding);
    }
    if case.basic {
        request = request.basic_auth(key, None::<&str>);
    }
    let got = send(request.body(case.body.clone())).await;
    judge(&got, path, &case.body);
    got.status
}

fn judge(got: &Got, path: &str, body: &[u8]) {
    let shown = || format!("{path} {}: {} {}", String::from_utf8_lossy(body), got.status, got.text());
    assert!(matches!(got.status, 200 | 400 | 401 | 404 | 413), "{}", shown());
    if path.contains("/pixel/") && got.status != 404 {
        assert_eq!((got.status, got.header("content-type")), (200, "image/gif"), "{}", shown());
        return;
    }
    assert_eq!(got.header("content-type"), "application/json", "{}", shown());
    let answer = got.json();
    assert_eq!(answer["success"], got.status == 200, "{}", shown());
    if got.status != 200 {
        assert!(answer["code"].is_string() && answer["message"].is_string(), "{}", shown());
    }
}

async fn fuzzed() -> TestApp {
    let mut app = app().await;
    app.allow_rejections();
    let mut document = studio::definitions();
    document["source"] = json!([
        { "key": "studio", "kind": "studio", "write_key": "wk_studio" },
        { "key": "web", "kind": "http", "write_key": "wk_website" },
    ]);
    document["audience"] =
        json!([{ "name": "A", "query": "event('Bought').where(property('total') >= 10).count() >= 1" }]);
    app.apply(&document).await;
    app
}

/// The server still does its work.
async fn goes_on(app: TestApp) {
    send(app.request("GET", "/healthz")).await.expect(200);
    studio::post_stage(&app, "after", "initiation").await;
    app.post_json("/v1/batch", &valid("/v1/batch")).await.expect(200);
    assert!(!app.get("/api/events?limit=1000").await["events"].as_array().expect("a list").is_empty());
    app.get("/api/users/u1").await;
    app.finish().await;
}

/// The numbers of one test, always the same ones unless another seed is set.
fn numbers(test: u64) -> StdRng {
    let seed = std::env::var("STAGEPOST_FUZZ_SEED").map_or(0, |text| text.parse::<u64>().expect("a number"));
    StdRng::seed_from_u64(seed * 100 + test)
}

async fn fuzz(paths: &[&str], cases: usize, test: u64) {
    let app = fuzzed().await;
    let mut random = numbers(test);
    let (mut taken, mut refused) = (0, 0);
    for path in paths {
        let mut left = cases;
        while left > 0 {
            let now: Vec<_> = (0..AT_ONCE.min(left)).map(|_| case(path, &mut random)).collect();
            left -= now.len();
            for status in join_all(now.into_iter().map(|case| try_out(&app, path, case))).await {
                if status == 200 { taken += 1 } else { refused += 1 }
            }
        }
    }
    // Garbage that is all refused at the door would try nothing.
    assert!(taken > cases / 20 && refused > cases / 2, "{taken} taken, {refused} refused");
    goes_on(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stage_posts_of_garbage_are_refused() {
    fuzz(&["/studio/wk_studio", "/studio"], 400, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_garbage_are_refused() {
    fuzz(&["/v1/track", "/v1/identify", "/v1/page", "/v1/screen", "/v1/group", "/v1/alias"], 250, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_garbage_are_refused() {
    fuzz(&["/v1/batch", "/v1/import", "/v1/m"], 300, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_forms_take_garbage_no_worse() {
    fuzz(&["/v1/t", "/v1/i", "/v1/p", "/v1/s", "/v1/g", "/v1/a", "/v1/b"], 60, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_garbage_are_refused() {
    let app = fuzzed().await;
    let mut random = numbers(5);
    let mut paths = Vec::new();
    for _ in 0..400 {
        let raw: Vec<u8> = match random.random_range(0..3) {
            0 => (0..random.random_range(0..200)).map(|_| random.random()).collect(),
            1 => bytes("/v1/track", &mut random).into_iter().take(4000).collect(),
            _ => b"writeKey=wk_website&userId=u1&userID=u1&flow=f&stage=s&phoneNumber=+1&event=x&a.b.c=1"
                .iter()
                .map(|byte| if random.random_bool(0.05) { random.random() } else { *byte })
                .collect(),
        };
        let escaped: String = form_urlencoded::byte_serialize(&raw).collect();
        // Some of it stays as it is, and so do broken escapes.
        let query =
            if random.random_bool(0.5) { escaped.replace("%26", "&").replace("%3D", "=") } else { escaped };
        let broken =
            ["", "&x=%", "&x=%zz", "&data=%FF", "&data=!!", "&a.a.a=1&a=2"][random.random_range(0..6)];
        let place = ["/studio/wk_studio", "/v1/pixel/track", "/v1/pixel/alias", "/v1/pixel/identify"]
            [random.random_range(0..4)];
        let data = if random.random_bool(0.3) { "data=" } else { "" };
        paths.push(format!("{place}?{data}{query}{broken}"));
    }
    for key in ["%00", "%FF%FE", "..", "%2e%2e%2f", "a%2Fb", &"k".repeat(3000), "wk_studio"] {
        paths.push(format!("/v1/projects/{key}/settings"));
        paths.push(format!("/projects/{key}/settings"));
        // Clients make `/` of `/studio/..`, which is the way to the console.
        if key != ".." {
            paths.push(format!("/studio/{key}?userID=u"));
        }
    }
    for chunk in paths.chunks(AT_ONCE) {
        join_all(chunk.iter().map(async |path| {
            let got = send(app.request("GET", path)).await;
            judge(&got, path, b"");
        }))
        .await;
    }
    app.post_json("/v1/track", &valid("/v1/track")).await.expect(200);
    goes_on(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_unpacks_to_far_too_much_is_refused() {
    let app = fuzzed().await;
    let bomb = gzip(&vec![b' '; 30_000_000]);
    for path in ["/studio/wk_studio", "/v1/track", "/v1/batch", "/v1/m"] {
        let request = app.request("POST", path).header("content-encoding", "gzip");
        let got = send(request.body(bomb.clone())).await;
        judge(&got, path, b"a bomb");
        assert_eq!(got.status, 413, "{path}: {}", got.text());
    }
    let nested = gzip(&gzip(&vec![b'{'; 1_000_000]));
    let request = app.request("POST", "/v1/track").header("content-encoding", "gzip");
    judge(&send(request.body(nested)).await.expect(400), "/v1/track", b"nested");
    goes_on(app).await;
}
