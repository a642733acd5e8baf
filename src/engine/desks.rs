//! Desks in a group: the flows that gather mails for digests are loaded beside the users whose journeys stall, and written with
//! them.

use std::collections::BTreeSet;

use super::group::Group;
use crate::domain::desk::DeskState;
use crate::domain::ids::{Desk, UserKey};
use crate::domain::profile::Profile;
use crate::store::StoreError;

impl Group<'_> {
    /// Loads the desks of the flows that gather mails and have open journeys among the users who are loaded, and ends what is over
    /// at those desks.
    pub async fn load_desks(&mut self) -> Result<(), StoreError> {
        let flows = &self.decision.rules().definitions.flows;
        let gathers = |name: &str| flows.get(name).is_some_and(|flow| flow.digest.is_some());
        let journeys = self.profiles().flat_map(|profile| &profile.journeys);
        let open = journeys.filter(|journey| journey.status.is_open() && gathers(&journey.flow));
        let wanted: BTreeSet<UserKey> =
            open.map(|journey| UserKey::desk(&Desk::Flow(&journey.flow))).collect();
        self.load(wanted).await?;
        for desk in self.desks() {
            self.end_gathering(&desk).await?;
        }
        let kept = self.profiles().filter_map(|profile| {
            let Some(Desk::Flow(flow)) = profile.key.desk_of() else { return None };
            Some((flow.to_owned(), profile.desk.as_ref()?.gathering.clone()?))
        });
        self.decision.gatherings = kept.collect();
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
        let mails = gathering.deliveries.iter().filter_map(|id| self.delivery(*id)).collect();
        let ended = self.with_profile(desk, |decision, profile| {
            let ended = decision.end_gathering(profile, mails);
            decision.set_desk_timer(profile);
            (true, ended)
        });
        ended.into_iter().flatten().for_each(|mail| self.put_delivery(mail));
        Ok(())
    }

    /// Puts what was gathered in this group onto its desks.
    pub fn keep_gatherings(&mut self) {
        for (flow, gathering) in std::mem::take(&mut self.decision.gatherings) {
            let desk = UserKey::desk(&Desk::Flow(&flow));
            let kept = self.with_slot(&desk, |decision, profile: &mut Profile| {
                let state = profile.desk.get_or_insert_with(Box::<DeskState>::default);
                if state.gathering.as_ref() == Some(&gathering) {
                    return false;
                }
                state.gathering = Some(gathering);
                profile.updated_at = decision.now();
                decision.set_desk_timer(profile);
                true
            });
            if kept.is_none() {
                tracing::error!(flow, "the desk of a flow is not loaded; its mails leave without a digest");
            }
        }
    }
}
