//! Where `tests/run` put the programs that are not ours.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the peers: `STAGEPOST_TEST_PEERS`, else `target/peers`.
pub fn folder() -> PathBuf {
    std::env::var_os("STAGEPOST_TEST_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"), PathBuf::from)
}

/// The Python that has `aiosmtpd` and Segment's client.
pub fn python() -> PathBuf {
    needed("python", folder().join("venv/bin/python"))
}

/// schemathesis, which is in the same environment.
pub fn schemathesis() -> PathBuf {
    needed("python", folder().join("venv/bin/schemathesis"))
}

/// `node`, with Segment's client installed; the script finds it through `STAGEPOST_TEST_PEERS`.
pub fn node() -> Command {
    needed("node", folder().join("node/node_modules/@segment/analytics-node"));
    let mut command = Command::new("node");
    command.env("STAGEPOST_TEST_PEERS", folder());
    command
}

/// Makes sure that strace can be started.
pub fn strace() {
    let there = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    assert!(there, "strace is missing: {}", reason("strace"));
}

/// Makes sure that Chromium and its driver can be started.
pub fn chromium() {
    for program in ["chromium", "chromedriver"] {
        let there =
            Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(there, "{program} is missing: {}", reason("chromium"));
    }
}

/// The source of axe-core, which looks for what keeps people from using a page.
pub fn axe() -> String {
    let path = needed("node", folder().join("node/node_modules/axe-core/axe.min.js"));
    std::fs::read_to_string(path).expect("axe-core's source")
}

/// One of the scripts beside the peer tests.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

fn needed(peer: &str, path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: {}", path.display(), reason(peer));
    path
}

/// Why a peer is not there.
pub fn reason(peer: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{peer}.missing")))
        .unwrap_or_else(|_| "run ./tests/run, which installs what the tests need".to_owned())
}
