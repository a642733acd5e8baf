//! Everything in the store, and what has to be true of it in every world whenever the engine rests.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use stagepost::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus};
use stagepost::domain::event::Event;
use stagepost::domain::ids::{LeafId, UserKey};
use stagepost::domain::journey::{Journey, JourneyFilter};
use stagepost::domain::leaf::Pages;
use stagepost::domain::page::{Page, PageRequest};
use stagepost::domain::profile::Profile;
use stagepost::domain::sizes::{Per, SizePoint};
use stagepost::domain::time::Timestamp;
use stagepost::store::{Counts, EventFilter};

use crate::machine::{Machine, show};

/// Everything in the store.
pub struct Picture {
    pub events: Vec<Event>,
    /// Without those that became part of another one.
    pub profiles: Vec<Profile>,
    pub journeys: Vec<Journey>,
    /// In the order they were made.
    pub deliveries: Vec<Delivery>,
    pub counts: Counts,
    /// Members by audience id.
    pub members: BTreeMap<String, Vec<UserKey>>,
}

macro_rules! all {
    (|$page:ident| $read:expr) => {{
        let mut rows = Vec::new();
        let mut cursor = None;
        loop {
            let $page = PageRequest { limit: 7, cursor };
            let page: Page<_> = $read.await.unwrap();
            rows.extend(page.rows);
            cursor = page.cursor;
            if cursor.is_none() {
                break rows;
            }
        }
    }};
}

impl Machine {
    pub async fn picture(&self) -> Picture {
        let store = &self.store;
        let mut deliveries = all!(|page| store.deliveries(&DeliveryFilter::default(), &page));
        deliveries.sort_by_key(|delivery| delivery.id);
        let (mut profiles, mut after) = (Vec::new(), None);
        loop {
            let (more, last) = store.profiles_after(after.as_ref(), 3).await.unwrap();
            profiles.extend(more.into_iter().filter(|profile| profile.merged_into.is_none()));
            if last.is_none() {
                break;
            }
            after = last;
        }
        let mut members = BTreeMap::new();
        for audience in store.audiences_with_members().await.unwrap() {
            let of_audience = all!(|page| store.members(&audience, &page));
            members.insert(audience, of_audience.into_iter().map(|member| member.user).collect());
        }
        Picture {
            events: all!(|page| store.newest_events(&EventFilter::default(), &page)),
            journeys: all!(|page| store.journeys(&JourneyFilter::default(), &page)),
            profiles,
            deliveries,
            counts: store.counts().await.unwrap(),
            members,
        }
    }

    /// What is true in every world; to be asked when the engine rests after a tick.
    pub async fn check_all(&self, picture: &Picture) {
        self.check_events(picture);
        self.check_timers(picture).await;
        self.check_members(picture);
        self.check_sizes(picture).await;
        self.check_order();
        self.check_counts(picture);
        self.check_figures(picture).await;
        for profile in &picture.profiles {
            self.check_pages(profile).await;
        }
        self.check_no_other_pages(picture);
    }

    /// What was acknowledged is there, exactly once.
    fn check_events(&self, picture: &Picture) {
        let mut stored = HashSet::new();
        for event in &picture.events {
            assert!(stored.insert(event.message_id.clone()), "{} is stored twice", event.message_id);
        }
        assert_eq!(stored, self.acknowledged, "stored and acknowledged messages differ");
    }

    /// The timers are those of the profiles, and none is overdue.
    async fn check_timers(&self, picture: &Picture) {
        let mut expected: Vec<_> =
            picture.profiles.iter().filter_map(|p| Some((p.wake_at?, p.key.clone()))).collect();
        expected.sort();
        let ever = Timestamp::from_millis(i64::MAX);
        assert_eq!(self.store.due_timers(ever, 10_000).await.unwrap(), expected);
        assert_eq!(self.store.next_timer().await.unwrap(), expected.first().map(|(at, _)| *at));
        assert!(expected.first().is_none_or(|(at, _)| at.millis() > self.now()), "a timer is overdue");
    }

    /// The members of an audience are those whose profiles say so; of one that is gone nothing is left.
    fn check_members(&self, picture: &Picture) {
        let definitions = self.engine.definitions();
        let ids: BTreeSet<&String> = definitions.audiences.values().map(|audience| &audience.id).collect();
        for id in picture.members.keys() {
            assert!(ids.contains(id), "{id} is gone, but not its members or sizes");
        }
        for id in ids {
            let is_in = |profile: &&Profile| {
                profile.memberships.iter().any(|(_, it)| it.member && it.audience_id == *id)
            };
            let expected: Vec<_> =
                picture.profiles.iter().filter(is_in).map(|profile| profile.key.clone()).collect();
            let actual = picture.members.get(id).cloned().unwrap_or_default();
            assert_eq!(actual, expected, "members of {id}");
        }
    }

    /// Each point of an audience's size follows from the one before, and the last is the present.
    async fn check_sizes(&self, picture: &Picture) {
        for (id, members) in &picture.members {
            for per in Per::ALL {
                let points = self.sizes(id, per).await;
                let mut size = 0;
                for point in &points {
                    assert_eq!(size + point.entered, point.size + point.exited, "{id} {per:?}: {points:?}");
                    size = point.size;
                }
                assert_eq!(size, u64::try_from(members.len()).unwrap(), "{id} {per:?}: {points:?}");
            }
        }
    }

    pub async fn sizes(&self, audience_id: &str, per: Per) -> Vec<SizePoint> {
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(self.now() + 1));
        self.store.audience_sizes(audience_id, per, from, to).await.unwrap()
    }

    /// Receivers took the calls of one user in the order they were made.
    fn check_order(&self) {
        let mut last = HashMap::new();
        for arrival in self.arrivals.iter().filter(|arrival| arrival.replays == 0) {
            let before = last.insert((&arrival.destination, &arrival.user), arrival.id);
            assert!(
                before.is_none_or(|before| before <= arrival.id),
                "overtaken: {arrival:?} after {before:?}"
            );
        }
    }

    /// The running totals are what counting gives.
    fn check_counts(&self, picture: &Picture) {
        let mut counts = Counts {
            events: u64::try_from(picture.events.len()).unwrap(),
            // Desks are nobody's.
            profiles: u64::try_from(picture.profiles.iter().filter(|it| it.key.desk_of().is_none()).count())
                .unwrap(),
            ..Counts::default()
        };
        for journey in &picture.journeys {
            *counts.journeys.entry(journey.status).or_default() += 1;
            counts.acknowledged += u64::from(journey.listed().is_acknowledged());
        }
        for delivery in &picture.deliveries {
            let key = (delivery.destination.clone(), delivery.status.as_str());
            *counts.deliveries.entry(key).or_default() += 1;
        }
        for (audience, members) in &picture.members {
            // One that nobody is in any more may still have a record of its sizes.
            if !members.is_empty() {
                counts.members.insert(audience.clone(), u64::try_from(members.len()).unwrap());
            }
        }
        let mut actual = picture.counts.clone();
        actual.journeys.retain(|_, count| *count > 0);
        actual.members.retain(|_, count| *count > 0);
        actual.deliveries.retain(|_, count| *count > 0);
        assert_eq!(actual, counts);
    }

    /// A profile keeps no leaf that nothing asks for, and of each leaf exactly the pages that belong to its state.
    async fn check_pages(&self, profile: &Profile) {
        let definitions = self.engine.definitions();
        let known: HashSet<LeafId> =
            definitions.computations().flat_map(|it| it.all_leaves()).map(|used| used.id).collect();
        let mut expected = BTreeSet::new();
        for (leaf, state) in profile.leaves.iter() {
            assert!(known.contains(&leaf), "nothing asks for a leaf of {}", profile.key);
            let mut pages = Pages::new();
            loop {
                let missing = state.missing_all(&pages);
                if missing.is_empty() {
                    break;
                }
                let wanted: Vec<_> =
                    missing.iter().map(|number| (profile.key.clone(), leaf, *number)).collect();
                let found = self.store.leaf_pages(&wanted).await.unwrap();
                for (number, page) in missing.into_iter().zip(found) {
                    let page = page.unwrap_or_else(|| panic!("a page of {} is lost", profile.key));
                    pages.put_loaded(number, Some(rmp_serde::from_slice(&page).unwrap()));
                    expected.insert((leaf, number));
                }
            }
        }
        let Some(kept) = self.kept_leaf_pages() else { return };
        let of_profile = kept.into_iter().filter(|(owner, ..)| *owner == profile.key);
        let actual: BTreeSet<_> = of_profile.map(|(_, leaf, number)| (leaf, number)).collect();
        assert_eq!(actual, expected, "pages of {}", profile.key);
    }

    /// No page belongs to somebody who is not there, or who became part of another.
    fn check_no_other_pages(&self, picture: &Picture) {
        let owners: HashSet<&UserKey> = picture.profiles.iter().map(|profile| &profile.key).collect();
        for (owner, ..) in self.kept_leaf_pages().into_iter().flatten() {
            assert!(owners.contains(&owner), "a page of {owner} is left behind");
        }
    }

    /// Nothing waits any more.
    pub async fn check_drained(&self) {
        let picture = self.picture().await;
        assert!(picture.deliveries.iter().all(|delivery| delivery.status != DeliveryStatus::Pending));
        let arrived: HashSet<_> = self.arrivals.iter().map(|arrival| arrival.id).collect();
        for delivery in picture.deliveries.iter().filter(|d| d.status == DeliveryStatus::Delivered) {
            assert!(arrived.contains(&delivery.id), "{}", show(delivery));
        }
    }
}
