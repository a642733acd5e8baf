//! Holds what somebody shows against the truth: values at every instant, and the calls that told of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::case::{Case, Definition, Form, Step};
use crate::history::{History, Id, Owner, Post, What};
use crate::language::{Millis, Query, Reducer};
use crate::truth::{self, Given};
use crate::value::same;

/// Where what is shown is not the truth.
#[derive(Clone, Debug)]
pub struct Mismatch {
    pub key: String,
    pub owner: Owner,
    pub now: Millis,
    pub expected: String,
    pub actual: String,
}

/// What is shown of somebody under the key of a definition; `None` is null.
pub type Shown<'a> = &'a dyn Fn(Owner, &str) -> Option<Value>;

/// Calls that were made, in their order: of whom, of which definition, and the value they told.
pub type Calls = Vec<(Owner, String, Value)>;

/// Knows what has happened so far, and what was shown.
pub struct Judge<'c> {
    case: &'c Case,
    pub history: History,
    /// The form that each definition has now.
    active: Vec<Option<usize>>,
    /// What the definitions give as traits, as it was last shown.
    given: Given,
    /// Audiences that somebody was in, and computed traits that had a value, at some instant that was looked at.
    ever: BTreeSet<(Owner, String)>,
    /// Those that may have been for a moment between two such instants.
    perhaps: BTreeSet<(Owner, String)>,
    /// Whether nobody has looked since the last step.
    unseen: bool,
    /// Who was merged with somebody.
    told_again: BTreeSet<Owner>,
    /// The values that were shown one after another.
    changes: BTreeMap<(Owner, String), Vec<Value>>,
}

impl<'c> Judge<'c> {
    pub fn new(case: &'c Case) -> Self {
        Self {
            case,
            history: History::new(None),
            active: vec![None; case.definitions.len()],
            given: Given::new(),
            ever: BTreeSet::new(),
            perhaps: BTreeSet::new(),
            unseen: false,
            told_again: BTreeSet::new(),
            changes: BTreeMap::new(),
        }
    }

    /// The definitions that are in force, with their form.
    pub fn in_force(&self) -> impl Iterator<Item = (&'c Definition, &'c Form)> {
        let forms = self.case.definitions.iter().zip(&self.active);
        forms.filter_map(|(definition, form)| Some((definition, &definition.forms[(*form)?])))
    }

    /// Takes note of a step before what follows from it is judged.
    pub fn note(&mut self, step: &Step, now: Millis) {
        match step {
            Step::Define { which, .. } => {
                for (place, form) in which {
                    let key = &self.case.definitions[*place].key;
                    if self.active[*place].replace(*form).is_some() {
                        // Between the old form and the new one anything may have been shown.
                        self.anything_may_have_been(key);
                        self.ever.retain(|(_, known)| known != key);
                    }
                }
            }
            Step::Arrive(posts) => {
                for (place, post) in posts.iter().enumerate() {
                    let before: BTreeSet<usize> = self.history.users().collect();
                    self.history.take(post, now);
                    self.note_merge(post, &before);
                    if place + 1 < posts.len() {
                        self.note_between(now);
                    }
                }
            }
            Step::Pass { .. } | Step::Restart => {}
        }
        // What was overdue while this step was taken may have shown in what followed from it.
        if step.is_unseen() || self.unseen {
            for (definition, _) in self.in_force().collect::<Vec<_>>() {
                self.anything_may_have_been(&definition.key);
            }
        }
        self.unseen = step.is_unseen();
    }

    /// Two that are one now: he is told again what is true, and what was told to either counts as told to him.
    fn note_merge(&mut self, post: &Post, before: &BTreeSet<usize>) {
        let Id::User(into) = self.history.person(post.by()) else { return };
        if post.anonymous.is_some() || matches!(post.what, What::Alias(_)) {
            self.told_again.insert(Owner::User(into));
            for (definition, _) in self.in_force().collect::<Vec<_>>() {
                self.anything_may_have_been(&definition.key);
            }
        }
        let gone = before.iter().filter(|user| !self.history.users().any(|known| known == **user));
        for user in gone.copied().collect::<Vec<_>>() {
            let (of, into) = (Owner::User(user), Owner::User(into));
            let ever: Vec<_> = self.ever.iter().filter(|(owner, _)| *owner == of).cloned().collect();
            self.ever.extend(ever.into_iter().map(|(_, key)| (into, key)));
            self.given.retain(|(owner, _), _| *owner != of);
        }
    }

    fn anything_may_have_been(&mut self, key: &str) {
        let users = self.history.users().map(Owner::User);
        for owner in users.chain(self.history.accounts().into_iter().map(Owner::Account)).collect::<Vec<_>>()
        {
            self.perhaps.insert((owner, key.to_owned()));
        }
    }

    /// Between two posts of one request something may have been true for a moment.
    fn note_between(&mut self, now: Millis) {
        for (definition, form) in self.in_force().collect::<Vec<_>>() {
            for owner in truth::owners(form, &self.history) {
                let value = truth::value(&form.query, owner, &self.history, &self.given, now, None);
                let id = (owner, definition.key.clone());
                if !unset(&form.query, value.as_ref()) || self.given.get(&id) != value.as_ref() {
                    self.perhaps.insert(id);
                }
            }
        }
    }

    /// Judges what is shown now.
    pub fn judge(&mut self, now: Millis, shown: Shown<'_>) -> Result<(), Mismatch> {
        for (definition, form) in self.in_force().collect::<Vec<_>>() {
            for owner in truth::owners(form, &self.history) {
                let truth = truth::value(&form.query, owner, &self.history, &self.given, now, None);
                let actual = shown(owner, &definition.key);
                let allowed = self.allowed(owner, definition, form, truth);
                let agrees = |allowed: &Option<Value>| match (allowed, &actual) {
                    (Some(allowed), Some(actual)) => same(allowed, actual),
                    (None, None) => true,
                    _ => false,
                };
                if !allowed.iter().any(agrees) {
                    return Err(Mismatch {
                        key: definition.key.clone(),
                        owner,
                        now,
                        expected: allowed.iter().map(show).collect::<Vec<_>>().join(" or "),
                        actual: show(&actual),
                    });
                }
                self.remember(owner, &definition.key, actual);
            }
        }
        Ok(())
    }

    /// What may be shown where this is the truth. Nobody is told that he left what he never was in, and a value that
    /// was never there is not shown as 0.
    fn allowed(
        &self,
        owner: Owner,
        of: &Definition,
        form: &Form,
        truth: Option<Value>,
    ) -> Vec<Option<Value>> {
        let id = (owner, of.key.clone());
        let (ever, perhaps) = (self.ever.contains(&id), self.perhaps.contains(&id));
        if !unset(&form.query, truth.as_ref()) || ever || truth.is_none() {
            return vec![truth];
        }
        let matched = match &form.query {
            Query::Audience(_) => false,
            // How much matters of what happened before cannot be said from the present alone: with any such event
            // both are right.
            Query::Trait(stream, _) => self.history.events.iter().any(|event| event.name == stream.event),
        };
        if perhaps || matched { vec![truth, None] } else { vec![None] }
    }

    fn remember(&mut self, owner: Owner, key: &str, shown: Option<Value>) {
        let id = (owner, key.to_owned());
        let last = self.given.get(&id);
        if last != shown.as_ref() {
            self.changes.entry(id.clone()).or_default().push(shown.clone().unwrap_or_default());
        }
        match shown {
            Some(value) => {
                if value != json!(false) {
                    self.ever.insert(id.clone());
                }
                self.given.insert(id, value);
            }
            None => drop(self.given.remove(&id)),
        }
    }

    fn is_audience(&self, key: &str) -> bool {
        self.case.definitions.iter().any(|known| known.key == key && known.forms[0].query.is_audience())
    }

    /// Judges all calls that were made: each tells something new, and they are the changes that were seen.
    pub fn judge_calls(&self, now: Millis, calls: &Calls) -> Result<(), Mismatch> {
        let mut told: BTreeMap<(Owner, String), Vec<Value>> = BTreeMap::new();
        for (owner, key, value) in calls {
            told.entry((*owner, key.clone())).or_default().push(value.clone());
        }
        let ids: BTreeSet<_> = told.keys().chain(self.changes.keys()).cloned().collect();
        let none = Vec::new();
        let users: BTreeSet<usize> = self.history.users().collect();
        for id in ids {
            // What was told of somebody who is another now was judged when it was told.
            if matches!(id.0, Owner::User(user) if !users.contains(&user)) {
                continue;
            }
            let (calls, seen) = (told.get(&id).unwrap_or(&none), self.changes.get(&id).unwrap_or(&none));
            let told_again = self.told_again.contains(&id.0);
            let repeats = !told_again && calls.windows(2).any(|two| two[0] == two[1]);
            let entered =
                |first: &Value| !first.is_null() && (*first != json!(false) || !self.is_audience(&id.1));
            let begins = told_again || calls.first().is_none_or(entered);
            // Whoever was told nothing, or that there is nothing, is shown nothing.
            let last = seen.last().cloned().unwrap_or_default();
            let ends = calls.last().is_none_or(|told| same(told, &last));
            let equal =
                calls.len() == seen.len() && calls.iter().zip(seen).all(|(one, other)| same(one, other));
            if repeats
                || !begins
                || !ends
                || (!equal && !self.perhaps.contains(&id))
                || calls.len() < seen.len()
            {
                return Err(Mismatch {
                    key: id.1,
                    owner: id.0,
                    now,
                    expected: format!("calls that tell {}", json!(seen)),
                    actual: json!(calls).to_string(),
                });
            }
        }
        Ok(())
    }
}

/// What is not shown to those of whom nothing else was ever shown: that they are not in, and the value of no events.
pub fn unset(query: &Query, value: Option<&Value>) -> bool {
    let Some(value) = value else { return true };
    match query {
        Query::Audience(_) => *value == json!(false),
        Query::Trait(_, Reducer::Count | Reducer::Sum(_) | Reducer::UniqueCount(_)) => *value == json!(0),
        Query::Trait(_, Reducer::Unique(_)) => *value == json!([]),
        Query::Trait(..) => false,
    }
}

fn show(value: &Option<Value>) -> String {
    value.as_ref().map_or("nothing".to_owned(), Value::to_string)
}
