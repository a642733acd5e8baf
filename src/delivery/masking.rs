//! Finds texts that must not be seen in what a receiver answered, however it wrote them.
//!
//! An answer may repeat what it was sent in JSON, in HTML or in a URL, so each character of a secret is looked for as it is
//! and in every form that it has there: `/` also as `\/`, `\u002F`, `%2F`, `&#47;`.

use crate::domain::definition::render::REDACTED;

/// Most bytes of a text for one byte of a secret: `\u002F`, `&quot;`.
pub const LONGEST_FORM: usize = 6;

/// Of a secret that the end of a text cuts off, so many characters are enough to be masked.
const LEAST_PART: usize = 4;

/// The beginning of `text`, at most `most` bytes, without any of `secrets`: each is masked before the text is cut, also where
/// it lies across the cut, or the text ends in the middle of it.
pub fn masked(text: &str, secrets: &[String], most: usize) -> String {
    let mut begins = [false; 256];
    for secret in secrets {
        for byte in secret.bytes().take(1).chain(*b"\\%&+") {
            begins[usize::from(byte)] = true;
        }
    }
    let mut shown = String::with_capacity(text.len().min(most));
    let mut hidden_to = 0;
    for (at, character) in text.char_indices() {
        if shown.len() >= most {
            break;
        }
        let was_hidden = at < hidden_to;
        if begins[usize::from(text.as_bytes()[at])] {
            let longest = secrets.iter().filter_map(|secret| length(&text[at..], secret)).max();
            hidden_to = hidden_to.max(longest.map_or(0, |length| at + length));
        }
        if at >= hidden_to {
            shown.push(character);
        } else if !was_hidden {
            shown.push_str(REDACTED);
        }
    }
    shown.truncate(shown.floor_char_boundary(most));
    shown
}

/// How many bytes of the beginning of `text` are `secret`, in whatever form; all of them where `text` ends in the middle of it.
fn length(text: &str, secret: &str) -> Option<usize> {
    let mut ends = vec![0];
    for (count, wanted) in secret.chars().enumerate() {
        let mut further = Vec::new();
        for &end in &ends {
            let rest = &text[end..];
            let before = further.len();
            further.extend(forms(wanted, rest).into_iter().flatten().map(|length| end + length));
            if further.len() == before && count >= LEAST_PART && breaks_off(wanted, rest) {
                return Some(text.len());
            }
        }
        if further.is_empty() {
            return None;
        }
        further.sort_unstable();
        further.dedup();
        ends = further;
    }
    ends.into_iter().max()
}

/// Whether `rest` is the end, perhaps in the middle of an escape for `wanted`.
fn breaks_off(wanted: char, rest: &str) -> bool {
    let mut characters = rest.chars();
    match (characters.next(), characters.next()) {
        (None, _) | (Some('\\'), None) => true,
        (Some('\\'), Some('x')) => rest.len() < r"\x2F".len(),
        (Some('\\'), Some('u')) => rest.len() < r"\u002F".len() * wanted.len_utf16(),
        (Some('%'), _) => rest.len() < "%2F".len() * wanted.len_utf8(),
        (Some('&'), _) => rest.len() <= "&#x10FFFF".len() && !rest.contains(';'),
        (Some(_), _) => false,
    }
}

/// The lengths of what stands for `wanted` at the beginning of `text`: as it is, and in another form.
fn forms(wanted: char, text: &str) -> [Option<usize>; 2] {
    let plain = text.starts_with(wanted).then_some(wanted.len_utf8());
    let other = match text.as_bytes().first() {
        Some(b'\\') => backslash(wanted, &text[1..]).map(|length| 1 + length),
        Some(b'%') => percent(wanted, text),
        Some(b'&') => entity(wanted, &text[1..]).map(|length| 1 + length),
        Some(b'+') if wanted == ' ' => Some(1),
        Some(_) | None => None,
    };
    [plain, other]
}

/// After a backslash: the character itself, `u` and four digits (twice for what lies beyond them), or `x` and two.
fn backslash(wanted: char, text: &str) -> Option<usize> {
    if text.starts_with(wanted) {
        return Some(wanted.len_utf8());
    }
    if text.starts_with('x') {
        return (hex(text.get(1..3)?)? == u32::from(wanted)).then_some(3);
    }
    let mut length = 0;
    for unit in wanted.encode_utf16(&mut [0; 2]) {
        let rest = text.get(length..)?;
        let rest = if length == 0 { rest } else { rest.strip_prefix('\\')? };
        if hex(rest.strip_prefix('u')?.get(..4)?)? != u32::from(*unit) {
            return None;
        }
        length = text.len() - rest.len() + 5;
    }
    Some(length)
}

/// Each byte as `%` and two digits.
fn percent(wanted: char, text: &str) -> Option<usize> {
    let mut rest = text;
    for byte in wanted.encode_utf8(&mut [0; 4]).bytes() {
        let digits = rest.strip_prefix('%')?.get(..2)?;
        if hex(digits)? != u32::from(byte) {
            return None;
        }
        rest = &rest[3..];
    }
    Some(text.len() - rest.len())
}

/// After `&`: one of HTML's names or numbers, and a semicolon.
fn entity(wanted: char, text: &str) -> Option<usize> {
    // Only as far as the longest one reaches: `#x10FFFF`, and zeros before it.
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let meant = match &text[..end] {
        "amp" => u32::from('&'),
        "lt" => u32::from('<'),
        "gt" => u32::from('>'),
        "quot" => u32::from('"'),
        "apos" => u32::from('\''),
        name => match name.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(digits) => hex(digits)?,
            None => name[1..].parse().ok()?,
        },
    };
    (meant == u32::from(wanted)).then_some(end + 1)
}

fn hex(digits: &str) -> Option<u32> {
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(text: &str, secrets: &[&str]) -> String {
        let secrets: Vec<String> = secrets.iter().map(|&secret| secret.to_owned()).collect();
        masked(text, &secrets, 1000)
    }

    #[test]
    fn every_form_of_a_secret_is_found() {
        for (text, wanted) in [
            ("a t/k+\"é😀z b", "a ******** b"),
            (r#"a t\/k+\"é😀z b"#, "a ******** b"),
            (r"a t\u002fk\u002B\u0022\u00e9\ud83d\ude00z b", "a ******** b"),
            ("a t%2fk%2B%22%C3%A9%F0%9F%98%80z b", "a ******** b"),
            ("a t&#x2F;k&#43;&quot;&#xE9;&#128512;z b", "a ******** b"),
            (r"a \x74/k+\x22é😀z b", "a ******** b"),
            ("a t/k+\"é😀y b", "a t/k+\"é😀y b"),
            (r"a t\u00", r"a t\u00"),
            ("a t%2fk%2B%22%C3%A9%F0%9F%98%80z&", "a ********&"),
        ] {
            assert_eq!(mask(text, &["t/k+\"é😀z"]), wanted, "{text}");
        }
        assert_eq!(mask("open+sesame open%20sesame", &["open sesame"]), "******** ********");
        assert_eq!(mask("x%252Fyz", &["x%2Fyz"]), "********", "what was escaped already");
    }

    #[test]
    fn secrets_that_overlap_leave_nothing_and_those_side_by_side_are_told_apart() {
        assert_eq!(mask("abcdefghi.", &["abcdef", "defghi"]), "********.");
        assert_eq!(mask("abcdefabcdef", &["abcdef"]), "****************");
        assert_eq!(mask("abcdefgh", &["abcdef", "abcdefgh"]), "********");
    }

    #[test]
    fn an_end_in_the_middle_shows_nothing_of_it() {
        for text in ["x abcde", r"x abcd\u00", r"x abcd\u006", r"x abc\u00", "x abcd%4", "x abcd&#"] {
            assert!(["x ********", r"x abc\u00"].contains(&mask(text, &["abcdefgh"]).as_str()), "{text}");
        }
        assert_eq!(mask("x abc", &["abcdefgh"]), "x abc", "too little to tell");
        assert_eq!(masked("x abcdefgh", &["abcdefgh".to_owned()], 4), "x **");
        assert_eq!(masked("café", &[], 4), "caf");
    }

    proptest! {
        #[test]
        fn nothing_of_any_text_is_lost_but_secrets(text in ".{0,60}", secret in "[a-c\\\\%&;+ ]{6,9}", most in 0..80_usize) {
            let shown = masked(&format!("{text}{secret}{text}"), std::slice::from_ref(&secret), 1000);
            prop_assert!(!shown.contains(&secret) || text.contains('*'));
            prop_assert!(masked(&text, std::slice::from_ref(&secret), most).len() <= most);
            prop_assert_eq!(masked(&text, &[], 1000), text);
        }
    }
}
