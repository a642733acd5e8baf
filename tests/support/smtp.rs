//! A real SMTP server (aiosmtpd) that does what a test tells it to; see `tests/peers/smtp_server.py`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::peers;
use super::wait::eventually;

/// A running SMTP server.
pub struct Smtp {
    folder: tempfile::TempDir,
    child: Child,
    port: u64,
}

impl Smtp {
    /// Starts one with these options.
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the SMTP server");
        let mut child = Command::new(peers::python())
            .arg(peers::script("smtp_server.py"))
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the SMTP server");
        let mut line = String::new();
        let output = child.stdout.take().expect("the SMTP server's output");
        BufReader::new(output).read_line(&mut line).expect("the SMTP server's first line");
        let said: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("the SMTP server said {line:?}"));
        Self { folder, child, port: said["port"].as_u64().expect("a port") }
    }

    /// Its port on localhost.
    pub fn port(&self) -> u64 {
        self.port
    }

    /// The certificate of the authority that its own is signed by.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Every try so far, in order, with the answer it got.
    pub fn tries(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("tries.jsonl")).unwrap_or_default();
        // A line that is still being written has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The mails that were taken.
    pub fn mails(&self) -> Vec<Value> {
        let taken = |entry: &Value| {
            entry["headers"].is_object()
                && entry["answer"].as_str().is_some_and(|answer| answer.starts_with("250"))
        };
        self.tries().into_iter().filter(taken).collect()
    }

    /// Waits for `count` mails that were taken.
    pub async fn wait_for_mails(&self, count: usize, limit: Duration) -> Vec<Value> {
        eventually(&format!("{count} mails were taken"), limit, async || {
            Some(self.mails()).filter(|mails| mails.len() >= count)
        })
        .await
    }

    /// Waits for `count` tries.
    pub async fn wait_for_tries(&self, count: usize, limit: Duration) -> Vec<Value> {
        eventually(&format!("{count} mails were tried"), limit, async || {
            Some(self.tries()).filter(|tries| tries.len() >= count)
        })
        .await
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
