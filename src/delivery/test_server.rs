//! A tiny HTTP server for tests: answers as it is told, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How the server answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With these bytes, whole.
    Raw(String),
    /// With these bytes, after a while.
    Slow(Duration, String),
    /// Never.
    Never,
    /// With these bytes, and then nothing more on a connection that stays open.
    Stall(String),
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::with(status, "", "")
    }
    pub fn with(status: u16, headers: &str, body: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()))
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub bytes: Vec<u8>,
}

impl Asked {
    /// The value of a header, `-` where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("-", String::as_str)
    }
}

type Script = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

pub struct TestServer {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl TestServer {
    /// A server on a free port that answers everything with `reply`.
    pub async fn start(reply: Reply) -> Self {
        Self::scripted(move |_, _| reply.clone()).await
    }

    /// A server on a free port that asks `script` for the reply to each request and its number, from 0.
    pub async fn scripted(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), log.clone()));
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Asked>>>) {
    let Some(asked) = read(&mut stream).await else { return };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    let reply = script(&asked, number);
    match reply {
        Reply::Raw(text) => drop(stream.write_all(text.as_bytes()).await),
        Reply::Slow(wait, text) => {
            tokio::time::sleep(wait).await;
            drop(stream.write_all(text.as_bytes()).await);
        }
        Reply::Never => std::future::pending().await,
        Reply::Stall(text) => {
            drop(stream.write_all(text.as_bytes()).await);
            std::future::pending().await
        }
    }
    drop(stream.shutdown().await);
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut raw = Vec::new();
    loop {
        if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
            let (head, body) = (String::from_utf8_lossy(&raw[..end]).into_owned(), &raw[end + 4..]);
            let mut lines = head.split("\r\n");
            let line = lines.next()?.to_owned();
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let text = String::from_utf8_lossy(body).into_owned();
                return Some(Asked { line, headers, body: text, bytes: body.to_vec() });
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 {
            return None;
        }
        raw.extend_from_slice(&buffer[..read]);
    }
}
