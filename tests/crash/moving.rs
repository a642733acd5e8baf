//! `stagepost copy` as people run it: stop, copy, start on the target; cut short by SIGKILL in between.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::api::TOKEN;
use crate::support::postgres::{self, Schema};
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);
const USERS: usize = 40;
const POSTS: usize = 60;

fn definitions(receiver: &Receiver) -> String {
    format!(
        "[[source]]\nkey = \"shop\"\nkind = \"http\"\nwrite_key = \"wk_webshop\"\n\n\
         [[destination]]\nkey = \"crm\"\nkind = \"webhook\"\nevents = \"all\"\nurls = [{{ url = \"{}\" }}]\n\n\
         [[audience]]\nname = \"Buyers\"\nquery = \"event('Order Completed').count() >= 3\"\ndestinations = [\"crm\"]\n",
        receiver.url("/hook")
    )
}

/// `stagepost copy` beside the source's data directory, under its key.
fn copy(folder: &Path, from: &str, to: &str) -> Command {
    let mut command = stagepost(folder);
    command
        .args(["copy", "--from", from, "--to", to, "--from-key-file", "data/secret.key"])
        .args(["--to-key-file", "data/secret.key"]);
    command
}

fn stagepost(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagepost"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The URL of a database that is asked for TLS, and answers that it has none.
fn without_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            connection.read_exact(&mut [0; 8]).expect("the question");
            connection.write_all(b"N").expect("the answer");
        }
    });
    format!("postgres://stagepost@{address}/stagepost?sslmode=require")
}

/// Asks a server to do something with a destination.
async fn tell(server: &Server, what: &str) {
    let url = format!("{}/api/destinations/crm/{what}", server.api().base());
    let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let request = client.post(url).bearer_auth(TOKEN).header("content-type", "application/json");
    let answer = request.body("{}").send().await.expect("an answer");
    assert!(answer.status().is_success(), "{what}: {}", answer.status());
}

async fn post_orders(server: &Server, from: usize, to: usize) {
    for post in from..to {
        let batch: Vec<_> = (0..USERS)
            .map(|user| {
                json!({ "type": "track", "userId": format!("u{user}"), "event": "Order Completed",
                    "messageId": format!("m{user}-{post}"), "properties": { "post": post } })
            })
            .collect();
        server.api().post("/v1/batch", &json!({ "writeKey": "wk_webshop", "batch": batch })).await;
    }
}

/// Whether a copy into that schema has begun, and is not whole.
fn is_part(schema: &Schema) -> bool {
    schema.sql("SELECT to_regclass('meta') IS NOT NULL") == "t"
        && schema.sql("SELECT count(*) FROM meta WHERE key = 'copy_mark'") == "1"
}

/// What the receiver took of each user are his posts in their order, each once or, repeated, again.
fn in_order(receiver: &Receiver) -> bool {
    let mut next = [0; USERS];
    for request in receiver.requests() {
        let call = request.json();
        let Some(post) = call["properties"]["post"].as_u64() else { continue };
        let user: usize = call["userId"].as_str().expect("a user")[1..].parse().expect("his number");
        let post = usize::try_from(post).expect("a small number");
        assert!(post <= next[user], "u{user} had {} and gets {post}", next[user]);
        next[user] = next[user].max(post + 1);
    }
    next.iter().all(|next| *next == POSTS + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_on_over_the_store_that_it_was_copied_to() {
    let (receiver, schema) = (Receiver::taking_all(), postgres::schema());
    let mut source = Server::new(&definitions(&receiver)).started().await;
    let folder = source.folder().to_owned();
    tell(&source, "pause").await;
    post_orders(&source, 0, POSTS).await;

    let (_, refused) = texts(&copy(&folder, "sled:data", schema.url()).output().unwrap());
    assert!(refused.contains("in use") || refused.contains("another process"), "{refused}");
    let wrong = copy(&folder, "sled:nowhere", schema.url()).output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(texts(&wrong).1.contains("no store in nowhere") && !folder.join("nowhere").exists());
    source.terminate().await;
    let same = copy(&folder, "sled:data", "sled:data/store").output().unwrap();
    assert!(texts(&same).1.contains("source and target are the same store"), "{}", texts(&same).1);
    let same = copy(&folder, schema.url(), schema.url()).output().unwrap();
    assert!(texts(&same).1.contains("source and target are the same store"), "{}", texts(&same).1);
    let keyless = stagepost(&folder).args(["copy", "--from", "sled:data", "--to", schema.url()]).output();
    let (_, refused) = texts(&keyless.unwrap());
    assert!(refused.contains("STAGEPOST_SECRET_KEY_FILE=data/secret.key"), "{refused}");

    let (_, refused) = texts(&copy(&folder, "sled:data", &without_tls()).output().unwrap());
    assert!(refused.contains("switch TLS on"), "it does not wait for that: {refused}");

    // Killed as soon as something of it is there.
    let mut killed =
        copy(&folder, "sled:data", schema.url()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("something was copied", PATIENCE, async || is_part(&schema).then_some(())).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(is_part(&schema), "it was whole too soon");
    let key = std::fs::read_to_string(folder.join("data/secret.key")).unwrap();
    let over_target = || {
        Server::new(&definitions(&receiver))
            .with("STAGEPOST_STORE", schema.url())
            .with("STAGEPOST_SECRET_KEY", key.trim())
    };
    let mut refused = over_target();
    refused.spawn();
    assert_eq!(refused.ended().await.code(), Some(1));
    assert!(refused.log().contains("only a part of a copy of sled:data"), "{}", refused.log());

    let output = copy(&folder, "sled:data", schema.url()).output().unwrap();
    let (table, said) = texts(&output);
    assert!(output.status.success(), "{table}\n{said}");
    assert!(table.contains("Everything is there") && !table.contains("DIFFERS"), "{table}");
    assert!(said.contains("comparing events"), "{said}");
    let again = copy(&folder, "sled:data", schema.url()).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(texts(&again).1.contains("--compare-only"), "{}", texts(&again).1);
    let output = copy(&folder, "sled:data", schema.url()).arg("--compare-only").output().unwrap();
    assert!(output.status.success() && texts(&output).0.contains("hold the same"), "{}", texts(&output).0);

    let mut target = over_target().started().await;
    let deliveries = target.api().get("/api/deliveries?status=pending&limit=1").await;
    assert_eq!(deliveries["deliveries"].as_array().map(Vec::len), Some(1), "{deliveries}");
    // A repetition is known, and what is new comes after what waits.
    post_orders(&target, POSTS - 1, POSTS + 1).await;
    assert!(receiver.requests().is_empty(), "it is still paused");
    tell(&target, "resume").await;
    receiver.wait_until("every post", PATIENCE, |_| in_order(&receiver)).await;
    let events = schema.sql("SELECT count(*) FROM events");
    assert_eq!(events, (USERS * (POSTS + 1)).to_string(), "each once");
    assert_eq!(
        schema.sql("SELECT count(*) FROM audience_members WHERE audience_key = 'buyers'"),
        USERS.to_string()
    );

    // And back.
    let back = || copy(&folder, schema.url(), "sled:back").output().expect("stagepost copy");
    let (_, refused) = texts(&back());
    assert!(refused.contains("is in use by the node"), "{refused}");
    target.terminate().await;
    let output = back();
    let (table, said) = texts(&output);
    assert!(output.status.success(), "{table}\n{said}");
    assert!(
        !said.contains("postgres://stagepost:") && table.contains("Everything is there"),
        "{table}\n{said}"
    );
    assert!(folder.join("back/store").is_dir(), "where a server looks for it");
    let mut beside = stagepost(&folder);
    beside.args(["--listen", "127.0.0.1:0"]).env("STAGEPOST_STORE", "sled:back");
    let (_, refused) = texts(&beside.output().unwrap());
    assert!(refused.contains("there is no store in back, but one in back/store"), "{refused}");
}
