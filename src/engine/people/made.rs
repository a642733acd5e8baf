//! Passwords that are made here, for somebody else.

use crate::clock;
use crate::domain::ids::IdSource;

/// Digits of one that is made: 96 random bits.
const DIGITS: usize = 24;

/// A password that nobody guesses and that can be read out, in groups of four.
pub fn made_password() -> String {
    let digits = IdSource::new(clock::entropy()).secret("", DIGITS / 2);
    let groups: Vec<String> = digits
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().map(|digit| char::from(*digit)).collect())
        .collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::people::check_password;

    #[test]
    fn what_is_made_is_taken() {
        let made = made_password();
        assert_eq!(made.len(), DIGITS + 5, "{made}");
        assert_eq!(check_password(&made, "ann@example.com"), Ok(()));
        assert_ne!(made, made_password());
    }
}
