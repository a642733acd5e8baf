//! What only a store on a disk has to show: it survives, and it refuses what it can't trust.

use std::fs;
use std::path::Path;
use std::process::Command;

use stagepost::domain::change::{Adoption, BackfillWrite, ChangeSet, ProfileWrite, SeenWrite};
use stagepost::domain::ids::{EventId, UserKey};
use stagepost::domain::journey::{JourneyFilter, JourneyStatus};
use stagepost::domain::sizes::Per;
use stagepost::store::sled::SledStore;
use stagepost::store::{Store, StoreError};

use crate::backends::sealer;
use crate::build::*;

const CACHE: u64 = 8 << 20;
/// Where a child process finds the store of its parent.
const DIR: &str = "STAGEPOST_TEST_DIR";

fn open(dir: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(dir, CACHE, sealer())
}

/// Somebody whom only the n-th commit is about.
fn nth(n: u64) -> UserKey {
    user(&format!("{n:05}"))
}

/// The database itself. sled lets go of its lock a moment after it was closed.
pub fn raw(dir: &Path) -> sled::Db {
    for _ in 0..100 {
        if let Ok(db) = sled::Config::new().path(dir).flush_every_ms(None).open() {
            return db;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("sled does not let go of its lock")
}

/// The n-th of a row of commits that are easily told apart: two profiles and three events each, a member and an archived
/// journey more, and what the one before left is given on.
fn numbered(n: u64) -> ChangeSet {
    let mut set = changes();
    let (ms, me) = (i64::try_from(n).unwrap() * 3_600_000 + 1, nth(n));
    set.at = at(ms);
    set.memberships.push(member("m", &me, Some(ms)));
    set.external_ids.push(external_id("email", "x", &me, true));
    set.leaf_pages.push(leaf_page(&me, 1, 0, Some(6_000)));
    set.backfills.push(BackfillWrite::Put(Box::new(backfill(n, None))));
    set.archived.push(journey(journey_id(10, n), &me, JourneyStatus::Completed));
    set.journeys.push(opened(&set.archived[0]));
    if let Some(before) = n.checked_sub(1) {
        set.drop_leaves.push((nth(before), leaf_id(1)));
        set.backfills.push(BackfillWrite::Delete(backfill_id(before)));
        set.adopted.push(Adoption { from: nth(before), to: user("heir") });
    }
    for half in ["x", "y"] {
        let mut profile = profile(&user(&format!("{n:05}{half}")));
        profile.wake_at = Some(at(5));
        set.profiles.push(new_profile(profile));
    }
    set.events = (0..3).map(|k| track(event_id(10, 3 * n + k), &user("a"), 3_000)).collect();
    set
}

/// How many numbered commits there are; panics unless exactly the first ones are there, and whole.
async fn whole_commits(store: &SledStore) -> u64 {
    let counts = store.counts().await.unwrap();
    let commits = counts.events / 3;
    assert_eq!((counts.events, counts.profiles), (3 * commits, 2 * commits));
    let events = store.event_log(None, EventId::from_bytes([255; 16]), usize::MAX).await.unwrap();
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (0..3 * commits).map(|k| event_id(10, k)).collect::<Vec<_>>());
    let (profiles, _) = store.profiles_after(None, usize::MAX).await.unwrap();
    let keys: Vec<UserKey> = profiles.into_iter().map(|profile| profile.key).collect();
    let expected = (0..commits).flat_map(|n| ["x", "y"].map(|half| user(&format!("{n:05}{half}"))));
    assert_eq!(keys, expected.collect::<Vec<_>>());
    let timers = store.due_timers(at(5), usize::MAX).await.unwrap();
    assert_eq!(timers.len(), keys.len());
    whole_rest(store, commits).await;
    commits
}

/// What the numbered commits wrote beside profiles and events; panics unless it is what that many leave.
async fn whole_rest(store: &SledStore, commits: u64) {
    let users = store.users_by_external_id("email", "x", usize::MAX).await.unwrap();
    assert_eq!(users, (0..commits).map(nth).collect::<Vec<_>>());
    assert_eq!(store.overlap("m", "m").await.unwrap(), commits);
    assert_eq!(store.counts().await.unwrap().members.get("m").copied().unwrap_or(0), commits);
    let hours = store.audience_sizes("m", Per::Hour, at(i64::MIN), at(i64::MAX)).await.unwrap();
    let sizes: Vec<_> = hours.iter().map(|hour| (hour.entered, hour.exited, hour.size)).collect();
    assert_eq!(sizes, (1..=commits).map(|size| (1, 0, size)).collect::<Vec<_>>());
    let days = store.audience_sizes("m", Per::Day, at(i64::MIN), at(i64::MAX)).await.unwrap();
    assert_eq!(days.iter().map(|day| day.entered).sum::<u64>(), commits);

    let newest = commits.checked_sub(1);
    assert_eq!(store.backfills().await.unwrap(), Vec::from_iter(newest.map(|n| backfill(n, None))));
    for n in 0..=commits {
        let page = store.leaf_pages(&[(nth(n), leaf_id(1), 0)]).await.unwrap().remove(0);
        let expected = if Some(n) == newest { (1, Some(6_000)) } else { (0, None) };
        assert_eq!((journeys_of(store, nth(n)).await, page.map(|page| page.len())), expected);
    }
    assert_eq!(journeys_of(store, user("heir")).await, newest.unwrap_or(0));
}

async fn journeys_of(store: &SledStore, owner: UserKey) -> u64 {
    let filter = JourneyFilter { user: Some(owner), ..Default::default() };
    u64::try_from(store.journeys(&filter, &first(10_000)).await.unwrap().rows.len()).unwrap()
}

/// Every file under `dir` with its bytes.
pub fn files(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (path, bytes) in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_every_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("not/yet/there");
    for n in 0..5 {
        let store = open(&path).unwrap();
        assert_eq!(whole_commits(&store).await, n);
        store.commit(&numbered(n)).await.unwrap();
        assert!(store.stats().await.unwrap().disk_bytes > 0);
        assert!(store.describe().starts_with("sled:"));
    }
    assert_eq!(whole_commits(&open(&path).unwrap()).await, 5);
}

#[tokio::test]
async fn a_newer_version_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().commit(&numbered(0)).await.unwrap();
    let marker = dir.path().join("stagepost.json");
    let known = fs::read(&marker).unwrap();
    fs::write(&marker, r#"{"version":99,"commits":1,"something":"new"}"#).unwrap();
    let before = files(dir.path());
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, known: 6, .. }), "{error}");
    assert_eq!(files(dir.path()), before);

    // The record in the data counts as well.
    fs::write(&marker, known).unwrap();
    let raw = raw(dir.path());
    raw.insert("v", &7_u32.to_be_bytes()).unwrap();
    drop(raw);
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 7, known: 6, .. }), "{error}");
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(&numbered(0)).await.unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    let child = child("sled_only::child_finds_the_directory_in_use", dir.path(), "");
    assert!(child.success());
    assert_eq!(whole_commits(&store).await, 1);
}

/// Runs one ignored test of this binary in a process of its own, after the shell ran `before`.
fn child(test: &str, dir: &Path, before: &str) -> std::process::ExitStatus {
    let me = std::env::current_exe().unwrap();
    let script = format!("{before} exec '{}' --exact {test} --ignored --nocapture", me.display());
    Command::new("sh").arg("-c").arg(script).env(DIR, dir).status().unwrap()
}

#[test]
#[ignore = "run by a_directory_in_use_is_refused"]
fn child_finds_the_directory_in_use() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let error = open(Path::new(&dir)).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
}

#[tokio::test]
async fn a_full_disk_stops_the_store_and_keeps_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    // A file size limit stands for the full disk: the system refuses the write in the same place.
    let child =
        child("sled_only::child_writes_until_the_disk_is_full", dir.path(), "trap '' XFSZ; ulimit -f 4000;");
    assert!(child.success());
    let acknowledged: u64 = fs::read_to_string(dir.path().join("acknowledged")).unwrap().parse().unwrap();
    let found = whole_commits(&open(&dir.path().join("data")).unwrap()).await;
    assert!(acknowledged > 10 && found >= acknowledged, "{acknowledged} acknowledged, {found} found");
}

#[tokio::test]
#[ignore = "run by a_full_disk_stops_the_store_and_keeps_what_was_acknowledged"]
async fn child_writes_until_the_disk_is_full() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let dir = Path::new(&dir);
    let store = open(&dir.join("data")).unwrap();
    let mut n = 0;
    let error = loop {
        match store.commit(&numbered(n)).await {
            Ok(()) => n += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Write { .. }), "{error}");
    let error = store.commit(&numbered(n)).await.unwrap_err();
    assert!(matches!(error, StoreError::Stopped(_)), "{error}");
    fs::write(dir.join("acknowledged"), n.to_string()).unwrap();
}

#[tokio::test]
async fn what_is_no_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "text").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"text");
}

#[tokio::test]
async fn damage_is_named_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("sound");
    let store = open(&sound).unwrap();
    for n in 0..200 {
        store.commit(&numbered(n)).await.unwrap();
    }
    drop(store);
    let log = fs::read(sound.join("db")).unwrap();
    assert!(log.len() > 1 << 20, "more than two segments");
    let garbage: Vec<u8> = (0..log.len()).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect();
    let mut bad_segment = log.clone();
    bad_segment[512 * 1024..512 * 1024 + 64].copy_from_slice(&garbage[..64]);
    let damages: [(&str, Option<&[u8]>); 5] = [
        ("garbage", Some(&garbage)),
        ("one segment", Some(&bad_segment)),
        ("emptied", Some(&[])),
        ("zeroes", Some(&[0; 1 << 20])),
        ("removed", None),
    ];
    for (name, bytes) in damages {
        let path = dir.path().join(name);
        copy(&sound, &path);
        match bytes {
            Some(bytes) => fs::write(path.join("db"), bytes).unwrap(),
            None => fs::remove_file(path.join("db")).unwrap(),
        }
        let before = files(&path);
        let error = open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{name}: {error}");
        assert_eq!(files(&path), before, "{name}");
    }
}

#[tokio::test]
async fn commits_that_vanished_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (data, old) = (dir.path().join("data"), dir.path().join("old"));
    open(&data).unwrap().commit(&numbered(0)).await.unwrap();
    copy(&data, &old);
    open(&data).unwrap().commit(&numbered(1)).await.unwrap();
    drop(open(&data).unwrap());
    // An older log under the newer marker.
    fs::copy(data.join("stagepost.json"), old.join("stagepost.json")).unwrap();
    let error = open(&old).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { detail, .. } if detail.contains("commits")), "{error}");
}

#[tokio::test]
async fn a_damaged_record_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().commit(&numbered(0)).await.unwrap();
    let raw = raw(dir.path());
    raw.insert("pu:00000x", &b"\x01\xc1\xff"[..]).unwrap();
    raw.insert("pu:00000y", &b"\x63"[..]).unwrap();
    drop(raw);
    let store = open(dir.path()).unwrap();
    for who in ["00000x", "00000y"] {
        let error = store.profile(&user(who)).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt { place, .. } if place.contains("profile #")),
            "{error}"
        );
        assert!(!error.to_string().contains(who) && error.is_fatal(), "{error}");
        assert!(store.profiles(&[user(who)]).await.is_err());
    }
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let raw = raw(dir.path());
    raw.insert("theirs", "value").unwrap();
    drop(raw);
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(&numbered(0)).await.unwrap();
    let (mut long_profile, mut long_page) = (numbered(1), numbered(1));
    long_profile.profiles[1].profile.anonymous_ids = vec!["n".repeat(1 << 20)];
    long_page.leaf_pages.push(leaf_page(&user("a"), 1, 0, Some((1 << 20) + 1)));
    for (what, set) in [("profile #", long_profile), ("page of a leaf #", long_page)] {
        let error = store.commit(&set).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }) && !error.is_fatal(), "{error}");
        assert!(error.to_string().contains(what) && !error.to_string().contains("00001"), "{error}");
        assert_eq!(whole_commits(&store).await, 1);
    }
    store.commit(&numbered(1)).await.unwrap();
    assert_eq!(whole_commits(&store).await, 2, "it goes on");
}

#[tokio::test]
async fn a_key_that_is_too_long_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(&numbered(0)).await.unwrap();
    for bytes in [1100, 70_000] {
        let who = user(&"u".repeat(bytes));
        let mut sets = [(); 8].map(|()| numbered(1));
        sets[0].profiles[1].profile = profile(&who);
        sets[1].memberships.push(member("a", &who, Some(5)));
        sets[2].deliveries.push(new_delivery(delivery(delivery_id(10, 1), "d", &who, 5)));
        sets[3].seen.push(SeenWrite { user: who.clone(), message: [7; 16], at: at(5) });
        sets[4].leaf_pages.push(leaf_page(&who, 1, 0, Some(5)));
        sets[5].external_ids.push(external_id("email", who.as_str(), &user("a"), true));
        sets[6].adopted.push(Adoption { from: nth(1), to: who.clone() });
        sets[7].memberships.push(member(who.as_str(), &user("a"), Some(5)));
        for set in sets {
            let error = store.commit(&set).await.unwrap_err();
            assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
            assert_eq!(whole_commits(&store).await, 1);
        }
    }
    store.commit(&numbered(1)).await.unwrap();
    assert_eq!(whole_commits(&store).await, 2, "it goes on");
}

#[tokio::test]
async fn long_keys_stay_in_the_synced_log_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for n in 0..60_u64 {
        let mut set = changes();
        // Full rows, whose keys are as long as a store takes them and differ at both ends.
        for k in 0..4_u64 {
            let mut profile = profile(&user(&format!("{:03}{}", (n * 37 + k * 61) % 60, "u".repeat(1015))));
            profile.anonymous_ids = vec!["n".repeat(20_000)];
            set.profiles.push(new_profile(profile));
        }
        store.commit(&set).await.unwrap();
    }
    assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn no_piece_outlives_its_record_whoever_read_it_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let who = user("a");
    let sized = |bytes: usize| {
        let mut profile = profile(&who);
        profile.anonymous_ids = vec!["n".repeat(bytes)];
        profile
    };
    let mut is_new = true;
    for bytes in [10, 20_000, 10, 9_000, 30_000, 10, 10] {
        // Read before the first write and not before the second, which knows nothing then.
        store.profiles(std::slice::from_ref(&who)).await.unwrap();
        for bytes in [bytes, bytes / 2, bytes * 2, 10, bytes] {
            let mut set = changes();
            set.profiles.push(ProfileWrite {
                profile: sized(bytes),
                wake_was: None,
                is_new,
                was_merged: false,
            });
            store.commit(&set).await.unwrap();
            is_new = false;
            assert_eq!(store.profiles(std::slice::from_ref(&who)).await.unwrap(), [Some(sized(bytes))]);
            let mut set = changes();
            set.profiles.push(ProfileWrite {
                profile: sized(bytes),
                wake_was: None,
                is_new,
                was_merged: false,
            });
            store.commit(&set).await.unwrap();
        }
    }
    let mut set = changes();
    set.profiles.push(ProfileWrite { profile: sized(10), wake_was: None, is_new, was_merged: false });
    store.commit(&set).await.unwrap();
    drop(store);
    let raw = raw(dir.path());
    assert_eq!(raw.scan_prefix("+").count(), 0);
}

#[tokio::test]
async fn no_piece_outlives_its_page_whoever_read_it_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let who = user("a");
    let sizes = [10, 20_000, 9_000, 30_000, 10, 9_000];
    for (round, bytes) in sizes.into_iter().cycle().take(40).enumerate() {
        let mut set = changes();
        if round % 3 == 0 {
            store.leaf_pages(&[(who.clone(), leaf_id(1), 0)]).await.unwrap();
        }
        if round % 5 == 0 {
            set.drop_leaves.push((who.clone(), leaf_id(1)));
        }
        let removed = round % 7 == 0;
        set.leaf_pages.push(leaf_page(&who, 1, 0, (!removed).then_some(bytes)));
        store.commit(&set).await.unwrap();
        let pages = store.leaf_pages(&[(who.clone(), leaf_id(1), 0)]).await.unwrap();
        assert_eq!(pages[0], set.leaf_pages[0].page, "{round}");
    }
    let mut set = changes();
    set.drop_leaves.push((who.clone(), leaf_id(1)));
    store.commit(&set).await.unwrap();
    drop(store);
    let raw = raw(dir.path());
    assert_eq!((raw.scan_prefix("+").count(), raw.scan_prefix("l").count()), (0, 0));
}

/// A power cut leaves the log without its end, wherever the disk happened to be.
#[tokio::test]
async fn a_log_cut_anywhere_opens_with_whole_commits_only() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data).unwrap();
    let mut sizes = Vec::new();
    // So few that the log's end is its newest part: sled writes over a segment that it has emptied.
    for n in 0..40 {
        store.commit(&numbered(n)).await.unwrap();
        sizes.push(fs::metadata(data.join("db")).unwrap().len());
    }
    // A copy of the running store is what the disk holds when the power goes.
    let running = dir.path().join("running");
    copy(&data, &running);
    drop(store);
    let log = fs::read(running.join("db")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for step in 0..40_u64 {
        let len = sizes[0] + (log.len() as u64 - sizes[0]) * step / 40 + step % 7;
        let cut = dir.path().join(format!("cut{step}"));
        copy(&running, &cut);
        fs::write(cut.join("db"), &log[..usize::try_from(len).unwrap()]).unwrap();
        let commits = whole_commits(&open(&cut).unwrap()).await;
        let written = sizes.iter().filter(|size| **size <= len).count() as u64;
        assert!(commits >= written, "{len}: {commits} of {written} that were on the disk");
        seen.insert(commits);
        fs::remove_dir_all(&cut).unwrap();
    }
    assert!(seen.len() > 5, "the cuts fell into different commits: {seen:?}");
}

#[tokio::test]
async fn values_of_any_size_stay_in_the_synced_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for n in 0..400_u64 {
        let mut set = changes();
        let who = user(&format!("{:03}", n * 37 % 50));
        let mut profile = profile(&who);
        profile.anonymous_ids = vec!["n".repeat(usize::try_from(n * 997 % 30_000).unwrap())];
        set.profiles.push(new_profile(profile));
        set.events.push(track(event_id(10, n), &who, usize::try_from(n * 131 % 9_000).unwrap()));
        set.deliveries.push(new_delivery(delivery(delivery_id(1, n), "d", &who, 5)));
        store.commit(&set).await.unwrap();
    }
    assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
}
