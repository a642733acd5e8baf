//! Somebody who has signed in looks at pages.

use std::time::{Duration, Instant};

use super::super::client::{Connection, percentile};
use super::super::server::Server;
use super::WANTED;
use super::pages::Page;

/// Who signs in.
pub const EMAIL: &str = "bench@example.com";
pub const PASSWORD: &str = "a password of the benchmark";
/// How often each page is asked for.
const TIMES: usize = 15;

/// What a page took.
pub struct Look {
    /// The first time.
    first: Duration,
    /// All times, sorted.
    times: Vec<Duration>,
    /// Bytes of it.
    bytes: usize,
}

impl Look {
    fn median(&self) -> Duration {
        percentile(&self.times, 50)
    }

    fn is_over(&self) -> bool {
        self.median() > WANTED || percentile(&self.times, 95) > WANTED
    }
}

/// A connection with somebody's cookie.
pub struct Session {
    connection: Connection,
    cookie: String,
}

impl Session {
    /// Signs in.
    pub async fn begin(server: &Server) -> Self {
        let mut connection = Connection::open(&server.address).await;
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("email", EMAIL), ("password", PASSWORD), ("back", "")])
            .finish();
        let request = format!(
            "POST /console/sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let (status, head) = connection.ask_head(request.as_bytes()).await;
        assert_eq!(status, 303, "signed in: {head}");
        let cookie = head.lines().find_map(|line| {
            line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        });
        let cookie = cookie.and_then(|(_, value)| value.split(';').next()).expect("a session's cookie");
        Self { connection, cookie: cookie.to_owned() }
    }

    /// Asks for each page several times.
    pub async fn look(&mut self, pages: &[Page]) -> Vec<Look> {
        let mut looks = Vec::new();
        for page in pages {
            let request =
                format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {}\r\n\r\n", page.path, self.cookie);
            let (mut times, mut bytes) = (Vec::new(), 0);
            for _ in 0..TIMES {
                let begun = Instant::now();
                let (status, body) = self.connection.ask(request.as_bytes()).await;
                times.push(begun.elapsed());
                bytes = body.len();
                // Whoever is found alone is shown at once.
                assert!(
                    matches!(status, 200 | 303),
                    "{}: {status} {}",
                    page.path,
                    String::from_utf8_lossy(body)
                );
            }
            let first = times[0];
            times.sort_unstable();
            looks.push(Look { first, times, bytes });
        }
        looks
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// Prints a table: milliseconds, and how often the bare page of the console goes into the median.
pub fn show(pages: &[Page], alone: &[Look], beside: &[Look]) {
    println!(
        "\n| page | first | median | p95 | beside posts: median | p95 | KiB | of a bare page | |\n|---|---|---|---|---|---|---|---|---|"
    );
    let bare = alone[1].median().as_secs_f64();
    for ((page, alone), beside) in pages.iter().zip(alone).zip(beside) {
        let over = if alone.is_over() || beside.is_over() { "**over**" } else { "" };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} | {over} |",
            page.name,
            ms(alone.first),
            ms(alone.median()),
            ms(percentile(&alone.times, 95)),
            ms(beside.median()),
            ms(percentile(&beside.times, 95)),
            alone.bytes / 1024,
            alone.median().as_secs_f64() / bare,
        );
    }
    let over = alone.iter().zip(beside).filter(|(alone, beside)| alone.is_over() || beside.is_over()).count();
    println!("\n{over} of {} pages take more than {} ms", pages.len(), WANTED.as_millis());
}
