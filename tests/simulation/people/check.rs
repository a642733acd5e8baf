//! What has to be true of this world whenever the engine rests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stagepost::domain::definition::{Computation, History, Status};
use stagepost::domain::ids::UserKey;
use stagepost::domain::limits;
use stagepost::domain::profile::Profile;
use stagepost::engine::Question;

use super::forms::SPECS;
use super::{LEVELS, World};
use crate::machine::show;
use crate::picture::Picture;
use crate::runs::{check_journey, check_levels};

/// Whether two values are the same; averages to the last digits that doubles have.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
        _ => one == other,
    }
}

/// Whether it is a value that somebody has who never did anything.
pub fn is_empty(value: &Value) -> bool {
    *value == Value::Bool(false) || value.is_null() || *value == 0 || *value == Value::Array(Vec::new())
}

/// The value that a profile has of a computation; `None` when it never had one.
pub fn present(profile: &Profile, computation: &Computation) -> Option<Value> {
    let membership = profile.memberships.get(&computation.key);
    let membership = membership.filter(|known| known.audience_id == computation.id);
    let value = profile.values.get(&computation.key);
    let value = value.filter(|known| known.computation_id == computation.id);
    membership.map(|known| known.member.into()).or_else(|| value.map(|known| known.value.clone()))
}

impl World {
    /// Checks everything; to be called when the engine rests after a tick.
    pub async fn check(&self) {
        let picture = self.picture().await;
        self.check_all(&picture).await;
        self.check_people(&picture).await;
        self.check_values(&picture);
        self.check_tallies(&picture);
        self.check_journeys(&picture);
        check_levels(&picture, LEVELS, &[LEVELS], self.now());
        self.check_calls(&picture);
    }

    /// There is a profile of everybody, with his traits and accounts, and a pointer for each of his other ids.
    async fn check_people(&self, picture: &Picture) {
        let actual: BTreeSet<&UserKey> = picture.profiles.iter().map(|profile| &profile.key).collect();
        let expected: BTreeSet<&UserKey> =
            self.model.people.keys().chain(self.model.accounts.keys()).collect();
        assert_eq!(actual, expected, "profiles");
        for (from, into) in &self.model.pointers {
            let pointer = self.store.profile(from).await.unwrap().unwrap();
            assert_eq!(pointer.merged_into.as_ref(), Some(into), "whose {from} is");
        }
        for profile in &picture.profiles {
            let (traits, names) = match self.model.people.get(&profile.key) {
                Some(person) => {
                    let groups: BTreeSet<String> = profile.groups.iter().cloned().collect();
                    assert_eq!(groups, person.groups, "accounts of {}", profile.key);
                    (&person.traits, ["plan", "limit"].as_slice())
                }
                None => (&self.model.accounts[&profile.key], ["tier"].as_slice()),
            };
            for name in names {
                let actual = profile.trait_value(name).map(|value| value.into_owned());
                assert_eq!(actual, traits.get(name), "trait {name} of {}", profile.key);
            }
        }
    }

    /// Each computation is live, and each value is what the whole history says.
    fn check_values(&self, picture: &Picture) {
        let definitions = self.engine.definitions();
        assert!(self.engine.backfills().is_empty(), "a backfill does not end");
        let keys: BTreeSet<&str> = definitions.computations().map(|it| it.key.as_str()).collect();
        let expected: BTreeSet<&str> = self.defined.keys().copied().collect();
        assert_eq!(keys, expected, "computations");
        let profiles: BTreeMap<&UserKey, &Profile> =
            picture.profiles.iter().map(|profile| (&profile.key, profile)).collect();
        for (key, defined) in &self.defined {
            let computation = definitions.computation(key).unwrap();
            if !defined.wish.enabled {
                assert_eq!(computation.status, Status::Disabled, "{key}");
                continue;
            }
            assert_eq!(computation.status, Status::Live, "{key}");
            assert!(computation.announcements.is_empty(), "{key}: {:?}", computation.announcements);
            let spec = &SPECS[defined.wish.which];
            let computed =
                |key: &UserKey, name: &str| profiles[key].trait_value(name).map(|value| value.into_owned());
            for profile in &picture.profiles {
                let expected = self.expected(defined, &profile.key, &computed);
                let actual = present(profile, computation);
                let is_right = match (&actual, &expected) {
                    (Some(actual), Some(expected)) => same(actual, expected),
                    (None, expected) => expected.as_ref().is_none_or(is_empty),
                    (Some(actual), None) => is_empty(actual),
                };
                assert!(
                    is_right,
                    "{} has {actual:?} instead of {expected:?} in {key} ({}, {:?}) at {}\n{}",
                    profile.key,
                    spec.forms[defined.wish.form].query,
                    defined.wish,
                    self.now(),
                    show(profile)
                );
                let known = profile.memberships.get(key).map(|known| known.audience_id.clone());
                let known = known.or(profile.values.get(key).map(|known| known.computation_id.clone()));
                assert!(known.is_none_or(|id| id == computation.id), "{} has an old {key}", profile.key);
            }
        }
    }

    /// Who would be in a computation if it were made now is who is in it.
    pub async fn check_previews(&self) {
        let picture = self.picture().await;
        let definitions = self.engine.definitions();
        for (key, defined) in &self.defined {
            if !defined.wish.enabled || defined.wish.history != History::All {
                continue;
            }
            let computation = definitions.computation(key).unwrap();
            let (query, target) = (computation.query.clone(), computation.target);
            let question = Question { query, target, include_anonymous: computation.include_anonymous };
            let preview = self.engine.preview(question).await.unwrap();
            let values = picture.profiles.iter().filter_map(|profile| present(profile, computation));
            let expected = values.filter(|value| !is_empty(value)).count();
            assert_eq!(preview.count, u64::try_from(expected).unwrap(), "{key}: {preview:?}");
        }
    }

    /// Each account knows how many users it has, and of how many each part is true.
    fn check_tallies(&self, picture: &Picture) {
        let definitions = self.engine.definitions();
        for account in &picture.profiles {
            let Some(group) = account.key.group_id() else { continue };
            let people = |is_wanted: fn(&UserKey) -> bool| {
                u64::try_from(self.model.users_of(group).filter(|(key, _)| is_wanted(key)).count()).unwrap()
            };
            assert_eq!(account.users.known, people(|key| key.user_id().is_some()), "users of {group}");
            assert_eq!(account.users.anonymous, people(|key| key.user_id().is_none()), "visitors of {group}");
            for part in definitions.computations().flat_map(|it| &it.parts) {
                let is_linked = |user: &&Profile| user.groups.iter().any(|known| known == group);
                let users = picture.profiles.iter().filter(is_linked);
                let yes = users.filter(|user| user.parts.get(&part.id) == Some(&true)).count();
                let counted = account.users.yes.get(&part.id).copied().unwrap_or(0);
                assert_eq!(counted, u64::try_from(yes).unwrap(), "a part of {group}: {}", show(account));
            }
        }
    }

    /// Each post is in exactly one journey of whoever posted it, and each journey stands where its posts put it.
    fn check_journeys(&self, picture: &Picture) {
        let mut steps: BTreeMap<&UserKey, Vec<&str>> = BTreeMap::new();
        for journey in &picture.journeys {
            check_journey(journey, self.now());
            let of_user = steps.entry(&journey.user).or_default();
            of_user.extend(journey.steps.iter().map(|step| step.message_id.as_str()));
        }
        for (key, person) in &self.model.people {
            let mut stepped = steps.remove(key).unwrap_or_default();
            let mut posted: Vec<&str> = person.posts.iter().map(String::as_str).collect();
            stepped.sort_unstable();
            posted.sort_unstable();
            assert_eq!(stepped, posted, "posts and steps of {key}");
        }
        assert!(steps.is_empty(), "journeys of nobody: {steps:?}");
        for profile in &picture.profiles {
            let open = profile.journeys.iter().filter(|journey| journey.status.is_open()).count();
            assert!(open <= limits::MAX_OPEN_JOURNEYS, "{open} open journeys of {}", profile.key);
        }
    }
}
