//! What receivers are told: each change once, and in the end the truth.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use stagepost::domain::delivery::{Cause, Delivery, Payload};
use stagepost::domain::ids::{DeliveryId, UserKey};

use super::check::{is_empty, present, same};
use super::{RECEIVERS, Rerouting, SPECS, World};
use crate::machine::show;
use crate::picture::Picture;

/// To whom of whom and what: receiver, user, key of the computation, type of the call.
pub(super) type Line<'a> = (&'a str, &'a UserKey, &'a str, &'a str);

/// What was told last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) value: &'a Value,
    computation: &'a str,
    delivery: DeliveryId,
}

impl World {
    pub(super) fn check_calls(&self, picture: &Picture) {
        let mut told: HashMap<Line<'_>, Told<'_>> = HashMap::new();
        let mut ids = HashSet::new();
        let mut reasons: HashMap<String, usize> = HashMap::new();
        let calls = picture.deliveries.iter().filter(|it| RECEIVERS.contains(&it.destination.as_str()));
        for delivery in calls {
            let (line, now) = read(delivery);
            assert!(ids.insert(&delivery.message_id), "two calls under one id: {}", show(delivery));
            self.check_occasion(line, now, delivery);
            let before = told.insert(line, now).filter(|before| !self.was_added(line, *before, now));
            // What a person was told is told again when another profile becomes part of his.
            if delivery.cause != Cause::Merge || line.1.group_id().is_some() {
                self.check_change(line, before, now, delivery);
            }
            let times =
                reasons.entry(format!("{line:?} {:?} {}", delivery.cause, delivery.created_at)).or_default();
            *times += 1;
            assert!(*times <= self.most_for_one_reason(delivery), "once too often: {}", show(delivery));
        }
        self.check_truth(picture, &told);
        self.check_exits(&told);
    }

    /// How often the same may be told of for the same reason at one instant.
    fn most_for_one_reason(&self, delivery: &Delivery) -> usize {
        let is_account = delivery.user.group_id().is_some();
        match delivery.cause {
            Cause::Event(_) => 1,
            Cause::Time if !is_account => 1,
            Cause::Merge if !is_account => {
                let into = (delivery.user.clone(), delivery.created_at.millis());
                self.mergers.get(&into).copied().unwrap_or(0)
            }
            // Of an account several users may be what changes it, one after another.
            _ => usize::MAX,
        }
    }

    /// Nobody is told under a former id, by a computation that is disabled, or where it is not routed to.
    fn check_occasion(&self, line: Line<'_>, now: Told<'_>, delivery: &Delivery) {
        let merged = self.merged.get(line.1).copied();
        assert!(merged.is_none_or(|at| at >= Some(now.delivery)), "told of a former id: {}", show(delivery));
        let silent = self.disabled.get(line.2).copied().flatten();
        let is_silent = silent.is_some_and(|at| now.delivery > at)
            && self.defined.get(line.2).is_some_and(|defined| !defined.wish.enabled);
        assert!(!is_silent || delivery.cause == Cause::Merge, "is disabled: {}", show(delivery));
        let route = self.reroutings_of(line).filter(|it| it.newest < Some(now.delivery)).last();
        assert!(route.is_some_and(|it| it.is_added), "is no receiver: {}", show(delivery));
    }

    /// Whether the receiver was added between the two calls: it is told of everything then, whatever it heard before.
    fn was_added(&self, line: Line<'_>, before: Told<'_>, now: Told<'_>) -> bool {
        self.reroutings_of(line)
            .any(|it| it.is_added && it.newest >= Some(before.delivery) && it.newest < Some(now.delivery))
    }

    fn reroutings_of(&self, line: Line<'_>) -> impl Iterator<Item = &Rerouting> {
        self.reroutings.iter().filter(move |it| (it.key, it.receiver) == (line.2, line.0))
    }

    /// A call says something new: another value, or the same one under the id of a computation that was made anew.
    fn check_change(&self, line: Line<'_>, before: Option<Told<'_>>, now: Told<'_>, delivery: &Delivery) {
        let is_told_all = matches!(delivery.cause, Cause::Backfill);
        let is_new = match before {
            Some(before) if before.computation == now.computation => !same(before.value, now.value),
            Some(before) => !is_empty(now.value) || !same(before.value, now.value),
            // A receiver that was added is told of counts that fell back, too.
            None if is_told_all && !now.value.is_null() && *now.value != Value::Bool(false) => true,
            // What an earlier computation said, perhaps to others or under another id, is taken back.
            None if self.makings[line.2] > 1 => true,
            None if self.reroutings_of(line).any(|it| it.hears_changes_only) => true,
            None => !is_empty(now.value),
        };
        assert!(is_new, "{line:?} at {}: {now:?} after {before:?}\n{}", delivery.created_at, show(delivery));
    }

    /// The last call on each line is the truth, and nobody is missed.
    fn check_truth(&self, picture: &Picture, told: &HashMap<Line<'_>, Told<'_>>) {
        let definitions = self.engine.definitions();
        for (key, defined) in self.defined.iter().filter(|(_, defined)| defined.wish.enabled) {
            let spec = &SPECS[defined.wish.which];
            let computation = definitions.computation(key).unwrap();
            for (place, receiver) in RECEIVERS.iter().enumerate() {
                if !defined.wish.destinations[place] {
                    continue;
                }
                for profile in &picture.profiles {
                    let present = present(profile, computation);
                    let types = if spec.is_of_accounts { &["group"] } else { spec.emit };
                    for call_type in types {
                        let line = (*receiver, &profile.key, *key, *call_type);
                        let may_miss =
                            self.reroutings_of(line).last().is_some_and(|it| it.hears_changes_only);
                        let last = told.get(&line).filter(|last| !self.was_added_since(line, **last));
                        let is_true = match (last, &present) {
                            (Some(last), Some(present)) => same(last.value, present),
                            (Some(last), None) => is_empty(last.value),
                            (None, Some(present)) => {
                                may_miss || present.is_null() || *present == Value::Bool(false)
                            }
                            (None, None) => true,
                        };
                        assert!(
                            is_true,
                            "{line:?} was told {:?}, but it is {present:?}\n{:?}\n{}",
                            last.map(|last| last.value),
                            defined.wish,
                            show(profile)
                        );
                    }
                }
            }
        }
    }

    fn was_added_since(&self, line: Line<'_>, last: Told<'_>) -> bool {
        self.reroutings_of(line).any(|it| it.is_added && it.newest >= Some(last.delivery))
    }

    /// Of an audience that was deleted with a word to its members, the last word is that they are out.
    fn check_exits(&self, told: &HashMap<Line<'_>, Told<'_>>) {
        for (key, (id, destinations)) in &self.exiting {
            for (line, last) in told.iter().filter(|(line, last)| line.2 == *key && last.computation == id) {
                let place = RECEIVERS.iter().position(|receiver| *receiver == line.0).unwrap();
                let was_told = !self.merged.contains_key(line.1) && !self.was_added_since(*line, *last);
                if destinations[place] && was_told {
                    assert_eq!(last.value, &Value::Bool(false), "{line:?} is still in");
                }
            }
        }
    }
}

/// What a call says of whom.
pub(super) fn read(delivery: &Delivery) -> (Line<'_>, Told<'_>) {
    let Payload::Call(call) = &delivery.payload else { panic!("{}", show(delivery)) };
    let personas = &call["context"]["personas"];
    let key = personas["computation_key"].as_str().unwrap();
    let call_type = call["type"].as_str().unwrap();
    let fields = if call_type == "track" { "properties" } else { "traits" };
    let (id_field, id) = match (delivery.user.user_id(), delivery.user.group_id()) {
        (Some(user), _) => ("userId", user),
        (None, Some(group)) => ("groupId", group),
        (None, None) => ("anonymousId", delivery.user.anonymous_id().unwrap()),
    };
    assert_eq!(call[id_field], id, "{}", show(delivery));
    assert_eq!(call["messageId"], delivery.message_id.as_str(), "{}", show(delivery));
    let value = call[fields].get(key).unwrap_or_else(|| panic!("{}", show(delivery)));
    let computation = personas["computation_id"].as_str().unwrap();
    let line = (delivery.destination.as_str(), &delivery.user, key, call_type);
    (line, Told { value, computation, delivery: delivery.id })
}
