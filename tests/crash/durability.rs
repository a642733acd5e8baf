//! An answer means: on disk. The system calls tell.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::support::peers;
use crate::support::server::Server;
use crate::support::wait::eventually;

const DEFINITIONS: &str = r#"
[[source]]
key = "studio"
kind = "studio"
write_key = "wk_studio"
"#;

const CALLS: &str = "trace=fdatasync,fsync,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg";

/// One line of the trace: what a thread did. A call that others interrupted is two lines, `unfinished` and `resumed`.
#[derive(Debug)]
struct Call<'a> {
    thread: &'a str,
    text: &'a str,
}

impl Call<'_> {
    fn receives(&self, marker: &str) -> bool {
        ["read(", "readv(", "recvfrom(", "recvmsg("]
            .iter()
            .any(|name| self.text.starts_with(name) || self.resumes(name))
            && self.text.contains(marker)
    }

    fn sends(&self, marker: &str) -> bool {
        ["write(", "writev(", "sendto(", "sendmsg("].iter().any(|name| self.text.starts_with(name))
            && self.text.contains("HTTP/1.1 200")
            && self.text.contains(marker)
    }

    fn begins_sync(&self) -> bool {
        self.text.starts_with("fdatasync(") || self.text.starts_with("fsync(")
    }

    fn ends_sync(&self) -> bool {
        (self.begins_sync() || self.resumes("fdatasync(") || self.resumes("fsync("))
            && self.text.ends_with("= 0")
    }

    fn resumes(&self, name: &str) -> bool {
        self.text
            .strip_prefix("<... ")
            .is_some_and(|rest| rest.starts_with(&format!("{} resumed>", &name[..name.len() - 1])))
    }
}

/// What was done from the post's arrival to its answer; `None` until the answer is in the trace.
fn between<'a>(trace: &'a str, marker: &str) -> Option<Vec<Call<'a>>> {
    let mut calls: Vec<Call<'a>> = trace
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(thread, text)| Call { thread, text: text.trim() })
        .collect();
    let arrived = calls.iter().position(|call| call.receives(marker))?;
    let answered = arrived + calls[arrived..].iter().position(|call| call.sends(marker))?;
    calls.truncate(answered);
    Some(calls.split_off(arrived))
}

/// Whether one of the threads began a sync and ended it well.
fn synced(calls: &[Call<'_>]) -> bool {
    calls.iter().enumerate().any(|(number, begin)| {
        begin.begins_sync()
            && calls[number..].iter().any(|call| call.thread == begin.thread && call.ends_sync())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_after_the_disk_has_it() {
    peers::strace();
    // With -D the server is our child and strace looks on: killing the one ends the other.
    let server = Server::new(DEFINITIONS)
        .under(&[
            "strace",
            "-D",
            "-f",
            "-q",
            "-s",
            "2000",
            "-e",
            CALLS,
            "-e",
            "signal=none",
            "-o",
            "trace.txt",
        ])
        .started()
        .await;
    let trace: &Path = &server.folder().join("trace.txt");
    for number in 0..5 {
        let marker = format!("on-disk-{number}");
        let body = json!({"userID": "ada", "phoneNumber": "+15551234567", "flow": "visit", "stage": "initiation", "messageId": marker});
        server.api().post("/studio/wk_studio", &body).await;
        eventually("the answer is in the trace", Duration::from_secs(10), async || {
            let trace = std::fs::read(trace).ok()?;
            let trace = String::from_utf8_lossy(&trace);
            let calls = between(&trace, &marker)?;
            assert!(synced(&calls), "{marker} was answered without a sync:\n{calls:#?}");
            Some(())
        })
        .await;
    }
}
