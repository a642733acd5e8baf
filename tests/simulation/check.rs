//! What has to be true whenever the engine rests.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use stagepost::domain::definition::LevelKey;
use stagepost::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus, EMAIL, Payload};
use stagepost::domain::event::Event;
use stagepost::domain::ids::UserKey;
use stagepost::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use stagepost::domain::limits;
use stagepost::domain::page::{Page, PageRequest};
use stagepost::domain::profile::Profile;
use stagepost::domain::time::{Span, Timestamp};
use stagepost::store::{Counts, EventFilter};

use crate::model::{AUDIENCES, FORMS};
use crate::world::{EXPIRE_HOURS, LEVELS, World, show};

const HOUR: i64 = 3_600_000;

/// Everything in the store.
struct Picture {
    events: Vec<Event>,
    profiles: Vec<Profile>,
    journeys: Vec<Journey>,
    /// In the order they were made.
    deliveries: Vec<Delivery>,
    counts: Counts,
}

macro_rules! all {
    ($world:expr, |$page:ident| $read:expr) => {{
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

impl World {
    async fn picture(&self) -> Picture {
        let store = &self.store;
        let mut deliveries = all!(self, |page| store.deliveries(&DeliveryFilter::default(), &page));
        deliveries.sort_by_key(|delivery| delivery.id);
        let (mut profiles, mut after) = (Vec::new(), None);
        loop {
            let (more, last) = store.profiles_after(after.as_ref(), 3).await.unwrap();
            profiles.extend(more);
            if last.is_none() {
                break;
            }
            after = last;
        }
        Picture {
            events: all!(self, |page| store.newest_events(&EventFilter::default(), &page)),
            journeys: all!(self, |page| store.journeys(&JourneyFilter::default(), &page)),
            profiles,
            deliveries,
            counts: store.counts().await.unwrap(),
        }
    }

    /// Checks everything; to be called when the engine rests after a tick.
    pub async fn check(&self) {
        let picture = self.picture().await;
        self.check_events(&picture);
        self.check_memberships(&picture).await;
        self.check_journeys(&picture);
        self.check_levels(&picture);
        self.check_timers(&picture).await;
        self.check_calls(&picture);
        self.check_order();
        self.check_counts(&picture).await;
    }

    /// What was acknowledged is there, exactly once.
    fn check_events(&self, picture: &Picture) {
        let mut stored = HashSet::new();
        for event in &picture.events {
            assert!(stored.insert(event.message_id.clone()), "{} is stored twice", event.message_id);
        }
        assert_eq!(stored, self.acknowledged, "stored and acknowledged messages differ");
    }

    /// Each membership is what the whole history says.
    async fn check_memberships(&self, picture: &Picture) {
        for profile in &picture.profiles {
            let user = profile.key.user_id().unwrap();
            let history = &self.history[user];
            let traits = |name: &str| profile.trait_value(name).as_deref() == Some(&Value::Bool(true));
            assert_eq!(profile.trait_value("plan").as_deref().and_then(Value::as_str), history.plan());
            for (which, name) in AUDIENCES.iter().enumerate() {
                let Some(form) = self.forms.get(name) else { continue };
                let form = &FORMS[which][*form];
                let expected = (form.holds)(history, self.now(), &traits);
                let actual = traits(name);
                assert_eq!(
                    actual,
                    expected,
                    "{user} in {name} ({}) at {}\n{history:?}\n{}",
                    form.query,
                    self.now(),
                    show(profile)
                );
            }
        }
        for audience in self.store.audiences_with_members().await.unwrap() {
            let members = all!(self, |page| self.store.members(&audience, &page));
            let expected: Vec<_> = picture
                .profiles
                .iter()
                .filter(|profile| profile.memberships.values().any(|m| m.member && m.audience_id == audience))
                .map(|profile| profile.key.clone())
                .collect();
            assert_eq!(members.into_iter().map(|member| member.user).collect::<Vec<_>>(), expected);
        }
    }

    /// Each post is in exactly one journey, and each journey stands where its posts put it.
    fn check_journeys(&self, picture: &Picture) {
        let mut by_user: BTreeMap<&UserKey, Vec<&Journey>> = BTreeMap::new();
        for journey in &picture.journeys {
            by_user.entry(&journey.user).or_default().push(journey);
        }
        for (user, history) in &self.history {
            let key = UserKey::user(user);
            let journeys = by_user.get(&key).cloned().unwrap_or_default();
            let mut stepped: Vec<&str> =
                journeys.iter().flat_map(|j| &j.steps).map(|s| s.message_id.as_str()).collect();
            let mut posted: Vec<&str> =
                history.posts.values().flatten().map(|post| post.message.as_str()).collect();
            stepped.sort_unstable();
            posted.sort_unstable();
            assert_eq!(stepped, posted, "posts and steps of {user}");
            for (flow, posts) in &history.posts {
                let of_flow: Vec<_> = journeys.iter().filter(|journey| journey.flow == *flow).collect();
                let unnamed =
                    of_flow.iter().filter(|j| j.status.is_open() && j.execution_sid.is_none()).count();
                assert!(unnamed <= 1, "{unnamed} open runs of {flow} by {user} without a name");
                if journeys.len() > limits::JOURNEYS_IN_PROFILE {
                    continue;
                }
                for post in posts {
                    let Some(sid) = post.sid else { continue };
                    let sid = format!("FN{sid}");
                    let named: Vec<_> =
                        of_flow.iter().filter(|j| j.execution_sid.as_deref() == Some(sid.as_str())).collect();
                    assert_eq!(named.len(), 1, "runs of {user} named {sid}");
                    assert!(named[0].steps.iter().any(|step| step.message_id == post.message));
                }
            }
        }
        for journey in &picture.journeys {
            self.check_journey(journey);
        }
    }

    fn check_journey(&self, journey: &Journey) {
        let shown = || show(journey);
        assert!(journey.steps.is_sorted_by_key(|step| step.at), "{}", shown());
        let terminal = journey.flow == "appointment"
            && journey.steps.iter().any(|step| step.stage == "confirmed" || step.stage == "cancelled");
        match journey.status {
            JourneyStatus::Active | JourneyStatus::Stalled => {
                assert!(!terminal, "open after a terminal stage: {}", shown());
                assert_eq!(journey.stage, journey.steps.last().unwrap().stage, "{}", shown());
                assert!(
                    journey.stage_at.millis() + self.expire_ms(journey) > self.now(),
                    "not expired: {}",
                    shown()
                );
            }
            JourneyStatus::Completed => assert!(terminal, "{}", shown()),
            JourneyStatus::Expired => {
                let ended = journey.ended_at.unwrap().millis();
                let quiet = journey.steps.iter().filter(|step| step.received_at.millis() <= ended);
                let last = quiet.map(|step| step.at.millis()).min().unwrap();
                assert!(last + self.expire_ms(journey) <= ended, "expired too early: {}", shown());
            }
            JourneyStatus::Resolved => assert!(journey.resolved.is_some(), "{}", shown()),
            JourneyStatus::Superseded => {}
        }
    }

    fn expire_ms(&self, journey: &Journey) -> i64 {
        if journey.flow == "appointment" {
            EXPIRE_HOURS * HOUR
        } else {
            limits::DEFAULT_EXPIRE_AFTER.millis()
        }
    }

    /// Levels fire when they are due, once, and for a stage that lasted.
    fn check_levels(&self, picture: &Picture) {
        let mails: HashMap<_, _> =
            picture.deliveries.iter().filter(|d| d.destination == EMAIL).map(|d| (d.id, d)).collect();
        let mut marks = 0;
        for journey in &picture.journeys {
            let mut fired = HashSet::new();
            for mark in &journey.escalations {
                marks += 1;
                assert!(fired.insert((mark.stage.clone(), mark.key)), "fired twice: {}", show(journey));
                assert!(mails.contains_key(&mark.delivery_id), "no mail for {}", show(mark));
                let shortest = LEVELS.iter().flat_map(|levels| levels.iter());
                let shortest =
                    shortest.filter(|(stage, _)| *stage == mark.stage).map(|(_, hours)| hours).min();
                let earliest =
                    journey.steps.iter().filter(|step| step.stage == mark.stage).map(|step| step.at).min();
                assert!(
                    earliest.unwrap().millis() + shortest.unwrap() * HOUR <= mark.at.millis(),
                    "fired too early: {}",
                    show(journey)
                );
            }
            if journey.flow == "appointment"
                && journey.status.is_open()
                && journey.acknowledgement().is_none()
            {
                let levels = LEVELS[self.levels].iter().filter(|(stage, _)| *stage == journey.stage);
                for (_, hours) in levels {
                    let due = journey.stage_at.millis() + hours * HOUR <= self.now();
                    let key = LevelKey { after: Span::from_hours(*hours), twin: 0 };
                    let has_fired = fired.contains(&(journey.stage.clone(), key));
                    assert!(!due || has_fired, "the level after {hours} h is due: {}", show(journey));
                }
            }
        }
        assert_eq!(marks, mails.len(), "each mail has its mark");
        let names: HashSet<_> = mails.values().map(|mail| &mail.message_id).collect();
        assert_eq!(names.len(), mails.len(), "each mail has its own id");
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

    /// Identify calls alternate, begin with true, and end with what is the truth. An audience that was removed and made anew
    /// says again who is in, and takes back what the one before it said.
    fn check_calls(&self, picture: &Picture) {
        let mut told: HashMap<(&str, &UserKey), (bool, &str)> = HashMap::new();
        let mut ids = HashSet::new();
        for delivery in picture.deliveries.iter().filter(|delivery| delivery.destination == "crm") {
            let Payload::Call(call) = &delivery.payload else { panic!("{}", show(delivery)) };
            assert!(ids.insert(call["messageId"].clone()), "two calls under one id");
            let personas = &call["context"]["personas"];
            let id = personas["computation_id"].as_str().unwrap();
            let key = personas["computation_key"].as_str().unwrap();
            let value = call["traits"][key].as_bool().unwrap();
            let before = told.insert((key, &delivery.user), (value, id));
            let is_first_of_its_id = before.is_none_or(|(_, known)| known != id);
            assert!(
                before.is_some_and(|(before, _)| before) != value || (is_first_of_its_id && value),
                "calls do not alternate: {}",
                show(delivery)
            );
        }
        for profile in &picture.profiles {
            for (key, membership) in &profile.memberships {
                let last = told.get(&(key.as_str(), &profile.key));
                let expected = (membership.member, membership.audience_id.as_str());
                assert_eq!(last, Some(&expected), "the last call is not the truth");
            }
        }
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
    async fn check_counts(&self, picture: &Picture) {
        let mut counts = Counts {
            events: u64::try_from(picture.events.len()).unwrap(),
            profiles: u64::try_from(picture.profiles.len()).unwrap(),
            ..Counts::default()
        };
        for journey in &picture.journeys {
            *counts.journeys.entry(journey.status).or_default() += 1;
        }
        for delivery in &picture.deliveries {
            *counts
                .deliveries
                .entry((delivery.destination.clone(), delivery.status.as_str()))
                .or_default() += 1;
        }
        for audience in self.store.audiences_with_members().await.unwrap() {
            let members = all!(self, |page| self.store.members(&audience, &page));
            // One that nobody is in any more may still have a record of its sizes.
            if !members.is_empty() {
                counts.members.insert(audience, u64::try_from(members.len()).unwrap());
            }
        }
        let mut actual = picture.counts.clone();
        actual.journeys.retain(|_, count| *count > 0);
        actual.members.retain(|_, count| *count > 0);
        actual.deliveries.retain(|_, count| *count > 0);
        assert_eq!(actual, counts);
    }

    /// Nothing waits any more.
    pub async fn check_drained(&self) {
        let picture = self.picture().await;
        assert!(picture.deliveries.iter().all(|delivery| delivery.status != DeliveryStatus::Pending));
        for delivery in picture.deliveries.iter().filter(|d| d.status == DeliveryStatus::Delivered) {
            assert!(self.arrivals.iter().any(|arrival| arrival.id == delivery.id), "{}", show(delivery));
        }
    }
}
