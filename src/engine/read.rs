//! Read models: what the API and the console show. Reading never waits for the writer.

use std::collections::{BTreeMap, HashMap};

use super::error::EngineError;
use super::group::damaged;
use super::handle::Engine;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus, EMAIL};
use crate::domain::event::Event;
use crate::domain::external_ids;
use crate::domain::figures::{self, Family, FigurePoint, Grain};
use crate::domain::ids::{DeliveryId, EventId, JourneyId, UserKey};
use crate::domain::journey::{Journey, JourneyFilter};
use crate::domain::limits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::Profile;
use crate::domain::sizes::{Per, SizePoint};
use crate::domain::time::{Span, Timestamp};
use crate::store::{Counts, EventFilter, Member, StoreStats, cursor};

/// Journeys that a search reads at once.
const LOOKED_AT_ONCE: usize = 250;

/// The result of a read.
pub type Read<T> = Result<T, EngineError>;

impl Engine {
    /// One user's profile; of one that became part of another, that one.
    pub async fn profile(&self, user: &UserKey) -> Read<Option<Profile>> {
        let mut profile = self.shared.store.profile(user).await?;
        while let Some(into) = profile.as_ref().and_then(|profile| profile.merged_into.clone()) {
            profile = self.shared.store.profile(&into).await?;
        }
        match profile {
            Some(profile) if !profile.is_whole() => Err(damaged(&profile.key).into()),
            profile => Ok(profile),
        }
    }
    /// The profiles that are found by an external id (`email`, `phone`), written in any case: of users, visitors and accounts,
    /// in the order of their keys; the first `limits::MAX_FOUND`.
    pub async fn profiles_by_external_id(&self, kind: &str, id: &str) -> Read<Vec<Profile>> {
        let id = external_ids::normal(id);
        let keys = self.shared.store.users_by_external_id(kind, &id, limits::MAX_FOUND).await?;
        let mut profiles = Vec::new();
        for key in keys {
            profiles.extend(self.shared.store.profile(&key).await?);
        }
        Ok(profiles)
    }
    /// What became of the size of the audience with this id.
    pub async fn audience_sizes(
        &self,
        audience_id: &str,
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Read<Vec<SizePoint>> {
        Ok(self.shared.store.audience_sizes(audience_id, per, from, to).await?)
    }
    /// The same of several audiences at once, in the same order.
    pub async fn sizes_of(
        &self,
        audience_ids: &[&str],
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Read<Vec<Vec<SizePoint>>> {
        Ok(self.shared.store.sizes_of(audience_ids, per, from, to).await?)
    }
    /// What was counted of a subject: the points that begin at or after `from` and before `to`.
    pub async fn figures(
        &self,
        family: Family,
        subject: &str,
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Read<Vec<FigurePoint>> {
        Ok(self.shared.store.figures(family, figures::known_as(subject), grain, from, to).await?)
    }
    /// The same of several families and subjects at once, in the same order.
    pub async fn figures_of(
        &self,
        wanted: &[(Family, &str)],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Read<Vec<Vec<FigurePoint>>> {
        let wanted: Vec<_> =
            wanted.iter().map(|(family, subject)| (*family, figures::known_as(subject))).collect();
        Ok(self.shared.store.figures_of(&wanted, grain, from, to).await?)
    }
    /// How many are members of both audiences.
    pub async fn overlap(&self, one: &str, other: &str) -> Read<u64> {
        Ok(self.shared.store.overlap(one, other).await?)
    }
    /// A profile's newest events, newest first.
    pub async fn recent_events(&self, profile: &Profile) -> Read<Vec<Event>> {
        let ids: Vec<_> = profile.recent.iter().rev().copied().collect();
        Ok(self.shared.store.events(&ids).await?)
    }
    /// One event of the log, while it is kept.
    pub async fn event(&self, id: EventId) -> Read<Option<Event>> {
        Ok(self.shared.store.events(&[id]).await?.pop())
    }
    /// One journey.
    pub async fn journey(&self, id: JourneyId) -> Read<Option<Journey>> {
        Ok(self.shared.store.journey(id).await?)
    }
    /// Journeys in the order of the filter.
    pub async fn journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Read<Page<Journey>> {
        Ok(self.shared.store.journeys(filter, page).await?)
    }
    /// Those of the filter that are `wanted`, which no index tells. At most about `most` are looked at for a page: it may be short, or
    /// empty, while its cursor says that there is more.
    pub async fn journeys_that(
        &self,
        filter: &JourneyFilter,
        page: &PageRequest,
        most: usize,
        wanted: impl Fn(&Journey) -> bool,
    ) -> Read<Page<Journey>> {
        let (mut rows, mut looked_at) = (Vec::new(), 0);
        let mut request = page.clone();
        loop {
            let part = self.journeys(filter, &request).await?;
            looked_at += request.limit;
            let mut journeys = part.rows.into_iter();
            while let Some(journey) = journeys.by_ref().find(|journey| wanted(journey)) {
                let place = cursor::write(&journey.id);
                rows.push(journey);
                if rows.len() == page.limit {
                    let more = part.cursor.is_some() || journeys.next().is_some();
                    return Ok(Page { rows, cursor: more.then_some(place) });
                }
            }
            if part.cursor.is_none() || looked_at >= most {
                return Ok(Page { rows, cursor: part.cursor });
            }
            // Most pages are full after the first part.
            request = PageRequest { limit: LOOKED_AT_ONCE, cursor: part.cursor };
        }
    }
    /// Stored events, newest first.
    pub async fn newest_events(&self, filter: &EventFilter, page: &PageRequest) -> Read<Page<Event>> {
        Ok(self.shared.store.newest_events(filter, page).await?)
    }
    /// Members of the audience with this id.
    pub async fn members(&self, audience_id: &str, page: &PageRequest) -> Read<Page<Member>> {
        Ok(self.shared.store.members(audience_id, page).await?)
    }
    /// One delivery.
    pub async fn delivery(&self, id: DeliveryId) -> Read<Option<Delivery>> {
        Ok(self.shared.store.delivery(id).await?)
    }
    /// These deliveries, as far as they are kept; whole ones are read, so ask for few.
    pub async fn deliveries_by_id(&self, ids: &[DeliveryId]) -> Read<HashMap<DeliveryId, Delivery>> {
        let found = self.shared.store.deliveries_by_id(ids).await?;
        Ok(found.into_iter().flatten().map(|delivery| (delivery.id, delivery)).collect())
    }
    /// Where these deliveries stand, as far as they are kept.
    pub async fn delivery_statuses(&self, ids: &[DeliveryId]) -> Read<HashMap<DeliveryId, DeliveryStatus>> {
        let mut statuses = HashMap::new();
        // A piece at a time: whole deliveries are read, and mails may be large.
        for ids in ids.chunks(limits::REPLAY_STEP) {
            let found = self.shared.store.deliveries_by_id(ids).await?;
            statuses.extend(found.into_iter().flatten().map(|delivery| (delivery.id, delivery.status)));
        }
        Ok(statuses)
    }
    /// For how long what is due at each destination for longest has waited, by key; nothing for those where nothing is due.
    pub async fn delivery_lags(&self) -> Read<BTreeMap<String, Span>> {
        let definitions = self.definitions();
        let keys: Vec<&str> = definitions.destinations.keys().map(String::as_str).chain([EMAIL]).collect();
        self.delivery_lags_of(&keys).await
    }
    /// The same for these destinations.
    pub async fn delivery_lags_of(&self, destinations: &[&str]) -> Read<BTreeMap<String, Span>> {
        let now = self.shared.clock.now();
        let first = self.shared.store.first_due(destinations).await?;
        let due = destinations.iter().zip(first).filter_map(|(key, first)| Some((key, first?)));
        let lag =
            |(key, at): (&&str, Timestamp)| ((*key).to_owned(), Span::from_millis(now.millis_since(at)));
        Ok(due.filter(|(_, at)| *at <= now).map(lag).collect())
    }
    /// Deliveries, newest first.
    pub async fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Read<Page<Delivery>> {
        Ok(self.shared.store.deliveries(filter, page).await?)
    }
    /// Names of flows that were posted and that no definition knows.
    pub async fn unknown_flows(&self) -> Read<Vec<String>> {
        let definitions = self.definitions();
        let mut names = self.shared.store.unknown_flows().await?;
        names.retain(|name| !definitions.flows.contains_key(name));
        Ok(names)
    }
    /// Running totals.
    pub async fn counts(&self) -> Read<Counts> {
        Ok(self.shared.store.counts().await?)
    }
    /// Figures on the store.
    pub async fn store_stats(&self) -> Read<StoreStats> {
        Ok(self.shared.store.stats().await?)
    }
    /// The hash that admin tokens are checked against.
    pub async fn admin_token_hash(&self) -> Read<Option<String>> {
        Ok(self.shared.store.admin_token_hash().await?)
    }
}
