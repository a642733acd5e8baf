//! Reads a body, bounded in bytes and in time, and unpacks gzip, bounded again.

use std::io::Read;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_ENCODING;
use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::bufread::MultiGzDecoder;
use futures_util::{Stream, StreamExt};

use crate::domain::ingest::{Code, IngestError};
use crate::domain::limits::{BODY_READ, MAX_BATCH_BYTES, MAX_DRAINED_BYTES, MAX_EVENT_BYTES};

/// How large a body may be, packed and unpacked, and what a larger one is called.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Cap {
    bytes: usize,
    code: Code,
}

impl Cap {
    /// For routes that take one event.
    pub(in crate::http) const EVENT: Self = Self { bytes: MAX_EVENT_BYTES, code: Code::EventTooLarge };
    /// For routes that take a batch.
    pub(super) const BATCH: Self = Self { bytes: MAX_BATCH_BYTES, code: Code::BodyTooLarge };

    fn exceeded(self) -> IngestError {
        IngestError::new(self.code, format!("the body is larger than {} bytes", self.bytes))
    }
}

/// The whole body, unpacked.
///
/// # Errors
/// `event_too_large` or `body_too_large`, `body_timeout`, `incomplete_body`, `unsupported_encoding`, `malformed_gzip`.
pub(in crate::http) async fn read(request: &HttpRequest, payload: Payload, cap: Cap) -> Result<Bytes, IngestError> {
    let body = tokio::time::timeout(BODY_READ.to_std(), collect(payload, cap)).await.map_err(|_| {
        let seconds = BODY_READ.millis() / 1000;
        IngestError::new(Code::BodyTimeout, format!("the body did not arrive within {seconds} seconds"))
    })??;
    match request.headers().get(CONTENT_ENCODING) {
        None => Ok(body),
        Some(encoding) => unpacked(encoding.as_bytes(), body, cap),
    }
}

/// The chunks in one piece. Of a body that is too large a bounded part is still read, so that its sender, who is busy
/// sending, gets to read the answer instead of a broken connection.
async fn collect<S>(mut chunks: S, cap: Cap) -> Result<Bytes, IngestError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    // Most bodies are one chunk, which then need not be copied.
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut total = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => cap.exceeded(),
            _ => IngestError::new(Code::IncompleteBody, "the body broke off before its end"),
        })?;
        total = total.saturating_add(chunk.len());
        if total > MAX_DRAINED_BYTES {
            break;
        }
        if total > cap.bytes {
            continue;
        }
        if total == chunk.len() {
            first = chunk;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&chunk);
        }
    }
    if total > cap.bytes {
        return Err(cap.exceeded());
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

fn unpacked(encoding: &[u8], body: Bytes, cap: Cap) -> Result<Bytes, IngestError> {
    let encoding = encoding.trim_ascii();
    if encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity") {
        Ok(body)
    } else if encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip") {
        gunzip(&body, cap).map(Bytes::from)
    } else {
        let message = "this Content-Encoding is not taken; send gzip, or no encoding";
        Err(IngestError::new(Code::UnsupportedEncoding, message))
    }
}

/// Stops one byte past the cap, so that a small body that unpacks to a huge one costs no more than an honest one.
fn gunzip(packed: &[u8], cap: Cap) -> Result<Vec<u8>, IngestError> {
    let mut plain = Vec::new();
    let most = u64::try_from(cap.bytes).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(packed).take(most).read_to_end(&mut plain);
    read.map_err(|_| {
        IngestError::new(Code::MalformedGzip, "the body is not gzip, although Content-Encoding says so")
    })?;
    if plain.len() > cap.bytes { Err(cap.exceeded()) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn gzip_is_unpacked_within_bounds() {
        let code = |encoding: &str, body: Bytes| {
            unpacked(encoding.as_bytes(), body, Cap::EVENT).map_err(|error| error.code)
        };
        assert_eq!(code("gzip", gzip(b"{}")), Ok(Bytes::from_static(b"{}")));
        assert_eq!(code("GZIP ", gzip(b"")), Ok(Bytes::new()));
        assert_eq!(code("identity", Bytes::from_static(b"{}")), Ok(Bytes::from_static(b"{}")));
        assert_eq!(
            code("gzip", gzip(&vec![b' '; MAX_EVENT_BYTES])).map(|body| body.len()),
            Ok(MAX_EVENT_BYTES)
        );
        let bomb = gzip(&vec![0; 20_000_000]);
        assert!(bomb.len() < MAX_EVENT_BYTES);
        assert_eq!(code("gzip", bomb), Err(Code::EventTooLarge));
        let whole = gzip(b"a long enough text to be cut");
        for broken in [Bytes::from_static(b"{}"), Bytes::new(), whole.slice(..whole.len() - 4)] {
            assert_eq!(code("gzip", broken), Err(Code::MalformedGzip));
        }
        for unknown in ["br", "deflate", "gzip, gzip", "\u{ff}"] {
            assert_eq!(code(unknown, Bytes::new()), Err(Code::UnsupportedEncoding));
        }
    }

    #[tokio::test]
    async fn chunks_are_joined_within_bounds() {
        let of = |sizes: &'static [usize]| {
            futures_util::stream::iter(sizes.iter().map(|size| Ok(Bytes::from(vec![b'x'; *size]))))
        };
        let length = async |sizes| {
            let body = collect(of(sizes), Cap::EVENT).await;
            body.map(|body| body.len()).map_err(|error| error.code)
        };
        assert_eq!(length(&[]).await, Ok(0));
        assert_eq!(length(&[10]).await, Ok(10));
        assert_eq!(length(&[0, 10, 0, 20, 5]).await, Ok(35));
        assert_eq!(length(&[MAX_EVENT_BYTES]).await, Ok(MAX_EVENT_BYTES));
        assert_eq!(length(&[MAX_EVENT_BYTES, 1]).await, Err(Code::EventTooLarge));
        assert_eq!(length(&[MAX_EVENT_BYTES + 1, 1]).await, Err(Code::EventTooLarge));

        // Nothing is read for ever, and a broken body is told from a short one.
        let endless = futures_util::stream::repeat_with(|| Ok(Bytes::from_static(&[0; 4096])));
        assert_eq!(collect(endless, Cap::BATCH).await.unwrap_err().code, Code::BodyTooLarge);
        let broken =
            futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(PayloadError::Incomplete(None))]);
        assert_eq!(collect(broken, Cap::BATCH).await.unwrap_err().code, Code::IncompleteBody);
    }
}
