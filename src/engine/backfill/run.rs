//! Users one after another in the order of their keys, each with a string of bytes, in a few large pieces: taken from the
//! front, put and let go of at the back.

use std::collections::VecDeque;

use crate::domain::packed::{put_length, take_length};

/// Most bytes of a piece, unless one user alone has more.
const PIECE: usize = 256 * 1024;

/// Users with their bytes.
pub(super) struct Run {
    pieces: VecDeque<Piece>,
    /// Where in the first piece the first user is.
    at: usize,
    /// How many bytes a piece has, about.
    piece: usize,
}

struct Piece {
    /// Of each user the key and his bytes, with their lengths.
    bytes: Vec<u8>,
    /// The last one's key.
    last: Vec<u8>,
    /// What of its users is kept elsewhere.
    beside: usize,
}

impl Run {
    /// Of nobody, in pieces of a small part of `room` bytes.
    pub fn new(room: usize) -> Self {
        Self { pieces: VecDeque::new(), at: 0, piece: (room / 64).min(PIECE) }
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.capacity()).sum()
    }

    /// The first user's key and bytes.
    pub fn front(&self) -> Option<(&[u8], &[u8])> {
        let mut rest = self.pieces.front()?.bytes.get(self.at..)?;
        Some((take_text(&mut rest)?, take_text(&mut rest)?))
    }

    /// Lets go of the first user.
    pub fn pop_front(&mut self) {
        let Some(piece) = self.pieces.front() else { return };
        let mut rest = &piece.bytes[self.at..];
        let taken = take_text(&mut rest).and_then(|_| take_text(&mut rest));
        self.at = piece.bytes.len() - rest.len();
        if taken.is_none() || rest.is_empty() {
            self.pieces.pop_front();
            self.at = 0;
        }
    }

    /// Puts a user behind the others. `beside` is what of his is kept elsewhere: it counts for how many users make a piece,
    /// so that none of them stands for much more than the others.
    pub fn push_back(&mut self, user: &[u8], bytes: &[u8], beside: usize) {
        let more = user.len() + bytes.len() + 2 * 5;
        let has_room = |piece: &Piece| {
            piece.bytes.len() + more <= piece.bytes.capacity()
                && piece.bytes.len() + piece.beside + more + beside <= self.piece
        };
        if !self.pieces.back().is_some_and(has_room) {
            // One that is full by what is kept elsewhere may have little in it.
            if let Some(full) = self.pieces.back_mut().filter(|it| it.bytes.len() < it.bytes.capacity() / 2) {
                full.bytes.shrink_to_fit();
            }
            let bytes = Vec::with_capacity(self.piece.max(more));
            self.pieces.push_back(Piece { bytes, last: Vec::new(), beside: 0 });
        }
        let piece = self.pieces.back_mut().expect("one was put there, if there was none");
        piece.beside += beside;
        put_text(user, &mut piece.bytes);
        put_text(bytes, &mut piece.bytes);
        user.clone_into(&mut piece.last);
    }

    /// Lets go of the users in the last piece; answers the last one's key who is left. It does nothing where nobody would be.
    pub fn pop_back_piece(&mut self) -> Option<&[u8]> {
        if self.pieces.len() > 1 {
            self.pieces.pop_back();
            return self.pieces.back().map(|piece| piece.last.as_slice());
        }
        None
    }
}

/// Appends bytes with their length.
pub(super) fn put_text(text: &[u8], bytes: &mut Vec<u8>) {
    put_length(text.len(), bytes);
    bytes.extend_from_slice(text);
}

/// Takes bytes with their length from the front; `None` where there are none.
pub(super) fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(bytes)?;
    bytes.split_off(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_come_out_as_they_were_put() {
        for room in [0, 64 * 40, 1 << 20] {
            let mut run = Run::new(room);
            let users: Vec<String> = (0..100).map(|number| format!("user-{number:03}")).collect();
            for user in &users {
                run.push_back(user.as_bytes(), &user.as_bytes()[5..], 0);
            }
            assert!(run.bytes() >= 100 * (8 + 3));
            for user in &users {
                assert_eq!(run.front(), Some((user.as_bytes(), &user.as_bytes()[5..])));
                run.pop_front();
            }
            assert_eq!((run.front(), run.bytes()), (None, 0));
        }
    }

    #[test]
    fn the_last_ones_go_first_and_somebody_stays() {
        let mut run = Run::new(0);
        for user in ["a", "b", "c"] {
            run.push_back(user.as_bytes(), b"", 0);
        }
        assert_eq!(run.pop_back_piece(), Some(&b"b"[..]));
        assert_eq!(run.pop_back_piece(), Some(&b"a"[..]));
        assert_eq!(run.pop_back_piece(), None);
        assert_eq!(run.front(), Some((&b"a"[..], &b""[..])));
    }

    #[test]
    fn what_is_kept_elsewhere_fills_a_piece_too() {
        let mut run = Run::new(64 * 1000);
        for user in ["a", "b", "c"] {
            run.push_back(user.as_bytes(), b"", 600);
        }
        assert_eq!(run.pop_back_piece(), Some(&b"b"[..]));
    }
}
