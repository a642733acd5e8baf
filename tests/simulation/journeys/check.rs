//! What has to be true of this world whenever the engine rests.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use stagepost::domain::delivery::Payload;
use stagepost::domain::ids::UserKey;
use stagepost::domain::journey::Journey;
use stagepost::domain::limits;
use stagepost::domain::sizes::Per;

use super::model::{AUDIENCES, FORMS};
use super::{LEVELS, World};
use crate::machine::show;
use crate::picture::Picture;
use crate::runs::{check_journey, check_levels};

impl World {
    /// Checks everything; to be called when the engine rests after a tick.
    pub async fn check(&self) {
        let picture = self.picture().await;
        self.check_all(&picture).await;
        self.check_memberships(&picture);
        self.check_journeys(&picture);
        check_levels(&picture, LEVELS[self.levels], &LEVELS, self.now());
        self.check_calls(&picture);
        self.check_sizes_by_calls(&picture).await;
    }

    /// Each membership is what the whole history says.
    fn check_memberships(&self, picture: &Picture) {
        for profile in &picture.profiles {
            let user = profile.key.user_id().unwrap();
            let history = &self.history[user];
            let traits = |name: &str| profile.trait_value(name).as_deref() == Some(&Value::Bool(true));
            assert_eq!(profile.trait_value("plan").as_deref().and_then(Value::as_str), history.plan());
            for (which, name) in AUDIENCES.iter().enumerate() {
                let Some(form) = self.forms.get(name) else { continue };
                let form = &FORMS[which][*form];
                let expected = (form.holds)(history, self.now(), &traits);
                assert_eq!(
                    traits(name),
                    expected,
                    "{user} in {name} ({}) at {}\n{history:?}\n{}",
                    form.query,
                    self.now(),
                    show(profile)
                );
            }
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
        picture.journeys.iter().for_each(|journey| check_journey(journey, self.now()));
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
            for (key, membership) in profile.memberships.iter() {
                let last = told.get(&(key, &profile.key));
                let expected = (membership.member, membership.audience_id.as_str());
                assert_eq!(last, Some(&expected), "the last call is not the truth");
            }
        }
    }

    /// Nobody enters or leaves without a call: the sizes over time are those that the calls give.
    async fn check_sizes_by_calls(&self, picture: &Picture) {
        let mut told: HashMap<(&str, &UserKey), bool> = HashMap::new();
        let mut points: BTreeMap<(&str, Per, i64), (u64, u64)> = BTreeMap::new();
        for delivery in picture.deliveries.iter().filter(|delivery| delivery.destination == "crm") {
            let Payload::Call(call) = &delivery.payload else { panic!("{}", show(delivery)) };
            let personas = &call["context"]["personas"];
            let id = personas["computation_id"].as_str().unwrap();
            let value = call["traits"][personas["computation_key"].as_str().unwrap()].as_bool().unwrap();
            let was = told.insert((id, &delivery.user), value).unwrap_or(false);
            if !picture.members.contains_key(id) || was == value {
                continue;
            }
            for per in Per::ALL {
                let start = per.start_of(delivery.created_at).millis();
                let (entered, exited) = points.entry((id, per, start)).or_default();
                *(if value { entered } else { exited }) += 1;
            }
        }
        for id in picture.members.keys() {
            for per in Per::ALL {
                let actual: Vec<_> = self.sizes(id, per).await;
                let actual: Vec<_> =
                    actual.iter().map(|it| (it.start.millis(), (it.entered, it.exited))).collect();
                let expected = points.range((id.as_str(), per, i64::MIN)..=(id.as_str(), per, i64::MAX));
                let expected: Vec<_> = expected.map(|((.., start), counts)| (*start, *counts)).collect();
                assert_eq!(actual, expected, "sizes of {id} {per:?}");
            }
        }
    }
}
