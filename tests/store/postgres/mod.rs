//! What only PostgreSQL has to show: nodes that start, write and fail at the same time.

mod cost;
mod failing;
mod plans;
mod proxy;
mod racing;
mod reading;
mod starting;

use stagepost::domain::change::{ChangeSet, ProfileWrite};
use stagepost::domain::ids::UserKey;
use stagepost::store::Store;
use stagepost::store::postgres::PostgresStore;
use tokio::runtime::Handle;

use crate::backends::sealer;
use crate::build::*;

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url, sealer(), Handle::current()).await.unwrap()
}

/// So many events of as many new users, whose ids begin with that number.
fn posts(n: u64, count: u64) -> ChangeSet {
    let name = |index: u64| user(&format!("{n}-{index}"));
    let users: Vec<UserKey> = (0..count).map(name).collect();
    let events =
        (0..count).zip(&users).map(|(index, user)| track(event_id(1000, n * 10_000 + index), user, 100));
    let profiles = users.iter().map(|user| new_profile(profile(user)));
    let deliveries = (0..count).zip(&users);
    let deliveries = deliveries
        .map(|(index, user)| new_delivery(delivery(delivery_id(1000, n * 10_000 + index), "crm", user, 5)));
    ChangeSet {
        events: events.collect(),
        profiles: profiles.collect(),
        deliveries: deliveries.collect(),
        ..changes()
    }
}

/// The profile as it is stored, as it is to be written again.
async fn known(store: &dyn Store, user: &UserKey) -> Option<ProfileWrite> {
    let profile = store.profile(user).await.unwrap()?;
    Some(ProfileWrite { profile, wake_was: None, is_new: false, was_merged: false })
}
