//! Desks in a group: the flows that gather mails for digests are loaded beside the users whose journeys stall, and written with
//! them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::group::Group;
use crate::domain::definition::Definitions;
use crate::domain::delivery::Delivery;
use crate::domain::desk::DeskState;
use crate::domain::ids::{Desk, JourneyId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::profile::Profile;
use crate::store::StoreError;

impl Group<'_> {
    /// Loads the desks of the flows that gather mails and have open journeys among the users who are loaded, and ends what is over
    /// at those desks. Without the desks that are `left_alone`, whose flows hold no mails back.
    pub async fn load_desks(&mut self, left_alone: &HashSet<UserKey>) -> Result<(), StoreError> {
        let definitions = &self.decision.rules().definitions;
        let mut wanted: BTreeSet<UserKey> =
            self.profiles().flat_map(|profile| desks_of(profile, definitions)).collect();
        wanted.retain(|desk| !left_alone.contains(desk));
        self.load(wanted).await?;
        for desk in self.desks() {
            self.end_gathering(&desk).await?;
        }
        let desks = self.profiles().filter_map(|profile| {
            let Some(Desk::Flow(flow)) = profile.key.desk_of() else { return None };
            Some((flow.to_owned(), profile.desk.as_ref().and_then(|desk| desk.gathering.clone())))
        });
        self.decision.gatherings = desks.collect();
        Ok(())
    }

    /// The desks of flows that are loaded.
    fn desks(&self) -> BTreeSet<UserKey> {
        let keys = self.profiles().map(|profile| &profile.key);
        keys.filter(|key| matches!(key.desk_of(), Some(Desk::Flow(_)))).cloned().collect()
    }

    async fn end_gathering(&mut self, desk: &UserKey) -> Result<(), StoreError> {
        let state = self.profile(desk).and_then(|profile| profile.desk.as_ref());
        let gathering = state.and_then(|state| state.gathering.clone());
        let Some(gathering) = gathering.filter(|it| it.is_over(self.now)) else { return Ok(()) };
        self.load_deliveries(gathering.deliveries.clone()).await?;
        let mails: Vec<_> = gathering.deliveries.iter().filter_map(|id| self.delivery(*id)).collect();
        let journeys = self.stalled_journeys(mails.iter().map(|mail| &mail.delivery)).await?;
        let ended = self.with_profile(desk, |decision, profile| {
            let ended = decision.end_gathering(profile, mails, &journeys);
            decision.set_desk_timer(profile);
            (true, ended)
        });
        ended.into_iter().flatten().for_each(|mail| self.put_delivery(mail));
        Ok(())
    }

    /// The journeys that mails are about, as they are before this group.
    async fn stalled_journeys(
        &self,
        mails: impl Iterator<Item = &Delivery>,
    ) -> Result<BTreeMap<JourneyId, Journey>, StoreError> {
        let wanted: BTreeSet<JourneyId> =
            mails.flat_map(Delivery::stalls).map(|(journey, _)| journey).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wanted: Vec<JourneyId> = wanted.into_iter().collect();
        let found = self.store().journeys_by_id(&wanted).await?;
        Ok(found.into_iter().flatten().map(|journey| (journey.id, journey)).collect())
    }

    /// Puts what was gathered in this group onto its desks.
    pub fn keep_gatherings(&mut self) {
        for (flow, gathering) in std::mem::take(&mut self.decision.gatherings) {
            let desk = UserKey::desk(&Desk::Flow(&flow));
            self.with_slot(&desk, |decision, profile: &mut Profile| {
                let known = profile.desk.as_ref().and_then(|state| state.gathering.as_ref());
                if known == gathering.as_ref() {
                    return false;
                }
                profile.desk.get_or_insert_with(Box::<DeskState>::default).gathering = gathering;
                profile.updated_at = decision.now();
                decision.set_desk_timer(profile);
                true
            });
        }
    }
}

/// The desks that mails about a user's open journeys are gathered at.
pub(super) fn desks_of(profile: &Profile, definitions: &Definitions) -> BTreeSet<UserKey> {
    let gathers = |name: &str| definitions.flows.get(name).is_some_and(|flow| flow.digest.is_some());
    let open = profile.journeys.iter().filter(|journey| journey.status.is_open() && gathers(&journey.flow));
    open.map(|journey| UserKey::desk(&Desk::Flow(&journey.flow))).collect()
}
