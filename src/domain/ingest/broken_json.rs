//! Says what is wrong with JSON that is broken; above all the quotes and line breaks that templates leave unescaped.
//!
//! Studio's Liquid escapes nothing: a reply of `she said "yes"` in a JSON body template makes `"reply":"she said "yes""`.

use super::error::{Code, IngestError};

/// What is most likely wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A quote inside a text ended it early.
    UnescapedQuote,
    /// A line break, tab or other control character stands in a text as it is.
    RawControl(u8),
    /// A value is left out: `"a":,`.
    NoValue,
    /// The text ends too early.
    CutOff,
    /// There is nothing.
    Empty,
    /// Anything else.
    Other,
}

/// Where `line` and `column` of a serde_json error point: just behind the byte that it did not take.
pub(super) fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column).min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// The answer to `text`, of which `error` says that it is not JSON.
pub(super) fn diagnose(text: &str, error: &serde_json::Error) -> IngestError {
    let behind = offset(text, error.line(), error.column());
    let strings = strings(text, behind);
    let cause = cause(text, behind, error.is_eof(), &strings);
    let around = around(text, behind);
    let (line, column) = (error.line(), error.column());
    let place = format!("malformed JSON at line {line}, column {column}, near `{around}`");
    let message = match cause {
        Cause::Empty => "malformed JSON: the body is empty".to_owned(),
        Cause::UnescapedQuote => format!(
            "{place}: this looks like an unescaped quote inside a text; write it as \\\". {TEMPLATE_ADVICE}"
        ),
        Cause::RawControl(b'\n' | b'\r') => format!(
            "{place}: this looks like an unescaped line break (a raw newline) inside a text; write it as \\n. \
             {TEMPLATE_ADVICE}"
        ),
        Cause::RawControl(byte) => format!(
            "{place}: an unescaped control character inside a text; write it as \\u{byte:04x}. {TEMPLATE_ADVICE}"
        ),
        Cause::NoValue => {
            format!("{place}: there is no value here; a template that comes out empty needs quotes around it")
        }
        Cause::CutOff => format!("{place}: it ends too early"),
        Cause::Other => format!("{place}: {}", plain(error)),
    };
    let field = match cause {
        Cause::UnescapedQuote | Cause::RawControl(_) => key_of_last_text(text, &strings),
        Cause::NoValue | Cause::CutOff | Cause::Empty | Cause::Other => None,
    };
    IngestError { code: Code::MalformedJson, field, message }
}

const TEMPLATE_ADVICE: &str = "Liquid does not escape what it puts in: use form encoding \
     (application/x-www-form-urlencoded), or `| to_json` on the value";

/// serde_json's own words without its "at line …".
fn plain(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words.rsplit_once(" at line ").map_or(words.clone(), |(words, _)| words.to_owned())
}

/// A string in the text: from its opening quote to just behind its closing one, or to the end where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    start: usize,
    end: usize,
    closed: bool,
}

/// The strings that begin before `limit`; up to there the text is well-formed, so that quotes pair up.
fn strings(text: &str, limit: usize) -> Vec<Text> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < limit {
        if bytes[at] == b'"' {
            let string = string_at(bytes, at);
            at = string.end;
            found.push(string);
        } else {
            at += 1;
        }
    }
    found
}

fn string_at(bytes: &[u8], start: usize) -> Text {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Text { start, end: at + 1, closed: true },
            _ => at += 1,
        }
    }
    Text { start, end: bytes.len(), closed: false }
}

fn cause(text: &str, behind: usize, eof: bool, strings: &[Text]) -> Cause {
    let bytes = text.as_bytes();
    if text.trim().is_empty() {
        return Cause::Empty;
    }
    let fault = text[..behind].char_indices().next_back().map_or(0, |(at, _)| at);
    let culprit = bytes[fault];
    let inside = strings.iter().any(|string| string.start < fault && fault < string.end);
    if !eof && inside && culprit < 0x20 {
        return Cause::RawControl(culprit);
    }
    if eof {
        return Cause::CutOff;
    }
    let before = bytes[..fault].trim_ascii_end();
    let ended_early = match before.last() {
        Some(b'"') => quote_broke_the_text(bytes, fault, before.len(), strings),
        Some(b',') => comma_was_in_a_text(bytes, fault, before.len() - 1),
        Some(b':') if matches!(culprit, b',' | b'}' | b']') => return Cause::NoValue,
        _ => false,
    };
    if ended_early { Cause::UnescapedQuote } else { Cause::Other }
}

/// A string ended just before the fault: did it really end there, or was its last quote meant to be part of it?
fn quote_broke_the_text(bytes: &[u8], fault: usize, end: usize, strings: &[Text]) -> bool {
    let Some(last) = strings.iter().rfind(|string| string.end == end) else { return false };
    let opened_by = bytes[..last.start].trim_ascii_end();
    match opened_by.last() {
        // The first key of an object: no value came before it that could have been broken.
        Some(b'{') => return false,
        // A further key, unless a text ended before the comma.
        Some(b',') if opened_by[..opened_by.len() - 1].trim_ascii_end().last() != Some(&b'"') => {
            return false;
        }
        _ => {}
    }
    if bytes[fault] != b'"' {
        return true;
    }
    // `"a" "b":` lacks a comma; `"a"" …` has a quote too many.
    let next = string_at(bytes, fault);
    !(next.closed && bytes[next.end..].trim_ascii_start().first() == Some(&b':'))
}

/// A key was expected behind a comma that follows a text: `"reply":"well", he said"` rather than `"a":"b",c:1`.
fn comma_was_in_a_text(bytes: &[u8], fault: usize, comma: usize) -> bool {
    if bytes[..comma].trim_ascii_end().last() != Some(&b'"') {
        return false;
    }
    let quote = bytes[fault..].iter().position(|byte| *byte == b'"');
    let colon = bytes[fault..].iter().position(|byte| *byte == b':');
    quote.is_some_and(|quote| colon.is_none_or(|colon| quote < colon))
}

/// The key whose text was broken, where it can be told: the last `"key":"…`.
fn key_of_last_text(text: &str, strings: &[Text]) -> Option<String> {
    let bytes = text.as_bytes();
    let is_value = |string: &Text| bytes[..string.start].trim_ascii_end().last() == Some(&b':');
    let value = strings.iter().rposition(is_value)?;
    let key = strings.get(value.checked_sub(1)?).filter(|key| key.closed)?;
    Some(text.get(key.start + 1..key.end - 1)?.chars().take(64).collect())
}

/// A few characters on each side of the fault, on one line.
fn around(text: &str, behind: usize) -> String {
    let before: Vec<char> = text[..behind].chars().rev().take(24).collect();
    let after = text[behind..].chars().take(16);
    before.into_iter().rev().chain(after).map(|c| if c.is_control() { '␤' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    fn answer(text: &str) -> IngestError {
        json::object(text).unwrap_err()
    }

    #[test]
    fn an_unescaped_quote_is_named() {
        for broken in [
            r#"{"reply":"she said "yes" to me"}"#,
            r#"{"userID":"u1","reply":"she said "yes" to me","stage":"confirmed"}"#,
            r#"{"reply": "say "hi""}"#,
            r#"{"reply":""yes""}"#,
            r#"{"reply":""yes" she said"}"#,
            r#"{"reply":"ends with ""}"#,
            r#"{"reply":"ends with "","stage":"x"}"#,
            r#"{"reply":"5" tall"}"#,
            r#"{"reply":"he said "no", ok"}"#,
            r#"{"reply":"a", b"}"#,
            r#"{"reply":"a": b"}"#,
            r#"{"reply":"x","y"}"#,
            "{\n  \"userID\": \"u1\",\n  \"reply\": \"the \"big\" one\"\n}",
            r#"{"reply":"né à "Gand" ✓"}"#,
            r#"{"reply":"\"fine\" but "not" here"}"#,
        ] {
            let error = answer(broken);
            assert_eq!(error.code, Code::MalformedJson);
            assert!(error.message.contains("unescaped quote"), "{broken}\n{}", error.message);
            assert!(error.message.contains("| to_json") && error.message.contains("form encoding"));
            assert_eq!(error.field.as_deref(), Some("reply"), "{broken}");
        }
    }

    #[test]
    fn a_raw_line_break_is_named() {
        for broken in
            ["{\"reply\":\"one\ntwo\"}", "{\"a\":1,\n\"reply\":\"one\r\ntwo\"}", "{\"reply\":\"one\n\"}"]
        {
            let error = answer(broken);
            assert!(error.message.contains("line break"), "{broken:?}\n{}", error.message);
            assert_eq!(error.field.as_deref(), Some("reply"));
        }
        assert!(answer("{\"reply\":\"a\tb\"}").message.contains("control character"));
    }

    #[test]
    fn other_faults_are_not_taken_for_quotes() {
        for broken in [
            r#"{"a":"b" "c":1}"#,
            r#"{"a":"b",c:1}"#,
            r#"{"a":"b",}"#,
            r#"{"a" 1}"#,
            r#"{"a":1,"b" 2}"#,
            r#"{a:1}"#,
            r#"{'a':'b'}"#,
            r#"{"a":hello}"#,
            r#"{"a":1"#,
            r#"{"a":"b"#,
            r#"{"a":"b"} x"#,
            r#"{"a":tru}"#,
            "{\"a\":tru\n}",
            r#"{"a":"\x"}"#,
            "<xml/>",
            "",
        ] {
            let error = answer(broken);
            assert_eq!(error.code, Code::MalformedJson, "{broken}");
            assert!(!error.message.contains("unescaped"), "{broken}\n{}", error.message);
        }
    }

    #[test]
    fn says_where_and_what() {
        let error = answer("{\n\"userID\":,\n\"stage\":\"x\"}");
        assert!(error.message.contains("line 2, column 10"), "{}", error.message);
        assert!(error.message.contains("no value"), "{}", error.message);
        assert!(answer(r#"{"a":"b"#).message.contains("ends too early"));
        assert!(answer("").message.contains("empty"));
        assert!(answer(&format!("{{\"a\":\"{}\" x}}", "é".repeat(9000))).message.len() < 600);
    }
}
