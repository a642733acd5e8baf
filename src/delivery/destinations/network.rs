//! What calls go out by.

use std::sync::{Arc, Mutex, PoisonError};

use super::action::Tokens;
use super::twilio::Memory;
use crate::clock::Clock;
use crate::delivery::http_client::{Answer, HttpClient, HttpError, Request};
use crate::delivery::templates::Templates;
use crate::domain::link::Links;

/// What calls go out by.
pub(in crate::delivery) struct Network {
    pub http: HttpClient,
    /// Access tokens that were asked for.
    pub(super) tokens: Arc<Tokens>,
    /// What is remembered of Twilio.
    pub(super) twilio: Arc<Memory>,
    /// What the texts of calls and messages are made from.
    pub templates: Arc<Templates>,
    /// Makes the links by which receivers get back to us.
    pub(super) links: Option<Links>,
    pub clock: Clock,
    /// The calls that were made, where somebody looks on.
    log: Option<Log>,
}

/// Calls, in the order in which they were begun.
type Log = Arc<Mutex<Vec<Made>>>;

/// A call that was made.
#[derive(Clone)]
pub(in crate::delivery) struct Made {
    pub request: Request,
    /// Whether it left.
    pub left: bool,
}

impl Network {
    pub fn new(http: HttpClient, clock: Clock) -> Self {
        Self {
            http,
            tokens: Arc::default(),
            twilio: Arc::default(),
            templates: Arc::default(),
            links: None,
            clock,
            log: None,
        }
    }

    /// The same, with what makes texts and links.
    pub fn with(self, templates: Arc<Templates>, links: Option<Links>) -> Self {
        Self { templates, links, ..self }
    }

    /// The same network, which notes the calls that it makes.
    pub fn watched(&self) -> Self {
        Self {
            http: self.http.clone(),
            tokens: Arc::clone(&self.tokens),
            twilio: Arc::clone(&self.twilio),
            templates: Arc::clone(&self.templates),
            links: self.links.clone(),
            clock: self.clock.clone(),
            log: Some(Log::default()),
        }
    }

    /// What it noted so far.
    pub fn made(&self) -> Vec<Made> {
        self.log.as_ref().map(|log| lock(log).clone()).unwrap_or_default()
    }

    /// Sends a call to its receiver.
    ///
    /// # Errors
    /// As [`HttpClient::send`].
    pub(super) async fn call(&self, request: Request) -> Result<Answer, HttpError> {
        let Some(log) = &self.log else { return self.http.send(request).await };
        let place = {
            let mut log = lock(log);
            log.push(Made { request: request.clone(), left: false });
            log.len() - 1
        };
        let result = self.http.send(request).await;
        lock(log)[place].left = result.as_ref().map_or_else(HttpError::may_have_left, |_| true);
        result
    }
}

fn lock(log: &Log) -> std::sync::MutexGuard<'_, Vec<Made>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
