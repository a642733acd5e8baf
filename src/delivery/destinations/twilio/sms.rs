//! Messages.

use async_trait::async_trait;

use super::answer::Refusal;
use super::client::Fields;
use super::doubt::Doubt;
use super::{Ask, Letter, listing};
use crate::delivery::links;
use crate::delivery::templates::{TextKind, render_text};
use crate::delivery::ways_back;
use crate::domain::delivery::Receipt;
use crate::domain::twilio::{SMS_UNITS, Thing};

/// What Twilio puts before each message of a trial account.
const TRIAL: &str = "Sent from your Twilio trial account - ";

pub(super) struct Sms<'a> {
    letter: Letter<'a>,
    to: &'a str,
    /// The field that says who it is from, and what it says.
    sender: (&'static str, &'a str),
    body: String,
    form: Fields,
    note: Option<&'static str>,
}

impl<'a> Sms<'a> {
    /// A message to `to` that says what the template `text` comes to.
    ///
    /// # Errors
    /// Why none can be made.
    pub fn new(letter: Letter<'a>, to: &'a str, text: Option<&str>) -> Result<Self, String> {
        let account = letter.account();
        let sender = match (&account.messaging_service_sid, &account.from) {
            (Some(service), _) => ("MessagingServiceSid", service.as_str()),
            (None, Some(from)) => ("From", from.as_str()),
            (None, None) => {
                return Err(
                    "messages need a sender: set `from` or `messaging_service_sid` of this destination"
                        .to_owned(),
                );
            }
        };
        let network = letter.client.network;
        let context = match &network.links {
            Some(links) => &links::with_links(links, letter.delivery, letter.context),
            None => letter.context,
        };
        let body = render_text(&network.templates, TextKind::Sms, text, context)?;
        let body = cut(body.trim());
        if body.is_empty() {
            return Err("the text of the message came out empty".to_owned());
        }
        let mut form: Fields =
            vec![("To", to.to_owned()), (sender.0, sender.1.to_owned()), ("Body", body.clone())];
        let note = match letter.way_back() {
            Ok(links) => {
                form.push(("StatusCallback", ways_back::status_callback(links, letter.delivery)));
                None
            }
            Err(why) => Some(why),
        };
        Ok(Self { letter, to, sender, body, form, note })
    }
}

/// At most as long as a message may be; one that is cut says so. A link at the end stays whole: without it nobody can act.
fn cut(text: &str) -> String {
    if text.encode_utf16().count() <= SMS_UNITS {
        return text.to_owned();
    }
    let link = text.rsplit_once(char::is_whitespace).filter(|(_, last)| is_link(last));
    let (said, end) = link.map_or_else(|| (text, "…".to_owned()), |(said, link)| (said, format!("… {link}")));
    let mut left = SMS_UNITS.saturating_sub(end.encode_utf16().count());
    let fits = |letter: &char| {
        let rest = left.checked_sub(letter.len_utf16());
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let mut cut: String = said.chars().take_while(fits).collect();
    cut.push_str(&end);
    cut
}

/// Whether a word is a link that leaves room for words.
fn is_link(word: &str) -> bool {
    let is_short = word.encode_utf16().count() < SMS_UNITS / 2;
    is_short && (word.starts_with("https://") || word.starts_with("http://"))
}

/// Whether a message that Twilio took says the same as ours, but for what trial accounts are given to say first, and for the
/// signatures of links: those of a replay are others.
fn says_the_same(taken: &str, ours: &str) -> bool {
    let taken = taken.strip_prefix(TRIAL).unwrap_or(taken);
    let words = |text: &str| -> Vec<String> {
        let word = |word: &str| word.split_once("/act/").map_or(word, |(before, _)| before).to_owned();
        text.split_whitespace().map(word).collect()
    };
    words(taken) == words(ours)
}

#[async_trait]
impl Ask for Sms<'_> {
    fn thing(&self) -> Thing {
        Thing::Message
    }

    fn name(&self) -> &'static str {
        "the message"
    }

    fn url(&self) -> String {
        self.letter.client.account_url("/Messages.json")
    }

    fn form(&self) -> &Fields {
        &self.form
    }

    fn note(&self) -> Option<&str> {
        self.note
    }

    fn wanted_by(&self) -> Option<[String; 3]> {
        Some([self.letter.account().account_sid.clone(), self.sender.1.to_owned(), self.to.to_owned()])
    }

    async fn find(&self, doubt: &Doubt) -> Result<Option<Receipt>, Box<Refusal>> {
        let mut query = vec![("To", self.to.to_owned())];
        // Which of its numbers a service takes is not known beforehand.
        if self.sender.0 == "From" {
            query.push(("From", self.sender.1.to_owned()));
        }
        query.push(("DateSent>", listing::day(doubt)));
        query.push(("PageSize", listing::PAGE.to_owned()));
        let found = self.letter.client.get(&self.url(), &query).await?;
        let is_it = |row: &serde_json::Value| {
            row.get("body")
                .and_then(serde_json::Value::as_str)
                .is_some_and(|body| says_the_same(body, &self.body))
        };
        listing::find(&self.letter, &found, "messages", Thing::Message, doubt, is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_links_make_no_other_message() {
        assert!(says_the_same("u1 waits: https://x/act/AAA", "u1 waits:\nhttps://x/act/BBB "));
        assert!(says_the_same(
            "Sent from your Twilio trial account - u1 waits: https://x/act/AAA",
            "u1 waits: https://x/act/BBB"
        ));
        assert!(!says_the_same("u1 waits: https://x/act/AAA", "u2 waits: https://x/act/AAA"));
    }

    #[test]
    fn a_link_at_the_end_of_a_long_text_stays_whole() {
        let link = format!("https://x.example/act/{}", "A".repeat(100));
        let text = cut(&format!("{} {link}", "word ".repeat(400)));
        assert!(text.ends_with(&format!("… {link}")) && text.starts_with("word word"), "{text}");
        assert_eq!(text.encode_utf16().count(), SMS_UNITS);
    }

    #[test]
    fn a_long_text_is_cut_where_a_message_ends() {
        assert_eq!(cut("short"), "short");
        let cut_text = cut(&"a".repeat(1601));
        assert_eq!((cut_text.chars().count(), cut_text.ends_with("a…")), (1600, true));
        let emoji = cut(&"\u{1f600}".repeat(900));
        assert!(emoji.encode_utf16().count() <= SMS_UNITS && emoji.ends_with('…'));
    }
}
