//! What an event caused, as far as that can be told from what is kept: found by ids and times, without a search.

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::error::EngineError;
use super::handle::Engine;
use super::read::Read;
use crate::domain::delivery::{Cause, Delivery, DeliveryFilter};
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::journey::{Journey, JourneyFilter};
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::profile::Profile;
use crate::domain::time::Span;

/// How long after an event was written its deliveries are made: in the same change set, whose ids may run a little ahead.
const SOON: Span = Span::from_secs(1);
/// How many of a user's journeys are looked at, those first that were begun last before the event.
const JOURNEYS: usize = 50;

/// What an event caused.
#[derive(Clone, Debug)]
pub struct Consequences {
    /// Whose event it was, as he is now.
    pub profile: Option<Profile>,
    /// The journey that it is a step of.
    pub journey: Option<Journey>,
    /// What was made to be sent because of it, oldest first.
    pub deliveries: Vec<Delivery>,
    /// Whether these are all: only the next `limits::CAUSED_LOOKED_AT` that were made are looked at.
    pub are_all: bool,
}

impl Engine {
    /// What that event, which is in the log, caused.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn consequences(&self, event: &Event) -> Read<Consequences> {
        let profile = self.profile(&event.user_key()).await?;
        let journey = match &profile {
            Some(profile) => self.journey_of(event, profile).await?,
            None => None,
        };
        let (deliveries, are_all) = self.caused_by(event.id).await?;
        Ok(Consequences { profile, journey, deliveries, are_all })
    }

    async fn journey_of(&self, event: &Event, profile: &Profile) -> Read<Option<Journey>> {
        if event.studio_run().is_none() && event.studio_step().is_none() {
            return Ok(None);
        }
        let has_it =
            |journey: &&Journey| journey.steps.iter().any(|step| step.message_id == event.message_id);
        if let Some(journey) = profile.journeys.iter().find(has_it) {
            return Ok(Some(journey.clone()));
        }
        let until = event.id.made_at().plus(SOON);
        let filter =
            JourneyFilter { user: Some(profile.key.clone()), to: Some(until), ..JourneyFilter::default() };
        let found = self.journeys(&filter, &PageRequest { limit: JOURNEYS, cursor: None }).await?;
        Ok(found.rows.iter().find(has_it).cloned())
    }

    /// The deliveries with that cause. They were made in the same change set, after the event, by the same maker of ids: theirs follow
    /// its own.
    async fn caused_by(&self, event: EventId) -> Read<(Vec<Delivery>, bool)> {
        let (engine, runtime) = (self.clone(), Handle::current());
        let after = DeliveryId::from_bytes(event.to_bytes());
        let until = DeliveryId::floor(event.made_at().plus(SOON));
        let read = spawn_blocking(move || {
            let (filter, most) = (DeliveryFilter::default(), limits::CAUSED_LOOKED_AT);
            runtime.block_on(engine.shared.store.deliveries_after(&filter, Some(after), until, most))
        });
        let part = read.await.map_err(|error| EngineError::Unavailable(error.to_string()))??;
        let mut deliveries = part.deliveries;
        deliveries.retain(|delivery| delivery.cause == Cause::Event(event));
        Ok((deliveries, part.looked_at < limits::CAUSED_LOOKED_AT))
    }
}
