//! An HTTP server inside the test that writes down every request and answers as it is told.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::wait::eventually;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it had arrived whole.
    pub at: Instant,
    /// `POST`.
    pub method: String,
    /// `/hook?x=1`.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status.
    Status(u16),
    /// This status, with a `Retry-After` in seconds.
    RetryAfter(u16, u32),
    /// This status, after a while.
    Slow(Duration, u16),
    /// The connection is closed without an answer.
    Close,
    /// Nothing, ever.
    Hang,
    /// These bytes, and then the connection is closed.
    Raw(String),
    /// A status and then headers without end, as long as anybody listens.
    EndlessHeaders,
}

impl Reply {
    /// This status and body, and then the connection is closed.
    pub fn with_body(status: u16, body: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }
}

type Script = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// The receiver; it ends with the test's process.
pub struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Arc<Request>>>>,
}

impl Receiver {
    /// A receiver that asks `script` for the reply to each request and its number, from 0.
    pub fn start(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, script)
    }

    /// A receiver that takes everything, behind a certificate that it signed itself.
    pub fn self_signed() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("its key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("settings of TLS");
        Self::with(Some(Arc::new(config)), |_, _| Reply::Status(200))
    }

    fn with(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the receiver");
        let address = listener.local_addr().expect("the receiver's port");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, script, tls) = (Arc::clone(&kept), Arc::clone(&script), tls.clone());
                // A client that goes away in the middle of something is no failure of the test.
                thread::spawn(move || match tls {
                    None => converse(stream, &kept, &*script),
                    Some(config) => {
                        let session = ServerConnection::new(config).map_err(io::Error::other)?;
                        converse(StreamOwned::new(session, stream), &kept, &*script)
                    }
                });
            }
        });
        Self { address, requests, scheme }
    }

    /// A receiver that takes everything.
    pub fn taking_all() -> Self {
        Self::start(|_, _| Reply::Status(200))
    }

    /// Where `path` is found.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// What has come so far, in order of arrival.
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.requests.lock().expect("the requests").clone()
    }

    /// Waits until what has come is enough; gives it back.
    pub async fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        enough: impl Fn(&[Arc<Request>]) -> bool,
    ) -> Vec<Arc<Request>> {
        eventually(what, limit, async || {
            let requests = self.requests();
            enough(&requests).then_some(requests)
        })
        .await
    }
}

fn converse(stream: impl Read + Write, kept: &Mutex<Vec<Arc<Request>>>, script: &Script) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream)? {
        let number = {
            let mut kept = kept.lock().expect("the requests");
            kept.push(Arc::new(request.clone()));
            kept.len() - 1
        };
        let output = stream.get_mut();
        let (status, more) = match script(&request, number) {
            Reply::Status(status) => (status, String::new()),
            Reply::RetryAfter(status, seconds) => (status, format!("Retry-After: {seconds}\r\n")),
            Reply::Slow(time, status) => {
                thread::sleep(time);
                (status, String::new())
            }
            Reply::Close => return Ok(()),
            Reply::Hang => loop {
                thread::park();
            },
            Reply::Raw(text) => return output.write_all(text.as_bytes()).and_then(|()| output.flush()),
            Reply::EndlessHeaders => {
                output.write_all(b"HTTP/1.1 200 -\r\n")?;
                loop {
                    output.write_all(b"X-More: and more\r\n")?;
                }
            }
        };
        output.write_all(format!("HTTP/1.1 {status} -\r\n{more}Content-Length: 2\r\n\r\n{{}}").as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

fn read(input: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (method, path) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    input.read_exact(&mut body)?;
    Ok(Some(Request { at: Instant::now(), method, path, headers, body }))
}
