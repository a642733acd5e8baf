//! What clients do to a connection: several posts over one, chunks, and going away in the middle.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::json;

use crate::app::{PATIENCE, TestApp};
use crate::studio::{body, post_stage, studio};
use crate::support::wait::eventually;

fn connect(app: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(app.base().trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream
}

fn post(user: &str) -> String {
    let body = body(user, "initiation").to_string();
    format!(
        "POST /studio/wk_studio HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Everything that comes until the server closes the connection.
fn rest(mut stream: TcpStream) -> String {
    // The server may have hung up by now; a reset is an end too.
    let _ = stream.shutdown(Shutdown::Write);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads answers until `count` of them have come whole: their bodies are JSON objects of ours.
fn answers(stream: &mut TcpStream, count: usize) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while text.matches("\"success\":").count() < count || !text.ends_with('}') {
        let read = stream.read(&mut buffer).expect("an answer");
        assert!(read > 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_share_a_connection_also_after_one_was_refused() {
    let mut app = studio().await;
    app.allow_rejections();
    let mut stream = connect(&app);
    stream.write_all(post("u1").as_bytes()).unwrap();
    assert!(answers(&mut stream, 1).starts_with("HTTP/1.1 200"));
    let broken = "POST /studio/wk_studio HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{";
    stream.write_all(broken.as_bytes()).unwrap();
    assert!(answers(&mut stream, 1).starts_with("HTTP/1.1 400"));
    let wrong = post("u1").replace("wk_studio", "wk_wrong00");
    stream.write_all(wrong.as_bytes()).unwrap();
    assert!(answers(&mut stream, 1).starts_with("HTTP/1.1 401"));
    // One after the other without waiting.
    stream.write_all(format!("{}{}", post("u2"), post("u3")).as_bytes()).unwrap();
    assert_eq!(answers(&mut stream, 2).matches("HTTP/1.1 200").count(), 2);
    drop(stream);
    assert_eq!(app.get("/api/journeys").await["journeys"].as_array().unwrap().len(), 3);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_come_in_chunks() {
    let app = studio().await;
    let mut stream = connect(&app);
    let body = body("u1", "initiation").to_string();
    let (first, second) = body.split_at(20);
    let head = "POST /studio/wk_studio HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}{:x}\r\n{first}\r\n", first.len()).as_bytes()).unwrap();
    stream.write_all(format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()).as_bytes()).unwrap();
    assert!(answers(&mut stream, 1).starts_with("HTTP/1.1 200"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_refused_and_seen() {
    let mut app = studio().await;
    app.allow_rejections();
    for end in [10, 90] {
        let mut stream = connect(&app);
        let whole = post("u1");
        stream.write_all(&whole.as_bytes()[..whole.len() - end]).unwrap();
        drop(stream);
    }
    post_stage(&app, "u2", "initiation").await;
    let journeys = app.get("/api/journeys").await["journeys"].clone();
    assert_eq!((journeys.as_array().unwrap().len(), &journeys[0]["userId"]), (1, &json!("u2")));
    eventually("both are in the debugger", Duration::from_secs(10), async || {
        let refused = app.get("/api/events?type=rejected").await["events"].clone();
        let codes: Vec<_> = refused.as_array().unwrap().iter().map(|it| it["code"].clone()).collect();
        (codes == ["incomplete_body", "incomplete_body"]).then_some(())
    })
    .await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused_and_the_server_goes_on() {
    let app = studio().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000));
    let headers = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(5000));
    for text in [
        "\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        "POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET \u{0}\u{1}\u{2} HTTP/1.1\r\nHost: \u{0}\r\n\r\n",
        &long,
        &headers,
    ] {
        let mut stream = connect(&app);
        // The server may hang up before all of it is written.
        let _ = stream.write_all(text.as_bytes());
        let answer = tokio::task::spawn_blocking(move || rest(stream)).await.unwrap();
        let shown: String = text.chars().take(80).collect();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown:?}: {answer}");
    }
    post_stage(&app, "u1", "initiation").await;
    let mut app = app;
    app.allow_rejections();
    app.finish().await;
}
