//! Secrets of definitions, from the call that brings them to the files: nothing that is kept beside them repeats one.

use std::path::Path;

use serde_json::json;

use crate::app::Setup;
use crate::support::receiver::{Receiver, Reply};

/// What every secret here begins with.
const MARK: &[u8] = b"s3cr3t-";

/// Files below `dir` that hold a secret.
fn holding(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            holding(&path, found);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            let has = |mark: &[u8]| bytes.windows(mark.len()).any(|it| it == mark);
            // A database's dump shows bytes as digits.
            if has(MARK) || has(hex::encode(MARK).as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_readable_on_the_disk_whatever_was_done_with_it() {
    let taking = Receiver::taking_all();
    // It shows all that it was sent.
    let refusing = Receiver::start(|request, _| {
        Reply::with_body(400, &format!("Cannot POST {} {:?}", request.path, request.headers))
    });
    let mut app = Setup::new().on_disk().start().await;
    let headers = json!({ "Authorization": "Bearer s3cr3t-header" });
    let webhook = |key: &str, url: &str| {
        json!({
            "key": key, "kind": "webhook", "events": "all", "shared_secret": "s3cr3t-shared",
            "urls": [{ "url": format!("{url}?token=s3cr3t-query"), "headers": headers }],
        })
    };
    app.apply(&json!({
        "source": [
            { "key": "web", "kind": "http", "write_key": "s3cr3t-write-key" },
            { "key": "studio", "kind": "studio", "twilio_auth_tokens": ["s3cr3t-auth-token"] },
        ],
        "destination": [
            webhook("taking", &taking.url("/s3cr3t-path")),
            webhook("refusing", &refusing.url("/s3cr3t-path")),
        ],
    }))
    .await;
    let body = json!({ "writeKey": "s3cr3t-write-key", "userId": "u1", "event": "Bought" });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
    assert_eq!((taking.requests().len(), refusing.requests().len()), (1, 1));
    for _ in 0..2 {
        let mut found = Vec::new();
        app.dump_store();
        holding(app.folder(), &mut found);
        assert_eq!(found, [""; 0]);
        app.restart().await;
    }
    assert_eq!(taking.requests()[0].header("authorization"), Some("Bearer s3cr3t-header"));
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
    assert_eq!(taking.requests()[1].header("authorization"), Some("Bearer s3cr3t-header"), "it came back");
    app.finish().await;
}
