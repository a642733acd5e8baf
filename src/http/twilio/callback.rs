//! A callback that is Twilio's: its link is ours and not too old, its signature fits.

use actix_web::web::Payload;

use crate::domain::delivery::{Delivery, Payload as Content, TwilioRequest};
use crate::domain::ingest::studio::BodyKind;
use crate::domain::ingest::{Code, IngestError, form};
use crate::domain::link::Link;
use crate::domain::twilio::Thing;
use crate::http::api::ApiState;
use crate::http::ingest::{Cap, Incoming, Refusal, of_engine, read_body, signature};

/// What Twilio posted, and what about.
pub(super) struct Callback {
    pub link: Link,
    pub delivery: Delivery,
    fields: Vec<(String, String)>,
}

impl Callback {
    /// Reads a callback to the link `token`.
    ///
    /// # Errors
    /// What is not to be trusted of it, or can't be read.
    pub async fn read(
        incoming: &Incoming<'_>,
        state: &ApiState,
        token: &str,
        payload: Payload,
    ) -> Result<Self, Refusal> {
        let body = read_body(incoming.request, payload, Cap::EVENT).await;
        let body = body.map_err(|error| Refusal::unknown(error, b""))?;
        let refused = |error| Refusal::unknown(error, &body);
        let no_links = || IngestError::new(Code::NotFound, "this server takes no callbacks");
        let links = state.links.as_ref().ok_or_else(no_links).map_err(refused)?;
        let link = links.key.open(token, incoming.now);
        let link = link.map_err(|error| refused(IngestError::new(Code::BadLink, error.to_string())))?;
        let delivery = incoming.engine.delivery(link.delivery).await.map_err(|error| refused(of_engine(error)))?;
        let gone = || IngestError::new(Code::NotFound, "what this callback is about is no longer there");
        let delivery = delivery.ok_or_else(gone).map_err(refused)?;
        signature::check(incoming, &tokens(incoming, &delivery), BodyKind::Form, &body).map_err(refused)?;
        let fields = form::pairs(&body).map_err(refused)?;
        Ok(Self { link, delivery, fields })
    }

    /// The field with that name, unless it is empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// What was asked for, and what to.
    pub fn asked(&self) -> Option<(Thing, &str)> {
        let Content::Twilio { request, context: _ } = &self.delivery.payload else { return None };
        match request {
            TwilioRequest::Call { to, .. } => Some((Thing::Call, to)),
            TwilioRequest::Sms { to, .. } => Some((Thing::Message, to)),
            TwilioRequest::StudioExecution { .. } | TwilioRequest::Task { .. } => None,
        }
    }
}

/// The tokens that the account may have signed it with; none where they are not known, and where the destination is gone.
fn tokens(incoming: &Incoming<'_>, delivery: &Delivery) -> Vec<String> {
    let definitions = incoming.engine.definitions();
    let destination = definitions.destinations.get(&delivery.destination);
    destination.and_then(|it| it.kind.twilio()).map(|twilio| twilio.callback_tokens()).unwrap_or_default()
}
