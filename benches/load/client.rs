//! A load generator: kept-alive connections that each send the next request when the last was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Makes the bytes of one whole request from a running number.
pub trait MakeRequest: Fn(u64) -> Vec<u8> + Clone + Send + 'static {}

impl<F: Fn(u64) -> Vec<u8> + Clone + Send + 'static> MakeRequest for F {}

/// What a load gave.
pub struct Load {
    /// Answers with status 200.
    pub answered: u64,
    /// Answers with any other status.
    pub refused: u64,
    /// How long it took.
    pub took: Duration,
    /// Each answer's time, sorted.
    pub times: Vec<Duration>,
}

impl Load {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64()
    }

    /// The time within which that many of a hundred answers came.
    pub fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.times, percent)
    }
}

/// Of sorted times, the one that `percent` of a hundred do not exceed.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

/// When a load ends.
#[derive(Clone)]
pub enum Until {
    /// After this time.
    Time(Duration),
    /// After this many requests.
    Requests(u64),
    /// Once this is true.
    Told(Arc<AtomicBool>),
}

impl Until {
    fn is_over(&self, begun: Instant, number: u64) -> bool {
        match self {
            Self::Time(time) => begun.elapsed() >= *time,
            Self::Requests(most) => number >= *most,
            Self::Told(over) => over.load(Ordering::Relaxed),
        }
    }
}

/// One kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    /// Sends a request and waits for its whole answer; gives the status.
    pub async fn send(&mut self, request: &[u8]) -> u16 {
        self.ask(request).await.0
    }

    /// Sends a request and waits for its whole answer; gives the status and the body.
    pub async fn ask(&mut self, request: &[u8]) -> (u16, &[u8]) {
        let (status, body) = self.exchange(request).await;
        (status, &self.buffer[body..])
    }

    /// The same; gives the status and the head.
    pub async fn ask_head(&mut self, request: &[u8]) -> (u16, String) {
        let (status, body) = self.exchange(request).await;
        (status, String::from_utf8_lossy(&self.buffer[..body]).into_owned())
    }

    /// The same; gives the status and where in the buffer the body begins.
    async fn exchange(&mut self, request: &[u8]) -> (u16, usize) {
        self.stream.write_all(request).await.expect("the server reads");
        self.buffer.clear();
        loop {
            if let Some(found) = complete(&self.buffer) {
                return found;
            }
            let read = self.stream.read_buf(&mut self.buffer).await.expect("the server answers");
            assert!(read > 0, "the server closed the connection");
        }
    }
}

/// The status and where the body begins, once head and body are there.
fn complete(buffer: &[u8]) -> Option<(u16, usize)> {
    let head_end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..head_end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (buffer.len() >= head_end + length).then_some((status, head_end))
}

/// Puts load on `address` with that many connections; requests are numbered on from `first`.
pub async fn load(address: &str, connections: u64, until: Until, first: u64, make: impl MakeRequest) -> Load {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|connection| {
            let (address, until, make) = (address.to_owned(), until.clone(), make.clone());
            tokio::spawn(async move {
                let mut open = Connection::open(&address).await;
                let (mut answered, mut refused, mut times) = (0, 0, Vec::new());
                for step in 0.. {
                    let number = step * connections + connection;
                    if until.is_over(begun, number) {
                        break;
                    }
                    let request = make(first + number);
                    let sent = Instant::now();
                    match open.send(&request).await {
                        200 => answered += 1,
                        _ => refused += 1,
                    }
                    times.push(sent.elapsed());
                }
                (answered, refused, times)
            })
        })
        .collect();
    let mut load = Load { answered: 0, refused: 0, took: Duration::ZERO, times: Vec::new() };
    for task in tasks {
        let (answered, refused, times) = task.await.expect("no connection fails");
        load.answered += answered;
        load.refused += refused;
        load.times.extend(times);
    }
    load.took = begun.elapsed();
    load.times.sort_unstable();
    load
}

/// A well-mixed number, so that users come in no order.
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A whole POST.
pub fn post(path: &str, content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
