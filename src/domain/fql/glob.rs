//! Patterns: `*` stands for any run of characters, `?` for one, `[abc]` and `[a-z]` for one of these, `\x` for `x`.
//! Everything else stands for itself; case matters, and the whole text has to match.

use crate::domain::limits::MAX_FQL_PATTERN;

use super::fault::{Budget, FqlFault};

/// A pattern of at most [`MAX_FQL_PATTERN`] characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    elements: Vec<Element>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    /// Any run of characters, an empty one too.
    Run,
    /// Any character.
    One,
    Exactly(char),
    /// A character in one of these ranges.
    Within(Vec<(char, char)>),
}

impl Element {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Run | Self::One => true,
            Self::Exactly(wanted) => *wanted == character,
            Self::Within(ranges) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)),
        }
    }

    /// What trying it costs.
    fn steps(&self) -> usize {
        match self {
            Self::Run | Self::One | Self::Exactly(_) => 1,
            Self::Within(ranges) => ranges.len(),
        }
    }
}

impl Glob {
    /// Reads a pattern; an error says what is wrong with it.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.chars().nth(MAX_FQL_PATTERN).is_some() {
            return Err(format!("the pattern is too long (more than {MAX_FQL_PATTERN} characters)"));
        }
        let mut elements = Vec::new();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            elements.push(match character {
                // Two runs are one.
                '*' if elements.last() == Some(&Element::Run) => continue,
                '*' => Element::Run,
                '?' => Element::One,
                '[' => Element::Within(ranges(&mut characters)?),
                '\\' => Element::Exactly(escaped(&mut characters)?),
                other => Element::Exactly(other),
            });
        }
        Ok(Self { elements })
    }

    /// Whether the whole of `text` matches.
    ///
    /// Only the newest `*` is ever taken back: what an earlier one could take more, the newest can take as well. So the
    /// time is at most the length of the text times that of the pattern.
    pub(super) fn matches(&self, text: &str, budget: &mut Budget) -> Result<bool, FqlFault> {
        let mut rest = text;
        let mut at = 0;
        let mut newest: Option<(usize, &str)> = None;
        loop {
            let element = self.elements.get(at);
            budget.spend(element.map_or(1, Element::steps))?;
            match (element, rest.chars().next()) {
                (Some(Element::Run), _) => {
                    at += 1;
                    if at == self.elements.len() {
                        return Ok(true);
                    }
                    newest = Some((at, rest));
                    continue;
                }
                (Some(element), Some(character)) if element.takes(character) => {
                    at += 1;
                    rest = &rest[character.len_utf8()..];
                    continue;
                }
                (None, None) => return Ok(true),
                (_, None) => return Ok(false),
                (_, Some(_)) => {}
            }
            let Some((after, from)) = newest else { return Ok(false) };
            let Some(character) = from.chars().next() else { return Ok(false) };
            rest = &from[character.len_utf8()..];
            at = after;
            newest = Some((after, rest));
        }
    }
}

fn escaped(characters: &mut std::str::Chars<'_>) -> Result<char, String> {
    characters.next().ok_or_else(|| "the pattern ends with a backslash that stands before nothing".to_owned())
}

/// What follows a `[`, up to its `]`. A `-` at the beginning or the end is one of the characters.
fn ranges(characters: &mut std::str::Chars<'_>) -> Result<Vec<(char, char)>, String> {
    let mut ranges = Vec::new();
    loop {
        let from = match characters.next() {
            Some(']') if ranges.is_empty() => return Err("the pattern has an empty `[]`".to_owned()),
            Some(']') => return Ok(ranges),
            Some('\\') => escaped(characters)?,
            Some(character) => character,
            None => return Err("the pattern has a `[` that is never closed".to_owned()),
        };
        let mut ahead = characters.clone();
        let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']');
        if !is_range {
            ranges.push((from, from));
            continue;
        }
        characters.next();
        let to = match characters.next() {
            Some('\\') => escaped(characters)?,
            Some(character) => character,
            None => return Err("the pattern has a `[` that is never closed".to_owned()),
        };
        if from > to {
            return Err(format!("the pattern has a range that runs backwards (`{from}-{to}`)"));
        }
        ranges.push((from, to));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).expect(pattern).matches(text, &mut Budget::new()).expect(pattern)
    }

    #[test]
    fn patterns_match_whole_texts() {
        for (text, pattern, expected) in [
            ("abcd", "a*d", true),
            ("", "*", true),
            ("", "", true),
            ("a", "", false),
            ("", "?", false),
            ("abc", "ab", false),
            ("abcd", "a??d", true),
            ("abcd", "*d", true),
            ("ab*d", "ab\\*d", true),
            ("abcd", "ab\\*d", false),
            ("abCd", "ab[cC]d", true),
            ("abcd", "ab[a-z]d", true),
            ("abcd", "ab[A-Z]d", false),
            ("a-b", "a[-x]b", true),
            ("a-b", "a[x-]b", true),
            ("a]b", "a[\\]]b", true),
            ("a]b", "a]b", true),
            ("a^b", "a[^x]b", true),
            ("ayb", "a[^x]b", false),
            ("Ünïcode", "Ü?ïc*", true),
            ("aXbXbc", "a*bc", true),
            ("a\nb", "a*b", true),
            ("abab", "*ab", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn broken_patterns_are_refused() {
        for (pattern, message) in [
            ("a[bc", "a `[` that is never closed"),
            ("a[", "a `[` that is never closed"),
            ("a[b-", "a `[` that is never closed"),
            ("a[]", "an empty `[]`"),
            ("a\\", "ends with a backslash"),
            ("[z-a]", "runs backwards (`z-a`)"),
            (&"*?".repeat(MAX_FQL_PATTERN), "too long (more than 256 characters)"),
        ] {
            let error = Glob::parse(pattern).expect_err(pattern);
            assert!(error.contains(message), "{pattern}: {error}");
        }
    }

    #[test]
    fn the_work_of_a_pattern_is_bounded() {
        let nasty = Glob::parse(&"*?a".repeat(80)).unwrap();
        assert_eq!(nasty.matches(&"a".repeat(32 * 1024), &mut Budget::new()), Ok(true));
        let nasty = Glob::parse(&format!("*{}b", "a".repeat(250))).unwrap();
        assert_eq!(nasty.matches(&"a".repeat(32 * 1024), &mut Budget::new()), Err(FqlFault::TooMuchWork));
    }

    /// The plain meaning: tries everything.
    fn plainly(elements: &[Element], text: &[char]) -> bool {
        match (elements, text) {
            ([], text) => text.is_empty(),
            ([Element::Run, rest @ ..], text) => (0..=text.len()).any(|taken| plainly(rest, &text[taken..])),
            ([element, rest @ ..], [first, text @ ..]) => element.takes(*first) && plainly(rest, text),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_it_plainly_means(
            pattern in "([ab*?]|\\[ab\\]|\\[a-b\\]){0,8}", text in "[abc]{0,10}"
        ) {
            let glob = Glob::parse(&pattern).unwrap();
            let characters: Vec<char> = text.chars().collect();
            let expected = plainly(&glob.elements, &characters);
            prop_assert_eq!(glob.matches(&text, &mut Budget::new()), Ok(expected));
        }

        #[test]
        fn no_pattern_panics(pattern in "\\PC{0,40}", text in "\\PC{0,40}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                let _ = glob.matches(&text, &mut Budget::new());
            }
        }
    }
}
