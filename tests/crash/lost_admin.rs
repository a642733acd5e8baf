//! The first admin by the printed link, and `stagepost people` for whoever lost the way in.

use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use crate::support::postgres;
use crate::support::server::Server;

const PUBLIC: &str = "https://stagepost.example.com";
const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "four words make one";
const SOURCE: &str = "[[source]]\nkey = \"shop\"\nkind = \"http\"\nwrite_key = \"wk_webshop\"\n";

/// What `stagepost people …` says, and whether it went well.
fn people(folder: &Path, environment: &[(&str, &str)], words: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagepost"));
    command.arg("people").args(words).args(["--data-dir", "data"]).current_dir(folder);
    let output = command.envs(environment.iter().copied()).stdin(Stdio::null()).output().expect("stagepost");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

async fn post(server: &Server, path: &str, fields: &[(&str, &str)]) -> Response {
    let client = Client::builder().no_proxy().redirect(Policy::none()).build().expect("an HTTP client");
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = client.post(format!("{}{path}", server.api().base()));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(body).send().await.expect("an answer")
}

/// Whether that password lets in.
async fn lets_in(server: &Server, password: &str) -> bool {
    let answer = post(server, "/console/sign-in", &[("email", EMAIL), ("password", password)]).await;
    assert!(matches!(answer.status().as_u16(), 303 | 422), "{}", answer.status());
    answer.status() == 303
}

/// Makes the first admin over the link that the server printed, which leads to where people reach it.
async fn set_up(server: &Server) {
    let log = server.log();
    let (_, rest) = log.split_once(&format!("{PUBLIC}/setup/")).expect("the link, at the public address");
    let link = format!("/setup/{}", rest.lines().next().expect("a token"));
    let fields = [("email", EMAIL), ("name", "Ann"), ("password", PASSWORD), ("again", PASSWORD)];
    let answer = post(server, &link, &fields).await;
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()["set-cookie"].to_str().expect("a cookie");
    assert!(cookie.starts_with("__Host-stagepost_session=") && cookie.contains("Secure"), "{cookie}");
}

#[track_caller]
fn made_password(printed: &str) -> String {
    let line = printed.lines().find(|line| line.starts_with("  ")).expect("the password");
    line.trim().to_owned()
}

/// What the audit log says of it.
async fn is_told(server: &Server) {
    let audit = server.api().get("/api/audit?subject=ann&by=command+line").await;
    let entries = audit["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 1, "{audit}");
    assert_eq!((&entries[0]["action"], &entries[0]["via"]), (&"password_set".into(), &"cli".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_admin_is_let_in_again() {
    let mut server = Server::new(SOURCE).with("STAGEPOST_PUBLIC_URL", PUBLIC).started().await;
    let folder = server.folder().to_owned();
    set_up(&server).await;
    assert!(lets_in(&server, PASSWORD).await);
    let (went_well, _, said) = people(&folder, &[], &["list"]);
    assert!(!went_well && !said.is_empty(), "the server has the store: {said}");
    assert!(server.terminate().await.success());

    let (went_well, printed, said) = people(&folder, &[], &["list"]);
    assert!(went_well && printed.contains("ann@example.com  admin     seen 20"), "{printed}{said}");
    let (went_well, printed, said) = people(&folder, &[], &["reset", "--email", "bob@example.com"]);
    assert!(
        !went_well && printed.is_empty() && said.contains("nobody signs in with bob@example.com"),
        "{said}"
    );
    let (went_well, printed, said) = people(&folder, &[], &["reset", "--email", " Ann@Example.com"]);
    assert!(went_well, "{said}");
    let made = made_password(&printed);

    server.start().await;
    assert!(!server.log().rsplit("listening on").next().expect("the newest start").contains("/setup/"));
    assert!(!lets_in(&server, PASSWORD).await && lets_in(&server, &made).await);
    is_told(&server).await;
    assert!(!server.log().contains(&made));

    let nowhere = tempfile::tempdir().expect("a folder");
    let (went_well, _, said) = people(nowhere.path(), &[], &["list"]);
    assert!(!went_well && said.contains("there is no store in data/store"), "{said}");
    assert!(!nowhere.path().join("data").exists(), "and none is made");
    let (went_well, _, said) = people(nowhere.path(), &[("STAGEPOST_STORE", "memory:")], &["list"]);
    assert!(!went_well && said.contains("nobody is kept in memory"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_postgres_the_server_goes_on_meanwhile() {
    let schema = postgres::schema();
    let server = Server::new(SOURCE).over(schema.url()).with("STAGEPOST_PUBLIC_URL", PUBLIC).started().await;
    set_up(&server).await;
    let key = server.setting("STAGEPOST_SECRET_KEY").to_owned();
    let environment = [("STAGEPOST_STORE", schema.url()), ("STAGEPOST_SECRET_KEY", &key)];
    let (went_well, printed, said) = people(server.folder(), &environment, &["reset", "--email", EMAIL]);
    assert!(went_well, "{said}");
    assert!(!lets_in(&server, PASSWORD).await && lets_in(&server, &made_password(&printed)).await);
    is_told(&server).await;
}
