//! The one client for outgoing HTTP: bounded in time and size, no redirects, no proxy from the environment, and only
//! addresses that the policy permits.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, redirect};
use url::Url;

use super::resolver::{AddressRefused, GuardedResolver};
use super::secrets::Secrets;
use super::tls;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::limits::{MAX_ANSWER_BYTES, MAX_ATTEMPT_TIMEOUT};

/// What every call says it is from.
pub const USER_AGENT: &str = concat!("stagepost/", env!("CARGO_PKG_VERSION"));

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// An http or https URL.
    pub url: Url,
    /// Its headers; a user agent is added where there is none.
    pub headers: HeaderMap,
    /// Its body.
    pub body: bytes::Bytes,
    /// How long it may take, from the connection to the end of the answer.
    pub timeout: Duration,
    /// How many bytes of the answer's body are kept; the rest is dropped.
    pub keep: usize,
    /// What must not be seen in the answer, beside what is secret in the request itself; `None` for an answer that nobody is
    /// shown, which stays as it is.
    pub secrets: Option<Secrets>,
}

impl Request {
    /// One that reads JSON, with a Basic authorization; the whole answer is kept, up to `keep` bytes.
    ///
    /// # Errors
    /// A message, where the credentials can't stand in a header.
    pub fn read_json(
        url: Url,
        (user, password): (&str, &str),
        timeout: Duration,
        keep: usize,
    ) -> Result<Self, String> {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, basic(user, password)?);
        let (method, body) = (Method::GET, bytes::Bytes::new());
        Ok(Self { method, url, headers, body, timeout, keep, secrets: None })
    }
}

/// The value of an `Authorization` header by user and password, which is not shown where headers are.
///
/// # Errors
/// A message, where they can't stand in a header.
pub fn basic(user: &str, password: &str) -> Result<HeaderValue, String> {
    let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let mut basic = HeaderValue::from_str(&basic).map_err(|_| "the credentials hold odd characters")?;
    basic.set_sensitive(true);
    Ok(basic)
}

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Retry-After` header, as it came.
    pub retry_after: Option<String>,
    /// The beginning of the body, as much as was to be kept, without secrets.
    pub snippet: String,
    /// Why the body ended early, if it did: the receiver broke off after its status.
    pub broken_off: Option<String>,
}

/// Why there is no answer. The texts carry neither credentials nor query parameters.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is not to be dialled.
    #[error("{0}")]
    Refused(String),
    /// No request can be made of this.
    #[error("no request could be made: {0}")]
    Unsendable(String),
    /// It took too long.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// The receiver's certificate can't be trusted; nothing was sent.
    #[error("the receiver's certificate is not valid: {0}; nothing was sent")]
    Certificate(String),
    /// No connection came about.
    #[error("could not connect: {0}")]
    Connect(String),
    /// The connection broke before the answer.
    #[error("the connection broke before an answer came: {0}")]
    Network(String),
}

impl HttpError {
    /// Whether the request may have left all the same.
    pub fn may_have_left(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Unsendable(_) | Self::Certificate(_) | Self::Connect(_) => false,
            // Time may have run out before there was a connection; nobody can tell.
            Self::Timeout(_) | Self::Network(_) => true,
        }
    }
}

/// The one client for outgoing HTTP; cheap to clone, with one pool of connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    policy: AddressPolicy,
}

impl HttpClient {
    /// A client that dials what `policy` permits. Needs no network to be made.
    ///
    /// # Errors
    /// A message, when TLS could not be set up.
    pub fn new(policy: AddressPolicy) -> Result<Self, String> {
        tls::install_provider();
        let config = tls::http_config().map_err(|error| format!("TLS could not be set up: {error}"))?;
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            // Each request has a time of its own; this is for what nobody waits for any more.
            .connect_timeout(MAX_ATTEMPT_TIMEOUT.to_std())
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .dns_resolver(GuardedResolver::new(policy.clone()))
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| format!("the HTTP client could not be made: {}", innermost(&error)))?;
        Ok(Self { client, policy })
    }

    /// Sends `request` once.
    ///
    /// # Errors
    /// [`HttpError`], when no status came back in time.
    pub async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        self.check(&request.url)?;
        let (timeout, keep) = (request.timeout, request.keep);
        let secrets = request.secrets.map(|own| own.with_request(&request.headers, &request.url));
        let secrets = secrets.unwrap_or_default();
        let (mut seen, mut body) = (None, Vec::new());
        let exchange = async {
            let sent = self
                .client
                .request(request.method, request.url)
                .headers(request.headers)
                .body(request.body)
                .send()
                .await;
            let mut response = sent.map_err(|error| explain(error, timeout))?;
            let answer = seen.insert(head(&response));
            answer.broken_off = read(&mut response, keep + secrets.reach(), &mut body).await;
            Ok(())
        };
        let ended = tokio::time::timeout(timeout, exchange).await;
        if let Some(answer) = &mut seen {
            // Some receivers show what they were sent.
            answer.snippet = secrets.masked(&lossy(&body), keep);
        }
        match (ended, seen) {
            (Ok(Ok(())), Some(answer)) => Ok(answer),
            (Ok(Err(error)), _) => Err(error),
            (Err(_), Some(mut answer)) => {
                answer.broken_off = Some(HttpError::Timeout(timeout).to_string());
                Ok(answer)
            }
            (Err(_) | Ok(Ok(())), None) => Err(HttpError::Timeout(timeout)),
        }
    }

    /// Hosts that are addresses never meet the resolver, so they are checked here; and so are ports.
    fn check(&self, url: &Url) -> Result<(), HttpError> {
        if url.host().is_none() {
            return Err(HttpError::Unsendable("the URL names no host".to_owned()));
        }
        self.policy.check_request(url).map_err(HttpError::Refused)
    }
}

/// `url` for people: scheme, host and port. Whatever follows may be a secret, the path too: many a webhook is known by nothing
/// else.
pub fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    let rest = if url.path() == "/" { "/" } else { "/…" };
    match url.port() {
        Some(port) => format!("{}://{host}:{port}{rest}", url.scheme()),
        None => format!("{}://{host}{rest}", url.scheme()),
    }
}

fn head(response: &Response) -> Answer {
    let retry_after = response.headers().get(reqwest::header::RETRY_AFTER);
    Answer {
        status: response.status().as_u16(),
        retry_after: retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned),
        snippet: String::new(),
        broken_off: None,
    }
}

/// Reads the body, of which it keeps `most` bytes: nobody reads a megabyte of error page. Answers why it ended early, if it did.
async fn read(response: &mut Response, most: usize, body: &mut Vec<u8>) -> Option<String> {
    let mut bytes = 0;
    while bytes < MAX_ANSWER_BYTES.max(most) {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                bytes += chunk.len();
                body.extend_from_slice(&chunk[..chunk.len().min(most - body.len())]);
            }
            Ok(None) => break,
            Err(error) => return Some(format!("the answer broke off: {}", innermost(&error))),
        }
    }
    None
}

/// As text; a character that the bound cut in two is left out.
fn lossy(body: &[u8]) -> String {
    let whole = match std::str::from_utf8(body) {
        Err(error) if error.error_len().is_none() => &body[..error.valid_up_to()],
        Ok(_) | Err(_) => body,
    };
    String::from_utf8_lossy(whole).into_owned()
}

/// Sorts an error of the client by its cause, by type and never by text.
fn explain(error: reqwest::Error, timeout: Duration) -> HttpError {
    let error = error.without_url();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(at) = cause {
        if let Some(refused) = at.downcast_ref::<AddressRefused>() {
            return HttpError::Refused(refused.to_string());
        }
        if let Some(rustls::Error::InvalidCertificate(problem)) = at.downcast_ref() {
            return HttpError::Certificate(problem.to_string());
        }
        cause = deeper(at);
    }
    let text = innermost(&error);
    if error.is_builder() {
        HttpError::Unsendable(text)
    } else if error.is_timeout() && !error.is_connect() {
        HttpError::Timeout(timeout)
    } else if error.is_connect() {
        HttpError::Connect(text)
    } else {
        HttpError::Network(text)
    }
}

/// The text of the first cause, which is the one that says something.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = deeper(cause) {
        cause = next;
    }
    cause.to_string()
}

/// The next cause. An `io::Error` names its inner error's source but not the inner error, so that is asked for first.
fn deeper<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(url: &str) -> Request {
        Request {
            method: Method::POST,
            url: url.parse().unwrap(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            timeout: Duration::from_secs(2),
            keep: 100,
            secrets: Some(Secrets::default()),
        }
    }

    #[tokio::test]
    async fn private_addresses_are_refused_by_literal_and_by_name_and_so_are_ports() {
        let client = HttpClient::new(AddressPolicy::public_only()).unwrap();
        for url in [
            "http://127.0.0.1:9000/",
            "http://[::1]:9000/",
            "http://[::ffff:10.0.0.1]/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.1/",
            "http://localhost:9000/",
            "http://crm.example.com:25/",
        ] {
            let error = client.send(get(url)).await.unwrap_err();
            assert!(matches!(error, HttpError::Refused(_)), "{url}: {error:?}");
            assert!(error.to_string().contains("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_a_connection_error() {
        let client = HttpClient::new(AddressPolicy::allow_all()).unwrap();
        let error = client.send(get("http://127.0.0.1:1/")).await.unwrap_err();
        assert!(matches!(error, HttpError::Connect(_)), "{error:?}");
    }

    #[tokio::test]
    async fn connecting_may_take_all_the_time() {
        // A queue for connections that is full: further ones wait.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(0).unwrap();
        let address = full.local_addr().unwrap();
        let connect =
            |_| tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address));
        let waiting = futures_util::future::join_all((0..8).map(connect)).await;
        assert!(waiting.iter().any(Result::is_err), "it is full");
        let client = HttpClient::new(AddressPolicy::allow_all()).unwrap();
        let timeout = Duration::from_millis(5500);
        let begun = std::time::Instant::now();
        let error = client.send(Request { timeout, ..get(&format!("http://{address}/")) }).await.unwrap_err();
        assert!(matches!(error, HttpError::Timeout(_)), "{error:?}");
        assert!(begun.elapsed() >= timeout);
    }

    #[test]
    fn urls_are_shown_without_their_secrets() {
        for (url, expected) in [
            ("https://user:pass@crm.example.com:8443/hook?token=s3cr3t#x", "https://crm.example.com:8443/…"),
            ("https://hooks.example.com/services/T0/B0/s3cr3t", "https://hooks.example.com/…"),
            ("http://[::1]?token=s3cr3t", "http://[::1]/"),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_snippet_never_ends_in_half_a_character() {
        assert_eq!(lossy("caf\u{e9}".as_bytes()), "caf\u{e9}");
        assert_eq!(lossy(&"caf\u{e9}".as_bytes()[..4]), "caf");
        assert_eq!(lossy(b"\xff ok"), "\u{fffd} ok");
    }
}
