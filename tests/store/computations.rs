//! What a store keeps for audiences and computed traits beside the profiles, one behaviour per test.

use stagepost::domain::backfill::Backfill;
use stagepost::domain::change::{BackfillWrite, ChangeSet};
use stagepost::domain::ids::UserKey;
use stagepost::domain::limits;
use stagepost::domain::sizes::{Per, SizePoint};
use stagepost::store::Store;

use crate::build::*;
use crate::writer::commit;

on_every_backend!(
    pages_of_leaves_are_set_removed_and_dropped,
    backfills_are_remembered_in_order,
    memberships_are_looked_up_and_compared,
    members_are_of_any_kind,
    sizes_follow_the_memberships,
    within_one_change_set_each_step_counts,
    sizes_go_with_their_audience,
    old_sizes_are_forgotten_bit_by_bit,
    a_change_set_with_nothing_but_its_instant_is_empty,
    users_are_found_by_external_ids,
);

async fn pages_of_leaves_are_set_removed_and_dropped(store: &dyn Store) {
    let [a, ab] = ["a", "ab"].map(user);
    let ask = async |owner: &UserKey, leaf: u64, number: u32| {
        let found = store.leaf_pages(&[(owner.clone(), leaf_id(leaf), number)]).await.unwrap();
        found[0].as_ref().map(Vec::len)
    };
    let mut set = changes();
    set.leaf_pages = vec![
        leaf_page(&a, 1, 0, Some(0)),
        leaf_page(&a, 1, u32::MAX, Some(4_096)),
        leaf_page(&a, 1, 7, Some(40_000)),
        leaf_page(&a, 2, 0, Some(2)),
        leaf_page(&ab, 1, 0, Some(3)),
        leaf_page(&ab, 9, 0, None),
    ];
    commit(store, &set).await;
    let wanted = [(a.clone(), leaf_id(1), 7), (a.clone(), leaf_id(3), 0), (ab.clone(), leaf_id(1), 0)];
    let found = store.leaf_pages(&wanted).await.unwrap();
    assert_eq!((&found[0], &found[1], &found[2]), (&set.leaf_pages[2].page, &None, &set.leaf_pages[4].page));

    let mut set = changes();
    set.leaf_pages = vec![leaf_page(&a, 1, 0, None), leaf_page(&a, 1, 7, Some(6_000))];
    commit(store, &set).await;
    assert_eq!((ask(&a, 1, 0).await, ask(&a, 1, 7).await), (None, Some(6_000)));

    // What is written together with the dropping stays.
    let mut set = changes();
    set.drop_leaves = vec![(a.clone(), leaf_id(1)), (a.clone(), leaf_id(77))];
    set.leaf_pages = vec![leaf_page(&a, 1, 7, Some(12_000)), leaf_page(&a, 1, 8, Some(1))];
    commit(store, &set).await;
    assert_eq!((ask(&a, 1, u32::MAX).await, ask(&a, 1, 8).await), (None, Some(1)));
    assert_eq!(ask(&a, 1, 7).await, Some(12_000));
    assert_eq!((ask(&a, 2, 0).await, ask(&ab, 1, 0).await), (Some(2), Some(3)), "other leaf, other user");
}

async fn backfills_are_remembered_in_order(store: &dyn Store) {
    let put = |backfill: &Backfill| BackfillWrite::Put(Box::new(backfill.clone()));
    let [zero, one, two, many] = [0, 1, 2, 3_000].map(|n| backfill(n, None));
    let mut set = changes();
    set.backfills = vec![put(&two), put(&many), put(&zero), put(&one), BackfillWrite::Delete(two.id)];
    commit(store, &set).await;
    assert_eq!(store.backfills().await.unwrap(), [zero.clone(), one.clone(), many.clone()]);
    let further = backfill(1, Some(&user("b")));
    let mut set = changes();
    set.backfills =
        vec![put(&further), BackfillWrite::Delete(zero.id), put(&zero), BackfillWrite::Delete(many.id)];
    commit(store, &set).await;
    assert_eq!(store.backfills().await.unwrap(), [zero, further]);
}

async fn memberships_are_looked_up_and_compared(store: &dyn Store) {
    let mut set = changes();
    for n in 0..60_i64 {
        let who = user(&format!("{n}"));
        for (audience, part) in [("x", 2), ("y", 3), ("x\0", 1), ("z", 100)] {
            if n % part == 0 {
                set.memberships.push(member(audience, &who, Some(n)));
            }
        }
    }
    commit(store, &set).await;
    assert_eq!(store.is_member("x", &user("4")).await.unwrap(), Some(at(4)));
    assert_eq!(store.is_member("x", &user("5")).await.unwrap(), None);
    assert_eq!(store.is_member("none", &user("4")).await.unwrap(), None);
    for (one, other, both) in [
        ("x", "y", 10),
        ("x", "x", 30),
        ("x", "x\0", 30),
        ("y", "z", 1),
        ("x", "none", 0),
        ("none", "none", 0),
    ] {
        assert_eq!(store.overlap(one, other).await.unwrap(), both, "{one} {other}");
        assert_eq!(store.overlap(other, one).await.unwrap(), both, "{other} {one}");
    }
}

async fn members_are_of_any_kind(store: &dyn Store) {
    let keys = [UserKey::anonymous("x"), UserKey::group("x"), UserKey::user("x")];
    let mut set = changes();
    set.memberships = keys.iter().map(|key| member("aud", key, Some(1))).collect();
    set.profiles = keys.iter().map(|key| new_profile(profile(key))).collect();
    commit(store, &set).await;
    let rows = store.members("aud", &first(9)).await.unwrap().rows;
    assert_eq!(rows.into_iter().map(|row| row.user).collect::<Vec<_>>(), keys);
    let (profiles, _) = store.profiles_after(Some(&keys[0]), 9).await.unwrap();
    assert_eq!(profiles.into_iter().map(|profile| profile.key).collect::<Vec<_>>(), keys[1..]);
    assert_eq!(store.counts().await.unwrap().profiles, 3);
}

const HOUR: i64 = 3_600_000;

/// The points of an audience between two hours, each with its hour.
async fn sizes(store: &dyn Store, id: &str, per: Per, from: i64, to: i64) -> Vec<(i64, u64, u64, u64)> {
    let points = store.audience_sizes(id, per, at(from * HOUR), at(to * HOUR)).await.unwrap();
    let plain = |point: SizePoint| {
        assert_eq!(point.start.millis() % per.span().millis(), 0);
        (point.start.millis() / HOUR, point.entered, point.exited, point.size)
    };
    points.into_iter().map(plain).collect()
}

/// Memberships of the users that are these numbers at an instant: in, or out where negative.
fn moves(ms: i64, id: &str, users: &[i64]) -> ChangeSet {
    let write = |n: &i64| member(id, &user(&n.abs().to_string()), (*n > 0).then_some(ms));
    ChangeSet { at: at(ms), memberships: users.iter().map(write).collect(), ..changes() }
}

async fn sizes_follow_the_memberships(store: &dyn Store) {
    for (ms, users) in [
        (HOUR, &[1, 2, 3][..]),
        (2 * HOUR - 1, &[-1, 2]),
        (5 * HOUR, &[3, 3, -4]),
        (30 * HOUR, &[4, -2, -3]),
        (30 * HOUR + 1, &[-4]),
    ] {
        commit(store, &moves(ms, "x", users)).await;
    }
    commit(store, &moves(30 * HOUR, "y", &[1])).await;
    let all = [(1, 3, 1, 2), (30, 1, 3, 0)];
    assert_eq!(
        sizes(store, "x", Per::Hour, 0, 99).await,
        all,
        "hours in which nothing changed have no point"
    );
    assert_eq!(sizes(store, "x", Per::Hour, 1, 30).await, all[..1], "from the one, not the other");
    assert_eq!(sizes(store, "x", Per::Hour, 2, 31).await, all[1..]);
    assert_eq!(sizes(store, "x", Per::Hour, 30, 30).await, []);
    assert_eq!(sizes(store, "x", Per::Hour, 31, 1).await, []);
    assert_eq!(sizes(store, "x", Per::Day, 0, 99).await, [(0, 3, 1, 2), (24, 1, 3, 0)]);
    assert_eq!(sizes(store, "y", Per::Day, -99, 99).await, [(24, 1, 0, 1)]);
    assert_eq!(sizes(store, "none", Per::Day, -99, 99).await, []);
    assert_eq!(store.audiences_with_members().await.unwrap(), ["x", "y"], "x is empty, its past is not");
    // A commit that says no instant counts towards none; one whose instant is before 1970 does.
    commit(store, &moves(0, "x", &[7])).await;
    commit(store, &moves(-1, "x", &[8])).await;
    assert_eq!(sizes(store, "x", Per::Hour, -9, 1).await, [(-1, 1, 0, 2)]);
}

async fn within_one_change_set_each_step_counts(store: &dyn Store) {
    commit(store, &moves(HOUR, "x", &[1, -1, 1, 2, -2])).await;
    assert_eq!(sizes(store, "x", Per::Hour, 0, 9).await, [(1, 3, 2, 1)]);
    commit(store, &moves(2 * HOUR, "x", &[-1, 1])).await;
    assert_eq!(sizes(store, "x", Per::Hour, 2, 9).await, [(2, 1, 1, 1)]);
}

async fn sizes_go_with_their_audience(store: &dyn Store) {
    for hour in 1..=4 {
        commit(store, &moves(hour * HOUR, "x", &[hour])).await;
    }
    commit(store, &moves(HOUR, "y", &[1])).await;
    let gone = || ChangeSet { drop_members: vec!["x".into()], drop_members_limit: 2, ..changes() };
    commit(store, &gone()).await;
    assert_eq!(sizes(store, "x", Per::Hour, 0, 9).await.len(), 2);
    // What is dropped counts nowhere, nor what enters an audience that is gone.
    let set = ChangeSet { at: at(5 * HOUR), memberships: moves(5, "x", &[9]).memberships, ..gone() };
    commit(store, &set).await;
    assert_eq!(sizes(store, "x", Per::Hour, 0, 9).await, []);
    let day = sizes(store, "x", Per::Day, 0, 9).await;
    // How many it had is nobody's question any more, and not every backend knows.
    assert_eq!(day.iter().map(|point| (point.0, point.1, point.2)).collect::<Vec<_>>(), [(0, 4, 0)]);
    for listed in [&["x", "y"][..], &["y"]] {
        assert_eq!(store.audiences_with_members().await.unwrap(), listed);
        commit(store, &gone()).await;
    }
    assert_eq!(sizes(store, "y", Per::Day, 0, 9).await, [(0, 1, 0, 1)]);
}

async fn old_sizes_are_forgotten_bit_by_bit(store: &dyn Store) {
    let mut set = changes();
    let half = limits::UPKEEP_STEP / 2 + 50;
    for n in 0..half {
        set.memberships.push(member(&format!("aud_{n:04}"), &user("a"), Some(1)));
    }
    for hour in [1, 25] {
        set.at = at(hour * HOUR);
        commit(store, &set).await;
        set.memberships.iter_mut().for_each(|write| write.since = None);
    }
    let (hour, day) = (at(2 * HOUR), at(24 * HOUR));
    assert!(!store.has_sizes_before(at(HOUR), at(0)).await.unwrap(), "not the bounds themselves");
    let count = async || {
        let mut points = 0;
        for n in [0, half - 1] {
            for per in Per::ALL {
                points += sizes(store, &format!("aud_{n:04}"), per, 0, 99).await.len();
            }
        }
        points
    };
    for points in [6, 4] {
        assert!(store.has_sizes_before(hour, day).await.unwrap());
        commit(store, &ChangeSet { forget_sizes_before: Some((hour, day)), ..changes() }).await;
        assert_eq!(count().await, points);
    }
    assert!(!store.has_sizes_before(hour, day).await.unwrap());
    assert_eq!(store.audiences_with_members().await.unwrap().len(), half);
    // The hour that is forgotten begins anew where the same change set counts towards it.
    let (hour, day) = (at(26 * HOUR), at(48 * HOUR));
    let set = ChangeSet { forget_sizes_before: Some((hour, day)), ..moves(25 * HOUR, "aud_0000", &[1]) };
    commit(store, &set).await;
    assert_eq!(sizes(store, "aud_0000", Per::Hour, 0, 99).await, [(25, 1, 0, 1)]);
    commit(store, &ChangeSet { forget_sizes_before: Some((hour, day)), ..changes() }).await;
    commit(store, &ChangeSet { forget_sizes_before: Some((hour, day)), ..changes() }).await;
    assert_eq!(store.audiences_with_members().await.unwrap(), ["aud_0000"], "it has a member");
}

async fn a_change_set_with_nothing_but_its_instant_is_empty(store: &dyn Store) {
    let set = ChangeSet { at: at(5), ..changes() };
    assert!(set.is_empty());
    commit(store, &set).await;
    assert!(!ChangeSet { drop_leaves: vec![(user("a"), leaf_id(1))], ..set }.is_empty());
}

async fn users_are_found_by_external_ids(store: &dyn Store) {
    let [a, b, c] = [user("a"), UserKey::anonymous("b"), user("c")];
    let ask = async |kind: &str, id: &str, limit: usize| -> Vec<UserKey> {
        store.users_by_external_id(kind, id, limit).await.unwrap()
    };
    let mut set = changes();
    set.external_ids = vec![
        external_id("email", "x@y", &c, true),
        external_id("email", "x@y", &a, true),
        external_id("email", "x@y", &b, true),
        external_id("email", "x@yz", &a, true),
        external_id("phone", "x@y", &a, true),
        external_id("email", "gone", &a, true),
        external_id("email", "gone", &a, false),
        external_id("email", "back", &a, false),
        external_id("email", "back", &a, true),
    ];
    commit(store, &set).await;
    assert_eq!(ask("email", "x@y", 9).await, [b.clone(), a.clone(), c.clone()]);
    assert_eq!(ask("email", "x@y", 2).await, [b.clone(), a.clone()]);
    assert_eq!(ask("phone", "x@y", 9).await, std::slice::from_ref(&a));
    assert_eq!(ask("email", "gone", 9).await, []);
    assert_eq!(ask("email", "back", 9).await, std::slice::from_ref(&a));
    for (kind, id) in [("email", "x@"), ("email", ""), ("", "x@y"), ("phon", "ex@y")] {
        assert_eq!(ask(kind, id, 9).await, [], "{kind} {id}");
    }
    let mut set = changes();
    set.external_ids = vec![external_id("email", "x@y", &a, false), external_id("email", "none", &a, false)];
    commit(store, &set).await;
    assert_eq!(ask("email", "x@y", 9).await, [b, c]);
}
