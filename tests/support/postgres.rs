//! PostgreSQL: a schema for one test in the cluster that `tests/run` started, and clusters that a test may kill.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use stagepost::clock;
use url::Url;

use super::peers;
use super::ports::free_port;
use super::wait::POLL;

/// How long a cluster may take to start, to stop or to follow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A schema for one test; it goes when this does.
pub struct Schema {
    name: String,
    url: Url,
}

/// A new, empty schema in the cluster of `tests/run`.
pub fn schema() -> Schema {
    let database = std::env::var("STAGEPOST_TEST_POSTGRES");
    schema_in(&database.unwrap_or_else(|_| panic!("PostgreSQL is missing: {}", peers::reason("postgres"))))
}

fn schema_in(database: &str) -> Schema {
    let name = format!("test_{}", hex::encode(&clock::entropy()[..8]));
    sql(database, &format!("CREATE SCHEMA {name}"));
    let mut url: Url = database.parse().expect("the database's URL");
    url.query_pairs_mut().append_pair("options", &format!("-csearch_path={name}"));
    Schema { name, url }
}

impl Schema {
    /// A store's URL: its tables are made in this schema.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// What a statement gives: a line for each row, `|` between its columns.
    pub fn sql(&self, statement: &str) -> String {
        sql(self.url(), statement)
    }
}

impl Schema {
    /// Writes all that is in it to a file, as SQL; bytes are in hexadecimal digits.
    pub fn dump(&self, file: &Path) {
        let dump =
            run(Command::new(programs().join("pg_dump")).args(["--schema", &self.name, "-d", self.url()]));
        std::fs::write(file, dump).expect("a file");
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // A server that was just killed may still hold locks, until PostgreSQL has seen that it is gone.
        let drop = format!("SET lock_timeout = '20s'; DROP SCHEMA {} CASCADE", self.name);
        let dropped = psql(self.url(), &drop);
        // Where the cluster itself is gone, or the test has failed, there is nothing more to say.
        if !dropped.status.success() {
            eprintln!("{} stays: {}", self.name, String::from_utf8_lossy(&dropped.stderr));
        }
    }
}

/// A cluster of its own; it goes when this does.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    /// A new one that runs.
    pub fn start() -> Self {
        let cluster = Self::nowhere();
        let data = cluster.data();
        let made = ["-U", "stagepost", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"];
        run(program("initdb").args(made).arg(data));
        cluster.launch();
        cluster
    }

    /// A standby of this one that runs; from now on this one answers a commit when the standby has it on disk.
    pub fn standby(&self) -> Self {
        let standby = Self::nowhere();
        run(program("pg_basebackup")
            .args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"])
            .args(["-d", &self.url(), "-D"])
            .arg(standby.data()));
        standby.launch();
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("SELECT pg_reload_conf()");
        let follows = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        wait("the standby follows", || self.sql(follows) == "1");
        standby
    }

    fn nowhere() -> Self {
        // The folder has to be the user's who runs PostgreSQL.
        let folder = run(command("mktemp").args(["-d", "/tmp/stagepost-postgres.XXXXXX"]));
        Self { folder: folder.into(), port: free_port() }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// `127.0.0.1:5432`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its database, as a store's URL.
    pub fn url(&self) -> String {
        format!("postgres://stagepost@{}/postgres", self.address())
    }

    /// A new, empty schema in it.
    pub fn schema(&self) -> Schema {
        schema_in(&self.url())
    }

    /// What a statement gives: a line for each row, `|` between its columns.
    pub fn sql(&self, statement: &str) -> String {
        sql(&self.url(), statement)
    }

    /// Starts it after it was stopped or killed, and waits until it takes connections.
    pub fn launch(&self) {
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''", self.port);
        let log = self.folder.join("log");
        run(self.control("start").args(["-o", &options, "-l"]).arg(log));
    }

    /// Stops it as one is stopped for maintenance: what is under way is broken off, nothing is lost.
    pub fn stop(&self) {
        run(self.control("stop").args(["-m", "fast"]));
    }

    /// The same, and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.launch();
    }

    /// Stops it, and starts it as a standby of nobody: it can be read.
    pub fn become_standby(&self) {
        self.stop();
        std::fs::write(self.data().join("standby.signal"), "").expect("standby.signal");
        self.launch();
    }

    /// Makes the primary of a standby.
    pub fn promote(&self) {
        run(&mut self.control("promote"));
    }

    /// Kills all its processes with SIGKILL, and waits until nobody listens.
    pub fn kill9(&self) {
        let file = self.data().join("postmaster.pid");
        let said = std::fs::read_to_string(&file).expect("postmaster.pid");
        let postmaster = said.lines().next().expect("its process id");
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        // The shell has `kill` built in; the program of that name may be missing.
        let kill = format!("kill -KILL {postmaster} {children}");
        let _ = Command::new("sh").args(["-c", &kill]).output().expect("sh");
        wait("PostgreSQL is gone", || TcpStream::connect(("127.0.0.1", self.port)).is_err());
        // Its next start would take a dead process that nobody has buried yet for a living one.
        std::fs::remove_file(file).expect("postmaster.pid");
    }

    fn control(&self, what: &str) -> Command {
        let mut command = program("pg_ctl");
        command.args([what, "-w", "-s", "-D"]).arg(self.data());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "--- PostgreSQL's last words\n{}\n---",
                lines[lines.len().saturating_sub(30)..].join("\n")
            );
        }
        let _ = self.control("stop").args(["-m", "immediate"]).output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The folder of PostgreSQL's programs: where `tests/run` found them, else the newest that Debian has put there.
fn programs() -> PathBuf {
    let found = std::env::var_os("STAGEPOST_TEST_POSTGRES_BIN").map(PathBuf::from);
    let installed = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let folders = versions.map(|version| version.expect("a folder").path().join("bin"));
        folders.filter(|folder| folder.join("initdb").exists()).max()
    };
    let missing = || panic!("PostgreSQL is missing: {}", peers::reason("postgres"));
    found.or_else(installed).unwrap_or_else(missing)
}

/// Who may run a server, which refuses to run as root; empty: whoever we are.
fn user() -> String {
    let is_root = || run(Command::new("id").arg("-u")) == "0";
    let or_else = || String::from(if is_root() { "postgres" } else { "" });
    std::env::var("STAGEPOST_TEST_POSTGRES_AS").unwrap_or_else(|_| or_else())
}

/// One of PostgreSQL's programs, run as the user who may run it.
fn program(name: &str) -> Command {
    command(&programs().join(name).to_string_lossy())
}

fn command(program: &str) -> Command {
    let user = user();
    let mut command = if user.is_empty() {
        Command::new(program)
    } else {
        let mut command = Command::new("setpriv");
        let (user, group) = (format!("--reuid={user}"), format!("--regid={user}"));
        command.args([&user, &group, "--clear-groups", program]);
        command
    };
    // That user may be unable to go where the tests are.
    command.current_dir("/");
    command
}

/// What a statement gives in the database at `url`.
fn sql(url: &str, statement: &str) -> String {
    let output = psql(url, statement);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{statement}: {problem}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn psql(url: &str, statement: &str) -> Output {
    let quiet = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"];
    Command::new(programs().join("psql"))
        .args(quiet)
        .args(["-d", url, "-c", statement])
        .output()
        .expect("psql")
}

/// What it printed; panics with what it said if it failed.
fn run(command: &mut Command) -> String {
    // pg_ctl leaves a server behind that would keep a pipe open for ever.
    let mut said = tempfile::tempfile().expect("a file for what it says");
    let status = command
        .stdout(said.try_clone().expect("the file"))
        .stderr(said.try_clone().expect("the file"))
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut text = String::new();
    std::io::Seek::rewind(&mut said).expect("the file");
    std::io::Read::read_to_string(&mut said, &mut text).expect("text");
    assert!(status.success(), "{command:?}: {status}\n{text}");
    text.trim_end().to_owned()
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(POLL);
    }
}
