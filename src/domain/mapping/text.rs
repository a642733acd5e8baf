//! `@case` and `@replace`: texts in another case, and with parts replaced.

use serde_json::Value;

use super::budget::Budget;
use super::error::Failure;
use super::expression::Replace;
use super::resolved::Resolved;
use crate::domain::javascript::write_number;

/// The text in lower or upper case, whole Unicode; what is no text stays as it is.
pub(super) fn change_case<'a>(
    operator: &str,
    value: Resolved<'a>,
    budget: &mut Budget,
) -> Result<Resolved<'a>, Failure> {
    let text = match value.into_text() {
        Ok(text) => text,
        Err(other) => return Ok(other),
    };
    budget.read(text.len())?;
    let changed = match operator {
        "lower" => text.to_lowercase(),
        "upper" => text.to_uppercase(),
        _ => return Err(Failure::new("operator key should have a value of \"lower\" or \"upper\"")),
    };
    budget.value(changed.len())?;
    Ok(Resolved::Owned(Value::String(changed)))
}

/// The text with the patterns replaced. Truth values and numbers become texts first; all else gives the empty text.
///
/// A pattern is plain text, no regular expression, and so is what replaces it: `$&` and `$1`, special in the original, are
/// ordinary here.
pub(super) fn replace(
    replace: &Replace,
    value: Resolved<'_>,
    budget: &mut Budget,
) -> Result<Resolved<'static>, Failure> {
    let mut text = match value.into_text() {
        Ok(text) => text.into_owned(),
        Err(other) => match other.value() {
            Some(Value::Bool(truth)) => truth.to_string(),
            Some(Value::Number(number)) => {
                let mut text = String::new();
                write_number(&mut text, number);
                text
            }
            _ => return Ok(Resolved::Owned(Value::String(String::new()))),
        },
    };
    for (pattern, replacement) in &replace.pairs {
        text = replace_one(&text, pattern, replacement, replace, budget)?;
    }
    Ok(Resolved::Owned(Value::String(text)))
}

fn replace_one(
    text: &str,
    pattern: &str,
    replacement: &str,
    options: &Replace,
    budget: &mut Budget,
) -> Result<String, Failure> {
    budget.read(text.len())?;
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((at, length)) = find(rest, pattern, options.ignore_case) {
        // Counted piece by piece: one letter may become ten, over and over.
        budget.value(at + replacement.len())?;
        replaced.push_str(&rest[..at]);
        replaced.push_str(replacement);
        rest = &rest[at + length..];
        if !options.global {
            break;
        }
    }
    budget.value(rest.len())?;
    replaced.push_str(rest);
    Ok(replaced)
}

/// Where the pattern is first, and how many bytes it takes there.
fn find(text: &str, pattern: &str, ignore_case: bool) -> Option<(usize, usize)> {
    if !ignore_case {
        return text.find(pattern).map(|at| (at, pattern.len()));
    }
    text.char_indices().find_map(|(at, _)| match_at(&text[at..], pattern).map(|length| (at, length)))
}

/// How many bytes of the beginning of `text` are the pattern in any case.
fn match_at(text: &str, pattern: &str) -> Option<usize> {
    let mut letters = text.chars();
    for wanted in pattern.chars() {
        let letter = letters.next()?;
        if letter != wanted && fold(letter) != fold(wanted) {
            return None;
        }
    }
    Some(text.len() - letters.as_str().len())
}

/// What a regular expression of JavaScript with the flag `i` compares: the upper case of a letter, if that is one letter,
/// and no ASCII for what was none.
fn fold(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) if letter.is_ascii() || !one.is_ascii() => one,
        _ => letter,
    }
}
