//! The real binary, on a port and a data directory of its own.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::api::{Api, TOKEN};
use super::ports::free_port;
use super::wait::eventually;

/// How long a server may take until it is ready, or until it has stopped.
const PATIENCE: Duration = Duration::from_secs(30);
/// What servers seal under that share a store.
const SECRET_KEY: &str = "the key of the tests that start servers";

/// A server that can be started, killed and started again over the same data.
pub struct Server {
    folder: tempfile::TempDir,
    /// Whether it is given definitions, or begins with those that come with it.
    is_defined: bool,
    listen: String,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    child: Option<Child>,
    api: Api,
}

impl Server {
    /// A server with these definitions, not yet started.
    pub fn new(definitions: &str) -> Self {
        let mut server = Self::of_newcomer();
        server.is_defined = true;
        std::fs::write(server.folder().join("definitions.toml"), definitions).expect("the definitions' file");
        server
    }

    /// A server of somebody who has just built it, not yet started.
    pub fn of_newcomer() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let listen = format!("127.0.0.1:{}", free_port());
        let api = Api::new(&format!("http://{listen}"));
        let (environment, wrapper) = (Vec::new(), Vec::new());
        Self { folder, is_defined: false, listen, environment, wrapper, child: None, api }
            .with("STAGEPOST_ADMIN_TOKEN", TOKEN)
            .with("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS", "true")
    }

    /// The same with a setting from the environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same over a store of its own or one that it shares, where the key of what it seals has to be given.
    pub fn over(self, store: &str) -> Self {
        self.with("STAGEPOST_STORE", store).with("STAGEPOST_SECRET_KEY", SECRET_KEY)
    }

    /// What it was given under that name.
    pub fn setting(&self, name: &str) -> &str {
        let found = self.environment.iter().rfind(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The same, started by another program.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn started(mut self) -> Self {
        self.start().await;
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&mut self) {
        self.spawn();
        self.ready().await;
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut words = self.wrapper.clone();
        words.push(env!("CARGO_BIN_EXE_stagepost").to_owned());
        let mut command = Command::new(&words[0]);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STAGEPOST_") {
                command.env_remove(name);
            }
        }
        let log = self.log_file();
        let definitions: &[&str] = if self.is_defined { &["--definitions", "definitions.toml"] } else { &[] };
        command
            .args(&words[1..])
            .args(["serve", "--data-dir", "data", "--listen", &self.listen])
            .args(definitions)
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log's file"))
            .stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("starting {words:?}: {error}")));
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&mut self) {
        let api = self.api.clone();
        eventually("the server is ready", PATIENCE, async || {
            if let Some(status) = self.exited() {
                panic!("the server ended ({status}) before it was ready:\n{}", self.log());
            }
            let answer = api.try_get("/readyz").await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().expect("a running server");
        child.kill().expect("SIGKILL");
        child.wait().expect("the killed server");
    }

    /// Makes it hang with SIGSTOP: it keeps its connections, and does nothing.
    pub fn hang(&self) {
        self.signal("STOP");
    }

    /// Lets it go on with SIGCONT, as if no time had passed.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    /// Asks it to stop with SIGTERM; answers how it ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it ends by itself; answers how.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = eventually("the server has stopped", PATIENCE, async || self.exited()).await;
        self.child = None;
        status
    }

    /// Kills it and starts it again.
    pub async fn restart(&mut self) {
        self.kill9();
        self.start().await;
    }

    /// A client for it.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The folder it works in; its data are under `data`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("a running server").id();
        // The shell has `kill` built in; the program of that name may be missing.
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().expect("sh");
        assert!(sent.success(), "kill -{name} {id}");
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("the server's state")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn log_file(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.log_path()).expect("the log's file")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- the server's last words\n{}\n---", tail.join("\n"));
        }
    }
}
