//! `stagepost apply`: sends a file's definitions to a running server.

use std::process::ExitCode;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

use super::args::ApplyArguments;
use super::{FAILED, NOT_TRIED, load, print_problems, shown, tidy};
use crate::config::unknown_keys;
use crate::crypto;
use crate::domain::definition::Problem;
use crate::domain::definition::document::unreplaced;
use crate::file::{File, FileProblem};

/// How long the server may take to take the connection, and to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(arguments: &ApplyArguments, environment: &[(String, String)]) -> ExitCode {
    let file = load(&arguments.file, environment);
    match apply(arguments, &file) {
        Ok(report) => {
            print!("{}", report.shown(arguments.dry_run));
            ExitCode::SUCCESS
        }
        Err(Failure::Problems(problems)) => {
            print_problems(&tidy(problems));
            ExitCode::from(FAILED)
        }
        Err(Failure::Refused(message)) => {
            eprintln!("{message}");
            ExitCode::from(FAILED)
        }
        Err(Failure::NotTried(message)) => {
            eprintln!("{message}");
            ExitCode::from(NOT_TRIED)
        }
    }
}

/// Why nothing was applied.
#[derive(Debug)]
enum Failure {
    /// Something is wrong with the file.
    Problems(Vec<FileProblem>),
    /// The server did not take it.
    Refused(String),
    /// There was no server, or no permission.
    NotTried(String),
}

/// What the server did.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Report {
    created: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
    unchanged: Vec<String>,
}

impl Report {
    /// A line for each definition, and a sentence.
    pub fn shown(&self, dry_run: bool) -> String {
        let lists = [
            ('+', "created", &self.created),
            ('~', "changed", &self.changed),
            ('-', "removed", &self.removed),
            ('=', "unchanged", &self.unchanged),
        ];
        let mut text = String::new();
        for (mark, _, list) in lists {
            for entry in list {
                // `flow appointment` is a kind and a key: kinds are set in a column.
                let (kind, key) = entry.split_once(' ').unwrap_or(("", entry));
                text.push_str(&format!("{mark} {kind:<11} {key}\n"));
            }
        }
        let counts = lists.map(|(_, what, list)| format!("{} {what}", list.len()));
        let note = if dry_run { " (dry run: nothing was done)" } else { "" };
        text.push_str(&format!("{}{note}\n", counts.join(", ")));
        text
    }
}

fn apply(arguments: &ApplyArguments, file: &File) -> Result<Report, Failure> {
    // References to what only the server has are the server's to judge.
    let unknown = unknown_keys(&file.settings).into_iter().map(|problem| file.locate(problem));
    let problems: Vec<FileProblem> = file.problems.iter().cloned().chain(unknown).collect();
    if !problems.is_empty() {
        return Err(Failure::Problems(problems));
    }
    if file.document.is_empty() && !arguments.prune {
        return Err(Failure::Refused(format!("{} holds no definitions", shown(&arguments.file))));
    }
    let document = Value::Object(file.document.clone());
    let url = address(&arguments.server, arguments, &document)?;
    let token =
        arguments.token.as_deref().map(str::trim).filter(|token| !token.is_empty()).ok_or_else(|| {
            Failure::NotTried(
                "the server's admin token is needed: give it with --token or in STAGEPOST_ADMIN_TOKEN"
                    .to_owned(),
            )
        })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::NotTried(format!("can't start: {error}")))?;
    let body = document.to_string();
    let (status, answer) = runtime.block_on(send(&url, token, body))?;
    understand(status, &answer, file, &arguments.server)
}

/// Where `document` is sent, and how it is to be taken.
fn address(server: &str, arguments: &ApplyArguments, document: &Value) -> Result<Url, Failure> {
    let wrong = |why: &str| Failure::NotTried(format!("--server `{server}` {why}"));
    let base = Url::parse(&format!("{}/", server.trim_end_matches('/')));
    let base =
        base.map_err(|error| wrong(&format!("is not a URL such as http://127.0.0.1:8080: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(wrong("must begin with http:// or https://"));
    }
    let mut url = base.join("api/apply").map_err(|error| wrong(&error.to_string()))?;
    url.query_pairs_mut()
        .append_pair("dry_run", &arguments.dry_run.to_string())
        .append_pair("prune", &arguments.prune.to_string());
    // Variables are replaced by now: what still looks like one is meant as it is.
    if !unreplaced(document).is_empty() {
        url.query_pairs_mut().append_pair("literal", "true");
    }
    Ok(url)
}

async fn send(url: &Url, token: &str, body: String) -> Result<(StatusCode, String), Failure> {
    crypto::install();
    let origin = url.origin().ascii_serialization();
    let not_reached = |error: reqwest::Error| {
        Failure::NotTried(format!("{origin} is not reached: {}", causes(&error.without_url())))
    };
    let mut client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT)
        // The token goes to the server it was given for and to no other.
        .redirect(Policy::none())
        .user_agent(concat!("stagepost/", env!("CARGO_PKG_VERSION")));
    if is_this_machine(url) {
        client = client.no_proxy();
    }
    let client = client.build().map_err(not_reached)?;
    let request = client.post(url.clone()).bearer_auth(token).header("Content-Type", "application/json");
    let answer = request.body(body).send().await.map_err(not_reached)?;
    let status = answer.status();
    Ok((status, answer.text().await.map_err(not_reached)?))
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// An error with what caused it: reqwest's own message alone says only that it failed.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// What an answer of the server means.
fn understand(status: StatusCode, answer: &str, file: &File, server: &str) -> Result<Report, Failure> {
    if status.is_success() {
        return serde_json::from_str(answer)
            .map_err(|_| Failure::NotTried(format!("what answers at {server} is not a stagepost server")));
    }
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(Failure::NotTried(format!("{server} does not accept this admin token ({status})")));
    }
    let answer: Refusal = serde_json::from_str(answer).unwrap_or_default();
    if !answer.errors.is_empty() {
        let located = answer
            .errors
            .into_iter()
            .map(|error| file.locate(Problem { field: error.field, message: error.message }));
        return Err(Failure::Problems(located.collect()));
    }
    let reason = answer.detail.or(answer.title).map(|reason| format!(": {reason}")).unwrap_or_default();
    let message = format!("{server} answered {status}{reason}");
    let refused = status.is_client_error() && status != StatusCode::NOT_FOUND;
    Err(if refused { Failure::Refused(message) } else { Failure::NotTried(message) })
}

/// The parts of a problem document (RFC 9457) that are shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    title: Option<String>,
    detail: Option<String>,
    errors: Vec<FieldError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldError {
    field: String,
    message: String,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Arguments, Command};

    const TEXT: &str =
        "[[flow]]\nname = \"f\"\n\n[[audience]]\nname = \"A\"\nquery = \"x\"\ndestinations = [\"crm\"]\n";

    fn answered(status: u16, answer: &str) -> Result<Report, Failure> {
        let file = File::parse("d.toml", TEXT, &|_| None);
        understand(StatusCode::from_u16(status).unwrap(), answer, &file, "http://server")
    }

    #[test]
    fn a_report_is_a_table() {
        let answer =
            r#"{"created":["source web"],"changed":["flow a b"],"removed":[],"unchanged":["audience x"]}"#;
        let report = answered(200, answer).unwrap();
        assert_eq!(
            report.shown(true),
            "+ source      web\n~ flow        a b\n= audience    x\n\
             1 created, 1 changed, 0 removed, 1 unchanged (dry run: nothing was done)\n"
        );
    }

    #[test]
    fn what_still_looks_like_a_variable_is_meant_as_it_is() {
        let line = Arguments::try_parse_from(["stagepost", "apply", "f", "--prune"]).unwrap();
        let Some(Command::Apply(arguments)) = line.command else { panic!("apply") };
        let query = |text: &str| {
            let file = File::parse("d.toml", text, &|_| None);
            let address = address("http://server", &arguments, &Value::Object(file.document));
            address.unwrap().query().map(str::to_owned)
        };
        let plain = "[[flow]]\nname = \"f\"\n";
        assert_eq!(query(plain).as_deref(), Some("dry_run=false&prune=true"));
        let escaped = "[[flow]]\nname = \"$${F}\"\n";
        assert_eq!(query(escaped).as_deref(), Some("dry_run=false&prune=true&literal=true"));
    }

    #[test]
    fn the_servers_problems_have_lines_of_the_file() {
        let answer = r#"{"code":"invalid","errors":[{"field":"audience[0].destinations[0]","message":"there is none"}]}"#;
        let Err(Failure::Problems(problems)) = answered(422, answer) else { panic!("problems") };
        assert_eq!(problems[0].to_string(), "d.toml:7: audience[0].destinations[0]: there is none");
    }

    #[test]
    fn other_answers_say_what_is_wrong() {
        let Err(Failure::NotTried(message)) = answered(401, "{}") else { panic!("not tried") };
        assert_eq!(message, "http://server does not accept this admin token (401 Unauthorized)");
        let Err(Failure::NotTried(message)) = answered(200, "<html>") else { panic!("not tried") };
        assert!(message.ends_with("is not a stagepost server"), "{message}");
        let Err(Failure::Refused(message)) = answered(409, r#"{"detail":"busy with that"}"#) else {
            panic!("refused")
        };
        assert_eq!(message, "http://server answered 409 Conflict: busy with that");
        assert!(matches!(answered(503, ""), Err(Failure::NotTried(_))));
    }
}
