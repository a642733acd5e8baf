//! TwiML: what a call says and asks. Everything that comes from elsewhere is escaped.

use std::fmt::Write as _;

/// Longest TwiML that a call may be begun with, in characters.
pub const TWIML_CHARS: usize = 4000;
/// How long a key is waited for after the last word, in seconds.
const KEY_TIMEOUT: u32 = 10;
const BEGIN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>";
const END: &str = "</Response>";
/// What is said where nobody pressed a key.
const NOBODY: &str = "<Say>No key was pressed. Good bye.</Say>";

/// Where the key goes that somebody presses.
#[derive(Clone, Copy, Debug)]
pub struct Gather<'a> {
    /// Our address, which Twilio has to reach.
    pub action: &'a str,
    /// What to press for what, as a sentence.
    pub prompt: &'a str,
}

/// Says `text` twice, and takes a key meanwhile where there is an address for it; at most [`TWIML_CHARS`] characters. A text that is
/// too long for that ends early.
pub fn ask_for_key(text: &str, gather: Option<Gather<'_>>) -> String {
    let (open, between, close) = match gather {
        Some(gather) => {
            let mut action = String::new();
            escape_into(&mut action, gather.action, usize::MAX);
            let mut prompt = String::new();
            escape_into(&mut prompt, gather.prompt, usize::MAX);
            let open = format!(
                "{BEGIN}<Gather numDigits=\"1\" timeout=\"{KEY_TIMEOUT}\" method=\"POST\" action=\"{action}\"><Say>"
            );
            let prompt = format!("</Say><Say>{prompt}</Say>");
            (open, format!("{prompt}<Pause length=\"1\"/><Say>"), format!("{prompt}</Gather>{NOBODY}{END}"))
        }
        None => {
            let between = "</Say><Pause length=\"1\"/><Say>".to_owned();
            (format!("{BEGIN}<Say>"), between, format!("</Say>{END}"))
        }
    };
    let frame: usize = [&open, &between, &close].iter().map(|part| part.chars().count()).sum();
    let mut said = String::new();
    escape_into(&mut said, text, TWIML_CHARS.saturating_sub(frame) / 2);
    format!("{open}{said}{between}{said}{close}")
}

/// Says `text`, and hangs up.
pub fn say(text: &str) -> String {
    let mut said = String::new();
    escape_into(&mut said, text, TWIML_CHARS / 2);
    format!("{BEGIN}<Say>{said}</Say><Hangup/>{END}")
}

/// Writes `text` so that it is text in XML, at most `most` characters of it; what XML 1.0 can't hold becomes a space.
fn escape_into(out: &mut String, text: &str, most: usize) {
    let mut left = most;
    for letter in text.trim().chars() {
        let mut short = [0; 4];
        let written: &str = match letter {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&apos;",
            '\t' | '\n' | '\r' => " ",
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => " ",
            other => other.encode_utf8(&mut short),
        };
        let Some(rest) = left.checked_sub(written.chars().count()) else { break };
        left = rest;
        // Writing into a text never fails.
        let _ = out.write_str(written);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GATHER: Gather<'_> =
        Gather { action: "https://x.example/twilio/t0ken/key?a=1&b=2", prompt: "Press 1 to acknowledge." };

    #[test]
    fn a_call_says_it_twice_and_takes_a_key() {
        let twiml = ask_for_key("Bob & \"Ann\" <wait>\n", Some(GATHER));
        let said = "<Say>Bob &amp; &quot;Ann&quot; &lt;wait&gt;</Say><Say>Press 1 to acknowledge.</Say>";
        assert_eq!(
            twiml,
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Gather numDigits=\"1\" timeout=\"10\" method=\"POST\" \
                 action=\"https://x.example/twilio/t0ken/key?a=1&amp;b=2\">{said}<Pause length=\"1\"/>{said}</Gather>\
                 <Say>No key was pressed. Good bye.</Say></Response>"
            )
        );
    }

    #[test]
    fn without_an_address_no_key_is_asked_for() {
        let twiml = ask_for_key("hello", None);
        assert!(!twiml.contains("Gather") && !twiml.contains("ress"), "{twiml}");
        assert_eq!(twiml.matches("<Say>hello</Say>").count(), 2);
    }

    #[test]
    fn a_long_text_ends_where_its_room_does() {
        let twiml = ask_for_key(&"&".repeat(5000), Some(GATHER));
        assert!((TWIML_CHARS - 10..=TWIML_CHARS).contains(&twiml.len()), "{}", twiml.len());
        assert!(twiml.ends_with("</Gather><Say>No key was pressed. Good bye.</Say></Response>"));
        assert!(!twiml.contains("&<") && !twiml.contains("&amp</"), "no escape is cut in two");
    }

    proptest! {
        /// Whatever is said, the tags are those of the frame.
        #[test]
        fn no_text_becomes_markup(text in "\\PC*|[<>&\"'\u{0}-\u{1f}a]{0,3000}") {
            let twiml = ask_for_key(&text, Some(GATHER));
            prop_assert!(twiml.chars().count() <= TWIML_CHARS);
            let frame = ask_for_key("", Some(GATHER));
            prop_assert_eq!(twiml.matches('<').count(), frame.matches('<').count());
            prop_assert_eq!(twiml.matches('>').count(), frame.matches('>').count());
            prop_assert!(!twiml.contains(|c: char| c.is_control()));
        }
    }
}
