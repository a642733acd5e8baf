//! What the model says of a computation's value, and that nobody was ever told anything else.

use serde_json::Value;
use stagepost::domain::definition::History;
use stagepost::domain::delivery::{Cause, Delivery, DeliveryFilter};
use stagepost::domain::event::Event;
use stagepost::domain::ids::UserKey;
use stagepost::domain::page::PageRequest;

use super::calls::read;
use super::check::same;
use super::forms::{SPECS, TraitOf, View};
use super::model::{Arrived, Traits};
use super::{Defined, RECEIVERS, World};
use crate::machine::show;

/// The values of computed traits, for those that are asked about them.
type Computed<'a> = &'a dyn Fn(&UserKey, &str) -> Option<Value>;

impl World {
    /// The value that somebody, or an account, has by now; `None` when the computation is not about him.
    pub(super) fn expected(&self, defined: &Defined, key: &UserKey, computed: Computed<'_>) -> Option<Value> {
        let spec = &SPECS[defined.wish.which];
        let is_known = |key: &UserKey| key.user_id().is_some() || defined.wish.include_anonymous;
        let view = match key.group_id() {
            Some(group) if spec.is_of_accounts => {
                let people: Vec<_> = self.model.users_of(group).collect();
                let known = people.iter().filter(|(key, _)| is_known(key));
                let users = known.map(|(key, _)| self.view(defined, key, computed)).collect();
                let events = people.iter().flat_map(|(_, person)| counting(defined, &person.events));
                let traits = traits(key, &self.model.accounts[key], computed);
                View { events: events.collect(), now: self.now(), traits, users }
            }
            None if !spec.is_of_accounts && is_known(key) => self.view(defined, key, computed),
            _ => return None,
        };
        Some((spec.forms[defined.wish.form].value)(&view))
    }

    fn view<'a>(&'a self, defined: &'a Defined, key: &'a UserKey, computed: Computed<'a>) -> View<'a> {
        let person = &self.model.people[key];
        View {
            events: counting(defined, &person.events).collect(),
            now: self.now(),
            traits: traits(key, &person.traits, computed),
            users: Vec::new(),
        }
    }

    /// Notes what is true of an event's user and his accounts now that it was taken in.
    pub(super) fn note_truths(&mut self, event: &Event) {
        let user = self.model.surviving(&event.user_key());
        let groups = self.model.people[&user].groups.iter().map(|group| UserKey::group(group));
        for profile in groups.chain([user.clone()]) {
            for (key, defined) in self.defined.iter().filter(|(_, defined)| is_plain(defined)) {
                let value = self.expected(defined, &profile, &|_, _| None);
                self.truths.insert((event.message_id.clone(), key, profile.clone()), value);
            }
        }
    }

    /// Whatever was told since the last look was so at that moment.
    pub(super) async fn check_new_calls(&mut self) {
        let page = PageRequest { limit: 1000, cursor: None };
        let mut made = self.store.deliveries(&DeliveryFilter::default(), &page).await.unwrap().rows;
        made.retain(|delivery| Some(delivery.id) > self.looked_at);
        self.looked_at = self.looked_at.max(made.first().map(|delivery| delivery.id));
        for delivery in made {
            if RECEIVERS.contains(&delivery.destination.as_str())
                && delivery.created_at == self.clock.now()
                && let Some(truth) = self.truth(&delivery).await
            {
                let (line, told) = read(&delivery);
                assert!(
                    same(told.value, &truth),
                    "{line:?} is {truth}, not {}\n{}",
                    told.value,
                    show(&delivery)
                );
            }
        }
    }

    /// What a call had to say; `None` where that is not known any more.
    async fn truth(&self, delivery: &Delivery) -> Option<Value> {
        let (line, _) = read(delivery);
        match &delivery.cause {
            Cause::Event(id) => {
                let event = self.store.events(&[*id]).await.unwrap().remove(0);
                let spec = SPECS.iter().find(|spec| spec.key == line.2)?;
                self.truths.get(&(event.message_id, spec.key, delivery.user.clone())).cloned().flatten()
            }
            // Of an account time may change several users, one after another.
            Cause::Time if delivery.user.group_id().is_some() => None,
            Cause::Time | Cause::Backfill => {
                let defined = self.defined.get(line.2).filter(|defined| is_plain(defined))?;
                self.expected(defined, &delivery.user, &|_, _| None)
            }
            Cause::Merge
            | Cause::Deletion
            | Cause::Stall(_)
            | Cause::Digest(_)
            | Cause::Health
            | Cause::Operator => None,
        }
    }
}

/// Whether its value hangs on nothing that is computed.
fn is_plain(defined: &Defined) -> bool {
    let query = SPECS[defined.wish.which].forms[defined.wish.form].query;
    defined.wish.enabled && SPECS.iter().all(|spec| !query.contains(&format!("trait('{}')", spec.key)))
}

/// Those of a person's events that the computation looks at.
fn counting<'a>(defined: &'a Defined, events: &'a [Arrived]) -> impl Iterator<Item = &'a Event> {
    let (arrived, made) = defined.made;
    let counts = move |it: &&Arrived| {
        let at = it.event.timestamp.millis();
        match defined.wish.history {
            History::All => true,
            History::Off => it.place >= arrived && at >= made,
            History::Last(span) => at >= made - span.millis(),
        }
    };
    events.iter().filter(counts).map(|it| &it.event)
}

/// Custom traits from the model, computed ones as they are.
fn traits<'a>(key: &'a UserKey, custom: &'a Traits, computed: Computed<'a>) -> TraitOf<'a> {
    Box::new(
        move |name| {
            if SPECS.iter().any(|spec| spec.key == name) { computed(key, name) } else { custom.get(name) }
        },
    )
}
