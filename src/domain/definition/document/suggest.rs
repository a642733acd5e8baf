//! What was probably meant by a word that is not known.

/// `; did you mean `x`?` where one of `known` is close to `word`, otherwise nothing.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // The distance is quadratic in the length, and nobody mistypes a key into a page of text.
    if word.len() > 64 {
        return String::new();
    }
    let word = word.to_lowercase();
    let closest = known.into_iter().map(|known| (distance(&word, &known.to_lowercase()), known)).min();
    match closest {
        Some((distance, known)) if distance <= 1 + known.len() / 4 => format!("; did you mean `{known}`?"),
        Some(_) | None => String::new(),
    }
}

/// How many letters have to be put in, left out or replaced to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (place, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_suggested_and_others_are_not() {
        let known = ["escalation", "initial", "name", "terminal"];
        assert_eq!(did_you_mean("escallation", known), "; did you mean `escalation`?");
        assert_eq!(did_you_mean("Terminals", known), "; did you mean `terminal`?");
        assert_eq!(did_you_mean("nmae", known), "; did you mean `name`?");
        assert_eq!(did_you_mean("colour", known), "");
        assert_eq!(did_you_mean(&"x".repeat(100_000), known), "");
        assert_eq!(did_you_mean("x", []), "");
    }
}
