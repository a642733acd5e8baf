//! The servers under load, as processes of their own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Connection;

/// The admin token of the benchmarked server.
pub const TOKEN: &str = "benchmark-benchmark-benchmark-00";

/// What servers seal under that share a store, or whose store the benchmark itself opens.
pub const SECRET_KEY: &str = "benchmark-benchmark-benchmark-00";

/// A running server; dropping it kills it.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").to_string()
}

impl Server {
    /// The bare handler.
    pub async fn bare() -> Self {
        let address = free_port();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("bare-server").arg(&address);
        Self::start(command, address).await
    }

    /// stagepost over `data`, with these definitions.
    pub async fn stagepost(data: &Path, definitions: &str) -> Self {
        Self::with(data, definitions, &[]).await
    }

    /// The same over a store that others may share.
    pub async fn sharing(store: &str, data: &Path, definitions: &str) -> Self {
        // Empty: as many as it has by itself.
        let writers = std::env::var("STAGEPOST_BENCH_WRITERS").unwrap_or_default();
        let settings = [
            ("STAGEPOST_STORE", store),
            ("STAGEPOST_SECRET_KEY", SECRET_KEY),
            ("STAGEPOST_WRITERS", &writers),
        ];
        Self::with(data, definitions, &settings).await
    }

    /// The same over that store, or the embedded one, which can be opened with the same key.
    pub async fn sealed(store: Option<&str>, data: &Path, definitions: &str) -> Self {
        let store = store.map(|store| ("STAGEPOST_STORE", store));
        let settings: Vec<_> = store.into_iter().chain([("STAGEPOST_SECRET_KEY", SECRET_KEY)]).collect();
        Self::with(data, definitions, &settings).await
    }

    async fn with(data: &Path, definitions: &str, settings: &[(&str, &str)]) -> Self {
        let address = free_port();
        let file = data.with_extension("toml");
        std::fs::write(&file, definitions).expect("a writable directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagepost"));
        command.args(["serve", "--listen", &address, "--data-dir"]).arg(data);
        command.arg("--definitions").arg(&file);
        // What is set for benches and tests is nothing to a server.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STAGEPOST_") {
                command.env_remove(name);
            }
        }
        command.env("STAGEPOST_ADMIN_TOKEN", TOKEN).env("STAGEPOST_LOG", "warn");
        command.env("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS", "true");
        command.envs(settings.iter().copied());
        Self::start(command, address).await
    }

    async fn start(mut command: Command, address: String) -> Self {
        let child = command.stdout(Stdio::null()).spawn().expect("the server starts");
        let server = Self { child, address };
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(&server.address).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(120), "the server does not listen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server
    }

    /// Waits until it is ready to take posts.
    pub async fn ready(&self) {
        let mut connection = Connection::open(&self.address).await;
        while connection.send(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The sum of all figures of that name, whatever their labels, as it shows them to Prometheus.
    pub async fn metric(&self, name: &str) -> f64 {
        let mut connection = Connection::open(&self.address).await;
        let (_, body) = connection.ask(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
        let text = String::from_utf8_lossy(body).into_owned();
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let is_of = |labelled: &str| labelled.split('{').next() == Some(name);
        lines.filter(|(labelled, _)| is_of(labelled)).map(|(_, value)| value.parse().unwrap_or(0.0)).sum()
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> u64 {
        self.status_mib("VmRSS:")
    }

    /// Most resident memory in MiB, since the start or the last [`Server::forget_peak`].
    pub fn peak_mib(&self) -> u64 {
        self.status_mib("VmHWM:")
    }

    /// Begins the peak of resident memory anew.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("it is ours");
    }

    /// Processor time that it took so far, to the hundredth of a second.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        // The name before the last parenthesis may hold anything; user and system time are the 12th and 13th after it.
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = fields.split_whitespace().skip(11).take(2);
        Duration::from_millis(10 * ticks.map(|ticks| ticks.parse::<u64>().expect("ticks")).sum::<u64>())
    }

    fn status_mib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel says it");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
        kib / 1024
    }
}
