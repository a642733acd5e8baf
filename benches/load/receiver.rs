//! A webhook receiver that notes when each call arrived.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// When calls arrived, by user and value: `(user, "true")`.
pub type Arrivals = Arc<Mutex<HashMap<(String, bool), Instant>>>;

/// Listens on a free port of this machine; gives its URL and what arrives.
pub async fn receiver(key: &'static str) -> (String, Arrivals) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("a bound address"));
    let arrivals = Arrivals::default();
    let noted = Arc::clone(&arrivals);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, key, Arc::clone(&noted)));
        }
    });
    (url, arrivals)
}

async fn serve(mut stream: TcpStream, key: &str, arrivals: Arrivals) {
    let mut buffer = Vec::new();
    loop {
        let Some((body_start, length)) = head(&buffer) else {
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        if buffer.len() < body_start + length {
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        }
        let arrived = Instant::now();
        let call: serde_json::Value =
            serde_json::from_slice(&buffer[body_start..body_start + length]).expect("calls are JSON");
        if let (Some(user), Some(value)) = (call["userId"].as_str(), call["traits"][key].as_bool()) {
            arrivals.lock().expect("no panic").entry((user.to_owned(), value)).or_insert(arrived);
        }
        buffer.drain(..body_start + length);
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

fn head(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..end]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((end, length.unwrap_or(0)))
}
