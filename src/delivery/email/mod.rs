//! Escalation mails: made from a template when they are sent, handed to a mail server or written as files.

mod chart;
mod eml;
mod message;
mod settings;
mod smtp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lettre::Address;
use lettre::message::Mailbox;
use serde_json::{Map, Value};
use tracing::{info, warn};

use self::message::{Letter, Picture};
pub use self::settings::{Security, SmtpSettings};
use self::smtp::{Refusal, Smtp, Taken, describe};
use super::links::with_links;
use super::sender::Verdict;
use super::templates::{Mail, Templates};
use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::health::Signal;
use crate::domain::ids::DeliveryId;
use crate::domain::link::Links;

/// Mails that went to some of their recipients and are remembered as such; beyond it the oldest is forgotten, and would go to
/// all again.
const PARTLY_SENT_KEPT: usize = 1000;

/// How mails leave.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The mail server; without one, mails become files.
    pub smtp: Option<SmtpSettings>,
    /// The sender: `ops@example.com` or `Stagepost <ops@example.com>`.
    pub from: String,
    /// Where the files go: `<data-dir>/mail`.
    pub folder: PathBuf,
    /// Makes the links by which a reader acts; without it, mails show calls of the API in their place.
    pub links: Option<Links>,
}

/// Sends mails.
pub struct Mailer {
    way: Way,
    from: Mailbox,
    templates: Arc<Templates>,
    links: Option<Links>,
    /// Who has a mail already of which another recipient was refused for now.
    partly_sent: Mutex<PartlySent>,
}

/// Who has which mail already. What is given up on for its age is not heard of here, so the oldest make room; ids sort by age.
#[derive(Default)]
struct PartlySent(BTreeMap<DeliveryId, BTreeSet<Address>>);

impl PartlySent {
    fn remember(&mut self, id: DeliveryId, done: BTreeSet<Address>) {
        self.0.remove(&id);
        while self.0.len() >= PARTLY_SENT_KEPT {
            self.0.pop_first();
        }
        self.0.insert(id, done);
    }
}

enum Way {
    Server(Box<Smtp>),
    Files(PathBuf),
}

impl Mailer {
    /// A mailer; connects to nothing yet.
    ///
    /// # Errors
    /// A message, when the sender's address or a certificate file can't be used.
    pub fn new(settings: MailSettings, templates: Arc<Templates>) -> Result<Self, String> {
        let from = settings.from.parse().map_err(|error| {
            format!("the sender of mails, `{}`, is not an address: {error}", settings.from)
        })?;
        let way = match settings.smtp {
            Some(smtp) => Way::Server(Box::new(Smtp::new(smtp)?)),
            None => Way::Files(settings.folder),
        };
        Ok(Self { way, from, templates, links: settings.links, partly_sent: Mutex::default() })
    }

    /// What mails are made from.
    pub(super) fn templates(&self) -> Arc<Templates> {
        Arc::clone(&self.templates)
    }

    /// What makes the links of mails.
    pub(super) fn links(&self) -> Option<Links> {
        self.links.clone()
    }

    /// Makes the mail of `delivery` and sends it to `to`.
    pub async fn send(
        &self,
        delivery: &Delivery,
        template: &str,
        to: &[String],
        context: &Map<String, Value>,
    ) -> Verdict {
        let verdict = self.attempt(delivery, template, to, context).await;
        if !matches!(verdict.outcome, Outcome::Retry { .. }) {
            self.partly_sent().0.remove(&delivery.id);
        }
        verdict
    }

    async fn attempt(
        &self,
        delivery: &Delivery,
        template: &str,
        to: &[String],
        context: &Map<String, Value>,
    ) -> Verdict {
        let (to, mut notes) = recipients(to);
        if to.is_empty() {
            notes.push("nobody is left to send it to".to_owned());
            return Verdict::failed(notes.join("; "));
        }
        let letter = match self.render(delivery, template, context).await {
            Ok((letter, note)) => {
                notes.extend(note);
                letter
            }
            Err(error) => return Verdict::failed(error),
        };
        let bytes = match message::build(delivery, &self.from, &to, letter) {
            Ok(message) => message.formatted(),
            Err(error) => return Verdict::failed(format!("the mail could not be put together: {error}")),
        };
        let mut verdict = match &self.way {
            Way::Server(smtp) => self.hand_in(smtp, delivery.id, &to, &bytes).await,
            Way::Files(folder) => write_file(folder.clone(), delivery.id, bytes).await,
        };
        notes.extend(verdict.error.take());
        verdict.error = (!notes.is_empty()).then(|| notes.join("; "));
        verdict
    }

    /// The mail from its template, with what is only put in when it is sent: links and pictures. A template that was broken after it
    /// was checked must not keep the alarm from going out: the built-in one takes its place, and the attempt says so.
    async fn render(
        &self,
        delivery: &Delivery,
        template: &str,
        context: &Map<String, Value>,
    ) -> Result<(Letter, Option<String>), String> {
        let mut context = match &self.links {
            Some(links) => with_links(links, delivery, context),
            None => context.clone(),
        };
        let content_id = format!("chart.{}@{}", delivery.id, self.from.email.domain());
        let (templates, name) = (self.templates.clone(), template.to_owned());
        let rendered = tokio::task::spawn_blocking(move || {
            let chart = chart::of(&context, &content_id);
            if let Some(chart) = &chart {
                context.insert("chart".to_owned(), chart.context.clone());
            }
            let (mail, note) = rendered(&templates, &name, &context)?;
            let shown = chart.filter(|_| mail.html.contains(&content_id));
            let picture = shown.map(|chart| Picture { content_id, png: chart.png });
            Ok((Letter { mail, context, picture }, note))
        });
        match rendered.await {
            Ok(result) => result.map_err(|error: String| format!("no mail could be made: {error}")),
            Err(_) => Err("no mail could be made: the template engine panicked".to_owned()),
        }
    }

    async fn hand_in(&self, smtp: &Smtp, id: DeliveryId, to: &[Mailbox], mail: &[u8]) -> Verdict {
        let done = self.partly_sent().0.get(&id).cloned().unwrap_or_default();
        let rest: Vec<Address> = to
            .iter()
            .map(|mailbox| mailbox.email.clone())
            .filter(|address| !done.contains(address))
            .collect();
        match smtp.send(&self.from.email, &rest, mail).await {
            Ok(taken) => self.taken(id, done, taken),
            Err(refusal) => verdict(refusal),
        }
    }

    /// Taken for all, or only for some: those that were refused for now are tried again, alone.
    fn taken(&self, id: DeliveryId, mut done: BTreeSet<Address>, taken: Taken) -> Verdict {
        let error = (!taken.refused.is_empty()).then(|| describe(&taken.refused));
        let outcome = if taken.refused.iter().any(|(_, refusal)| !refusal.permanent) {
            done.extend(taken.accepted);
            self.partly_sent().remember(id, done);
            Outcome::Retry { after: None }
        } else {
            Outcome::Delivered
        };
        let snippet = Some(format!("{} {}", taken.code, taken.answer).trim_end().to_owned());
        Verdict { outcome, signal: Signal::Good, status: Some(taken.code), snippet, error, receipt: None }
    }

    fn partly_sent(&self) -> std::sync::MutexGuard<'_, PartlySent> {
        self.partly_sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mail, and a note where its template failed.
fn rendered(
    templates: &Templates,
    name: &str,
    context: &Map<String, Value>,
) -> Result<(Mail, Option<String>), String> {
    templates.render(name, context).map(|mail| (mail, None)).or_else(|problem| {
        warn!(template = name, "a mail template failed, the built-in one is used: {problem}");
        let note = format!("the template `{name}` failed, the built-in mail was used: {problem}");
        Templates::render_built_in(name, context).map(|mail| (mail, Some(note)))
    })
}

fn verdict(refusal: Refusal) -> Verdict {
    let outcome = if refusal.permanent { Outcome::Failed } else { Outcome::Retry { after: None } };
    let signal = Signal::Bad;
    Verdict { outcome, signal, status: refusal.code, snippet: None, error: Some(refusal.error), receipt: None }
}

/// The recipients that are addresses, and a note for each that is none.
fn recipients(to: &[String]) -> (Vec<Mailbox>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for text in to {
        match text.parse::<Mailbox>() {
            Ok(mailbox) => good.push(mailbox),
            Err(error) => bad.push(format!("`{text}` is not an address: {error}")),
        }
    }
    (good, bad)
}

async fn write_file(folder: PathBuf, id: DeliveryId, mail: Vec<u8>) -> Verdict {
    match tokio::task::spawn_blocking(move || eml::write(&folder, id, &mail)).await {
        Ok(Ok(path)) => {
            info!(delivery = %id, "no mail server is set; the mail was written to {}", path.display());
            let snippet = Some(format!("written to {}", path.display()));
            Verdict { snippet, ..Verdict::delivered() }
        }
        Ok(Err(error)) => Verdict::retry(None, format!("the mail could not be written as a file: {error}")),
        Err(_) => Verdict::retry(None, "the mail could not be written as a file"),
    }
}
