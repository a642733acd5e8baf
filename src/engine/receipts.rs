//! What receivers tell of deliveries after they took them, and what that means for the journeys they were sent for.

use super::error::EngineError;
use super::group::Group;
use super::inputs::Owners;
use crate::domain::delivery::{Cause, Delivery, Receipt};
use crate::domain::ids::DeliveryId;
use crate::domain::journey::EscalationReceipt;

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

/// Lets the journeys that a delivery was sent for know what became of it, as far as they are loaded and still in their profiles.
pub(super) fn tell_journeys(group: &mut Group<'_>, owners: &Owners, delivery: &Delivery) {
    let stalls = match &delivery.cause {
        Cause::Stall(journey) => vec![(*journey, delivery.id)],
        Cause::Digest(stalls) => stalls.clone(),
        _ => return,
    };
    let receipt = EscalationReceipt::of(delivery);
    for (journey, mail) in stalls {
        let Some(user) = owners.get(&journey) else { continue };
        group.with_profile(user, |decision, profile| {
            (decision.receive(profile, journey, mail, receipt.as_ref()), ())
        });
    }
}
