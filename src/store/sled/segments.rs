//! A look at sled's log before sled opens it.
//!
//! The log is made of segments of 512 KiB, each with a header of 20 bytes: a CRC, its place in the log, how far the log was
//! stable. sled passes over a segment whose header is damaged and blanks what then hangs in the air: it would destroy what a
//! repair could still save. So a damaged header stops us first.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;

/// sled's default, which we keep.
const SEGMENT: u64 = 512 * 1024;
const HEADER: usize = 20;

/// What the headers say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// Nothing was ever written.
    Empty,
    /// Every header is sound or blank.
    Sound,
    /// The header at this place in the file is damaged.
    Damaged(u64),
}

/// Reads the header of every segment.
pub(super) fn inspect(log: &File) -> Result<Log> {
    let len = log.metadata()?.len();
    let mut found = Log::Empty;
    let mut at = 0;
    while at + 20 <= len {
        let mut header = [0; HEADER];
        log.read_exact_at(&mut header, at)?;
        if is_sound(&header) {
            found = Log::Sound;
        } else if header != [0; HEADER] {
            return Ok(Log::Damaged(at));
        }
        at += SEGMENT;
    }
    Ok(found)
}

fn is_sound(header: &[u8; HEADER]) -> bool {
    let (crc, rest) = header.split_first_chunk::<4>().expect("20 bytes");
    u32::from_le_bytes(*crc) ^ u32::MAX == crc32(rest)
}

/// The CRC of IEEE 802.3, bit by bit: it runs over 16 bytes per half megabyte.
fn crc32(bytes: &[u8]) -> u32 {
    let sum =
        bytes.iter().fold(u32::MAX, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
                if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
            })
        });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
