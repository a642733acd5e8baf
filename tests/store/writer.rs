//! What a writer knows when it commits: the tests write profiles by hand, and a store that several nodes share refuses a
//! profile that says nothing of the revision it was read with.

use stagepost::domain::change::ChangeSet;
use stagepost::domain::ids::UserKey;
use stagepost::domain::profile::Profile;
use stagepost::store::Store;

/// Commits `changes` as a writer does that has just read the profiles they are about.
pub async fn commit(store: &dyn Store, changes: &ChangeSet) {
    store.commit(&as_read(store, changes).await).await.unwrap();
}

/// The same change set with the revisions that its profiles have in `store`.
pub async fn as_read(store: &dyn Store, changes: &ChangeSet) -> ChangeSet {
    let mut changes = changes.clone();
    let users: Vec<UserKey> = changes.profiles.iter().map(|write| write.profile.key.clone()).collect();
    let stored = store.profiles(&users).await.unwrap();
    for (write, stored) in changes.profiles.iter_mut().zip(stored) {
        write.profile.revision = stored.map_or(0, |profile| profile.revision);
    }
    changes
}

/// The profile as it was handed over: only a store that is shared counts how often it was written.
pub fn unrevised(profile: Profile) -> Profile {
    Profile { revision: 0, ..profile }
}
