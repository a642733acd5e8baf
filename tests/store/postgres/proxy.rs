//! A proxy between a store and its database, which loses what it is told to lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// A `COMMIT` as tokio-postgres sends it: a simple query.
const COMMIT: &[u8] = b"COMMIT\0";

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The `COMMIT` itself.
    Commit,
    /// The answer to it.
    Answer,
}

/// A proxy that runs until it is dropped.
pub struct Proxy {
    url: String,
    left: Arc<AtomicUsize>,
    _running: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Loses nothing yet; later that of some commits ([`Self::lose`]), and the connection with it.
    pub async fn start(database: &str, lost: Lost) -> Self {
        let mut url: Url = database.parse().unwrap();
        let to = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let left = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&left);
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&to).await.unwrap();
                tokio::spawn(carry(client, server, lost, Arc::clone(&counted)));
            }
        });
        Self { url: url.into(), left, _running: running }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on loses that of the next `times` commits.
    pub fn lose(&self, times: usize) {
        self.left.store(times, Ordering::SeqCst);
    }

    /// How many commits are still to be lost.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, server: TcpStream, lost: Lost, left: Arc<AtomicUsize>) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    // Whether answers are withheld.
    let (withhold, withheld) = watch::channel(false);
    let answers = tokio::spawn(answer(from_server, to_client, withheld));
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
        let sent = &bytes[..count];
        let is_commit = sent.windows(COMMIT.len()).any(|window| window == COMMIT);
        let loses = is_commit
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if loses && lost == Lost::Commit {
            break;
        }
        if loses {
            withhold.send_replace(true);
        }
        if to_server.write_all(sent).await.is_err() {
            break;
        }
        if loses {
            // Ends when the answer has come, and was thrown away.
            let _ = answers.await;
            return;
        }
    }
    answers.abort();
}

/// Carries answers until one is withheld.
async fn answer(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    withheld: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if *withheld.borrow() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
