//! What receivers tell of deliveries after they took them, and what that means for the journeys they were sent for.

use std::collections::HashMap;

use super::error::EngineError;
use super::group::Group;
use super::inputs::Owners;
use crate::domain::delivery::{Delivery, Receipt};
use crate::domain::ids::{DeliveryId, JourneyId, UserKey};
use crate::domain::journey::EscalationReceipt;
use crate::store::StoreError;

/// Notes what became of a delivery at its receiver; it and its journey are loaded.
pub(super) fn receive(
    group: &mut Group<'_>,
    owners: &Owners,
    id: DeliveryId,
    receipt: Receipt,
) -> Result<(), EngineError> {
    let not_found = || EngineError::NotFound { what: "delivery", key: id.to_string() };
    let mut write = group.delivery(id).ok_or_else(not_found)?;
    if write.delivery.receive(receipt, group.now) {
        tell_journeys(group, owners, &write.delivery);
        group.put_delivery(write);
    }
    Ok(())
}

/// Loads the users whose journeys these deliveries tell of, as far as they are known; answers whose they are.
pub(super) async fn load_told(
    group: &mut Group<'_>,
    deliveries: impl IntoIterator<Item = &Delivery>,
) -> Result<Owners, StoreError> {
    let journeys: Vec<JourneyId> =
        deliveries.into_iter().flat_map(Delivery::stalls).map(|(journey, _)| journey).collect();
    load_owners(group, &journeys).await
}

/// Loads the users whose journeys these are, as far as they are known; answers whose they are.
pub(super) async fn load_owners(group: &mut Group<'_>, journeys: &[JourneyId]) -> Result<Owners, StoreError> {
    let owners = group.users_of(journeys).await?;
    group.load(owners.values().cloned()).await?;
    if !owners.is_empty() {
        group.load_accounts().await?;
    }
    Ok(owners)
}

/// Lets the journeys that a delivery was sent for know what became of it, as far as they are loaded and still in their profiles.
pub(super) fn tell_journeys(group: &mut Group<'_>, owners: &Owners, delivery: &Delivery) {
    let receipt = EscalationReceipt::of(delivery);
    for (journey, mail) in delivery.stalls() {
        let Some(user) = owners.get(&journey) else { continue };
        group.with_profile(user, |decision, profile| {
            (decision.receive(profile, journey, mail, receipt.as_ref()), ())
        });
    }
}

impl Group<'_> {
    /// Whose these journeys are.
    pub async fn users_of(&self, ids: &[JourneyId]) -> Result<HashMap<JourneyId, UserKey>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.store().journeys_by_id(ids).await?;
        Ok(found.into_iter().flatten().map(|journey| (journey.id, journey.user)).collect())
    }
}
