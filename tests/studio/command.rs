//! The real binary.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Where posts go in these tests.
pub const SERVER: &str = "https://stagepost.example.com";
pub const KEY: &str = "wk_studio";

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// What it ended with.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it told.
    pub err: String,
}

impl Said {
    /// Insists on success.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }

    /// Insists on a failure that is told with these words.
    pub fn failed(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{}", self.err);
        assert!(self.err.contains(words), "`{words}` is not in: {}", self.err);
        self
    }

    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// `stagepost studio` with these words, in an environment of its own.
pub fn studio(words: &[&str]) -> Said {
    studio_in(words, &[], "")
}

/// The same with variables of the environment, and something to read.
pub fn studio_in(words: &[&str], environment: &[(&str, &str)], input: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagepost"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("STAGEPOST_") || name.starts_with("TWILIO_") {
            command.env_remove(name);
        }
    }
    command.arg("studio").args(words).envs(environment.iter().copied());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("stagepost");
    // It may have ended before it read anything.
    let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("its end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said {
        code: output.status.code().expect("an end of its own"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Instruments `flow` for the server of these tests.
pub fn instrument(flow: &str, more: &[&str]) -> Said {
    studio(&[&["instrument", flow, "--server", SERVER, "--key", KEY], more].concat())
}

/// The path of a fixture.
pub fn fixture(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/studio", name].iter().collect();
    shown(&path)
}

pub fn shown(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}
