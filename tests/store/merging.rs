//! What becomes of a user's rows when his profile becomes part of another one, one behaviour per test.

use stagepost::domain::change::{Adoption, JourneyMove, ProfileWrite};
use stagepost::domain::ids::UserKey;
use stagepost::domain::journey::{JourneyFilter, JourneyStatus};
use stagepost::domain::limits;
use stagepost::domain::profile::Profile;
use stagepost::store::Store;

use crate::build::*;
use crate::picture::walk;
use crate::writer::commit;

on_every_backend!(
    profiles_that_became_part_of_another_are_nobody,
    a_journey_goes_to_another_user_and_nothing_else_changes,
    a_journey_may_change_its_user_and_its_status_at_once,
    archived_journeys_are_adopted_newest_first_and_bit_by_bit,
    adoptions_follow_one_another,
);

fn adoption(from: &UserKey, to: &UserKey) -> Adoption {
    Adoption { from: from.clone(), to: to.clone() }
}

/// Who may be journeys' owner, and the flows of the journeys of each.
async fn flows_of(store: &dyn Store, owner: &UserKey) -> Vec<String> {
    let filter = JourneyFilter { user: Some(owner.clone()), ..Default::default() };
    let found = walk(300, async |p| store.journeys(&filter, &p).await).await;
    for journey in &found {
        assert_eq!(
            (&journey.user, store.journey(journey.id).await.unwrap().as_ref()),
            (owner, Some(journey))
        );
    }
    found.into_iter().map(|journey| journey.flow).collect()
}

async fn profiles_that_became_part_of_another_are_nobody(store: &dyn Store) {
    let write = async |id: &str, merged: bool, is_new: bool, was_merged: bool| {
        let mut profile = profile(&user(id));
        profile.merged_into = merged.then(|| user("z"));
        let mut set = changes();
        set.profiles.push(ProfileWrite { profile, wake_was: None, is_new, was_merged });
        commit(store, &set).await;
        store.counts().await.unwrap().profiles
    };
    for (id, count) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        assert_eq!(write(id, false, true, false).await, count);
    }
    assert_eq!(write("b", true, false, false).await, 3);
    assert_eq!(write("b", true, false, true).await, 3, "merged already");
    assert_eq!(write("c", true, false, false).await, 2);
    assert_eq!(write("e", true, true, false).await, 2, "never was anybody");
    let of = async |after: Option<&UserKey>, limit: usize| {
        let (profiles, last) = store.profiles_after(after, limit).await.unwrap();
        (profiles.into_iter().map(|profile: Profile| profile.key).collect::<Vec<_>>(), last)
    };
    let all = ["a", "b", "c", "d", "e"].map(user);
    assert_eq!(of(None, 2).await, (all[..2].to_vec(), Some(user("b"))), "they are among the others");
    assert_eq!(of(Some(&user("b")), 9).await, (all[2..].to_vec(), Some(user("e"))));
    assert_eq!(of(Some(&user("e")), 9).await, (vec![], None));
    let merged = store.profile(&user("b")).await.unwrap().unwrap();
    assert_eq!(merged.merged_into, Some(user("z")), "whoever asks for it finds where it went");
    assert_eq!(write("b", false, false, true).await, 3);
}

/// A journey of `a` that is in his profile, and the two profiles once it is the other's.
async fn merged_owner(store: &dyn Store, status: JourneyStatus, to: JourneyStatus) {
    let id = journey_id(10, 1);
    let mut one = profile(&user("a"));
    one.journeys.push(journey(id, &user("a"), status));
    let was = one.journeys[0].listed();
    let mut set = changes();
    set.journeys.push(opened(&one.journeys[0]));
    set.profiles = vec![new_profile(one), new_profile(profile(&user("b")))];
    commit(store, &set).await;

    let (mut one, mut other) = (profile(&user("a")), profile(&user("b")));
    one.merged_into = Some(user("b"));
    other.journeys.push(journey(id, &user("b"), to));
    let mut set = changes();
    set.journeys.push(JourneyMove { moved: true, ..JourneyMove::of(&other.journeys[0], Some(was)) });
    set.profiles = [one, other]
        .map(|profile| ProfileWrite { profile, wake_was: None, is_new: false, was_merged: false })
        .to_vec();
    commit(store, &set).await;
    assert_eq!(store.journey(id).await.unwrap().unwrap().user, user("b"));
    assert_eq!(flows_of(store, &user("a")).await, [""; 0]);
    assert_eq!(flows_of(store, &user("b")).await, ["order"]);
    assert_eq!(store.counts().await.unwrap().journeys.into_iter().collect::<Vec<_>>(), [(to, 1)]);
    let filter = JourneyFilter { status: Some(JourneyStatus::Stalled), ..Default::default() };
    let stalled = store.journeys(&filter, &first(5)).await.unwrap().rows;
    assert_eq!(stalled.len(), usize::from(to == JourneyStatus::Stalled));
}

async fn a_journey_goes_to_another_user_and_nothing_else_changes(store: &dyn Store) {
    merged_owner(store, JourneyStatus::Stalled, JourneyStatus::Stalled).await;
}

async fn a_journey_may_change_its_user_and_its_status_at_once(store: &dyn Store) {
    merged_owner(store, JourneyStatus::Stalled, JourneyStatus::Superseded).await;
}

async fn archived_journeys_are_adopted_newest_first_and_bit_by_bit(store: &dyn Store) {
    let (a, b) = (user("a"), user("b"));
    let most = limits::MAX_ADOPTED_JOURNEYS;
    let total = most + 5;
    let mut set = changes();
    for n in 0..total - 1 {
        let ms = i64::try_from(10 + n).unwrap();
        let mut gone = journey(journey_id(ms, 1), &a, JourneyStatus::Completed);
        gone.flow = format!("{n}");
        set.journeys.push(opened(&gone));
        set.archived.push(gone);
    }
    // One record of several rows.
    set.archived[total - 3].phone_number = Some("p".repeat(20_000));
    commit(store, &set).await;

    let mut set = changes();
    let mut last = journey(journey_id(9, 1), &a, JourneyStatus::Completed);
    last.flow = "archived just now".into();
    set.journeys.push(opened(&last));
    set.archived.push(last);
    set.adopted.push(adoption(&a, &b));
    commit(store, &set).await;
    let newest: Vec<String> = (4..total - 1).rev().map(|n| n.to_string()).collect();
    assert_eq!((flows_of(store, &b).await, newest.len()), (newest, most));
    assert_eq!(flows_of(store, &a).await, ["3", "2", "1", "0", "archived just now"]);
    let long = journey_id(i64::try_from(10 + total - 3).unwrap(), 1);
    assert_eq!(store.journey(long).await.unwrap().unwrap().phone_number.map(|text| text.len()), Some(20_000));

    let mut set = changes();
    set.adopted.push(adoption(&a, &b));
    commit(store, &set).await;
    assert_eq!((flows_of(store, &a).await.len(), flows_of(store, &b).await.len()), (0, total));
    let counts = store.counts().await.unwrap().journeys;
    assert_eq!(counts[&JourneyStatus::Completed], u64::try_from(total).unwrap());
}

async fn adoptions_follow_one_another(store: &dyn Store) {
    let [a, b, c] = ["a", "b", "c"].map(user);
    let mut set = changes();
    for (n, owner) in (1..).zip([&a, &b, &c, &a]) {
        let mut gone = journey(journey_id(n, 1), owner, JourneyStatus::Completed);
        gone.flow = n.to_string();
        set.journeys.push(opened(&gone));
        set.archived.push(gone);
    }
    let later = set.archived.pop().unwrap();
    commit(store, &set).await;
    let mut set = changes();
    set.archived.push(later);
    set.adopted = vec![adoption(&c, &c), adoption(&a, &b), adoption(&b, &c), adoption(&a, &b)];
    commit(store, &set).await;
    assert_eq!(flows_of(store, &c).await, ["4", "3", "2", "1"]);
    for nobody in [&a, &b] {
        assert_eq!(flows_of(store, nobody).await, [""; 0]);
    }
    // There and back is nothing at all.
    let mut set = changes();
    set.adopted = vec![adoption(&c, &a), adoption(&a, &b), adoption(&b, &c)];
    commit(store, &set).await;
    assert_eq!(flows_of(store, &c).await, ["4", "3", "2", "1"]);
}
