//! The words of the language: which there are, and which one was probably meant.

/// What a condition of a query may begin with, for messages.
pub(super) const CONDITIONS: [&str; 7] = ["event('…')", "trait('…')", "literal(…)", "NOT", "ANY", "ALL", "("];
/// What a condition inside `where` may begin with, for messages.
pub(super) const EVENT_CONDITIONS: [&str; 7] =
    ["property('…')", "context('…')", "event('…')", "trait('…')", "literal(…)", "NOT", "("];
/// Functions that yield a value.
pub(super) const EXTRACTORS: [&str; 5] = ["event", "trait", "property", "context", "literal"];
/// Functions that yield a value to a reducer.
pub(super) const FIELDS: [&str; 2] = ["property", "context"];
/// How messages write them.
pub(super) const FIELD_CALLS: [&str; 2] = ["property('…')", "context('…')"];
/// What may follow a stream of events.
pub(super) const STREAM_FUNCTIONS: [&str; 14] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "first",
    "last",
    "mode",
    "unique",
    "where",
    "within",
    "between",
    "expires_after",
    "sources",
];
/// The symbolic relations.
pub(super) const RELATIONS: [&str; 7] = ["=", "==", "!=", ">", ">=", "<", "<="];
/// The comparator functions.
pub(super) const COMPARATORS: [&str; 20] = [
    "equals",
    "differs",
    "greater_than",
    "at_least",
    "less_than",
    "at_most",
    "exists",
    "absent",
    "contains",
    "omits",
    "one_of",
    "none_of",
    "starts_with",
    "ends_with",
    "before_date",
    "after_date",
    "within_last",
    "within_next",
    "before_last",
    "after_next",
];

/// Whether `word` is a function of the language, at whatever place.
pub(super) fn is_function(word: &str) -> bool {
    [&EXTRACTORS[..], &STREAM_FUNCTIONS, &COMPARATORS].iter().any(|words| words.contains(&word))
}

/// Which of `words` the author of `word` probably meant, if any is near enough.
pub(in crate::domain) fn near_miss<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    const LONGEST: usize = 24;
    let written: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if written.len() > LONGEST {
        return None;
    }
    let distances = words.iter().map(|candidate| (distance(&written, candidate), *candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    // A third of the letters may be wrong; in a very short word, one.
    (distance <= (candidate.chars().count() / 3).max(1)).then_some(candidate)
}

/// Edits (insert, delete, replace, swap neighbours) between two short words, ignoring case.
fn distance(written: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=candidate.len()).collect();
    for (row, letter) in written.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in candidate.iter().enumerate() {
            let replaced = previous[column] + usize::from(letter != other);
            let mut best = replaced.min(previous[column + 1] + 1).min(current[column] + 1);
            let swapped =
                row > 0 && column > 0 && *letter == candidate[column - 1] && written[row - 1] == *other;
            if swapped {
                best = best.min(before_previous[column - 1] + 1);
            }
            current.push(best);
        }
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous[candidate.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_and_strangers_are_not() {
        for (word, meant) in [
            ("cuont", Some("count")),
            ("Count", Some("count")),
            ("were", Some("where")),
            ("withn", Some("within")),
            ("frobnicate", None),
            ("x", None),
        ] {
            assert_eq!(near_miss(word, &STREAM_FUNCTIONS), meant, "{word}");
        }
        assert_eq!(near_miss("greaterThan", &COMPARATORS), Some("greater_than"));
        assert_eq!(near_miss(&"é".repeat(5000), &COMPARATORS), None);
    }
}
