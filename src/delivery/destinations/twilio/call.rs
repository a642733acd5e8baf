//! Calls: speak a text twice, and take a key as an acknowledgement.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::client::Fields;
use super::doubt::Doubt;
use super::{Ask, Letter, listing};
use crate::delivery::links;
use crate::delivery::templates::{Templates, TextKind, render_text};
use crate::delivery::ways_back;
use crate::domain::delivery::Receipt;
use crate::domain::twilio::{Gather, Thing, ask_for_key};

/// What is said of the keys.
pub const KEY_PROMPT: &str = "Press 1 to acknowledge.";

/// What Twilio is to tell us of.
const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];

/// What a call says.
///
/// # Errors
/// What is wrong with the template.
pub(in crate::delivery) fn spoken(
    templates: &Templates,
    text: Option<&str>,
    context: &Map<String, Value>,
) -> Result<String, String> {
    render_text(templates, TextKind::Call, text, context)
}

pub(super) struct Call<'a> {
    letter: Letter<'a>,
    to: &'a str,
    from: &'a str,
    form: Fields,
    note: Option<&'static str>,
}

impl<'a> Call<'a> {
    /// A call to `to` that says what the template `text` comes to.
    ///
    /// # Errors
    /// Why none can be made.
    pub fn new(letter: Letter<'a>, to: &'a str, text: Option<&str>) -> Result<Self, String> {
        let from = letter.account().from.as_deref();
        let from = from.ok_or("calls need a number that they are from: set `from` of this destination")?;
        let said = spoken(&letter.client.network.templates, text, letter.context)?;
        let (links, note) = match letter.way_back() {
            Ok(links) => (Some(links), None),
            Err(why) => (None, Some(why)),
        };
        let journey = ways_back::journey_of(letter.delivery).filter(|_| !links::is_to_person(letter.context));
        let action = links
            .zip(journey)
            .map(|(links, journey)| ways_back::key_callback(links, journey, letter.delivery));
        let gather = action.as_deref().map(|action| Gather { action, prompt: KEY_PROMPT });
        let mut form: Fields =
            vec![("To", to.to_owned()), ("From", from.to_owned()), ("Twiml", ask_for_key(&said, gather))];
        if let Some(links) = links {
            form.push(("StatusCallback", ways_back::status_callback(links, letter.delivery)));
            form.push(("StatusCallbackMethod", "POST".to_owned()));
            form.extend(EVENTS.map(|event| ("StatusCallbackEvent", event.to_owned())));
        }
        Ok(Self { letter, to, from, form, note })
    }
}

#[async_trait]
impl Ask for Call<'_> {
    fn thing(&self) -> Thing {
        Thing::Call
    }

    fn name(&self) -> &'static str {
        "the call"
    }

    fn url(&self) -> String {
        self.letter.client.account_url("/Calls.json")
    }

    fn form(&self) -> &Fields {
        &self.form
    }

    fn note(&self) -> Option<&str> {
        self.note
    }

    async fn find(&self, doubt: &Doubt) -> Result<Option<Receipt>, Box<Refusal>> {
        let query = vec![
            ("To", self.to.to_owned()),
            ("From", self.from.to_owned()),
            ("StartTime>", listing::day(doubt)),
            ("PageSize", listing::PAGE.to_owned()),
        ];
        let found = self.letter.client.get(&self.url(), &query).await?;
        listing::find(&self.letter, &found, "calls", Thing::Call, doubt, |_| true)
    }
}
